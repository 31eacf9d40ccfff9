//! The client against a scripted server.

pub mod server;

use std::time::Duration;

use serde_json::json;

use super::*;
use server::{Reply, Server, start};

const KEY: &str = "gateway-key-4711";

/// Asks with short pauses; gives the answer and what was said.
async fn ask(url: &str) -> (Result<Answer, Failure>, Vec<Said>) {
    let settings = Settings {
        model_url: Some(url.to_owned()),
        ..Settings::default()
    };
    let pace = Pace {
        first: Duration::from_millis(1),
        ..Pace::default()
    };
    let client = Client::with(&settings, SecretString::from(KEY), pace).unwrap();
    let question = Ask {
        model: "claude-sonnet-4-20250514",
        system: "be brief",
        prompt: "hello",
        max_tokens: 16,
    };
    let mut said = Vec::new();
    let until = Timestamp::now() + Duration::from_mins(10);
    let answer = client.ask(&question, until, &mut |s| said.push(s)).await;
    (answer, said)
}

async fn failure(replies: impl IntoIterator<Item = Reply>) -> (Failure, usize) {
    let server = Server::start(replies).await;
    let (answer, _) = ask(&server.url).await;
    let failure = answer.unwrap_err();
    assert!(!failure.message.contains(KEY), "{}", failure.message);
    (failure, server.asked().len())
}

#[tokio::test]
async fn a_question_is_sent_as_the_api_wants_it_and_the_answer_is_read() {
    let server = Server::start([Reply::text("Hello")]).await;
    let (answer, said) = ask(&server.url).await;
    let answer = answer.unwrap();
    assert_eq!(
        (answer.text.as_str(), answer.stop.as_str()),
        ("Hello", "end_turn")
    );
    assert_eq!(answer.usage.usd.micros(), 10 * 3 + 20 * 15);
    assert!(matches!(said.last(), Some(Said::Spent(u)) if *u == answer.usage));
    let (head, body) = server.asked().remove(0);
    assert!(head.starts_with("post /v1/messages http/1.1"), "{head}");
    assert!(head.contains("anthropic-version: 2023-06-01"), "{head}");
    assert!(head.contains(&format!("x-api-key: {KEY}")), "{head}");
    assert_eq!(
        body,
        json!({"model": "claude-sonnet-4-20250514", "max_tokens": 16, "stream": true,
            "system": "be brief", "messages": [{"role": "user", "content": "hello"}]})
    );
}

#[tokio::test]
async fn a_stream_in_small_pieces_gives_the_same_answer() {
    let server = Server::start([Reply::text("Gr\u{fc}\u{df} dich").in_pieces(3)]).await;
    assert_eq!(
        ask(&server.url).await.0.unwrap().text,
        "Gr\u{fc}\u{df} dich"
    );
}

#[tokio::test]
async fn a_wrong_key_is_told_once_with_what_to_set_and_without_the_key() {
    let text = format!("invalid x-api-key {KEY} or sk-ant-api03-other");
    let (failure, asked) = failure([Reply::error(401, "request-id: req_1\r\n", &text)]).await;
    assert_eq!((failure.class, asked), (FailureClass::InvalidSpec, 1));
    for part in ["status 401", "[key] or [key]", "req_1", "ANTHROPIC_API_KEY"] {
        assert!(
            failure.message.contains(part),
            "{part}: {}",
            failure.message
        );
    }
}

#[tokio::test]
async fn a_question_that_the_api_refuses_carries_its_message() {
    let (failure, _) = failure([Reply::error(400, "", "max_tokens: too many")]).await;
    assert_eq!(failure.class, FailureClass::InvalidSpec);
    assert!(
        failure.message.contains("max_tokens: too many"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn after_a_limit_the_same_question_is_asked_again() {
    let limit = Reply::error(429, "retry-after: 0\r\n", "slow down");
    let server = Server::start([limit, Reply::text("Hello")]).await;
    let (answer, said) = ask(&server.url).await;
    assert_eq!(answer.unwrap().text, "Hello");
    let waiting = said.iter().filter(|s| matches!(s, Said::Waiting(_)));
    assert_eq!((waiting.count(), server.asked().len()), (1, 2));
}

#[tokio::test]
async fn a_limit_for_long_gives_the_seat_back_and_says_until_when() {
    let (failure, asked) = failure([Reply::error(429, "retry-after: 3600\r\n", "")]).await;
    assert_eq!((failure.class, asked), (FailureClass::RateLimited, 1));
    assert!(failure.until.is_some_and(|t| t > Timestamp::now()));
}

#[tokio::test]
async fn an_overload_that_stays_ends_after_five_tries() {
    let replies = (0..5).map(|_| Reply::error(529, "", "Overloaded"));
    let (failure, asked) = failure(replies).await;
    assert_eq!((failure.class, asked), (FailureClass::Infrastructure, 5));
    assert!(
        failure.message.contains("5 times: status 529 (Overloaded)"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_asked_again_and_both_are_paid() {
    let broken = Reply::events(&[start(1000)]);
    let server = Server::start([broken, Reply::text("Hello")]).await;
    let answer = ask(&server.url).await.0.unwrap();
    assert_eq!(
        (answer.text.as_str(), answer.usage.input_tokens),
        ("Hello", 1010)
    );
}

#[tokio::test]
async fn an_error_within_the_stream_is_the_error_of_its_kind() {
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "x"}});
    let replies = (0..5).map(|_| Reply::events(&[start(1), error.clone()]));
    let (failure, asked) = failure(replies).await;
    assert_eq!((failure.class, asked), (FailureClass::Infrastructure, 5));
}

#[tokio::test]
async fn what_is_not_the_messages_api_is_said_to_be_so() {
    let html = "content-type: text/html\r\n";
    let replies = [
        Reply::raw(b"data: <html>\n\n"),
        Reply::raw(b"data: {\"type\": 7}\n\n"),
        Reply::raw(&vec![b'x'; 2 * 1024 * 1024]),
        Reply::status(200, html, "<html>"),
    ];
    for reply in replies {
        let (failure, asked) = failure([reply]).await;
        assert_eq!((failure.class, asked), (FailureClass::Infrastructure, 1));
        assert!(
            failure.message.contains("ANTHROPIC_BASE_URL"),
            "{}",
            failure.message
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let there = Server::start([Reply::text("stolen")]).await;
    let header = format!("location: {}/v1/messages\r\n", there.url);
    let (failure, _) = failure([Reply::status(307, &header, "")]).await;
    assert_eq!(failure.class, FailureClass::InvalidSpec);
    assert!(there.asked().is_empty());
}

#[tokio::test]
async fn when_nobody_listens_the_failure_says_where_to_look() {
    let url = Server::nobody()
        .await
        .replace("http://", "http://name:password@");
    let failure = ask(&url).await.0.unwrap_err();
    assert_eq!(failure.class, FailureClass::Infrastructure);
    assert!(
        failure.message.contains("no connection"),
        "{}",
        failure.message
    );
    assert!(!failure.message.contains("password"), "{}", failure.message);
}
