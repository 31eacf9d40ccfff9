//! `claude_chat` against a scripted model.

use sandbox_core::{FailureClass, port::Lesson};
use serde_json::json;

use super::*;
use crate::model::tests::server::{Reply, Server};

fn chat() -> Value {
    json!({"type": "claude_chat", "claudeChat": {"prompt": "hello", "project": "shop",
        "filesToRead": ["a.sql"]}, "elf": {"domain": "sql"}})
}

#[tokio::test]
async fn an_answer_is_the_result_with_the_old_fields_and_its_cost() {
    let server = Server::start([Reply::text("Hi\n[LEARNED:sql] Dates are UTC.")]).await;
    let place = place(chat()).with_model(&server.url);
    let done = place.run().await.unwrap();
    let expected = [
        "response",
        "model",
        "usage",
        "cost_usd",
        "processed_by",
        "processed_at",
    ];
    assert_eq!(keys(&done.result), expected);
    assert_eq!(
        done.result["usage"],
        json!({"input_tokens": 10, "output_tokens": 20})
    );
    assert_eq!(done.result["cost_usd"], "0.00033");
    assert_eq!(done.lessons, ["[LEARNED:sql] Dates are UTC."]);
    assert_eq!(place.work.beat.borrow().usage.usd.to_string(), "0.00033");
    assert!(!place.log().contains("sk-test-key"));
}

#[tokio::test]
async fn lessons_of_memory_reach_the_system_prompt() {
    let server = Server::start([Reply::text("Hi")]).await;
    let mut place = place(chat()).with_model(&server.url);
    place.work.lessons.injected = vec![Lesson {
        rule: "r1".to_owned(),
        domain: "sql".to_owned(),
        text: "Dates are UTC.".to_owned(),
    }];
    place.run().await.unwrap();
    let (_, body) = server.asked().remove(0);
    let system = body["system"].as_str().unwrap();
    assert!(system.contains("- [r1 sql] Dates are UTC."), "{system}");
    assert_eq!(
        (&body["max_tokens"], &body["model"]),
        (&json!(1024), &json!("claude-sonnet-4-20250514"))
    );
}

#[test]
fn memory_is_asked_with_all_that_the_job_says() {
    let place = place(chat());
    let query = kind_of(JobType::ClaudeChat)
        .recall(&place.work.brief)
        .unwrap();
    assert_eq!(
        (query.text.as_str(), query.domain.as_deref()),
        ("hello", Some("sql"))
    );
    assert_eq!(
        (query.project.as_deref(), query.files),
        (Some("shop"), vec!["a.sql".to_owned()])
    );
}

#[tokio::test]
async fn without_a_key_the_failure_says_what_to_set_and_nothing_is_sent() {
    let server = Server::start([Reply::text("Hi")]).await;
    let mut place = place(chat()).with_model(&server.url);
    place.work.settings.model_key_file = None;
    let failure = place.run().await.unwrap_err();
    assert_eq!(failure.class, FailureClass::InvalidSpec);
    assert!(
        failure.message.contains("ANTHROPIC_API_KEY"),
        "{}",
        failure.message
    );
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn an_answer_without_text_is_a_failure_that_names_the_limit() {
    let stop = json!({"type": "message_delta", "delta": {"stop_reason": "max_tokens"},
        "usage": {"output_tokens": 1024}});
    let server = Server::start([Reply::events(&[stop, json!({"type": "message_stop"})])]).await;
    let failure = place(chat())
        .with_model(&server.url)
        .run()
        .await
        .unwrap_err();
    assert_eq!(failure.class, FailureClass::AgentError);
    assert!(
        failure.message.contains("raise the job's max_tokens"),
        "{}",
        failure.message
    );
}
