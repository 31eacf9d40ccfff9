//! How a place says what went wrong: to whoever has the job, and as the table of a page of the documentation. Which
//! causes there are is each place's own.

/// Most characters of what another program said: it may be a whole log, or a whole request.
const LONGEST: usize = 400;

/// What happened, in that program's words too, and what to do.
pub(super) fn told(what: &str, words: &str, remedy: &str) -> String {
    let words = shortened(words);
    let said = if words.is_empty() {
        String::new()
    } else {
        format!(" ({words})")
    };
    format!("{what}{said}; {remedy}")
}

/// A message of another program on one line.
pub(super) fn shortened(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(LONGEST).collect()
}

/// Causes as Markdown: what happens, by what it is seen, its class, what becomes of the attempt, what to do.
pub(super) fn table(rows: impl Iterator<Item = [&'static str; 5]>) -> String {
    let head =
        "| what happens | seen by | class | the attempt | what to do |\n|---|---|---|---|---|\n";
    let row = |cells: [&str; 5]| format!("| {} |\n", cells.join(" | "));
    head.to_owned() + &rows.map(row).collect::<String>()
}
