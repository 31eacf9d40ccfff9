//! Files in an answer. The format, which the model is told word for word:
//!
//! ```text
//! ````file path/to/name
//! content
//! ````
//! ```
//!
//! A block opens with a line of four or more backticks, `file`, one space and a path, and closes
//! with a line of just as many backticks. Between them stands the file as it is to be written,
//! with a line end after its last line. All other text is no file. Anything half right refuses
//! the whole answer: a guess here would write where nobody asked for it.

use std::collections::BTreeSet;

use crate::place::Relative;

/// Most files of one answer, and the most they may hold together, in bytes.
const MAX_BLOCKS: usize = 50;
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// A file to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Where, beneath the output folder.
    pub(super) path: Relative,
    /// What.
    pub(super) text: String,
}

/// The files of an answer, in its order.
///
/// # Errors
/// What is wrong with it, for people.
pub(super) fn parse(answer: &str) -> Result<Vec<Block>, String> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = answer.lines();
    while let Some(line) = lines.next() {
        let Some((fence, path)) = opening(line) else {
            continue;
        };
        let path = path_of(path)?;
        let text = content(&mut lines, fence)
            .ok_or_else(|| format!("the block of {:?} does not end", path.as_str()))?;
        blocks.push(Block { path, text });
    }
    check(&blocks)?;
    Ok(blocks)
}

/// The fence and the path of a line that opens a block.
fn opening(line: &str) -> Option<(&str, &str)> {
    let rest = line.trim_start_matches('`');
    let fence = &line[..line.len() - rest.len()];
    let path = rest.strip_prefix("file")?;
    let is_apart = path.is_empty() || path.starts_with(char::is_whitespace);
    (fence.len() >= 4 && is_apart).then_some((fence, path))
}

fn path_of(text: &str) -> Result<Relative, String> {
    let path = text.strip_prefix(' ').unwrap_or(text);
    if path.is_empty() || path.trim() != path {
        return Err(format!(
            "a block has no path, or blanks around it: {path:?}"
        ));
    }
    let path: Relative = path.parse().map_err(|e| format!("{e}"))?;
    // A repository within the output would bring settings that git obeys.
    if path.names().any(|n| n.eq_ignore_ascii_case(".git")) {
        return Err(format!("{:?} names a folder of git", path.as_str()));
    }
    Ok(path)
}

/// The lines until the fence closes; nothing when it does not.
fn content<'a>(lines: &mut impl Iterator<Item = &'a str>, fence: &str) -> Option<String> {
    let mut text = String::new();
    for line in lines {
        if line.trim_end() == fence {
            return Some(text);
        }
        text.push_str(line);
        text.push('\n');
    }
    None
}

fn check(blocks: &[Block]) -> Result<(), String> {
    if blocks.len() > MAX_BLOCKS {
        return Err(format!(
            "it has {} files, at most {MAX_BLOCKS}",
            blocks.len()
        ));
    }
    if blocks.iter().map(|b| b.text.len()).sum::<usize>() > MAX_BYTES {
        return Err(format!("its files have more than {MAX_BYTES} bytes"));
    }
    let names = blocks.iter().map(|b| b.path.as_str());
    let paths: BTreeSet<&str> = names.chain([super::ANALYSIS]).collect();
    if paths.len() <= blocks.len() {
        return Err(format!(
            "a file is given twice, or is named {}",
            super::ANALYSIS
        ));
    }
    let is_folder = |path: &&&str| {
        let folder = format!("{path}/");
        paths.iter().any(|other| other.starts_with(&folder))
    };
    match paths.iter().find(is_folder) {
        Some(path) => Err(format!("{path:?} is a file and a folder")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(answer: &str) -> Vec<(String, String)> {
        let blocks = parse(answer).unwrap();
        blocks
            .into_iter()
            .map(|b| (b.path.to_string(), b.text))
            .collect()
    }

    #[test]
    fn each_block_is_a_file() {
        let answer = "Here:\n````file a/b.sql\nselect 1;\n\n````\nand\n````file c.md\n```sql\nx\n```\n````\nbye";
        let expected = [("a/b.sql", "select 1;\n\n"), ("c.md", "```sql\nx\n```\n")];
        assert_eq!(
            files(answer),
            expected.map(|(p, t)| (p.to_owned(), t.to_owned()))
        );
    }

    #[test]
    fn a_longer_fence_holds_a_shorter_one() {
        let answer = "`````file a.md\n````file b.md\n````\n`````\n";
        assert_eq!(
            files(answer),
            [("a.md".to_owned(), "````file b.md\n````\n".to_owned())]
        );
    }

    #[test]
    fn other_fences_are_no_files() {
        assert!(
            files("```file a\nx\n```\n```sql\nx\n```\n````\nx\n````\n````filename a").is_empty()
        );
        assert!(files("").is_empty());
    }

    #[test]
    fn a_path_that_could_leave_the_output_folder_refuses_the_whole_answer() {
        for path in [
            "../x",
            "/etc/passwd",
            "a/../../x",
            "",
            " ",
            "a\\b",
            "x/.GIT/config",
            "a\0",
        ] {
            let answer = format!("````file ok\nx\n````\n````file {path}\nx\n````\n");
            assert!(parse(&answer).is_err(), "{path:?}");
        }
    }

    #[test]
    fn a_block_without_end_refuses_the_whole_answer() {
        assert!(parse("````file ok\nx\n````\n````file a\nx\n```\n").is_err());
    }

    #[test]
    fn files_that_cannot_stand_together_refuse_the_whole_answer() {
        let answer = |names: &[&str]| {
            let blocks = names.iter().map(|n| format!("````file {n}\nx\n````\n"));
            blocks.collect::<Vec<_>>().concat()
        };
        for names in [["a", "a"], ["a", "a/b"], ["analysis.md", "b"], ["b", "./b"]] {
            assert!(parse(&answer(&names)).is_err(), "{names:?}");
        }
        assert!(parse(&answer(&["a", "a-b", "ab"])).is_ok());
        let many: Vec<String> = (0..=MAX_BLOCKS).map(|n| n.to_string()).collect();
        assert!(
            parse(&answer(
                &many.iter().map(String::as_str).collect::<Vec<_>>()
            ))
            .is_err()
        );
    }
}
