//! checkov over all modules: what it asks for is done, or passed over with a reason in the same line.

use std::{fs, path::Path, process::Command};

use sandbox_tests::terraform::{checkov, files, source};
use serde_json::Value;

/// What checkov says of a folder.
fn said_of(folder: &Path) -> Value {
    let mut command = Command::new(checkov().join("bin/python"));
    let words = [
        "-m",
        "checkov.main",
        "--framework",
        "terraform",
        "--skip-download",
        "--quiet",
        "--compact",
        "-o",
        "json",
        "-d",
    ];
    command
        .args(words)
        .arg(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin");
    let home = tempfile::tempdir().unwrap();
    let seen = command.env("HOME", home.path()).output().unwrap();
    let text = String::from_utf8_lossy(&seen.stdout);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {seen:?}"))
}

fn failed(said: &Value) -> Vec<String> {
    let all = said["results"]["failed_checks"].as_array().unwrap().iter();
    all.map(|c| format!("{} {}", c["check_id"], c["resource"]))
        .collect()
}

#[test]
fn checkov_has_nothing_to_say_of_the_modules() {
    let said = said_of(&source());
    assert_eq!(failed(&said), [""; 0]);
    assert_eq!(said["summary"]["parsing_errors"], 0);
    assert!(
        said["summary"]["passed"].as_u64().unwrap() > 100,
        "{}",
        said["summary"]
    );
}

#[test]
fn checkov_finds_what_is_open_and_what_is_not_encrypted() {
    let folder = tempfile::tempdir().unwrap();
    let bad = "resource \"aws_sqs_queue\" \"open\" {\n  name = \"open\"\n}\n";
    fs::write(folder.path().join("main.tf"), bad).unwrap();
    assert_eq!(
        failed(&said_of(folder.path())),
        [r#""CKV_AWS_27" "aws_sqs_queue.open""#]
    );
}

/// Checks that are passed over without a reason.
fn unexplained(text: &str) -> Vec<&str> {
    let mut all = text
        .lines()
        .filter(|l| l.contains("checkov:skip"))
        .collect::<Vec<_>>();
    all.retain(|line| {
        let (_, after) = line.split_once("checkov:skip=").unwrap_or_default();
        let (check, why) = after.split_once(": ").unwrap_or_default();
        !check.starts_with("CKV") || why.split_whitespace().count() < 3
    });
    all
}

#[test]
fn every_check_that_is_passed_over_has_its_reason_beside_it() {
    let mut seen = 0;
    for file in files(&source(), "tf") {
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(unexplained(&text), [""; 0], "{}", file.display());
        seen += text.matches("checkov:skip").count();
    }
    assert!(seen > 20, "{seen}");
    let bad = "# checkov:skip=CKV_AWS_1\n# checkov:skip=CKV_AWS_2: no\n# checkov:skip=CKV_AWS_3: a reason that is one\n";
    assert_eq!(unexplained(bad).len(), 2);
}
