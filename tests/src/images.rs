//! Images as files that nodes and other engines take. Each stands in one place beside the build's programs and is made
//! once for these programs: the next run finds it, also where this one was killed meanwhile.
#![allow(
    clippy::unwrap_used,
    clippy::must_use_candidate,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
};

use rustix::fs::{FlockOperation, flock};

use crate::{
    cache::part,
    engine::{Engine, IMAGE, OPERATOR, root},
    node::built,
};

/// The image whose runner is a script of its volume.
pub const SCRIPTED: &str = "multi-agent-sandbox/scripted-pod:test";
/// The runner's image as people build it, with the real terminal agent in its place.
pub const AGENTS: &str = "multi-agent-sandbox/runner-of-tests:claude";
/// The runner's image with all that jobs of every kind need: the real terminal agent, dbt, and files of the tenant.
pub const EVERYTHING: &str = "multi-agent-sandbox/runner-of-tests:everything";
/// What makes a script of a runner.
const SCRIPT: &str = "RUN printf '#!/bin/sh\\n%s\\n' 'exec \"$(echo /workspace/*)/runner\" \"$@\"' >/usr/local/bin/sandbox";
/// Where a task looks for files of the tenant `team-a`.
const TASK_FILES: &str = "/home/sandbox/seat/workspace/team-a/";
/// Where the runner's Dockerfile puts the agent that it fetches.
const AGENT: &str = "COPY claude /usr/local/bin/claude";

/// The image of container jobs.
pub fn runner() -> PathBuf {
    archive("runner", &[IMAGE], |_| {})
}

/// That image, and one whose runner is a script.
pub fn runners() -> PathBuf {
    archive("runners", &[IMAGE, SCRIPTED], |engine| {
        let lines = format!("FROM {IMAGE}\nUSER 0\n{SCRIPT}\nUSER 10001:10001\n");
        engine.image(SCRIPTED, &lines, &[]);
    })
}

/// What an installation in a cluster runs: the operator's image, and the runner's with the real agent, which is the very
/// file that the runner's Dockerfile would fetch.
pub fn installation() -> PathBuf {
    archive("installation", &[OPERATOR, AGENTS], |engine| {
        engine.operator();
        engine.runner("multi-agent-sandbox/runner-of-tests:bare");
        let lines = format!("FROM multi-agent-sandbox/runner-of-tests:bare\n{AGENT}\n");
        let claude = part("claude", "node_modules/.bin/claude").unwrap();
        engine.image(AGENTS, &lines, &[(&claude, "claude")]);
    })
}

/// An image of tasks with these files of the tenant `team-a`, as an account has it where jobs need more than a repository
/// to clone; in the shared engine.
pub fn everything(files: &Path) -> &'static Engine {
    let engine = Engine::shared();
    let folder = tempfile::tempdir().unwrap();
    let packed = |from: &Path, name: &str| {
        let to = folder.path().join(name);
        let words = [
            "-C",
            from.to_str().unwrap(),
            "-cf",
            to.to_str().unwrap(),
            ".",
        ];
        let done = Command::new("tar").args(words).status();
        assert!(done.unwrap().success(), "{} was not packed", from.display());
        to
    };
    let dbt = packed(&part("dbt", "").unwrap(), "dbt.tar");
    let files = packed(files, "files.tar");
    let claude = part("claude", "node_modules/.bin/claude").unwrap();
    let lines = format!(
        "FROM {IMAGE}\nUSER 0\nRUN apt-get update -q && apt-get install -y -q --no-install-recommends python3\n\
         {AGENT}\nADD dbt.tar /opt/dbt/\nADD files.tar {TASK_FILES}\n\
         RUN printf '#!/bin/sh\\n%s\\n' 'PYTHONPATH=/opt/dbt exec python3 /opt/dbt/bin/dbt \"$@\"' >/usr/local/bin/dbt \\\n \
         && chmod 755 /usr/local/bin/dbt && chown -R 10001:10001 /home/sandbox/seat\n\
         USER 10001:10001\n"
    );
    let all = [
        (claude.as_path(), "claude"),
        (&dbt, "dbt.tar"),
        (&files, "files.tar"),
    ];
    engine.image(EVERYTHING, &lines, &all);
    engine
}

/// The file with these images; where it is of other programs, it is made anew, by whoever comes first.
fn archive(name: &str, tags: &[&str], make: impl FnOnce(&Engine)) -> PathBuf {
    let folder = built("sandbox").parent().unwrap().join("images");
    fs::create_dir_all(&folder).unwrap();
    let turn = File::create(folder.join("turn")).unwrap();
    flock(&turn, FlockOperation::LockExclusive).unwrap();
    let path = folder.join(format!("{name}-{:016x}.tar", sources()));
    if path.is_file() {
        return path;
    }
    for old in fs::read_dir(&folder).unwrap() {
        let old = old.unwrap();
        if is_of(&old.file_name().to_string_lossy(), name) {
            fs::remove_file(old.path()).unwrap();
        }
    }
    let engine = Engine::shared();
    make(engine);
    let part = folder.join(format!("{name}.part"));
    engine.done(&[&["save", "-o", part.to_str().unwrap()], tags].concat());
    fs::rename(part, &path).unwrap();
    path
}

/// Whether a file is one of that name, of whatever programs.
fn is_of(file: &str, name: &str) -> bool {
    let rest = file.strip_prefix(name);
    rest.is_some_and(|rest| rest.starts_with('-'))
}

/// A number for what images are made of.
fn sources() -> u64 {
    let mut hasher = DefaultHasher::new();
    (SCRIPT, AGENT).hash(&mut hasher);
    for name in ["sandbox", "sandbox-operator", "scripted-agent"] {
        state(&built(name)).hash(&mut hasher);
    }
    for image in ["runner", "operator"] {
        let file = root().join("images").join(image).join("Dockerfile");
        fs::read(file).unwrap().hash(&mut hasher);
    }
    hasher.finish()
}

fn state(file: &Path) -> (PathBuf, u64, std::time::SystemTime) {
    let of = fs::metadata(file).unwrap();
    (file.to_owned(), of.len(), of.modified().unwrap())
}
