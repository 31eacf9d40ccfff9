//! `/workspace/diff`, `patch` and `status` on real repositories, also ones that are set to harm.

use std::{fs, path::Path, process::Command};

use axum::http::StatusCode;

use super::world::World;

fn git(folder: &Path, arguments: &[&str]) {
    let ran = Command::new("git")
        .args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.org",
            "-c",
            "commit.gpgsign=false",
        ])
        .args(["-c", "init.defaultBranch=main"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

/// A repository with one commit beneath a tenant's root.
fn repository(world: &World, tenant: &str) -> std::path::PathBuf {
    let folder = world.root(tenant).join("repo");
    fs::create_dir(&folder).unwrap();
    git(&folder, &["init", "-q"]);
    fs::write(folder.join("foo.py"), "one\n").unwrap();
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "-qm", "First words"]);
    folder
}

#[tokio::test]
async fn what_changed_is_told_with_new_files() {
    let world = World::open();
    let folder = repository(&world, "default");
    let clean = world.get("/workspace/diff?path=repo").await.json;
    assert_eq!(
        (&clean["diff"], &clean["has_changes"]),
        (&"".into(), &false.into())
    );
    assert_eq!(
        world.get("/workspace/patch?path=repo").await.text,
        "# no changes\n"
    );
    fs::write(folder.join("foo.py"), "two\n").unwrap();
    fs::write(folder.join("new file.txt"), b"n\xffw\n").unwrap();
    let told = world.get("/workspace/diff?path=repo").await.json;
    assert!(
        told["diff"].as_str().unwrap().contains("-one\n+two\n"),
        "{told}"
    );
    assert_eq!(told["untracked_files"], serde_json::json!(["new file.txt"]));
    assert_eq!(
        (&told["path"], &told["has_changes"]),
        (&"repo".into(), &true.into())
    );
    let status = world.get("/workspace/status?path=repo").await.json;
    assert_eq!(status["branch"], "main");
    assert!(
        status["last_commit"]
            .as_str()
            .unwrap()
            .ends_with(" First words")
    );
    let changed = serde_json::json!([{"status": "M", "file": "foo.py"}, {"status": "??", "file": "new file.txt"}]);
    assert_eq!(status["changed_files"], changed);
    assert_eq!(status["total_changes"], 2);
}

#[tokio::test]
async fn a_change_that_came_as_late_as_the_index_stands_in_the_patch() {
    let world = World::open();
    let folder = repository(&world, "default");
    git(&folder, &["config", "core.trustctime", "false"]);
    let hour_ago = std::time::SystemTime::now() - std::time::Duration::from_hours(1);
    let dated = |name: &str| {
        let file = fs::File::options().write(true).open(folder.join(name));
        file.unwrap().set_modified(hour_ago).unwrap();
    };
    dated("foo.py");
    git(&folder, &["update-index", "--refresh"]);
    // As long as before, at the time that the index knows, which is the index's own time.
    fs::write(folder.join("foo.py"), "two\n").unwrap();
    dated("foo.py");
    dated(".git/index");
    let answer = world.get("/workspace/patch?path=repo").await;
    assert!(answer.text.contains("+two"), "{}", answer.text);
}

#[tokio::test]
async fn a_patch_applies_elsewhere_and_leaves_the_index_alone() {
    let world = World::open();
    let folder = repository(&world, "default");
    fs::write(folder.join("foo.py"), "two\n").unwrap();
    fs::write(folder.join("binary"), b"\x00\x01\xff\xfe").unwrap();
    fs::create_dir(folder.join("deep")).unwrap();
    fs::write(folder.join("deep/latin"), b"gr\xfcn\n").unwrap();
    let before = fs::read(folder.join(".git/index")).unwrap();
    let asked = super::world::ask("GET", "/workspace/patch?path=repo").request();
    let answer = tower::ServiceExt::oneshot(world.router.clone(), asked)
        .await
        .unwrap();
    let patch = axum::body::to_bytes(answer.into_body(), usize::MAX)
        .await
        .unwrap();
    assert_eq!(fs::read(folder.join(".git/index")).unwrap(), before);
    let clone = world.dir.path().join("clone");
    git(
        world.dir.path(),
        &[
            "clone",
            "-q",
            folder.to_str().unwrap(),
            clone.to_str().unwrap(),
        ],
    );
    let file = world.dir.path().join("p.patch");
    fs::write(&file, &patch).unwrap();
    git(&clone, &["apply", file.to_str().unwrap()]);
    for name in ["foo.py", "binary", "deep/latin"] {
        assert_eq!(
            fs::read(clone.join(name)).unwrap(),
            fs::read(folder.join(name)).unwrap(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_repository_before_its_first_commit_is_told_too() {
    let world = World::open();
    let folder = world.root("default").join("young");
    fs::create_dir(&folder).unwrap();
    git(&folder, &["init", "-q"]);
    fs::write(folder.join("a"), "a\n").unwrap();
    let patch = world.get("/workspace/patch?path=young").await;
    assert!(patch.text.contains("+++ b/a"), "{}", patch.text);
    let status = world.get("/workspace/status?path=young").await.json;
    assert_eq!(
        (&status["branch"], &status["last_commit"]),
        (&"main".into(), &"".into())
    );
}

#[tokio::test]
async fn what_is_no_repository_or_lies_elsewhere_is_told_so() {
    let world = World::open();
    fs::create_dir(world.root("default").join("plain")).unwrap();
    repository(&world, "other");
    for route in ["diff", "patch"] {
        let told = world.get(&format!("/workspace/{route}?path=plain")).await;
        told.is_problem(StatusCode::BAD_REQUEST, "not_a_repository");
    }
    let status = world.get("/workspace/status?path=plain").await.json;
    assert_eq!(
        (&status["branch"], &status["total_changes"]),
        (&"".into(), &0.into())
    );
    for route in ["diff", "patch", "status"] {
        let missing = world.get(&format!("/workspace/{route}?path=nope")).await;
        missing.is_problem(StatusCode::NOT_FOUND, "not_found");
        for path in ["../other/repo", "/etc", "plain/../../other/repo"] {
            let told = world.get(&format!("/workspace/{route}?path={path}")).await;
            told.is_problem(StatusCode::FORBIDDEN, "path_outside");
        }
        let unnamed = world.get(&format!("/workspace/{route}")).await;
        unnamed.is_problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
    }
}

#[tokio::test]
async fn a_repository_that_points_into_another_tenants_is_refused() {
    let world = World::open();
    let theirs = repository(&world, "other").join(".git");
    let root = world.root("default");
    for (name, how) in [("file", 0), ("link", 1), ("common", 2), ("folder", 3)] {
        let folder = root.join(name);
        fs::create_dir(&folder).unwrap();
        match how {
            0 => fs::write(
                folder.join(".git"),
                format!("gitdir: {}\n", theirs.display()),
            )
            .unwrap(),
            1 => std::os::unix::fs::symlink(&theirs, folder.join(".git")).unwrap(),
            2 => {
                git(&folder, &["init", "-q"]);
                fs::write(folder.join(".git/commondir"), theirs.to_str().unwrap()).unwrap();
            }
            _ => {
                fs::remove_dir(&folder).unwrap();
                std::os::unix::fs::symlink(theirs.parent().unwrap(), &folder).unwrap();
            }
        }
        let told = world.get(&format!("/workspace/diff?path={name}")).await;
        told.is_problem(StatusCode::FORBIDDEN, "path_outside");
    }
}

#[tokio::test]
async fn nothing_that_a_repository_is_set_to_run_is_run() {
    let world = World::open();
    let folder = repository(&world, "default");
    let proof = world.dir.path().join("ran");
    let script = world.dir.path().join("run.sh");
    fs::write(
        &script,
        format!("#!/bin/sh\necho \"$0 $*\" >> {}\ncat\n", proof.display()),
    )
    .unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let script = script.to_str().unwrap();
    fs::write(folder.join(".gitattributes"), "* filter=evil diff=evil\n").unwrap();
    for key in [
        "core.fsmonitor",
        "core.pager",
        "diff.external",
        "diff.evil.textconv",
        "diff.evil.command",
        "filter.evil.clean",
        "filter.evil.process",
        "core.sshCommand",
        "gpg.program",
    ] {
        git(&folder, &["config", key, script]);
    }
    git(&folder, &["config", "filter.evil.required", "true"]);
    git(&folder, &["config", "log.showSignature", "true"]);
    fs::write(
        folder.join(".git/hooks/post-index-change"),
        format!("#!/bin/sh\n{script}\n"),
    )
    .unwrap();
    let hook = folder.join(".git/hooks/post-index-change");
    fs::set_permissions(hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(folder.join("foo.py"), "two\n").unwrap();
    fs::write(folder.join("new"), "new\n").unwrap();
    for route in ["diff", "patch", "status"] {
        let told = world.get(&format!("/workspace/{route}?path=repo")).await;
        assert_eq!(told.status, 200, "{}", told.text);
        assert!(
            route == "status" || told.text.contains("two"),
            "{}",
            told.text
        );
    }
    assert!(!proof.exists(), "{}", fs::read_to_string(proof).unwrap());
}
