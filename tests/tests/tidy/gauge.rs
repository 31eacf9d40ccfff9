//! Lengths of functions and files: a rough reader, not a compiler.

use std::path::PathBuf;

use crate::source::{production, root};

/// What was measured.
pub struct Gauge {
    /// Lines of each function.
    pub functions: Lengths,
    /// Production lines of each file.
    pub files: Lengths,
}

/// Lengths with where they were seen, shortest first.
pub struct Lengths(Vec<(usize, String)>);

impl Lengths {
    fn new(mut seen: Vec<(usize, String)>) -> Self {
        seen.sort();
        Self(seen)
    }

    /// The longest.
    pub fn max(&self) -> usize {
        self.0.last().map_or(0, |l| l.0)
    }

    /// The length that this percentage does not exceed.
    pub fn at(&self, percent: usize) -> usize {
        let place = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(place).map_or(0, |l| l.0)
    }

    /// The longest ones, a line each.
    pub fn worst(&self, most: usize) -> String {
        let worst = self.0.iter().rev().take(most);
        worst
            .map(|(n, at)| format!("{n:4} {at}"))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// Measures these files.
pub fn measure(files: &[PathBuf]) -> Gauge {
    let (mut functions, mut lengths) = (Vec::new(), Vec::new());
    for file in files {
        let code = production(file);
        let name = file
            .strip_prefix(root())
            .unwrap_or(file)
            .display()
            .to_string();
        lengths.push((code.lines().count(), name.clone()));
        functions.extend(
            lengths_of_functions(&code)
                .into_iter()
                .map(|(n, f)| (n, format!("{name} {f}"))),
        );
    }
    Gauge {
        functions: Lengths::new(functions),
        files: Lengths::new(lengths),
    }
}

fn lengths_of_functions(code: &str) -> Vec<(usize, String)> {
    let starts = code.match_indices("fn ").map(|(at, _)| at);
    let starts = starts.filter(|at| *at == 0 || !code.as_bytes()[at - 1].is_ascii_alphanumeric());
    starts.filter_map(|at| length(&code[at..])).collect()
}

/// Lines from the `fn` to its closing brace; nothing for one without a body.
fn length(from: &str) -> Option<(usize, String)> {
    let name: String = from[3..]
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    let open = body(from)?;
    let mut depth = 0_usize;
    for (i, c) in from[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return Some((from[..=open + i].lines().count(), name)),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Where the body opens; a `;` outside brackets comes first where there is none.
fn body(from: &str) -> Option<usize> {
    let mut depth = 0_i32;
    for (i, c) in from.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ';' if depth == 0 => return None,
            '{' if depth == 0 => return Some(i),
            _ => {}
        }
    }
    None
}
