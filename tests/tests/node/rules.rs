//! Rules of the memory, as people see and change them.

use std::process::Command;

use sandbox_tests::node::{Node, built};
use serde_json::{Value, json};

/// What the command line says.
fn says(node: &Node, words: &[&str]) -> Result<String, String> {
    let mut command = Command::new(built("sandbox"));
    let said = command
        .arg("--server")
        .arg(node.url())
        .args(words)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if said.status.success() {
        Ok(text(&said.stdout))
    } else {
        Err(text(&said.stderr))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taught_rule_is_answered_as_it_is_listed_and_a_retired_one_is_in_no_prompt() {
    let node = Node::start(&[]);
    let rule = json!({"domain": "rust", "rule": "Run clippy before each commit"});
    let (status, made) = node.post("/elf/heuristics", &rule).await;
    assert_eq!(status, 200, "{made}");
    let listed = node.get("/elf/heuristics").await.1["heuristics"][0].clone();
    assert_eq!(made, listed, "the same row, in the old words");
    assert_eq!(made["times_validated"], 0);
    let shown = says(&node, &["elf", "show", "1", "-o", "json"]).unwrap();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown, made);
    let chat = |text: &str| json!({"prompt": text, "domain": "rust"});
    let told = node
        .submit("claude_chat", chat("clippy before a commit"))
        .await;
    node.ended(&told).await;
    let receipt = says(&node, &["elf", "receipt", &told]).unwrap();
    assert!(receipt.contains("Run clippy"), "{receipt}");
    let said = says(&node, &["elf", "retire", "1", "--reason", "too slow"]).unwrap();
    assert!(said.contains("in no prompt"), "{said}");
    assert!(!says(&node, &["elf", "rules"]).unwrap().contains("clippy"));
    let later = node
        .submit("claude_chat", chat("clippy before a commit, again"))
        .await;
    node.ended(&later).await;
    let receipt = says(&node, &["elf", "receipt", &later, "--attempt", "1"]).unwrap();
    assert!(!receipt.contains("Run clippy"), "{receipt}");
    let missing = says(&node, &["elf", "show", "99"]).unwrap_err();
    assert!(missing.contains("404"), "{missing}");
}
