//! The two ways to a server: a `sandbox mcp` as an agent's program starts it, and HTTP on a connection
//! that is kept.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, ChildStdin, ChildStdout, Command},
};

use anyhow::{Context, Result, ensure};
use sandbox_tests::node::built;
use serde_json::{Value, json};

/// The newest revision with a handshake.
const REVISION: &str = "2025-11-25";

fn hello() -> Value {
    let me = json!({"name": "bench", "version": "1"});
    json!({"protocolVersion": REVISION, "capabilities": {}, "clientInfo": me})
}

fn request(id: u64, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn noted() -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/initialized"})
}

/// A client of a `sandbox mcp`.
pub struct Stdio {
    process: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    next: u64,
    bytes: (usize, usize),
}

impl Stdio {
    pub fn start(server: &str, client: &str) -> Result<Self> {
        let mut process = Command::new(built("sandbox"))
            .arg("mcp")
            .env_clear()
            .envs([("SANDBOX_SERVER", server), ("CLIENT_ID", client)])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()?;
        let to = process.stdin.take();
        let from = BufReader::new(process.stdout.take().context("it has an output")?);
        let mut way = Self {
            process,
            to,
            from,
            next: 0,
            bytes: (0, 0),
        };
        way.turn("initialize", &hello())?;
        way.send(&noted())?;
        Ok(way)
    }

    pub fn ask(&mut self, call: &Value) -> Result<Value> {
        self.turn("tools/call", call)
    }

    /// Of the last call and its answer.
    pub const fn bytes(&self) -> (usize, usize) {
        self.bytes
    }

    fn turn(&mut self, method: &str, params: &Value) -> Result<Value> {
        self.next += 1;
        let asked = self.send(&request(self.next, method, params))?;
        let mut line = String::new();
        ensure!(self.from.read_line(&mut line)? > 0, "it ended");
        self.bytes = (asked, line.len());
        let answer: Value = serde_json::from_str(&line)?;
        ensure!(answer["id"] == self.next, "another answer: {line}");
        Ok(answer)
    }

    fn send(&mut self, message: &Value) -> Result<usize> {
        let line = format!("{message}\n");
        let to = self.to.as_mut().context("it is there")?;
        to.write_all(line.as_bytes())?;
        Ok(line.len())
    }
}

impl Drop for Stdio {
    fn drop(&mut self) {
        self.to = None;
        // It ends with its input.
        let _ = self.process.wait();
    }
}

/// A client of `/mcp`, as plain as one can be, so that the server is measured and not a library.
pub struct Http {
    to: TcpStream,
    from: BufReader<TcpStream>,
    place: String,
    client: String,
    session: Option<String>,
    next: u64,
}

impl Http {
    pub fn start(server: &str, client: &str) -> Result<Self> {
        let place = server.strip_prefix("http://").context("it speaks HTTP")?;
        let place = place.trim_end_matches('/');
        let to = TcpStream::connect(place)?;
        to.set_nodelay(true)?;
        let mut way = Self {
            from: BufReader::new(to.try_clone()?),
            to,
            place: place.to_owned(),
            client: client.to_owned(),
            session: None,
            next: 0,
        };
        way.turn(&request(0, "initialize", &hello()))?;
        way.turn(&noted())?;
        Ok(way)
    }

    pub fn ask(&mut self, call: &Value) -> Result<Value> {
        self.next += 1;
        let body = self.turn(&request(self.next, "tools/call", call))?;
        // One answer, by itself or as the event of a stream.
        let event = body.lines().find_map(|l| l.strip_prefix("data: {"));
        let answer: Value = match event {
            Some(rest) => serde_json::from_str(&format!("{{{rest}"))?,
            None => serde_json::from_str(&body)?,
        };
        ensure!(answer["id"] == self.next, "another answer: {body}");
        Ok(answer)
    }

    fn turn(&mut self, message: &Value) -> Result<String> {
        let body = message.to_string();
        let session = self.session.as_ref();
        let session = session.map(|s| format!("Mcp-Session-Id: {s}\r\n"));
        let text = format!(
            "POST /mcp HTTP/1.1\r\nHost: {}\r\nX-Client-Id: {}\r\nMCP-Protocol-Version: {REVISION}\r\n\
             Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n{}Content-Length: {}\r\n\r\n{body}",
            self.place,
            self.client,
            session.unwrap_or_default(),
            body.len(),
        );
        self.to.write_all(text.as_bytes())?;
        self.answer()
    }

    fn answer(&mut self) -> Result<String> {
        let status = self.line()?;
        ensure!(status.contains(" 20"), "refused: {status}");
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(": ") else {
                break;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse()?,
                "transfer-encoding" => chunked = value == "chunked",
                "mcp-session-id" => self.session = Some(value.to_owned()),
                _ => {}
            }
        }
        if chunked {
            self.chunks()
        } else {
            self.text(length)
        }
    }

    fn chunks(&mut self) -> Result<String> {
        let mut all = String::new();
        loop {
            let length = usize::from_str_radix(&self.line()?, 16)?;
            all += &self.text(length)?;
            self.line()?;
            if length == 0 {
                return Ok(all);
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.from.read_line(&mut line)? > 0, "the server hung up");
        Ok(line.trim_end().to_owned())
    }

    fn text(&mut self, length: usize) -> Result<String> {
        let mut bytes = vec![0; length];
        self.from.read_exact(&mut bytes)?;
        Ok(String::from_utf8(bytes)?)
    }
}
