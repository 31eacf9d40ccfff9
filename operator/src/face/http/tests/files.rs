//! Artifacts, logs, and one file of a workspace: what is given, and what leads out is refused.

use std::{fs, os::unix::fs::symlink};

use axum::http::StatusCode;
use sandbox_core::Outcome;

use super::world::World;

#[tokio::test]
async fn artifacts_are_listed_and_given() {
    let world = World::open();
    let id = world.echo("x").await;
    let path = format!("/jobs/{id}/artifacts");
    assert_eq!(world.get(&path).await.json["count"], 0);
    let folder = world.artifacts("default", &id);
    fs::create_dir(folder.join("logs")).unwrap();
    fs::write(folder.join("logs/dbt.log"), "done\n").unwrap();
    fs::write(folder.join("page.html"), "<script>").unwrap();
    symlink("/etc/passwd", folder.join("link")).unwrap();
    let listed = world.get(&path).await.json;
    assert_eq!(listed["count"], 2);
    assert_eq!(listed["artifacts"][0]["path"], "logs/dbt.log");
    assert_eq!(listed["artifacts"][0]["size"], 5);
    let log = world.get(&format!("{path}/logs/dbt.log")).await;
    assert_eq!((log.status, log.text.as_str()), (200, "done\n"));
    assert_eq!(log.header("content-length"), "5");
    let page = world.get(&format!("{path}/page.html")).await;
    assert_eq!(page.header("content-type"), "application/octet-stream");
    assert_eq!(page.header("content-disposition"), "attachment");
    assert_eq!(page.header("content-security-policy"), "sandbox");
}

#[tokio::test]
async fn an_artifact_that_leads_out_is_refused() {
    let world = World::open();
    let id = world.echo("x").await;
    let other = world.artifacts("other", &id);
    fs::write(other.join("secret"), "secret").unwrap();
    fs::write(world.services.artifacts_root.join("secret"), "secret").unwrap();
    let folder = world.artifacts("default", &id);
    symlink("/etc/passwd", folder.join("absolute")).unwrap();
    symlink("../../secret", folder.join("relative")).unwrap();
    symlink(&other, folder.join("folder")).unwrap();
    let path = format!("/jobs/{id}/artifacts");
    for name in [
        "absolute",
        "relative",
        "folder/secret",
        "%2e%2e/%2e%2e/secret",
        "a/..%2f..%2fsecret",
        "%2fetc%2fpasswd",
    ] {
        let told = world.get(&format!("{path}/{name}")).await;
        told.is_problem(StatusCode::FORBIDDEN, "path_outside");
        assert!(!told.text.contains("secret\""), "{}", told.text);
    }
    for name in ["missing", "a/b", "%ff"] {
        let told = world.get(&format!("{path}/{name}")).await;
        told.is_problem(StatusCode::NOT_FOUND, "not_found");
    }
    fs::create_dir(folder.join("plain")).unwrap();
    assert_eq!(world.get(&format!("{path}/plain")).await.status, 404);
}

#[tokio::test]
async fn a_workspace_file_is_given_as_text() {
    let world = World::open();
    let root = world.root("default");
    fs::create_dir(root.join("repo")).unwrap();
    fs::write(root.join("repo/ä.txt"), "grün\n").unwrap();
    fs::write(root.join("repo/bytes"), b"a\xffb").unwrap();
    let told = world
        .get("/workspace/file?path=repo&file=%C3%A4.txt")
        .await
        .json;
    assert_eq!(
        (&told["content"], &told["size"]),
        (&"grün\n".into(), &5.into())
    );
    assert_eq!(told["file"], "ä.txt");
    let bytes = world.get("/workspace/file?path=repo&file=bytes").await.json;
    assert_eq!(bytes["content"], "a\u{fffd}b");
    let old = root.join("repo");
    let told = world
        .get(&format!(
            "/workspace/file?path={}&file=bytes",
            old.display()
        ))
        .await;
    assert_eq!(told.status, 200);
}

#[tokio::test]
async fn a_workspace_file_that_leads_out_is_refused() {
    let world = World::open();
    let root = world.root("default");
    let other = world.root("other");
    fs::write(other.join("secret"), "secret").unwrap();
    fs::create_dir(root.join("repo")).unwrap();
    fs::write(root.join("beside"), "secret").unwrap();
    symlink(other.join("secret"), root.join("repo/absolute")).unwrap();
    symlink("../beside", root.join("repo/relative")).unwrap();
    symlink(&other, root.join("elsewhere")).unwrap();
    let other = other.display();
    for query in [
        "path=repo&file=../beside".to_owned(),
        "path=repo&file=/etc/passwd".to_owned(),
        "path=repo&file=absolute".to_owned(),
        "path=repo&file=relative".to_owned(),
        "path=../other&file=secret".to_owned(),
        "path=/etc&file=passwd".to_owned(),
        "path=elsewhere&file=secret".to_owned(),
        "path=repo/../../other&file=secret".to_owned(),
        format!("path={other}/../../x&file=secret"),
    ] {
        let told = world.get(&format!("/workspace/file?{query}")).await;
        told.is_problem(StatusCode::FORBIDDEN, "path_outside");
    }
    for query in ["path=nope&file=x", "path=repo&file=nope"] {
        let told = world.get(&format!("/workspace/file?{query}")).await;
        told.is_problem(StatusCode::NOT_FOUND, "not_found");
    }
    let folder = world.get("/workspace/file?path=.&file=repo").await;
    folder.is_problem(StatusCode::BAD_REQUEST, "not_a_file");
    let missing = world.get("/workspace/file?path=repo").await;
    missing.is_problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
}

#[tokio::test]
async fn a_workspace_file_that_is_too_large_or_a_pipe_is_refused() {
    let world = World::open();
    let root = world.root("default");
    fs::File::create(root.join("large"))
        .unwrap()
        .set_len(5 << 20)
        .unwrap();
    let told = world.get("/workspace/file?path=.&file=large").await;
    told.is_problem(StatusCode::UNPROCESSABLE_ENTITY, "file_too_large");
    let pipe = rustix::fs::CWD;
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(pipe, root.join("pipe"), kind, rustix::fs::Mode::RUSR, 0).unwrap();
    let told = world.get("/workspace/file?path=.&file=pipe").await;
    told.is_problem(StatusCode::BAD_REQUEST, "not_a_file");
}

#[tokio::test]
async fn a_log_is_read_piece_by_piece() {
    let world = World::open();
    let id = world.echo("x").await;
    let path = format!("/jobs/{id}/logs");
    let none = world.get(&path).await;
    assert_eq!((none.status, none.text.as_str()), (200, ""));
    assert_eq!(none.header("x-next-cursor"), "0");
    let seat = world.running(&id).await.seat().unwrap();
    world.backend.say(&seat, "one\ntwo\n");
    let all = world.get(&path).await;
    assert_eq!(all.text, "one\ntwo\n");
    assert_eq!(all.header("x-next-cursor"), "8");
    assert!(all.header("content-type").starts_with("text/plain"));
    let rest = world.get(&format!("{path}?cursor=4&limit=3")).await;
    assert_eq!(rest.text, "two");
    assert_eq!(rest.header("x-next-cursor"), "7");
    assert_eq!(
        world.get(&format!("{path}?attempt=1&cursor=8")).await.text,
        ""
    );
    world
        .get(&format!("{path}?attempt=2"))
        .await
        .is_problem(StatusCode::NOT_FOUND, "not_found");
    let wrong = world.get(&format!("{path}?cursor=x")).await;
    wrong.is_problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
}

#[tokio::test]
async fn a_followed_log_ends_with_the_job() {
    let world = World::open();
    let id = world.echo("x").await;
    let seat = world.running(&id).await.seat().unwrap();
    world.backend.say(&seat, "all of it\n");
    world.ended(&id, Outcome::Succeeded).await;
    let told = world.get(&format!("/jobs/{id}/logs?follow=true")).await;
    assert_eq!(told.text, "all of it\n");
}
