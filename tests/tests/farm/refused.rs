//! Jobs that cannot be done as written say why, and start nobody.

use sandbox_core::FailureClass;
use serde_json::{Value, json};

use crate::rig::Rig;

/// The message of a farm that is refused before any agent starts.
fn refused(rig: Rig) -> String {
    let mut rig = rig;
    let report = rig.run();
    let failure = report.failure.expect("it was not refused");
    assert_eq!(
        failure.class,
        FailureClass::InvalidSpec,
        "{}",
        failure.message
    );
    assert!(!rig.desk(1, "launch.json").exists() && rig.remains().is_empty());
    // What was begun for it is taken away again.
    let git = rig.path("repo/.git");
    assert!(!git.join("refs/heads/farm/mend").exists() && !git.join("worktrees").exists());
    failure.message
}

fn with_url(url: &str) -> Rig {
    Rig::new(1, "[]").spec("workspace", json!({"git": {"url": url}}))
}

#[test]
fn addresses_that_could_run_a_program_or_read_this_machine_are_refused() {
    let touched = tempfile::tempdir().unwrap();
    let touched = touched.path().join("touched");
    for url in [
        format!("--upload-pack=touch {}", touched.display()),
        format!("ext::touch {}", touched.display()),
        "file:///etc".to_owned(),
        "ssh://-oProxyCommand=touch/x".to_owned(),
        "https://me:hunter2@example.invalid/x".to_owned(),
    ] {
        let said = refused(with_url(&url));
        assert!(
            said.contains("use the repository") && !said.contains("hunter2"),
            "{said}"
        );
    }
    assert!(!touched.exists());
}

#[test]
fn a_repository_or_branch_that_is_not_there_is_named() {
    let rig = Rig::new(1, "[]").set("file_urls", json!(true));
    let missing = format!("file://{}/none", rig.path("repo").display());
    let said = refused(rig.spec("workspace", json!({"git": {"url": missing}})));
    assert!(said.contains("/none"), "{said}");
    let rig = Rig::new(1, "[]").set("file_urls", json!(true));
    let url = format!("file://{}", rig.path("repo").display());
    let said = refused(rig.spec("workspace", json!({"git": {"url": url, "ref": "no-such"}})));
    assert!(said.contains("no-such"), "{said}");
}

#[test]
fn a_path_that_leads_outside_or_is_no_repository_is_refused() {
    for path in ["../team-b", "/etc", "none", "repo/.git", "."] {
        let rig = Rig::new(1, "[]").spec("workspace", json!({"path": path}));
        refused(rig);
    }
    let rig = Rig::new(1, "[]").spec("workspace", json!({"path": "link"}));
    std::os::unix::fs::symlink("/", rig.path("link")).unwrap();
    refused(rig);
}

#[test]
fn what_else_cannot_be_is_said() {
    let cases: [(&str, Value, &str); 5] = [
        ("land", json!({"branch": "main"}), "checked out"),
        ("land", json!({"push": true}), "nowhere to push"),
        ("promptFile", json!("none.md"), "none.md"),
        ("promptFile", json!("../../x"), ".."),
        ("model", json!("-x"), "model"),
    ];
    for (key, value, word) in cases {
        let said = refused(Rig::new(1, "[]").spec(key, value));
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn agents_without_a_login_are_not_started() {
    let said = refused(Rig::new(1, "[]").set("agent_command", json!(["claude"])));
    assert!(said.contains("claude setup-token"), "{said}");
    let rig = Rig::new(1, "[]").set("agent_login", json!(true));
    let file = rig.at("login/.credentials.json");
    let rig = rig.set("agent_login_file", json!(file));
    let said = refused(rig);
    assert!(said.contains("read your own login in /"), "{said}");
}

#[test]
fn agents_are_not_started_with_a_login_that_is_over() {
    let rig = Rig::new(1, "[]").with_login("old", -60);
    let said = refused(rig);
    assert!(said.contains("open `claude` once"), "{said}");
}

#[test]
fn a_token_that_is_not_there_is_named_and_one_that_is_never_shown() {
    let git = json!({"git": {"url": "https://127.0.0.1:9/x", "tokenSecret": "github"}});
    let said = refused(Rig::new(1, "[]").spec("workspace", git.clone()));
    assert!(said.contains("github"), "{said}");
    let mut rig = Rig::new(1, "[]").spec("workspace", git);
    std::fs::create_dir_all(rig.at("data/secrets/team-a")).unwrap();
    std::fs::write(rig.at("data/secrets/team-a/github"), "hunter2\n").unwrap();
    let report = rig.run();
    let text = serde_json::to_string(&report).unwrap() + &rig.log();
    assert!(
        report.failure.is_some() && !text.contains("hunter2"),
        "{text}"
    );
}
