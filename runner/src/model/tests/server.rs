//! A scripted Messages API on loopback, for tests: it answers each connection with the next reply
//! of its script and keeps what it was asked. It knows nothing of models.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Largest request that is read.
const MAX_REQUEST: usize = 4 * 1024 * 1024;

/// What is answered to one request.
pub struct Reply {
    head: String,
    chunks: Vec<Vec<u8>>,
    hold: bool,
}

impl Reply {
    /// A plain answer with this status, header lines and body.
    pub fn status(status: u16, headers: &str, body: &str) -> Self {
        Self {
            head: format!("HTTP/1.1 {status} x\r\n{headers}connection: close\r\n\r\n"),
            chunks: vec![body.as_bytes().to_vec()],
            hold: false,
        }
    }

    /// An error as the API writes it.
    pub fn error(status: u16, headers: &str, message: &str) -> Self {
        let body = json!({"type": "error", "error": {"type": "x", "message": message}});
        Self::status(status, headers, &body.to_string())
    }

    /// A stream of these raw bytes.
    pub fn raw(stream: &[u8]) -> Self {
        Self {
            chunks: vec![stream.to_vec()],
            ..Self::status(200, "content-type: text/event-stream\r\n", "")
        }
    }

    /// A stream of these events.
    pub fn events(events: &[Value]) -> Self {
        Self::raw(sse(events).as_bytes())
    }

    /// A whole answer with this text, 10 tokens in and 20 out.
    pub fn text(text: &str) -> Self {
        let mut events = vec![start(10)];
        events.push(json!({"type": "content_block_delta", "index": 0,
            "delta": {"type": "text_delta", "text": text}}));
        events.push(
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": 20}}),
        );
        events.push(json!({"type": "message_stop"}));
        Self::events(&events)
    }

    /// The same, sent in pieces of this many bytes.
    pub fn in_pieces(mut self, size: usize) -> Self {
        let all = self.chunks.concat();
        self.chunks = all.chunks(size).map(<[u8]>::to_vec).collect();
        self
    }

    /// The same, and then nothing until the client goes away.
    pub fn then_silence(mut self) -> Self {
        self.hold = true;
        self
    }
}

/// The event that begins an answer.
pub fn start(input_tokens: u64) -> Value {
    json!({"type": "message_start", "message": {"model": "claude-sonnet-4-20250514",
        "usage": {"input_tokens": input_tokens, "output_tokens": 1}}})
}

fn sse(events: &[Value]) -> String {
    let one = |e: &Value| format!("event: x\ndata: {e}\n\n");
    events.iter().map(one).collect()
}

/// The server.
pub struct Server {
    /// Its address.
    pub url: String,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    left: watch::Receiver<u32>,
}

impl Server {
    /// Serves this script; afterwards connections are refused.
    pub async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (gone, left) = watch::channel(0);
        let kept = Arc::clone(&asked);
        let mut script: VecDeque<Reply> = replies.into_iter().collect();
        tokio::spawn(async move {
            while let Some(reply) = script.pop_front() {
                let (stream, _) = listener.accept().await.unwrap();
                if script.is_empty() {
                    // Nobody is to come after the last one.
                    return serve(stream, reply, &kept, &gone).await;
                }
                serve(stream, reply, &kept, &gone).await;
            }
        });
        Self { url, asked, left }
    }

    /// An address at which nobody listens.
    pub async fn nobody() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    }

    /// The heads and bodies of the requests that came.
    pub fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clone()
    }

    /// Waits until a client has gone away from a silence.
    pub async fn left(&mut self) {
        self.left.wait_for(|n| *n > 0).await.unwrap();
    }
}

async fn serve(
    mut stream: TcpStream,
    reply: Reply,
    kept: &Mutex<Vec<(String, Value)>>,
    gone: &watch::Sender<u32>,
) {
    stream.set_nodelay(true).unwrap();
    let asked = request(&mut stream).await;
    kept.lock().unwrap().push(asked);
    stream.write_all(reply.head.as_bytes()).await.unwrap();
    for chunk in &reply.chunks {
        // A client may leave before the end.
        if stream.write_all(chunk).await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
    }
    if reply.hold {
        let mut rest = [0; 64];
        while stream.read(&mut rest).await.is_ok_and(|n| n > 0) {}
        gone.send_modify(|n| *n += 1);
    }
}

async fn request(stream: &mut TcpStream) -> (String, Value) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        if let Some((head, body)) = whole(&bytes) {
            return (head, serde_json::from_slice(&body).unwrap_or_default());
        }
        let n = stream.read(&mut buffer).await.unwrap();
        bytes.extend_from_slice(&buffer[..n]);
        assert!(n > 0 && bytes.len() <= MAX_REQUEST, "a request that ends");
    }
}

/// Head and body, once both are there.
fn whole(bytes: &[u8]) -> Option<(String, Vec<u8>)> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let length = head
        .lines()
        .find_map(|l| l.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |n| n.trim().parse().unwrap());
    let body = bytes.get(end + 4..end + 4 + length)?;
    Some((head, body.to_vec()))
}
