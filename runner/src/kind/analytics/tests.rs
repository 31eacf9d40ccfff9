//! `analytics` against a scripted model, in a real folder.

use std::{fs, os::unix::fs::symlink};

use super::*;
use crate::{
    kind::tests::{Place, UID, keys, place},
    model::tests::server::{Reply, Server},
};

const GOOD: &str = "Revenue is net.\n````file models/revenue.sql\nselect 1\n````\n\
    [LEARNED:dbt] Revenue is net.";

fn job(repo: &str, files: &[&str]) -> Value {
    json!({"type": "analytics", "analytics": {"task": "model revenue", "repo": repo,
        "filesToRead": files}})
}

/// A repository with two files, and a secret of another tenant.
fn with_files(spec: Value) -> Place {
    let place = place(spec);
    fs::create_dir_all(place.repo("models")).unwrap();
    fs::write(place.repo("readme.md"), "about\n").unwrap();
    fs::write(place.repo("models/a.sql"), "select 0\n").unwrap();
    let other = place.dir.path().join("workspace/team-b");
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join("secret"), "secret").unwrap();
    place
}

async fn answered(place: Place, text: &str) -> (Place, Server, Result<Done, Failure>) {
    let server = Server::start([Reply::text(text)]).await;
    let place = place.with_model(&server.url);
    let done = place.run().await;
    (place, server, done)
}

#[tokio::test]
async fn files_of_the_answer_stand_in_the_jobs_own_output_folder_and_among_its_artifacts() {
    let place = with_files(job("repo", &["models/a.sql", "./readme.md"]));
    let (place, server, done) = answered(place, GOOD).await;
    let done = done.unwrap();
    let output = format!("_agent_output/{UID}");
    let text = |name: &str| fs::read_to_string(place.repo(&output).join(name)).unwrap();
    assert_eq!(text("models/revenue.sql"), "select 1\n");
    assert_eq!(text("analysis.md"), GOOD);
    let kept = |name: &str| fs::read_to_string(place.work.artifacts().join(name)).unwrap();
    assert_eq!(kept("models/revenue.sql"), "select 1\n");
    assert_eq!(kept("analysis.md"), GOOD);
    assert_eq!(
        done.result["files_read"],
        json!(["models/a.sql", "readme.md"])
    );
    assert_eq!(
        done.result["files_written"],
        json!(["models/revenue.sql", "analysis.md"])
    );
    assert_eq!(done.result["output_dir"], format!("repo/{output}"));
    assert_eq!(done.result["response_preview"], GOOD);
    assert_eq!(done.files, ["models/a.sql", "readme.md"]);
    assert_eq!(done.lessons, ["[LEARNED:dbt] Revenue is net."]);
    let prompt = server.asked()[0].1["messages"][0]["content"].to_string();
    assert!(
        prompt.contains("model revenue") && prompt.contains("select 0"),
        "{prompt}"
    );
    assert!(prompt.contains("- readme.md"), "{prompt}");
}

#[tokio::test]
async fn a_result_has_the_old_fields() {
    let (_place, _server, done) = answered(with_files(job("repo", &[])), "No files.").await;
    let result = done.unwrap().result;
    for key in [
        "task",
        "repo",
        "files_read",
        "files_written",
        "output_dir",
        "response_preview",
        "usage",
        "processed_by",
        "processed_at",
    ] {
        assert!(keys(&result).contains(&key), "{key}");
    }
}

#[tokio::test]
async fn a_second_attempt_replaces_what_the_first_wrote() {
    let place = with_files(job("repo", &[]));
    let (place, _server, first) = answered(place, GOOD).await;
    first.unwrap();
    let (place, _server, second) = answered(place, &GOOD.replace("select 1", "select 2")).await;
    second.unwrap();
    let path = place.repo(&format!("_agent_output/{UID}/models/revenue.sql"));
    assert_eq!(fs::read_to_string(path).unwrap(), "select 2\n");
}

#[tokio::test]
async fn a_path_that_leaves_the_tenant_is_refused_before_the_model_is_asked() {
    let cases = [
        ("../team-b", vec![]),
        ("/etc", vec![]),
        ("nowhere", vec![]),
        ("repo", vec!["/etc/passwd"]),
        ("repo", vec!["../../team-b/secret"]),
        ("repo", vec!["link"]),
        ("repo", vec!["missing.sql"]),
        ("repo", vec!["models"]),
        ("repo", vec!["binary"]),
        ("repo", vec!["readme.md", "big"]),
    ];
    for (repo, files) in cases {
        let place = with_files(job(repo, &files));
        symlink("../../team-b/secret", place.repo("link")).unwrap();
        fs::write(place.repo("binary"), [0xff, 0xfe]).unwrap();
        fs::write(place.repo("big"), vec![b'x'; 300 * 1024]).unwrap();
        let (place, server, done) = answered(place, GOOD).await;
        let failure = done.unwrap_err();
        assert_eq!(failure.class, FailureClass::InvalidSpec, "{repo} {files:?}");
        let root = place.dir.path().to_str().unwrap();
        assert!(!failure.message.contains(root), "{}", failure.message);
        assert!(server.asked().is_empty(), "{repo} {files:?}");
    }
}

#[tokio::test]
async fn an_answer_that_would_escape_is_rejected_whole_and_its_cost_is_kept() {
    for path in [
        "../../evil.sql",
        "/tmp/evil.sql",
        "a/../../../evil",
        ".git/hooks/pre-commit",
    ] {
        let text = format!("{GOOD}\n````file {path}\nevil\n````\n");
        let (place, _server, done) = answered(with_files(job("repo", &[])), &text).await;
        let done = done.unwrap();
        let failure = done.failure.unwrap();
        assert_eq!(failure.class, FailureClass::OutputRejected, "{path}");
        assert_eq!(done.result["files_written"], json!([]));
        assert_eq!(done.result["usage"]["output_tokens"], 20);
        assert!(!place.repo("_agent_output").exists(), "{path}");
        assert!(!place.repo("evil.sql").exists(), "{path}");
    }
}

#[tokio::test]
async fn a_link_in_the_way_of_the_output_is_not_followed() {
    let place = with_files(job("repo", &[]));
    let other = place.dir.path().join("workspace/team-b");
    symlink(&other, place.repo("_agent_output")).unwrap();
    let (_place, _server, done) = answered(place, GOOD).await;
    assert_eq!(done.unwrap_err().class, FailureClass::Infrastructure);
    assert_eq!(fs::read_dir(&other).unwrap().count(), 1);
}
