//! What the tests of this class share: the command line as a person calls it, and what stands in folders.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use sandbox_tests::node::{Node, built};
use serde_json::{Value, json};

/// The command line without anything of the caller's environment.
pub fn sandbox(words: &[&str]) -> Command {
    let mut command = Command::new(built("sandbox"));
    command.args(words).env_clear().stdin(Stdio::null());
    command.env("PATH", std::env::var("PATH").unwrap_or_default());
    command.env("HOME", "/nonexistent").current_dir("/");
    command
}

/// What a command said, both ways.
pub fn said(output: &Output) -> String {
    let both = [&output.stdout, &output.stderr];
    both.map(|b| String::from_utf8_lossy(b).into_owned())
        .concat()
}

/// Runs a command that must do what it is told; gives what it said.
pub fn done(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

/// Runs a command that must refuse; gives what it said.
pub fn refused(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{}", said(&output));
    said(&output)
}

/// The command that makes a backup of this data folder.
pub fn backup(data: &Path, file: &Path) -> Command {
    let (data, file) = (data.to_str().unwrap(), file.to_str().unwrap());
    sandbox(&["backup", "--data-dir", data, file])
}

/// The command that restores a backup into this data folder.
pub fn restore(file: &Path, data: &Path) -> Command {
    let (data, file) = (data.to_str().unwrap(), file.to_str().unwrap());
    sandbox(&["restore", "--data-dir", data, file])
}

/// The names in a folder.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Every file beneath a folder with its bytes.
pub fn bytes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.clone(), fs::read(&path).unwrap_or_default());
            }
        }
    }
    found
}

/// A node that did one job and learned one rule; its server has ended. With the job's id.
pub async fn one_job() -> (Node, String) {
    let mut node = Node::start(&[]);
    let id = node.submit("echo", json!({"message": "kept"})).await;
    node.ended(&id).await;
    let rule = json!({"domain": "sql", "rule": "Dates are UTC, never local."});
    let (status, made) = node.post("/elf/heuristics", &rule).await;
    assert!(status < 300, "{made}");
    node.kill(rustix::process::Signal::TERM);
    (node, id)
}

/// The rules as the memory ranks them.
pub async fn rules(node: &Node) -> Value {
    node.get("/elf/heuristics").await.1["heuristics"].clone()
}
