//! Secrets of a tenant, for the claimant in a task.

use super::*;

/// A farm that names a secret, in this place.
fn with_secret(name: &str, place: &str) -> Value {
    let git = json!({"url": "https://example.org/a.git", "tokenSecret": name});
    let farm = json!({"task": "mend it", "workspace": {"git": git}});
    json!({"type": "agent_farm", "deadline": "720h", "agentFarm": farm, "backend": {"name": place}})
}

/// What the claimant of the seat is told of the job's secrets, who says this nonce.
async fn secrets_told(spec: Value, nonce: &str) -> (u16, String) {
    let (door, _) = door_of(spec, Checks::default()).await;
    let seat: Seat = format!("{UID}/1").parse().unwrap();
    let tenant = "team-a".parse().unwrap();
    let token = own().issue(&seat, &tenant, Timestamp::MAX);
    let claim = json!({"nonce": "n", "instance": "task:1", "at": "2020-01-01T00:00:00Z"});
    let claimed = call(&door, "claim", Some(&token), &claim).await;
    assert_eq!(claimed.0, 200, "{}", claimed.1);
    let signed = json!({"nonce": nonce, "body": null});
    assert_eq!(call(&door, "secrets", None, &signed).await.0, 401);
    call(&door, "secrets", Some(&token), &signed).await
}

#[tokio::test]
async fn the_claimant_in_a_task_is_given_the_secrets_that_its_job_names_and_nobody_else_is() {
    let told = secrets_told(with_secret("github", "fargate"), "n").await;
    assert_eq!(told, (200, json!({"github": "the-token"}).to_string()));
    let forged = secrets_told(with_secret("github", "fargate"), "other").await;
    let elsewhere = secrets_told(with_secret("github", "vps"), "n").await;
    let echo = json!({"type": "echo", "echo": {"message": "hi"}, "deadline": "720h", "backend": {"name": "fargate"}});
    for (status, words) in [forged, elsewhere] {
        assert_eq!(status, 403, "{words}");
        assert!(!words.contains("the-token"), "{words}");
    }
    assert_eq!(secrets_told(echo, "n").await, (200, "{}".to_owned()));
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_the_failure_of_the_attempt_with_what_to_do() {
    let (status, words) = secrets_told(with_secret("gitlab", "fargate"), "n").await;
    assert_eq!(status, 422, "{words}");
    let failure: sandbox_core::Failure = serde_json::from_str(&words).unwrap();
    assert_eq!(failure.class, FailureClass::InvalidSpec);
    assert!(
        failure.message.contains("create-secret team-a/gitlab"),
        "{words}"
    );
}
