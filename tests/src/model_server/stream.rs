//! A whole message as the events of a stream.

use std::convert::Infallible;

use axum::response::{
    IntoResponse, Response,
    sse::{Event, Sse},
};
use futures::stream;
use serde_json::{Value, json};

/// Characters of one delta.
const PIECE: usize = 40;

/// Streams a message.
pub(super) fn response(message: &Value) -> Response {
    let events = events(message).into_iter().map(|data| {
        let name = data["type"].as_str().unwrap_or_default().to_owned();
        Ok::<_, Infallible>(Event::default().event(name).data(data.to_string()))
    });
    Sse::new(stream::iter(events)).into_response()
}

/// The data of each event, in order.
fn events(message: &Value) -> Vec<Value> {
    let mut events = vec![start(message)];
    let blocks = message["content"].as_array().into_iter().flatten();
    for (index, block) in blocks.enumerate() {
        events.extend(block_events(index, block));
    }
    events.push(json!({
        "type": "message_delta",
        "delta": {"stop_reason": message["stop_reason"], "stop_sequence": null},
        "usage": message["usage"],
    }));
    events.push(json!({"type": "message_stop"}));
    events
}

/// The message as it stands before anything is said.
fn start(message: &Value) -> Value {
    let mut empty = message.clone();
    empty["content"] = json!([]);
    empty["stop_reason"] = Value::Null;
    empty["usage"]["output_tokens"] = json!(1);
    json!({"type": "message_start", "message": empty})
}

fn block_events(index: usize, block: &Value) -> Vec<Value> {
    let (empty, deltas) = if block["type"] == "tool_use" {
        let input = block["input"].to_string();
        let delta = |piece| json!({"type": "input_json_delta", "partial_json": piece});
        let empty =
            json!({"type": "tool_use", "id": block["id"], "name": block["name"], "input": {}});
        (empty, pieces(&input).map(delta).collect::<Vec<_>>())
    } else {
        let text = block["text"].as_str().unwrap_or_default();
        let delta = |piece| json!({"type": "text_delta", "text": piece});
        let empty = json!({"type": "text", "text": ""});
        (empty, pieces(text).map(delta).collect())
    };
    let start = json!({"type": "content_block_start", "index": index, "content_block": empty});
    let delta = |d| json!({"type": "content_block_delta", "index": index, "delta": d});
    let stop = json!({"type": "content_block_stop", "index": index});
    let mut events = vec![start];
    events.extend(deltas.into_iter().map(delta));
    events.push(stop);
    events
}

fn pieces(text: &str) -> impl Iterator<Item = String> {
    let letters: Vec<char> = text.chars().collect();
    let cut: Vec<String> = letters.chunks(PIECE).map(|c| c.iter().collect()).collect();
    cut.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_comes_in_pieces_that_make_it_again() {
        let text = "ä".repeat(100);
        let message = json!({"content": [{"type": "text", "text": text}], "usage": {}});
        let events = events(&message);
        let deltas = events.iter().filter_map(|e| e["delta"]["text"].as_str());
        let deltas: Vec<&str> = deltas.collect();
        assert!(deltas.len() > 1);
        assert_eq!(deltas.concat(), text);
    }

    #[test]
    fn the_events_stand_in_the_order_of_the_api() {
        let tool =
            json!({"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "ls"}});
        let events = events(&json!({"content": [tool], "stop_reason": "tool_use", "usage": {}}));
        let names: Vec<&str> = events.iter().filter_map(|e| e["type"].as_str()).collect();
        let block = [
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
        ];
        assert_eq!(names[1..4], block);
        assert_eq!(names[0], "message_start");
        assert_eq!(names[4..], ["message_delta", "message_stop"]);
    }
}
