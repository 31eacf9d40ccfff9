//! Whether a tool may run, by the mode and the tools that were allowed.

use super::args::{Args, Mode};

/// What happens with a tool before its hooks had their say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    Granted,
    /// A dialog opens.
    Asked,
    Refused,
}

/// Looks up a tool; `subject` is its command or its path.
pub(super) fn of(args: &Args, tool: &str, subject: &str) -> Permission {
    let edits = ["Edit", "Write"].contains(&tool);
    let listed = || {
        args.allowed_tools
            .iter()
            .any(|entry| allows(entry.trim(), tool, subject))
    };
    match args.permission_mode {
        Mode::Bypass => Permission::Granted,
        Mode::AcceptEdits if edits => Permission::Granted,
        _ if listed() => Permission::Granted,
        // Nobody could answer.
        _ if args.print => Permission::Refused,
        Mode::DontAsk => Permission::Refused,
        Mode::Default | Mode::AcceptEdits => Permission::Asked,
    }
}

/// `Edit` allows a tool, `Bash(git *)` what begins so, `Bash(ls)` just that.
fn allows(entry: &str, tool: &str, subject: &str) -> bool {
    let Some((name, rest)) = entry.split_once('(') else {
        return entry == tool;
    };
    let pattern = rest.strip_suffix(')').unwrap_or(rest);
    let fits = match pattern.strip_suffix('*') {
        Some(beginning) => subject.starts_with(beginning.trim_end_matches([':', ' '])),
        None => subject == pattern,
    };
    name == tool && fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_allows_a_tool_or_a_part_of_it() {
        assert!(allows("Edit", "Edit", "a.txt"));
        assert!(allows("Bash(git *)", "Bash", "git commit -m x"));
        assert!(allows("Bash(git:*)", "Bash", "git status"));
        assert!(!allows("Bash(git *)", "Bash", "rm -r ."));
        assert!(!allows("Bash(ls)", "Bash", "ls -l"));
    }
}
