//! A request as it came, and what a rule asks of it.

use axum::http::{HeaderMap, Method, Uri};
use serde::Serialize;
use serde_json::Value;

/// One request, with everything in it.
#[derive(Clone, Debug, Serialize)]
pub struct Recorded {
    /// Such as `POST`.
    pub method: String,
    /// With the query.
    pub path: String,
    /// In the order of their arrival; names in small letters.
    pub headers: Vec<(String, String)>,
    /// Null where it was not JSON.
    pub body: Value,
    /// The place of the rule that answered, from 0; none for titles and counts.
    pub rule: Option<usize>,
}

/// The message that a request wants an answer to.
pub(super) struct Last {
    pub text: String,
    pub is_tool_result: bool,
}

impl Recorded {
    pub(super) fn new(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Self {
        let text = |v: &axum::http::HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
        Self {
            method: method.to_string(),
            path: uri.to_string(),
            headers: headers
                .iter()
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect(),
            body: serde_json::from_slice(body).unwrap_or(Value::Null),
            rule: None,
        }
    }

    /// A header's first value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Whether it offers the model any tool.
    #[must_use]
    pub fn has_tools(&self) -> bool {
        let tools = self.body["tools"].as_array();
        tools.is_some_and(|t| !t.is_empty())
    }

    /// The system prompt as one text.
    #[must_use]
    pub fn system(&self) -> String {
        text_of(&self.body["system"])
    }

    /// The last tool result, where it is what came last.
    #[must_use]
    pub fn tool_result(&self) -> Option<String> {
        let last = self.last();
        last.is_tool_result.then_some(last.text)
    }

    /// The last message of the user. `messages` may end with one of the role `system`.
    pub(super) fn last(&self) -> Last {
        let messages = self.body["messages"].as_array();
        let mut newest = messages.into_iter().flatten().rev();
        let found = newest.find(|m| m["role"] == "user");
        let content = found.map_or(&Value::Null, |m| &m["content"]);
        let results = tool_results(content);
        Last {
            is_tool_result: !results.is_empty(),
            text: if results.is_empty() {
                text_of(content)
            } else {
                results.join("\n")
            },
        }
    }

    /// The CLI asks for a title of the session beside the conversation, without tools.
    pub(super) fn asks_for_title(&self) -> bool {
        let schema = &self.body["output_config"]["format"]["schema"];
        let by_schema = schema["properties"]["title"].is_object();
        let system = self.system();
        let by_words = system.contains("You are Claude Code") && system.contains("title");
        !self.has_tools() && (by_schema || by_words)
    }
}

fn tool_results(content: &Value) -> Vec<String> {
    let blocks = content.as_array().into_iter().flatten();
    let results = blocks.filter(|b| b["type"] == "tool_result");
    results.map(|b| text_of(&b["content"])).collect()
}

/// The text of a content: a text itself, or the text blocks of a list.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts = blocks.iter().filter_map(|b| b["text"].as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(messages: &Value) -> Recorded {
        let body = json!({ "messages": messages }).to_string();
        Recorded::new(
            &Method::POST,
            &Uri::from_static("/v1/messages"),
            &HeaderMap::new(),
            body.as_bytes(),
        )
    }

    #[test]
    fn a_system_message_at_the_end_is_not_the_last() {
        let request = with(&json!([
            {"role": "user", "content": [{"type": "text", "text": "do it"}]},
            {"role": "system", "content": "remember"},
        ]));
        assert_eq!(request.last().text, "do it");
        assert_eq!(request.tool_result(), None);
    }

    #[test]
    fn a_tool_result_is_found_in_either_form() {
        let request = with(&json!([
            {"role": "user", "content": "do it"},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "done"},
                {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "so"}]},
                {"type": "text", "text": "a reminder"},
            ]},
        ]));
        assert_eq!(request.tool_result().unwrap(), "done\nso");
    }
}
