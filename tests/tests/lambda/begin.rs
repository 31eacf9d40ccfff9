//! What the program is before its first event, and elsewhere than in Lambda.

use sandbox_tests::{
    lambda::{Account, Plan},
    node::built,
};
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_opened_before_the_first_event_and_the_log_says_how_long_it_took() {
    let account = Account::with(Plan {
        silent: true,
        ..Plan::default()
    });
    let account = account.await;
    for function in [&*account.api(), &*account.reconcile] {
        let ready = function.said("\"ready\"").await;
        let millis: serde_json::Value = serde_json::from_str(&ready).unwrap();
        assert!(millis["millis"].is_u64(), "{ready}");
    }
}

#[tokio::test]
async fn on_a_machine_the_program_says_what_does_the_same_there() {
    let begun = Command::new(built("bootstrap"))
        .env_clear()
        .output()
        .await
        .unwrap();
    assert!(!begun.status.success());
    let said = String::from_utf8_lossy(&begun.stderr).into_owned();
    assert!(said.contains("sandbox serve"), "{said}");
}
