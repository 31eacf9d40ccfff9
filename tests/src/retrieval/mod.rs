//! How well memory finds the lesson that a failure asks for: sets of texts and queries with one right
//! answer each, and what is measured on them.
//!
//! | file | what it is |
//! |---|---|
//! | `ruff` | messages of a Python linter and its explanations; example code and its prose |
//! | `rustc` | real diagnostics of the Rust compiler and its explanations; situations in plain words (`paraphrases.tsv`) |

pub mod ruff;
pub mod rustc;

use sandbox_elf::index::{Text, TextIndex};

/// Texts, and queries of which each has one of them as its right answer.
#[derive(Clone, Debug, Default)]
pub struct Set {
    /// Its name.
    pub name: &'static str,
    /// The texts.
    pub texts: Vec<String>,
    /// The queries with the place of their text.
    pub queries: Vec<(String, usize)>,
}

/// What was measured, as means over the queries, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Figures {
    /// How many queries.
    pub queries: usize,
    /// How high the right answer stands among the first ten, discounted by the logarithm.
    pub ndcg_at_10: f64,
    /// How often it is the first.
    pub recall_at_1: f64,
    /// How often it is among the first five.
    pub recall_at_5: f64,
    /// How often it is among the first ten.
    pub recall_at_10: f64,
    /// One over its place, nought beyond ten.
    pub mrr_at_10: f64,
}

/// Asks the index that memory uses each query.
#[must_use]
pub fn measure(set: &Set) -> Figures {
    let texts: Vec<(u64, &String)> = (0..).zip(&set.texts).collect();
    let index = TextIndex::of(&texts, |(number, text)| Text {
        number: *number,
        parts: [text, "", ""],
    });
    let mut sum = Figures::default();
    for (query, right) in &set.queries {
        let hits = index.best(query, 10, |_| true);
        let place = hits.iter().position(|hit| hit.number == *right as u64);
        let Some(rank) = place.and_then(|p| u32::try_from(p + 1).ok()) else {
            continue;
        };
        let rank = f64::from(rank);
        sum.ndcg_at_10 += 1.0 / (rank + 1.0).log2();
        sum.mrr_at_10 += 1.0 / rank;
        sum.recall_at_10 += 1.0;
        sum.recall_at_5 += f64::from(rank <= 5.0);
        sum.recall_at_1 += f64::from(rank <= 1.0);
    }
    sum.over(set.queries.len())
}

impl Figures {
    #[expect(
        clippy::cast_precision_loss,
        reason = "there are some thousand queries"
    )]
    fn over(self, queries: usize) -> Self {
        let n = queries.max(1) as f64;
        Self {
            queries,
            ndcg_at_10: self.ndcg_at_10 / n,
            recall_at_1: self.recall_at_1 / n,
            recall_at_5: self.recall_at_5 / n,
            recall_at_10: self.recall_at_10 / n,
            mrr_at_10: self.mrr_at_10 / n,
        }
    }
}

/// What stands in the fenced blocks of a Markdown text, and what stands beside them.
fn fenced(text: &str) -> (Vec<String>, String) {
    let (mut blocks, mut prose, mut within) = (Vec::new(), String::new(), None);
    for line in text.lines() {
        match (&mut within, line.trim_start().starts_with("```")) {
            (None, true) => within = Some(String::new()),
            (Some(_), true) => blocks.extend(within.take()),
            (Some(block), false) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, false) => {
                prose.push_str(line);
                prose.push('\n');
            }
        }
    }
    (blocks, prose)
}
