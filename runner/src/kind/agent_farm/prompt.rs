//! What an agent is told first: the task, how the farm works, lessons of earlier work. The words are
//! ours; the task's are the job's, unchanged.

use std::fmt::Write;

use sandbox_core::port::Receipt;

use crate::kind::lessons::with_lessons;

/// The longest prompt that is given as an argument; a longer one is read from a file. The system
/// takes 128 KiB for one argument.
pub(super) const ARGUMENT: usize = 100_000;

/// What the prompt is made of.
pub(super) struct Parts<'a> {
    /// The agent's number, from 1.
    pub(super) number: u32,
    /// How many agents there are.
    pub(super) of: u32,
    /// The text of the job's prompt file.
    pub(super) file: Option<&'a str>,
    /// What is to be done.
    pub(super) task: &'a str,
    /// The technology.
    pub(super) stack: Option<&'a str>,
    /// What memory gives.
    pub(super) lessons: &'a Receipt,
}

impl Parts<'_> {
    /// The whole text.
    pub(super) fn text(&self) -> String {
        let mut text = format!("You are agent {} of {}", self.number, self.of);
        text.push_str(" at work on this repository.\n\n# Task\n\n");
        if let Some(file) = self.file {
            text.push_str(file.trim_end());
            text.push_str("\n\n");
        }
        text.push_str(self.task);
        text.push_str("\n\n# How to work here\n");
        if let Some(stack) = self.stack {
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "
- The project's technology is {stack}. Use its usual tools and checks."
            );
        }
        if self.of > 1 {
            text.push_str(&self.share());
        }
        text.push_str(RULES);
        with_lessons(&text, self.lessons)
    }

    /// Agents that cannot talk divide the work by their numbers.
    fn share(&self) -> String {
        format!(
            "\n- The {of} agents have the same task and begin at the same time, each in a worktree of its \
             own. Divide the work without asking: list its parts in the order of their file names, and \
             take each part whose place in the list, counted from 1 and divided by {of}, leaves the \
             remainder {rest}. Leave the other parts to the others.",
            of = self.of,
            rest = self.number % self.of,
        )
    }
}

/// Rules that hold for every agent.
const RULES: &str = "
- This folder is a git worktree on a branch of its own. Change files in it only.
- Commit with git in small steps, each with a message that says why. Only what is committed counts.
- Do not push, do not switch branches, and leave other worktrees and branches alone: your commits \
are put onto the common branch when you are done.
- Run the project's own checks on what you changed before you commit it.
- Nobody reads along. Decide yourself instead of asking, and say in your last message what you decided.
- When your part is done, stop every process that you started, and end with a short summary: what you \
changed, what you left and why.
- If you learned something that would have saved you time and that holds for later work too, add to the \
summary one line for each such lesson, in exactly this form, the word being its field in lower case:
[LEARNED:domain] One sentence that is useful without knowing this task.
";

/// What an agent is told when its prompt is too long for an argument.
pub(super) fn by_file(path: &str) -> String {
    format!(
        "Your task stands in the file {path}. Read all of that file first, then do what it says."
    )
}

/// What an agent is told that goes on with its session on another machine.
pub(super) fn goes_on(folder: &str, lessons: &Receipt) -> String {
    let text = format!(
        "You were interrupted: the machine on which you worked was taken away, and you are on another one now. Your \
         worktree is {folder}. Your commits are there, and the files that you had not committed, uncommitted as before. \
         Nothing else is as it was: no process runs that you had started, and what git ignores, what you installed and \
         what you wrote elsewhere is gone. Look at `git status` and `git log`, and go on with your task where you \
         stopped; everything that you were told at the beginning still holds. If your part is done already, end with \
         the short summary."
    );
    with_lessons(&text, lessons)
}

/// What an agent is told besides its task when another one has worked on it in this worktree.
pub(super) const FOUND: &str = "
# What is there already
An earlier attempt at this task was interrupted. Its commits are in this worktree, and the files that it had not \
committed. Look at `git status` and `git log` first, keep what is good, and go on from there.
";

/// What an agent is told when its commits do not fit.
pub(super) fn conflict(tip: &str, files: &[String]) -> String {
    let shown: Vec<&str> = files.iter().take(20).map(String::as_str).collect();
    let files = if shown.is_empty() {
        "some files".to_owned()
    } else {
        shown.join(", ")
    };
    format!(
        "Your commits cannot be put onto the common branch: since you began, other agents changed the same \
         places in {files}. Run `git rebase {tip}` in this worktree. Resolve each conflict so that what the \
         others meant and what you meant both hold, run the project's checks, and finish with \
         `git rebase --continue`. Do not push. When `git status` shows a clean worktree and no rebase going \
         on, you are done."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<'a>(number: u32, of: u32, task: &'a str, lessons: &'a Receipt) -> Parts<'a> {
        Parts {
            number,
            of,
            file: None,
            task,
            stack: None,
            lessons,
        }
    }

    #[test]
    fn the_task_stands_in_the_prompt_as_it_was_given() {
        let (task, none) = (
            "$(rm -rf /); `x` \"y\" 'z' #{pane} ;\n\ttab",
            Receipt::default(),
        );
        let text = parts(2, 3, task, &none).text();
        assert!(text.contains(task) && text.contains("agent 2 of 3"));
        assert!(text.contains("leaves the remainder 2"));
        assert!(!text.contains("Lessons"));
    }

    #[test]
    fn a_single_agent_shares_with_nobody() {
        let none = Receipt::default();
        let mut parts = parts(1, 1, "do it", &none);
        assert!(!parts.text().contains("Divide"));
        parts.file = Some("First this.\n");
        assert!(parts.text().contains("First this.\n\ndo it"));
    }
}
