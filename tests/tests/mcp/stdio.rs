//! `sandbox mcp` as an agent's program starts it: lines of JSON in, lines of JSON out.

use std::{
    io::{BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use sandbox_tests::node::{Node, built};
use serde_json::{Value, json};

/// The revisions that begin with `initialize`.
pub(super) const WITH_HANDSHAKE: [&str; 4] =
    ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// A client at the other end of a `sandbox mcp`.
struct Client {
    process: Child,
    to: Option<ChildStdin>,
    from: Lines<BufReader<ChildStdout>>,
    next: u64,
}

impl Client {
    fn start(server: &str, env: &[(&str, &str)]) -> Self {
        let mut process = Command::new(built("sandbox"))
            .arg("mcp")
            .env_clear()
            .env("SANDBOX_SERVER", server)
            .envs(env.iter().copied())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = process.stdin.take();
        let from = BufReader::new(process.stdout.take().unwrap()).lines();
        Self {
            process,
            to,
            from,
            next: 0,
        }
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.to.as_mut().unwrap(), "{message}").unwrap();
    }

    /// Sends a request; gives the answer to it.
    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.next += 1;
        let id = self.next;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        loop {
            let line = self.from.next().expect("it ended").unwrap();
            let said: Value = serde_json::from_str(&line).expect(&line);
            if said["id"] == id {
                return said;
            }
        }
    }

    /// Agrees on a revision; gives the server's answer.
    fn greet(&mut self, revision: &str) -> Value {
        let me = json!({"name": "test", "version": "1"});
        let hello = json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": me});
        let answer = self.ask("initialize", &hello);
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        answer["result"].clone()
    }

    fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        let call = json!({"name": tool, "arguments": arguments});
        let answer = self.ask("tools/call", &call);
        assert!(answer.get("error").is_none(), "{answer}");
        answer["result"].clone()
    }

    /// Ends as a client ends it; gives its exit code.
    fn end(mut self) -> Option<i32> {
        self.to = None;
        self.process.wait().unwrap().code()
    }
}

fn rule(text: &str) -> Value {
    json!({"domain": "db", "rule": text})
}

#[test]
fn every_revision_with_a_handshake_is_agreed_on_and_served() {
    let node = Node::start(&[]);
    for revision in WITH_HANDSHAKE {
        let mut client = Client::start(node.url(), &[]);
        let hello = client.greet(revision);
        assert_eq!(hello["protocolVersion"], revision);
        assert_eq!(hello["serverInfo"]["name"], "elf");
        assert!(
            hello["instructions"]
                .as_str()
                .unwrap()
                .contains("elf_query")
        );
        let tools = client.ask("tools/list", &json!({}));
        assert_eq!(tools["result"]["tools"].as_array().unwrap().len(), 10);
        let told = client.call("elf_query", &json!({}));
        assert_eq!(told["structuredContent"]["client_id"], "default");
        assert_eq!(client.end(), Some(0));
    }
}

#[test]
fn the_revision_without_a_handshake_is_served_at_the_first_request() {
    let node = Node::start(&[]);
    let mut client = Client::start(node.url(), &[]);
    let about = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let found = client.ask("server/discover", &json!({"_meta": about}));
    let versions = found["result"]["supportedVersions"].as_array().unwrap();
    assert!(versions.contains(&json!("2026-07-28")), "{found}");
    let call = json!({"name": "elf_stats", "arguments": {}, "_meta": about});
    let told = client.ask("tools/call", &call);
    assert_eq!(told["result"]["resultType"], "complete", "{told}");
    assert_eq!(told["result"]["structuredContent"]["total_heuristics"], 0);
    assert_eq!(client.end(), Some(0));
}

#[test]
fn a_revision_that_nobody_knows_is_answered_with_one_that_is_served() {
    let node = Node::start(&[]);
    let mut client = Client::start(node.url(), &[]);
    let hello = client.greet("1999-01-01");
    let agreed = hello["protocolVersion"].as_str().unwrap();
    assert!(WITH_HANDSHAKE.contains(&agreed), "{hello}");
}

#[test]
fn client_id_selects_the_tenant_as_the_line_of_the_old_readme_did() {
    let node = Node::start(&[]);
    let mut a = Client::start(node.url(), &[("CLIENT_ID", "client-a")]);
    a.greet("2025-06-18");
    let wrapped = json!({"params": rule("Lock the table before the move")});
    let kept = a.call("elf_record_heuristic", &wrapped);
    assert_eq!(kept["structuredContent"]["client_id"], "client-a", "{kept}");
    let mut other = Client::start(node.url(), &[]);
    other.greet("2025-06-18");
    let found = other.call("elf_search", &json!({"query": "lock the table"}));
    assert_eq!(found["structuredContent"]["total_results"], 0);
    let found = a.call("elf_search", &json!({"query": "lock the table"}));
    assert_eq!(found["structuredContent"]["total_results"], 1);
}

#[test]
fn where_keys_are_asked_for_the_key_names_the_tenant_and_client_id_does_not() {
    let keys = r#"{"key-a": "client-a", "key-b": "client-b"}"#;
    let node = Node::start(&[("AUTH_ENABLED", "true"), ("API_KEYS", keys)]);
    let foreign = [("SANDBOX_API_KEY", "key-b"), ("CLIENT_ID", "client-a")];
    let mut b = Client::start(node.url(), &foreign);
    b.greet("2025-11-25");
    let told = b.call("elf_stats", &json!({}));
    assert_eq!(told["structuredContent"]["client_id"], "client-b");
    let mut nobody = Client::start(node.url(), &[("CLIENT_ID", "client-a")]);
    nobody.greet("2025-11-25");
    let told = nobody.call("elf_stats", &json!({}));
    assert_eq!(told["isError"], true);
    let text = told["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("Missing API key"), "{text}");
}

#[test]
fn without_a_server_every_call_says_how_to_start_one() {
    let mut client = Client::start("http://127.0.0.1:9", &[]);
    client.greet("2025-11-25");
    let told = client.call("elf_query", &json!({}));
    assert_eq!(told["isError"], true);
    let text = told["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("start one with `sandbox serve`"), "{text}");
    assert_eq!(client.end(), Some(0));
}

#[test]
fn what_is_no_message_ends_no_server() {
    let node = Node::start(&[]);
    let mut client = Client::start(node.url(), &[]);
    client.greet("2025-11-25");
    for odd in [
        json!({"jsonrpc": "2.0", "id": "x", "method": "tools/fly"}),
        json!([]),
        json!(7),
    ] {
        client.send(&odd);
    }
    for (arguments, named) in [
        (
            json!({"domain": "db", "rule": "turned\u{202e}around"}),
            "u{202e}",
        ),
        (json!({"domain": "db", "rule": "a nul\u{0}byte"}), "u{0}"),
        (json!({"domain": "db", "rule": "x".repeat(501)}), "501"),
        (json!({"domain": ["db"], "rule": "A good rule"}), "domain"),
        (json!({}), "domain"),
    ] {
        let told = client.call("elf_record_heuristic", &arguments);
        assert_eq!(told["isError"], true);
        let text = told["content"][0]["text"].as_str().unwrap();
        assert!(text.contains(named), "{text}");
    }
    let told = client.call("elf_stats", &json!({}));
    assert_eq!(told["structuredContent"]["total_heuristics"], 0);
}

#[test]
fn texts_and_prompts_show_what_memory_knows() {
    let node = Node::start(&[]);
    let mut client = Client::start(node.url(), &[]);
    client.greet("2025-11-25");
    client.call(
        "elf_record_heuristic",
        &rule("Lock the table before the move"),
    );
    let read = client.ask("resources/read", &json!({"uri": "elf://domain/db"}));
    let text = read["result"]["contents"][0]["text"].as_str().unwrap();
    assert!(text.contains("Lock the table"), "{text}");
    let missing = client.ask("resources/read", &json!({"uri": "elf://rule/9"}));
    assert!(
        missing["error"]["message"]
            .as_str()
            .unwrap()
            .contains("there is none")
    );
    let prompt = client.ask(
        "prompts/get",
        &json!({"name": "checkin", "arguments": {"domain": "db"}}),
    );
    let text = prompt["result"]["messages"][0]["content"]["text"]
        .as_str()
        .unwrap();
    assert!(text.contains("Lock the table"), "{text}");
    let listed = client.ask("resources/list", &json!({}));
    assert_eq!(listed["result"]["resources"][0]["uri"], "elf://golden");
    let golden = client.ask("resources/read", &json!({"uri": "elf://golden"}));
    let golden = &golden["result"]["contents"][0];
    assert_eq!(
        (&golden["text"], &golden["mimeType"]),
        (&json!("[]"), &json!("application/json"))
    );
    let templates = client.ask("resources/templates/list", &json!({}));
    assert_eq!(
        templates["result"]["resourceTemplates"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[test]
fn a_prompt_for_a_postmortem_names_the_plan_and_one_that_is_not_there_is_an_error() {
    let node = Node::start(&[]);
    let mut client = Client::start(node.url(), &[]);
    client.greet("2025-11-25");
    let plan = client.call(
        "elf_record_plan",
        &json!({"title": "Move the orders table"}),
    );
    let number = plan["structuredContent"]["plan_id"].to_string();
    let prompt = client.ask(
        "prompts/get",
        &json!({"name": "postmortem", "arguments": {"plan_id": number}}),
    );
    let text = prompt["result"]["messages"][0]["content"]["text"]
        .as_str()
        .unwrap();
    assert!(
        text.contains("Compare plan 1 ") && text.contains("Move the orders table"),
        "{text}"
    );
    let unknown = client.ask("prompts/get", &json!({"name": "poem"}));
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
}
