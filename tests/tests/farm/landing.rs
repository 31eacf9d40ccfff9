//! What agents did comes onto one branch.

use sandbox_core::{Outcome, Report};
use serde_json::json;

use crate::rig::Rig;

const CLEAN: &str = "\
- when: {agent: '1'}
  steps:
    - bash: echo three >c && git add c && git commit -q -m 'Add c'
    - bash: echo more >>a && git commit -q -a -m 'Extend a'
    - cost: {usd: 0.25, input_tokens: 1000, output_tokens: 50}
    - say: |-
        Added c.
        [LEARNED:shell] Quote every variable.
- steps:
    - write: {path: d, content: left uncommitted}
    - cost: {usd: 0.5, input_tokens: 10, output_tokens: 5}
    - say: Added d.
";

#[test]
fn two_agents_edit_commit_and_land_on_one_branch() {
    let mut rig = Rig::new(2, CLEAN);
    let report = rig.run();
    assert_eq!(
        report.outcome,
        Outcome::Succeeded,
        "{:?}\n{}",
        report.failure,
        rig.log()
    );
    let result = &report.result;
    assert_eq!(
        (&result["status"], &result["branch"]),
        (&json!("completed"), &json!("farm/mend"))
    );
    assert_eq!(
        (&result["commits_made"], &result["agent_count"]),
        (&json!(3), &json!(2))
    );
    assert_eq!(
        result["diff_stat"],
        json!({"files": 3, "insertions": 3, "deletions": 0})
    );
    let subjects: Vec<_> = result["commits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| &c["subject"])
        .collect();
    assert_eq!(
        subjects,
        ["Add c", "Extend a", "Keep the uncommitted work of agent 2"]
    );
    assert_eq!(
        rig.sh("repo", "git show farm/mend:c farm/mend:d"),
        "three\nleft uncommitted"
    );
    assert_eq!(
        rig.sh("repo", "git log --format=%an -n1 farm/mend"),
        "agent-2"
    );
    // Whoever has the repository open notices nothing but a new branch.
    assert_eq!(
        rig.sh("repo", "git status --porcelain; git branch --show-current"),
        "main"
    );
    assert_eq!(
        rig.sh(
            "repo",
            "git branch --list 'farm*' --format='%(refname:short)'"
        ),
        "farm/mend"
    );
    assert!(!rig.job("agent-1").exists() && rig.remains().is_empty());
}

#[test]
fn what_agents_used_learned_and_touched_stands_in_the_report() {
    let mut rig = Rig::new(2, CLEAN);
    let report = rig.run();
    assert_eq!(report.usage.usd.to_string(), "0.75", "{}", rig.log());
    assert_eq!(
        (report.usage.input_tokens, report.usage.output_tokens),
        (1010, 55)
    );
    assert_eq!(report.lessons, ["[LEARNED:shell] Quote every variable."]);
    assert_eq!(report.files, ["a", "c", "d"]);
    assert!(report.grade.is_some_and(|g| g > 0.99));
    let agents = report.result["agents"].as_array().unwrap();
    assert_eq!(
        (&agents[0]["outcome"], &agents[0]["cost_usd"]),
        (&json!("done"), &json!("0.25"))
    );
    assert_eq!(agents[1]["last_message"], "Added d.");
}

/// Both change the same line. The one that is told to rebase does what `$told` says.
fn conflict(told: &str) -> String {
    format!(
        "- when: {{prompt_contains: git rebase}}
  steps:
{told}
- steps:
    - bash: echo changed by {{{{agent}}}} >a && git commit -q -a -m 'Change a'
    - say: Changed a.
"
    )
}

#[test]
fn an_agent_whose_commits_do_not_fit_is_told_to_rebase_and_then_lands() {
    let told = "    - bash: git rebase farm/mend || true; echo both >a; git add a; git -c core.editor=true rebase --continue
    - say: Both hold.";
    let mut rig = Rig::new(2, &conflict(told));
    let report = rig.run();
    assert_eq!(
        report.outcome,
        Outcome::Succeeded,
        "{:?}\n{}",
        report.failure,
        rig.log()
    );
    assert_eq!(
        rig.sh("repo", "git show farm/mend:a"),
        "both",
        "{}",
        rig.log()
    );
    let agents = report.result["agents"].as_array().unwrap();
    assert_eq!(
        (&agents[0]["outcome"], &agents[1]["outcome"]),
        (&json!("done"), &json!("done"))
    );
    assert_eq!(agents[1]["last_message"], "Both hold.");
}

#[test]
fn a_conflict_that_nobody_resolves_is_reported_and_its_work_is_kept() {
    let mut rig = Rig::new(2, &conflict("    - say: I cannot."));
    let report = rig.run();
    assert_eq!(
        report.outcome,
        Outcome::Succeeded,
        "{:?}\n{}",
        report.failure,
        rig.log()
    );
    let agent = &report.result["agents"][1];
    assert_eq!(
        (&agent["outcome"], &agent["conflicts"]),
        (&json!("conflict"), &json!(["a"]))
    );
    let kept = format!("git show {}:a", agent["branch"].as_str().unwrap());
    assert_eq!(rig.sh("repo", &kept), "changed by 2");
    assert_eq!(rig.sh("repo", "git show farm/mend:a"), "changed by 1");
}

#[test]
fn a_clone_is_landed_and_pushed_to_where_it_came_from() {
    let rig = Rig::new(2, CLEAN).set("file_urls", json!(true));
    let url = format!("file://{}", rig.path("repo").display());
    let mut rig = rig
        .spec("workspace", json!({"git": {"url": url, "ref": "main"}}))
        .spec("land", json!({"branch": "mended", "push": true}));
    let report = rig.run();
    assert_eq!(
        report.outcome,
        Outcome::Succeeded,
        "{:?}\n{}",
        report.failure,
        rig.log()
    );
    assert_eq!(
        rig.sh("repo", "git log --format=%s -n1 mended"),
        "Keep the uncommitted work of agent 2"
    );
    assert!(
        report.result["project_path"]
            .as_str()
            .unwrap()
            .ends_with("/repo")
    );
    assert!(rig.job("repo/.git").exists());
}

/// A farm that pushes to `mended` and whose agent waits, at work, until somebody else has committed
/// this there.
fn pushed_meanwhile(theirs: &str) -> (Rig, Report) {
    let slow =
        "- steps: [{bash: 'echo x >c; git add c; git commit -q -m c'}, {wait_file: ../go}]\n";
    let rig = Rig::new(1, slow).set("file_urls", json!(true));
    let url = format!("file://{}", rig.path("repo").display());
    rig.sh("repo", "git branch mended");
    let mut rig = rig
        .spec("workspace", json!({"git": {"url": url, "ref": "main"}}))
        .spec("land", json!({"branch": "mended", "push": true}));
    rig.start();
    crate::rig::until("the agent at work", || {
        rig.job("agent-1/c").exists().then_some(())
    });
    let commit = "git add -A; git commit -q -m Other; git branch -f mended";
    rig.sh("repo", &format!("{theirs}; {commit}"));
    std::fs::write(rig.job("go"), "").unwrap();
    let report = rig.report();
    (rig, report)
}

#[test]
fn a_push_onto_a_branch_that_moved_meanwhile_puts_the_commits_on_top() {
    let (rig, report) = pushed_meanwhile("echo y >y");
    assert_eq!(
        report.outcome,
        Outcome::Succeeded,
        "{:?}\n{}",
        report.failure,
        rig.log()
    );
    let subjects = rig.sh("repo", "git log --reverse --format=%s mended");
    assert_eq!(subjects, "First\nOther\nc");
    // What is told is what is there now: the other's commit is not the farm's.
    let sha = rig.sh("repo", "git rev-parse mended");
    assert_eq!(
        report.result["commits"],
        json!([{"sha": sha, "subject": "c", "agent": "agent-1"}])
    );
    assert_eq!(report.files, ["c"]);
}

#[test]
fn a_push_that_does_not_fit_fails_the_job_and_keeps_its_result() {
    let (rig, report) = pushed_meanwhile("echo y >c");
    let failure = report.failure.unwrap();
    assert_eq!(
        failure.class.word(),
        "OutputRejected",
        "{}",
        failure.message
    );
    let kept = "is kept on the branch mended of ";
    assert!(failure.message.contains(kept), "{}", failure.message);
    assert_eq!(report.result["commits_made"], 1);
    assert_eq!(rig.sh("repo", "git log --format=%s -n1 mended"), "Other");
    let clone = rig.job("repo");
    let clone = clone.strip_prefix(rig.path("")).unwrap().to_str().unwrap();
    assert_eq!(rig.sh(clone, "git show mended:c"), "x");
}

#[test]
fn a_repository_that_is_too_large_is_not_cloned() {
    let rig = Rig::new(1, "[]")
        .set("file_urls", json!(true))
        .set("clone_limit", json!(1000));
    let url = format!("file://{}", rig.path("repo").display());
    let mut rig = rig.spec("workspace", json!({"git": {"url": url, "ref": "main"}}));
    let failure = rig.run().failure.unwrap();
    assert_eq!(failure.class.word(), "InvalidSpec", "{}", failure.message);
    assert!(
        failure.message.contains("SANDBOX_CLONE_LIMIT"),
        "{}",
        failure.message
    );
    assert!(!rig.job("repo").exists());
}
