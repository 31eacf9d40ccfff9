//! What the agents' program needs to go on with a session on another machine (`--resume`): its transcript, and the list
//! of what it has to do. Both stand in its configuration, the transcript in a folder that is named after the folder it
//! works in. What it wrote of large results beside them is not taken along: sessions name it by its old path.

use std::{
    fs::OpenOptions,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::desk::Desk;
use crate::backup::{create, folder::Folder};

/// The name of the transcript among what is kept, and of the folder with the list.
const KEPT: (&str, &str) = ("transcript.jsonl", "tasks");
/// The longest name of a project's folder that the program makes without shortening it.
const LONGEST: usize = 200;

/// Copies what is needed of a session into a folder; says whether there is a transcript.
///
/// # Errors
/// The disk refuses.
pub fn keep(desk: &Desk, session: &str, into: &Path) -> io::Result<bool> {
    let config = Folder::open(&desk.config())?;
    let projects = Path::new("projects");
    let file = format!("{session}.jsonl");
    for project in config.list(projects)? {
        let path = projects.join(project.name).join(&file);
        if copy(&config, &path, &into.join(KEPT.0))? {
            copy_all(&config, &tasks(session), &into.join(KEPT.1))?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Puts what was kept of a session where the program looks for it that works in `worktree`; gives the size of the
/// transcript, or nothing where there is none or the program would not look there.
///
/// # Errors
/// The disk refuses.
pub fn give_back(
    from: &Path,
    desk: &Desk,
    (session, worktree): (&str, &Path),
) -> io::Result<Option<u64>> {
    let project = project(worktree);
    if project.len() > LONGEST {
        return Ok(None);
    }
    let kept = Folder::open(from)?;
    let folder = desk.config().join("projects").join(project);
    let transcript = folder.join(format!("{session}.jsonl"));
    if !copy(&kept, Path::new(KEPT.0), &transcript)? {
        return Ok(None);
    }
    copy_all(
        &kept,
        Path::new(KEPT.1),
        &desk.config().join(tasks(session)),
    )?;
    end_line(&transcript).map(Some)
}

/// Ends a line that was cut off in its middle, so that the next one is not lost with it; gives the size of the file.
fn end_line(path: &Path) -> io::Result<u64> {
    let mut file = OpenOptions::new().read(true).append(true).open(path)?;
    let mut last = [b'\n'];
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last != [b'\n'] {
        file.write_all(b"\n")?;
    }
    file.seek(SeekFrom::End(0))
}

fn tasks(session: &str) -> PathBuf {
    Path::new("tasks").join(session)
}

/// How the program calls the folder of what belongs to a project.
fn project(folder: &Path) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    folder.to_string_lossy().chars().map(kept).collect()
}

fn copy_all(from: &Folder, folder: &Path, into: &Path) -> io::Result<()> {
    from.walk(folder, &mut |path, _| {
        let name = path.strip_prefix(folder).unwrap_or(&path);
        copy(from, &path, &into.join(name)).map(drop)
    })
}

/// Copies a regular file; says whether there is one.
fn copy(from: &Folder, path: &Path, into: &Path) -> io::Result<bool> {
    let Some(mut file) = from.file(path)? else {
        return Ok(false);
    };
    let mut to = create(into, 0o600).map_err(io::Error::other)?;
    io::copy(&mut file, &mut to)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const SESSION: &str = "11111111-2222-4333-8444-555555555555";

    #[test]
    fn a_session_is_found_by_its_program_in_another_folder() {
        let folder = tempfile::tempdir().unwrap();
        let desk = |n| Desk::new(&folder.path().join("seats/job").join(n), 1);
        let (old, new) = (desk("1"), desk("2"));
        let transcript = old.config().join("projects/-w-agent-1");
        fs::create_dir_all(&transcript).unwrap();
        fs::write(transcript.join(format!("{SESSION}.jsonl")), "{}\n{\"ha").unwrap();
        fs::create_dir_all(old.config().join(tasks(SESSION))).unwrap();
        fs::write(old.config().join(tasks(SESSION)).join("1.json"), "{}").unwrap();
        let kept = folder.path().join("kept");
        assert!(keep(&old, SESSION, &kept).unwrap());
        let given = give_back(&kept, &new, (SESSION, Path::new("/w/agent_1.2")));
        assert_eq!(given.unwrap(), Some(8));
        let there = new
            .config()
            .join("projects/-w-agent-1-2")
            .join(format!("{SESSION}.jsonl"));
        assert_eq!(fs::read_to_string(there).unwrap(), "{}\n{\"ha\n");
        assert!(new.config().join(tasks(SESSION)).join("1.json").exists());
    }

    #[test]
    fn without_a_transcript_there_is_no_session_and_a_link_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let desk = Desk::new(folder.path(), 1);
        desk.make().unwrap();
        let kept = folder.path().join("kept");
        assert!(!keep(&desk, SESSION, &kept).unwrap());
        fs::write(folder.path().join("secret"), "secret").unwrap();
        let project = desk.config().join("projects/p");
        fs::create_dir_all(&project).unwrap();
        let link = project.join(format!("{SESSION}.jsonl"));
        std::os::unix::fs::symlink(folder.path().join("secret"), link).unwrap();
        assert!(!keep(&desk, SESSION, &kept).unwrap());
        fs::create_dir_all(&kept).unwrap();
        let given = give_back(&kept, &desk, (SESSION, Path::new("/w")));
        assert_eq!(given.unwrap(), None);
    }

    #[test]
    fn a_folder_whose_name_the_program_shortens_is_not_guessed() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept");
        fs::create_dir_all(&kept).unwrap();
        fs::write(kept.join("transcript.jsonl"), "{}\n").unwrap();
        let desk = Desk::new(folder.path(), 1);
        let deep = format!("/{}", "x".repeat(LONGEST));
        let given = give_back(&kept, &desk, (SESSION, Path::new(&deep)));
        assert_eq!(given.unwrap(), None);
    }
}
