//! `sandbox-operator check`: whether a server answers well, for an image that has no other client. Plain HTTP.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::http::{Request, Uri, header};
use http_body_util::Empty;
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks once.
///
/// # Errors
/// It does not answer, or not with success.
pub async fn check(url: &Uri) -> Result<()> {
    let asked = tokio::time::timeout(PATIENCE, ask(url)).await;
    let status = asked.with_context(|| format!("asked {url}: no answer in time"))?;
    let status = status.with_context(|| format!("asked {url}"))?;
    ensure!(status.is_success(), "asked {url}: it answered {status}");
    Ok(())
}

async fn ask(url: &Uri) -> Result<hyper::StatusCode> {
    ensure!(url.scheme_str() == Some("http"), "it is not like http://…");
    let host = url.authority().context("it names no host")?;
    let port = host.port_u16().unwrap_or(80);
    let stream = TcpStream::connect((host.host(), port)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let path = url.path_and_query().map_or("/", |p| p.as_str());
    let request = Request::get(path).header(header::HOST, host.as_str());
    let request = request.body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request);
    tokio::select! {
        answer = answer => Ok(answer?.status()),
        ended = connection => {
            ended?;
            anyhow::bail!("it closed the connection")
        }
    }
}
