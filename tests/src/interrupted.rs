//! A farm of one agent whose place is taken away in the middle of its work, as its model hears of it.
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]

use std::time::{Duration, Instant};

use crate::{
    model_server::{ModelServer, Recorded},
    node::PATIENCE,
};

/// The second request is heard and not answered: the place goes meanwhile.
pub const SCRIPT: &str = "\
- when: {contains: You were interrupted}
  reply: {text: \"It is all there.\\n[LEARNED:machines] They go.\"}
- when: {tool_result: ''}
  delay_ms: 600000
  reply: {text: Never said.}
- when: {contains: You are agent 1 of 1}
  reply:
    text: I add c and begin d.
    tool_use: [{name: Bash, input: {command: \"echo three >c && git add c && git commit -q -m 'Add c' && echo half >d && echo as-far-as-this\", description: Add}}]
- reply: {text: A title}
";

fn says(request: &Recorded, text: &str) -> bool {
    request.has_tools() && request.body["messages"].to_string().contains(text)
}

/// Waits until the agent is in the middle of it; gives how often the model was asked by then.
pub async fn is_at_work(model: &ModelServer, seen: impl Fn() -> String) -> usize {
    let from = Instant::now();
    while !model.requests().iter().any(|r| says(r, "as-far-as-this")) {
        assert!(from.elapsed() < PATIENCE, "never so far: {}", seen());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    model.requests().len()
}

/// The first thing that the model is asked in the next place has what was asked, done and answered in the one before.
pub fn went_on(model: &ModelServer, asked_before: usize) {
    let asked = model.requests();
    let first = asked[asked_before..].iter().find(|r| r.has_tools());
    let first = first.unwrap();
    for part in [
        "You are agent 1 of 1",
        "Mend it.",
        "I add c and begin d.",
        "as-far-as-this",
        "You were interrupted",
    ] {
        assert!(says(first, part), "{part}: {:#}", first.body["messages"]);
    }
}
