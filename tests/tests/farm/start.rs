//! How agents are started and what they are told.

use std::fs;

use sandbox_core::Outcome;
use serde_json::{Value, json};

use crate::rig::{Rig, until};

const WRITES_ITS_PROMPT: &str = "- steps: [{write: {path: got, content: '{{prompt}}'}}]\n";

#[test]
fn a_task_full_of_shell_reaches_the_agent_exactly() {
    let task = "$(touch /tmp/x) `id` \"q\" 'r' \\ ; rm -rf * | tee & #{pane_id} %H {{x}} !x\n\t~ $HOME ä é 日本;";
    let mut rig = Rig::new(1, WRITES_ITS_PROMPT).spec("task", json!(task));
    let report = rig.run();
    assert_eq!(
        report.outcome,
        Outcome::Succeeded,
        "{:?}\n{}",
        report.failure,
        rig.log()
    );
    let got = rig.sh("repo", "git show farm/mend:got");
    assert!(got.contains(task), "{got}");
}

#[test]
fn a_task_that_is_too_long_for_an_argument_stands_in_a_file() {
    let task = "日".repeat(60_000);
    let mut rig = Rig::new(1, WRITES_ITS_PROMPT).spec("task", json!(task));
    let report = rig.run();
    assert_eq!(
        report.outcome,
        Outcome::Succeeded,
        "{:?}\n{}",
        report.failure,
        rig.log()
    );
    let file = rig.desk(1, "task.md");
    assert!(
        rig.sh("repo", "git show farm/mend:got")
            .contains(file.to_str().unwrap())
    );
    assert!(fs::read_to_string(file).unwrap().contains(&task));
}

#[test]
fn the_text_of_the_prompt_file_comes_before_the_task() {
    let rig = Rig::new(1, WRITES_ITS_PROMPT).spec("promptFile", json!("docs/how.md"));
    rig.sh("repo", "mkdir docs && echo Read the style guide. >docs/how.md && git add . && git commit -q -m Docs");
    let mut rig = rig;
    let report = rig.run();
    assert_eq!(
        report.outcome,
        Outcome::Succeeded,
        "{:?}\n{}",
        report.failure,
        rig.log()
    );
    assert!(
        rig.sh("repo", "git show farm/mend:got")
            .contains("Read the style guide.\n\nMend it.")
    );
}

#[test]
fn an_agent_gets_its_own_surroundings_and_no_secret_in_a_file_or_an_argument() {
    let scenario = "- steps: [{bash: 'env | sort >env; tr \"\\\\0\" \" \" </proc/$PPID/cmdline >argv; sleep 0.1'}]\n";
    let rig = Rig::new(1, scenario);
    let key = "sk-dummy-01234567890123456789";
    fs::write(rig.at("key"), format!("{key}\n")).unwrap();
    let key_file = json!(rig.at("key"));
    let mut rig = rig
        .set("model_key_file", key_file)
        .set("model_url", json!("http://127.0.0.1:9"));
    let report = rig.run();
    assert_eq!(
        report.outcome,
        Outcome::Succeeded,
        "{:?}\n{}",
        report.failure,
        rig.log()
    );
    let env = rig.sh("repo", "git show farm/mend:env");
    let has = |line: String| assert!(env.lines().any(|l| l == line), "{line} is not in\n{env}");
    has(format!("ANTHROPIC_API_KEY={key}"));
    has("ANTHROPIC_BASE_URL=http://127.0.0.1:9".to_owned());
    has("AGENT_INDEX=1".to_owned());
    for (name, folder) in [
        ("HOME", "home"),
        ("TMPDIR", "tmp"),
        ("CLAUDE_CONFIG_DIR", "config"),
    ] {
        has(format!("{name}={}", rig.desk(1, folder).display()));
    }
    assert!(!env.contains("outer") && !env.contains("TMUX"), "{env}");
    assert!(!rig.sh("repo", "git show farm/mend:argv").contains(key));
    let launch: Value =
        serde_json::from_slice(&fs::read(rig.desk(1, "launch.json")).unwrap()).unwrap();
    assert!(!launch.to_string().contains(key));
    assert!(!rig.desk(1, "tmp").exists());
}

#[test]
fn agents_use_the_users_own_login_without_what_could_renew_it() {
    let scenario = "- steps: [{bash: 'cp \"$CLAUDE_CONFIG_DIR/.credentials.json\" got'}, {wait_file: ../go}]\n";
    let mut rig = Rig::new(1, scenario).with_login("access-one", 600);
    let login = rig.at("login/.credentials.json");
    rig.start();
    until("the agent at work", || {
        rig.job("agent-1/got").exists().then_some(())
    });
    // The user's own program renews it: agents at work are given the next one.
    rig.put_login("access-two", 7200);
    let users = fs::read(&login).unwrap();
    let copy = rig.desk(1, "config/.credentials.json");
    let renewed = || {
        fs::read_to_string(&copy)
            .ok()
            .filter(|t| t.contains("access-two"))
    };
    until("the next token", renewed);
    fs::write(rig.job("go"), "").unwrap();
    let report = rig.report();
    assert_eq!(report.outcome, Outcome::Succeeded, "{}", rig.log());
    let got = rig.sh("repo", "git show farm/mend:got");
    assert!(
        got.contains("access-one") && !got.contains("refresh-dummy"),
        "{got}"
    );
    // Nobody wrote to the user's folder, and no copy is left.
    assert_eq!(fs::read(&login).unwrap(), users);
    assert_eq!(fs::read_dir(rig.at("login")).unwrap().count(), 1);
    assert!(!copy.exists());
    assert!(
        rig.log().contains("before the job's deadline"),
        "{}",
        rig.log()
    );
}

#[test]
fn a_login_that_is_over_is_renewed_by_the_users_own_program_before_agents_start() {
    let scenario = "- steps: [{bash: 'cp \"$CLAUDE_CONFIG_DIR/.credentials.json\" got'}]\n";
    let rig = Rig::new(1, scenario).with_login("access-two", 7200);
    let fresh = rig.at("fresh.json");
    fs::rename(rig.at("login/.credentials.json"), &fresh).unwrap();
    rig.put_login("access-one", -60);
    let script = rig.at("renew.sh");
    fs::write(
        &script,
        "cp \"$1\" \"$CLAUDE_CONFIG_DIR/.credentials.json\"\n",
    )
    .unwrap();
    let mut rig = rig.set("agent_login_renew", json!(["sh", script, fresh]));
    let report = rig.run();
    assert_eq!(report.outcome, Outcome::Succeeded, "{:?}", report.failure);
    let got = rig.sh("repo", "git show farm/mend:got");
    assert!(got.contains("access-two"), "{got}");
}

#[test]
fn an_agent_finds_the_users_toolchains_and_none_of_the_users_logins() {
    let rig = Rig::new(
        1,
        "- steps: [{bash: 'env | sort >env; ls -A \"$HOME\" >home'}]\n",
    );
    for folder in [".rustup", ".cargo", ".ssh"] {
        fs::create_dir_all(rig.at("no-home").join(folder)).unwrap();
    }
    let more = json!({"CARGO_HOME": "/srv/cargo", "GIT_AUTHOR_NAME": "Our Bot"});
    let mut rig = rig.set("agent_env", more);
    let report = rig.run();
    assert_eq!(report.outcome, Outcome::Succeeded, "{}", rig.log());
    let env = rig.sh("repo", "git show farm/mend:env");
    let has = |line: String| assert!(env.lines().any(|l| l == line), "{line} is not in\n{env}");
    has(format!(
        "RUSTUP_HOME={}",
        rig.at("no-home/.rustup").display()
    ));
    has("CARGO_HOME=/srv/cargo".to_owned());
    has("GIT_AUTHOR_NAME=Our Bot".to_owned());
    has("GIT_COMMITTER_EMAIL=agent-1@sandbox.invalid".to_owned());
    assert!(!env.contains("no-home/.cargo") && !env.contains("no-home/.ssh"));
    assert_eq!(rig.sh("repo", "git show farm/mend:home"), "");
}
