//! `/mcp` of a server, as clients of each revision speak to it.

use reqwest::{Method, Response};
use sandbox_tests::node::Node;
use serde_json::{Value, json};

use super::stdio::WITH_HANDSHAKE;

/// A client of a revision that begins with `initialize`.
struct Client<'a> {
    node: &'a Node,
    revision: &'a str,
    session: Option<String>,
}

impl<'a> Client<'a> {
    async fn greet(node: &'a Node, revision: &'a str) -> (Self, Value) {
        let mut client = Self {
            node,
            revision,
            session: None,
        };
        let me = json!({"name": "test", "version": "1"});
        let hello = json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": me});
        let answer = client.post("initialize", &hello).await;
        let session = answer.headers().get("mcp-session-id");
        client.session = session.map(|s| s.to_str().unwrap().to_owned());
        let hello = message(answer).await["result"].clone();
        let told = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(client.send(&told).await.status(), 202);
        (client, hello)
    }

    async fn send(&self, message: &Value) -> Response {
        let mut request = self
            .node
            .request(Method::POST, "/mcp")
            .header("accept", "application/json, text/event-stream")
            .json(message);
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
            // Older ones know no such header.
            if self.revision >= "2025-06-18" {
                request = request.header("mcp-protocol-version", self.revision);
            }
        }
        request.send().await.unwrap()
    }

    async fn post(&self, method: &str, params: &Value) -> Response {
        self.send(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
            .await
    }

    async fn ask(&self, method: &str, params: &Value) -> Value {
        message(self.post(method, params).await).await
    }
}

/// The message in an answer, whether it came as JSON or as an event.
async fn message(answer: Response) -> Value {
    let status = answer.status();
    let text = answer.text().await.unwrap();
    let events = text.lines().filter_map(|l| l.strip_prefix("data:"));
    let found = events
        .filter_map(|l| serde_json::from_str(l.trim()).ok())
        .next_back()
        .or_else(|| serde_json::from_str(&text).ok());
    found.unwrap_or_else(|| panic!("{status} {text}"))
}

/// What clients may assume of a tool, and what it is given and answers, is said of every one.
fn is_described(tool: &Value) {
    let hints = &tool["annotations"];
    let name = tool["name"].as_str().unwrap();
    for hint in [
        "readOnlyHint",
        "destructiveHint",
        "idempotentHint",
        "openWorldHint",
    ] {
        assert!(hints[hint].is_boolean(), "{name} {hint}");
    }
    let reads = ["elf_query", "elf_search", "elf_stats", "elf_list_plans"];
    assert_eq!(hints["readOnlyHint"], reads.contains(&name), "{name}");
    assert_eq!(
        (&hints["destructiveHint"], &hints["openWorldHint"]),
        (&json!(false), &json!(false)),
        "{name}"
    );
    assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{name}");
    assert_eq!(tool["outputSchema"]["type"], "object", "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_revision_with_a_session_is_served_with_tools_texts_and_prompts() {
    let node = Node::start(&[]);
    for revision in WITH_HANDSHAKE {
        let (client, hello) = Client::greet(&node, revision).await;
        assert_eq!(hello["protocolVersion"], revision);
        let told = client.ask("tools/list", &json!({})).await;
        let tools = told["result"]["tools"].as_array().unwrap();
        assert_eq!(tools.len(), 10);
        tools.iter().for_each(is_described);
        let rule = json!({"domain": "db", "rule": "Lock the table before the move"});
        let call = json!({"name": "elf_record_heuristic", "arguments": rule});
        let told = client.ask("tools/call", &call).await;
        assert_eq!(
            told["result"]["structuredContent"]["heuristic_id"], 1,
            "{told}"
        );
        let read = client
            .ask("resources/read", &json!({"uri": "elf://rule/1"}))
            .await;
        let text = read["result"]["contents"][0]["text"].as_str().unwrap();
        assert!(text.contains("Lock the table"), "{read}");
        let prompt = client.ask("prompts/get", &json!({"name": "checkin"})).await;
        assert!(prompt["result"]["messages"][0].is_object(), "{prompt}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_nobody_gave_out_is_refused_and_every_list_is_one_page() {
    let node = Node::start(&[]);
    let (client, _) = Client::greet(&node, "2025-11-25").await;
    for list in [
        "tools/list",
        "resources/list",
        "resources/templates/list",
        "prompts/list",
    ] {
        let told = client.ask(list, &json!({})).await;
        assert!(told["result"]["nextCursor"].is_null(), "{list}: {told}");
        let told = client.ask(list, &json!({"cursor": "more"})).await;
        assert_eq!(told["error"]["code"], -32602, "{list}: {told}");
    }
}
