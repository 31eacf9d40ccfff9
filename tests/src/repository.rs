//! A repository that is cloned from and pushed to by HTTP, as a forge has it: git's own program answers.
#![allow(
    clippy::unwrap_used,
    clippy::must_use_candidate,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::{
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    http::HeaderMap,
    response::Response,
};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, task::JoinHandle};

/// The largest push.
const LARGEST: usize = 16 << 20;

/// A repository. Its server ends with this value.
pub struct Repository {
    folder: TempDir,
    url: String,
    serving: JoinHandle<()>,
}

impl Drop for Repository {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Repository {
    /// One whose first commit, on `main`, has the files that this script of the shell makes.
    pub async fn with(script: &str) -> Self {
        Self::at(Ipv4Addr::LOCALHOST.into(), script).await
    }

    /// The same, to be reached at this address.
    pub async fn at(address: IpAddr, script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let who = "-c user.name=t -c user.email=t@t.invalid";
        let script = format!(
            "git init -q -b main one && cd one && {{ {script}; }} && git add . && git {who} commit -q -m First \
             && cd .. && git clone -q --bare one bare && git -C bare config http.receivepack true"
        );
        run(folder.path(), &["sh", "-ec", &script]);
        let listener = tokio::net::TcpListener::bind((address, 0)).await.unwrap();
        let url = format!("http://{}/bare", listener.local_addr().unwrap());
        let routes = Router::new()
            .fallback(answer)
            .with_state(folder.path().to_owned());
        let serving = tokio::spawn(async move {
            axum::serve(listener, routes).await.unwrap();
        });
        Self {
            folder,
            url,
            serving,
        }
    }

    /// Where it is cloned from.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What git with these words says of what was pushed.
    pub fn git(&self, words: &[&str]) -> String {
        let bare = self.folder.path().join("bare");
        run(&bare, &[&["git"], words].concat())
    }
}

fn run(folder: &Path, words: &[&str]) -> String {
    let done = Command::new(words[0])
        .args(&words[1..])
        .current_dir(folder)
        .output();
    let done = done.unwrap();
    assert!(done.status.success(), "{words:?}: {done:?}");
    String::from_utf8(done.stdout).unwrap()
}

/// One request by the Common Gateway Interface.
async fn answer(State(folder): State<PathBuf>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, LARGEST).await.unwrap();
    let said = |name: &str| {
        let value = head.headers.get(name).and_then(|v| v.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let mut git = tokio::process::Command::new("git");
    git.arg("http-backend")
        .env("GIT_PROJECT_ROOT", folder)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", head.method.as_str())
        .env("PATH_INFO", head.uri.path())
        .env("QUERY_STRING", head.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", said("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", said("content-encoding"))
        .env("GIT_PROTOCOL", said("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut child = git.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let ((), output) = tokio::join!(
        async move {
            // One that has refused reads no more.
            let _ = input.write_all(&body).await;
        },
        child.wait_with_output()
    );
    told(&output.unwrap().stdout)
}

/// A program's answer as HTTP: headers, an empty line, the body.
fn told(output: &[u8]) -> Response {
    let end = output.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let (head, body) = (&output[..end], &output[end + 4..]);
    let mut response = Response::new(Bytes::copy_from_slice(body).into());
    for line in String::from_utf8_lossy(head).lines() {
        let (name, value) = line.split_once(": ").unwrap();
        if name == "Status" {
            let code: u16 = value.split(' ').next().unwrap().parse().unwrap();
            *response.status_mut() = code.try_into().unwrap();
        } else {
            add(response.headers_mut(), name, value);
        }
    }
    response
}

fn add(headers: &mut HeaderMap, name: &str, value: &str) {
    let name: axum::http::HeaderName = name.parse().unwrap();
    headers.insert(name, value.parse().unwrap());
}
