//! The scripted model server, as a client sees it.

use reqwest::{Client, Response};
use sandbox_tests::model_server::{ModelServer, Script};
use serde_json::{Value, json};

async fn serve(script: &str) -> ModelServer {
    ModelServer::start(Script::parse(script).unwrap())
        .await
        .unwrap()
}

async fn post(server: &ModelServer, body: &Value) -> Response {
    let url = format!("{}/v1/messages?beta=true", server.base_url());
    let request = Client::new()
        .post(url)
        .header("content-type", "application/json");
    request
        .header("x-api-key", "sk-dummy")
        .body(body.to_string())
        .send()
        .await
        .unwrap()
}

fn asks(text: &str) -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": text}]})
}

async fn json_of(response: Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

/// The data of each event, and that its name says the same.
fn events(stream: &str) -> Vec<Value> {
    let blocks = stream.split("\n\n").filter(|b| !b.is_empty());
    let read = |block: &str| {
        let (name, data) = block.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(data["type"], name.strip_prefix("event: ").unwrap());
        data
    };
    blocks.map(read).collect()
}

#[tokio::test]
async fn a_stream_says_what_the_script_says() {
    let server = serve(
        "
- when: {contains: work}
  reply:
    text: I write.
    tool_use: [{name: Write, input: {file_path: /a, content: b}}]
    usage: {input_tokens: 7, output_tokens: 9}
",
    )
    .await;
    let mut body = asks("please work");
    body["stream"] = json!(true);
    let response = post(&server, &body).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let events = events(&response.text().await.unwrap());
    let names: Vec<&str> = events.iter().filter_map(|e| e["type"].as_str()).collect();
    let block = [
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
    ];
    assert_eq!(names[0], "message_start");
    assert_eq!(names[1..4], block);
    assert_eq!(names[4], "content_block_start");
    assert_eq!(names[names.len() - 2..], ["message_delta", "message_stop"]);
    assert_eq!(events[0]["message"]["usage"]["input_tokens"], 7);
    let end = &events[events.len() - 2];
    assert_eq!(end["delta"]["stop_reason"], "tool_use");
    assert_eq!(end["usage"]["output_tokens"], 9);
    server.shutdown().await;
}

#[tokio::test]
async fn every_request_is_recorded_with_the_rule_that_answered() {
    let server = serve("- when: {contains: one}\n  reply: {text: first}\n").await;
    post(&server, &asks("one")).await;
    post(&server, &asks("two")).await;
    let seen = server.requests();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].path, "/v1/messages?beta=true");
    assert_eq!(seen[0].header("X-Api-Key"), Some("sk-dummy"));
    assert_eq!(seen[0].body["messages"][0]["content"], "one");
    assert_eq!((seen[0].rule, seen[1].rule), (Some(0), None));
}

#[tokio::test]
async fn a_rule_answers_no_more_often_than_it_says() {
    let server = serve(
        "
- times: 1
  reply: {error: {status: 429, message: slow down, retry_after: 2}}
- reply: {text: now}
",
    )
    .await;
    let refused = post(&server, &asks("x")).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "2");
    assert_eq!(json_of(refused).await["error"]["type"], "rate_limit_error");
    let answer = json_of(post(&server, &asks("x")).await).await;
    assert_eq!(answer["content"][0]["text"], "now");
    assert_eq!(answer["stop_reason"], "end_turn");
}

#[tokio::test]
async fn a_tool_result_is_answered_even_before_a_system_message() {
    let server = serve(
        "
- when: {tool_result: done, has_tools: true, header: {x-api-key: dummy}}
  reply: {text: thanks}
",
    )
    .await;
    let body = json!({"tools": [{"name": "Bash"}], "messages": [
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "done"}]},
        {"role": "system", "content": "mind the time"},
    ]});
    let answer = json_of(post(&server, &body).await).await;
    assert_eq!(answer["content"][0]["text"], "thanks");
}

#[tokio::test]
async fn a_request_for_a_title_does_not_use_up_a_rule() {
    let server = serve("- times: 1\n  reply: {text: first}\n").await;
    let mut title = asks("work");
    title["output_config"] =
        json!({"format": {"schema": {"properties": {"title": {"type": "string"}}}}});
    let answer = json_of(post(&server, &title).await).await;
    assert!(
        answer["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("title")
    );
    let answer = json_of(post(&server, &asks("work")).await).await;
    assert_eq!(answer["content"][0]["text"], "first");
}

#[tokio::test]
async fn tokens_are_counted_and_other_paths_are_not_there() {
    let server = serve("[]").await;
    let url = format!("{}/v1/messages/count_tokens", server.base_url());
    let response = Client::new()
        .post(url)
        .body(asks("x").to_string())
        .send()
        .await
        .unwrap();
    assert!(json_of(response).await["input_tokens"].as_u64().unwrap() > 0);
    let response = reqwest::get(format!("{}/v1/models", server.base_url()))
        .await
        .unwrap();
    assert_eq!(response.status(), 404);
    assert_eq!(server.requests().len(), 2);
}
