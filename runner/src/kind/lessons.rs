//! Lessons, both ways: those of memory into a system prompt, those of an answer out of its text.
//! Decides nothing about their worth.

use sandbox_core::port::Receipt;

/// Most lessons of one answer; the report keeps no more.
const MAX_LESSONS: usize = 50;
/// Longest text of a lesson, in characters, and longest domain.
const MAX_TEXT: usize = 500;
const MAX_DOMAIN: usize = 100;

/// A system prompt with the lessons of this receipt at its end.
pub fn with_lessons(system: &str, receipt: &Receipt) -> String {
    let block = sandbox_elf::prompt_block(receipt);
    if block.is_empty() {
        return system.to_owned();
    }
    format!("{system}\n\n{block}")
}

/// The lessons that an answer states, one line each: `[LEARNED:domain] text`.
///
/// The marker begins its line; the domain is letters, digits, `-` and `_`; the text is at most 500
/// characters. Any other line is none, and neither is one inside a fenced block, where models
/// show examples. A lesson that is said twice is kept once.
pub fn learned(answer: &str) -> Vec<String> {
    let mut lessons: Vec<String> = Vec::new();
    let mut fence = 0;
    for line in answer.lines() {
        fence = fence_after(fence, line.trim());
        let found = if fence > 0 { None } else { lesson(line) };
        if let Some(lesson) = found.filter(|l| !lessons.contains(l)) {
            lessons.push(lesson);
        }
        if lessons.len() == MAX_LESSONS {
            break;
        }
    }
    lessons
}

/// How many backticks fence what follows this line; a fence ends at one that is as long.
fn fence_after(fence: usize, line: &str) -> usize {
    let ticks = line.len() - line.trim_start_matches('`').len();
    match (fence, ticks) {
        (0, 3..) => ticks,
        (1.., _) if ticks >= fence && ticks == line.len() => 0,
        _ => fence,
    }
}

fn lesson(line: &str) -> Option<String> {
    let (domain, text) = line.strip_prefix("[LEARNED:")?.split_once(']')?;
    let text = text.trim();
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let is_domain = (1..=MAX_DOMAIN).contains(&domain.len()) && domain.bytes().all(plain);
    let is_text =
        (1..=MAX_TEXT).contains(&text.chars().count()) && !text.contains(char::is_control);
    (is_domain && is_text).then(|| format!("[LEARNED:{}] {text}", domain.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use sandbox_core::port::Lesson;

    use super::*;

    #[test]
    fn a_marked_line_is_a_lesson() {
        let answer = "Done.\n[LEARNED:sql] Dates are UTC.\r\n[LEARNED:Rust] Use `?`.\n\
            [LEARNED:sql] Dates are UTC.\n";
        let expected = ["[LEARNED:sql] Dates are UTC.", "[LEARNED:rust] Use `?`."];
        assert_eq!(learned(answer), expected);
    }

    #[test]
    fn what_is_not_quite_a_marked_line_is_none() {
        let long = format!("[LEARNED:sql] {}", "x".repeat(501));
        for line in [
            "say [LEARNED:sql] x",
            "[LEARNED:] x",
            "[LEARNED:a b] x",
            "[LEARNED:../x] x",
            "[LEARNED:sql]",
            "[LEARNED:sql x",
            "[learned:sql] x",
            "[LEARNED:sql] a\u{1b}[2J",
            long.as_str(),
        ] {
            assert!(learned(line).is_empty(), "{line}");
        }
    }

    #[test]
    fn an_example_in_a_fenced_block_is_no_lesson() {
        let answer = "````file a.md\n```\n[LEARNED:sql] example\n```\n[LEARNED:sql] example\n\
            ````\n[LEARNED:sql] real";
        assert_eq!(learned(answer), ["[LEARNED:sql] real"]);
    }

    #[test]
    fn there_is_an_end_to_the_lessons_of_one_answer() {
        let answer: String = (0..80).fold(String::new(), |s, n| s + &format!("[LEARNED:a] {n}\n"));
        assert_eq!(learned(&answer).len(), MAX_LESSONS);
    }

    #[test]
    fn lessons_stand_under_their_heading_one_line_each() {
        let lesson = |text: &str| Lesson {
            rule: "r".to_owned(),
            domain: "sql".to_owned(),
            text: text.to_owned(),
        };
        let mut receipt = Receipt::default();
        assert_eq!(with_lessons("be brief", &receipt), "be brief");
        receipt.injected = vec![lesson("Dates\nare UTC."), lesson("No SELECT *.")];
        let prompt = with_lessons("be brief", &receipt);
        assert!(prompt.starts_with("be brief\n\n## Lessons from earlier work\n"));
        assert!(
            prompt.ends_with("\n- [r sql] Dates are UTC.\n- [r sql] No SELECT *.\n"),
            "{prompt}"
        );
    }
}
