//! Asks a node through every door there is.

use std::collections::BTreeSet;

use reqwest::Method;
use sandbox_operator::face::http::{ROUTES, Route};
use sandbox_tests::{
    model_server::{ModelServer, Script},
    node::Node,
    secrets::chance::Chance,
};
use serde_json::{Map, Value, json};

use super::filled::Filler;

/// Two clients and their keys.
pub const KEYS: [&str; 2] = ["key-a-0123456789abcdef", "key-b-0123456789abcdef"];
/// Routes that are not asked here: the protocol's own, which its methods stand for, and a browser's way in.
const ELSEWHERE: [&str; 4] = [
    "/mcp",
    "/dashboard/login",
    "/dashboard/logout",
    "/dashboard/style.css",
];
/// The revision without sessions.
const REVISION: &str = "2026-07-28";

/// Something that can be asked.
#[derive(Clone)]
pub enum Thing {
    /// A route.
    Route(&'static Route),
    /// A method of the protocol, with its parameters, the schema of what it is given, and whether it only reads.
    Protocol(String, Value, Value, bool),
}

impl Thing {
    /// Its name.
    pub fn name(&self) -> String {
        match self {
            Self::Route(route) => format!("{} {}", route.method, route.path),
            Self::Protocol(method, params, ..) => format!("{method} {}", named(params)),
        }
    }

    /// Whether it changes nothing.
    pub fn reads(&self) -> bool {
        match self {
            Self::Route(route) => route.method == "get",
            Self::Protocol(.., reads) => *reads,
        }
    }
}

fn named(params: &Value) -> &str {
    let name = params["name"].as_str().or(params["uri"].as_str());
    name.unwrap_or_default()
}

/// What is put into a question.
pub struct Said<'a> {
    /// Whose key.
    pub key: &'a str,
    /// What texts say.
    pub text: &'a str,
    /// What ids may be.
    pub ids: &'a [String],
}

/// An answer.
#[derive(Clone)]
pub struct Answer {
    /// Whether it was done.
    pub done: bool,
    /// Head and body.
    pub text: String,
    /// The body.
    pub json: Value,
}

/// A node with what is asked of it.
pub struct Hammer {
    pub node: Node,
    _model: ModelServer,
    pub things: Vec<Thing>,
    document: Value,
}

impl Hammer {
    /// A node of two clients whose model says this.
    pub async fn start(script: &str) -> Self {
        let model = ModelServer::start(Script::parse(script).unwrap())
            .await
            .unwrap();
        let keys = json!({KEYS[0]: "client-a", KEYS[1]: "client-b"}).to_string();
        let node = Node::start(&[
            ("AUTH_ENABLED", "true"),
            ("API_KEYS", &keys),
            ("ANTHROPIC_BASE_URL", &model.base_url()),
            ("ANTHROPIC_API_KEY", "sk-dummy"),
        ]);
        let mut hammer = Self {
            node,
            _model: model,
            things: Vec::new(),
            document: Value::Null,
        };
        let asked = hammer.send("get", "/openapi.json", KEYS[0], None).await;
        hammer.document = asked.json;
        hammer.things = hammer.everything().await;
        hammer
    }

    /// The routes of the memory and the dashboard, and what the protocol's own lists name.
    async fn everything(&self) -> Vec<Thing> {
        let ours = |path: &str| {
            let memory = ["/elf", "/dashboard", "/mcp"]
                .iter()
                .any(|p| path.starts_with(p));
            (memory || path.ends_with("/receipt")) && !ELSEWHERE.contains(&path)
        };
        let routes = ROUTES.iter().filter(|r| ours(r.path));
        let mut all: Vec<Thing> = routes.map(Thing::Route).collect();
        let lists = [
            ("tools/list", "tools", "tools/call"),
            ("resources/list", "resources", "resources/read"),
            (
                "resources/templates/list",
                "resourceTemplates",
                "resources/read",
            ),
            ("prompts/list", "prompts", "prompts/get"),
        ];
        for (list, key, method) in lists {
            all.push(Thing::Protocol(
                list.to_owned(),
                json!({}),
                json!(null),
                true,
            ));
            let told = self.protocol(list, json!({}), KEYS[0]).await;
            let listed = told.json["result"][key].as_array().cloned();
            for one in listed.unwrap_or_else(|| panic!("{list}: {}", told.text)) {
                all.push(listed_thing(method, &one));
            }
        }
        all
    }

    /// Asks this; chance says what exactly.
    pub async fn ask(&self, thing: &Thing, said: &Said<'_>, by: &mut Chance) -> Answer {
        let filler = Filler {
            root: &self.document,
            text: said.text,
            ids: said.ids,
        };
        match thing {
            Thing::Route(route) => {
                let path = path(route, said.ids, by).unwrap_or_else(|e| panic!("{e}"));
                let path = path + &query(route, &filler, by);
                let body = match route.path {
                    "/elf/import" => Some(self.next_line(said).await),
                    _ => self.body(route, &filler, by),
                };
                self.send(route.method, &path, said.key, body).await
            }
            Thing::Protocol(method, params, schema, _) => {
                let mut params = params.clone();
                if !schema.is_null() {
                    params["arguments"] = filler.value("arguments", schema, by);
                }
                fill_address(&mut params, said, by);
                self.protocol(method, params, said.key).await
            }
        }
    }

    fn body(&self, route: &Route, filler: &Filler<'_>, by: &mut Chance) -> Option<Value> {
        // The schema of this one leaves open what a tool is given.
        if route.path == "/elf/ask" {
            let tools = self.things.iter().filter_map(|t| match t {
                Thing::Protocol(m, params, schema, _) if m == "tools/call" => {
                    Some((params, schema))
                }
                _ => None,
            });
            let tools: Vec<_> = tools.collect();
            let (params, schema) = tools[by.below(tools.len())];
            let given = filler.value("arguments", schema, by);
            return Some(json!({"kind": "call", "tool": params["name"], "arguments": given}));
        }
        let place = [
            "paths",
            route.path,
            route.method,
            "requestBody",
            "content",
            "application/json",
            "schema",
        ];
        let schema = place.iter().fold(&self.document, |node, word| &node[*word]);
        (!schema.is_null()).then(|| filler.value("body", schema, by))
    }

    /// The line that continues this client's log, with the text wherever there is one.
    async fn next_line(&self, said: &Said<'_>) -> Value {
        let log = self.send("get", "/elf/export", said.key, None).await.text;
        let is_line = |l: &&str| l.starts_with('{');
        let last = log.lines().rfind(is_line).unwrap_or_default();
        let last: Value = serde_json::from_str(last).unwrap_or_default();
        let (text, place) = (said.text, last["seq"].as_u64().unwrap_or_default() + 1);
        json!({"entries": [{"v": 3, "seq": place, "at": "2026-01-01T00:00:00Z", "entry": {
            "kind": "ruleAdded", "id": format!("r-{place:016x}"), "domain": "sql", "text": text, "explanation": text,
            "project": text, "source": {"kind": "human", "seat": null}, "files": [text],
        }}]})
    }

    /// One request.
    pub async fn send(&self, method: &str, path: &str, key: &str, body: Option<Value>) -> Answer {
        let method: Method = method.to_uppercase().parse().unwrap();
        let mut request = self.node.request(method, path).header("x-api-key", key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        answer(request).await
    }

    async fn protocol(&self, method: &str, mut params: Value, key: &str) -> Answer {
        let name = named(&params).to_owned();
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": REVISION,
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let request = self
            .node
            .request(Method::POST, "/mcp")
            .header("x-api-key", key);
        let request = request
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", REVISION)
            .header("mcp-method", method)
            .header("mcp-name", name)
            .json(&message);
        let mut told = answer(request).await;
        told.done &= told.json["error"].is_null() && told.json["result"]["isError"] != true;
        told
    }

    /// What was never answered well.
    pub fn missed(&self, reached: &BTreeSet<String>) -> Vec<String> {
        let names = self.things.iter().map(Thing::name);
        names.filter(|n| !reached.contains(n)).collect()
    }
}

/// A thing as a list of the protocol shows it.
fn listed_thing(method: &str, one: &Value) -> Thing {
    let uri = one["uri"].as_str().or(one["uriTemplate"].as_str());
    let params = match (method, uri) {
        ("resources/read", Some(uri)) => json!({"uri": uri}),
        _ => json!({"name": one["name"]}),
    };
    let schema = match one["arguments"].as_array() {
        Some(arguments) => json!({"type": "object", "properties": arguments.iter().map(|a| {
            (a["name"].as_str().unwrap().to_owned(), json!({"type": "string"}))
        }).collect::<Map<String, Value>>()}),
        None => one["inputSchema"].clone(),
    };
    let reads = method != "tools/call" || one["annotations"]["readOnlyHint"] == true;
    Thing::Protocol(method.to_owned(), params, schema, reads)
}

/// The parameters of a route: those that it cannot do without, and half of the others.
fn query(route: &Route, filler: &Filler<'_>, by: &mut Chance) -> String {
    let mut text = String::from("?");
    for param in route.params.iter().filter(|p| p.place == "query") {
        if param.name == "query" || by.below(2) == 0 {
            let value = filler.value(param.name, &json!({"type": param.kind}), by);
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            let value = value.replace(' ', "%20").replace(['[', ']', '#', '&'], "");
            text.extend([param.name, "=", &value, "&"]);
        }
    }
    text
}

/// The path with what it names.
pub fn path(route: &Route, ids: &[String], by: &mut Chance) -> Result<String, String> {
    let path = route.path.replace("{id}", &ids[by.below(ids.len())]);
    if path.contains('{') {
        return Err(format!("{}: nothing is known to ask it with", route.path));
    }
    Ok(path)
}

/// Puts names into an address such as `elf://rule/{id}`.
fn fill_address(params: &mut Value, said: &Said<'_>, by: &mut Chance) {
    let Some(uri) = params["uri"].as_str() else {
        return;
    };
    let id = &said.ids[by.below(said.ids.len())];
    let word = said.text.split(' ').next().unwrap_or_default();
    let uri = uri
        .replace("{id}", id)
        .replace("{domain}", "sql")
        .replace("{+path}", word);
    assert!(!uri.contains('{'), "{uri}: nothing is known to ask it with");
    params["uri"] = uri.into();
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let answer = request.send().await.unwrap();
    let (done, head) = (
        answer.status().is_success(),
        format!("{:?}", answer.headers()),
    );
    let body = answer.text().await.unwrap();
    let event = body
        .lines()
        .filter_map(|l| l.strip_prefix("data:"))
        .next_back();
    let json = serde_json::from_str(event.unwrap_or(&body)).unwrap_or_default();
    let text = head + &body;
    Answer { done, text, json }
}
