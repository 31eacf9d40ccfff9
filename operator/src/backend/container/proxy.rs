//! The way out of `network: restricted`: a forward proxy on a unix socket, for hosts on a list.
//!
//! A restricted container has no network at all. A relay inside listens on its loopback and hands what
//! it is sent to this socket. So no address of this machine can be reached from inside, and no other
//! container; and there is no firewall rule that could be missing.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpStream, UnixListener, UnixStream},
    sync::Semaphore,
    time::timeout,
};

/// The hosts that containers reach when nobody says: the model and two forges. Where packages come
/// from is for the operator to name.
pub const DEFAULT_HOSTS: &str = "api.anthropic.com,github.com,api.github.com,codeload.github.com,\
    *.githubusercontent.com,gitlab.com";

/// Most connections at a time.
const CONNECTIONS: usize = 512;
/// Largest head of a request.
const HEAD: usize = 16 << 10;
/// How long a head or a connection may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// The hosts that may be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    port: Option<u16>,
}

impl Hosts {
    /// Reads a list with commas: `host`, `*.domain` for all beneath it, `host:port` for another port
    /// than 80 and 443.
    ///
    /// # Errors
    /// The entry that is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let entries = text.split(',').map(str::trim).filter(|e| !e.is_empty());
        entries.map(entry).collect::<Result<_, _>>().map(Self)
    }

    fn permits(&self, host: &str, port: u16) -> bool {
        let host = host.to_ascii_lowercase();
        self.0.iter().any(|entry| {
            let named = match entry.name.strip_prefix('*') {
                Some(end) => host.ends_with(end),
                None => host == entry.name,
            };
            named && entry.port.map_or(matches!(port, 80 | 443), |p| p == port)
        })
    }
}

fn entry(text: &str) -> Result<Entry, String> {
    let bad = || format!("{text:?} is not like github.com, *.github.com or host:8443");
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) => (name, Some(port.parse().map_err(|_| bad())?)),
        None => (text, None),
    };
    let name = name.to_ascii_lowercase();
    let plain = name.strip_prefix("*.").unwrap_or(&name);
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if plain.is_empty() || !plain.chars().all(fine) {
        return Err(bad());
    }
    Ok(Entry { name, port })
}

/// Serves containers until it is dropped.
///
/// # Errors
/// The socket cannot be listened on any more.
pub async fn serve(listener: UnixListener, hosts: Hosts) -> io::Result<()> {
    let (hosts, room) = (Arc::new(hosts), Arc::new(Semaphore::new(CONNECTIONS)));
    loop {
        let (stream, _) = listener.accept().await?;
        let (hosts, room) = (hosts.clone(), room.clone());
        tokio::spawn(async move {
            let Ok(_place) = room.acquire().await else {
                return;
            };
            if let Err(e) = pass(stream, &hosts).await {
                tracing::debug!(error = %e, "a container's connection ended");
            }
        });
    }
}

async fn pass(mut inside: UnixStream, hosts: &Hosts) -> io::Result<()> {
    let (head, rest) = timeout(PATIENCE, head(&mut inside)).await??;
    let Some(asked) = Asked::parse(&head) else {
        return refuse(&mut inside, "400 Bad Request", "this is a forward proxy").await;
    };
    if !hosts.permits(&asked.host, asked.port) {
        tracing::info!(
            host = asked.host,
            port = asked.port,
            "refused to a container"
        );
        let text = format!(
            "{}:{} is not a host that containers may reach; SANDBOX_CONTAINER_HOSTS lists them",
            asked.host, asked.port
        );
        return refuse(&mut inside, "403 Forbidden", &text).await;
    }
    let mut outside = match timeout(PATIENCE, connect(&asked.host, asked.port)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(e)) => return refuse(&mut inside, "502 Bad Gateway", &e.to_string()).await,
        Err(_) => return refuse(&mut inside, "504 Gateway Timeout", "no answer in time").await,
    };
    if let Some(head) = &asked.forward {
        outside.write_all(head.as_bytes()).await?;
    } else {
        let answer = b"HTTP/1.1 200 Connection established\r\n\r\n";
        inside.write_all(answer).await?;
    }
    outside.write_all(&rest).await?;
    copy_bidirectional(&mut inside, &mut outside)
        .await
        .map(drop)
}

async fn refuse(to: &mut UnixStream, status: &str, text: &str) -> io::Result<()> {
    let size = text.len() + 1;
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {size}\r\n\
         Connection: close\r\n\r\n{text}\n"
    );
    to.write_all(answer.as_bytes()).await?;
    to.shutdown().await
}

/// The head of a request, and what came behind it.
async fn head(from: &mut (impl AsyncRead + Unpin)) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            let head = String::from_utf8(bytes);
            let head = head.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
            return Ok((head, rest));
        }
        if bytes.len() > HEAD {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "too long a head",
            ));
        }
        if from.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// What a request is for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    host: String,
    port: u16,
    /// The head as the server is to see it; none for a tunnel.
    forward: Option<String>,
}

impl Asked {
    fn parse(head: &str) -> Option<Self> {
        let (line, fields) = head.split_once("\r\n")?;
        let mut words = line.split(' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        if method == "CONNECT" {
            let (host, port) = authority(target, None)?;
            return Some(Self {
                host,
                port,
                forward: None,
            });
        }
        let rest = target.strip_prefix("http://")?;
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, port) = authority(&rest[..at], Some(80))?;
        let path = if rest[at..].starts_with('/') { "" } else { "/" };
        let mut forward = format!("{method} {path}{} {version}\r\n", &rest[at..]);
        let ours = ["proxy-", "connection:"];
        let kept = fields.split("\r\n").filter(|f| !f.is_empty()).filter(|f| {
            let field = f.to_ascii_lowercase();
            !ours.iter().any(|start| field.starts_with(start))
        });
        kept.for_each(|field| forward.extend([field, "\r\n"]));
        // One request, one connection: the next may be for another host.
        forward.push_str("Connection: close\r\n\r\n");
        Some(Self {
            host,
            port,
            forward: Some(forward),
        })
    }
}

/// Host and port. Names in user-info, brackets and the like are not on any list.
fn authority(text: &str, default: Option<u16>) -> Option<(String, u16)> {
    match text.rsplit_once(':') {
        Some((host, port)) => Some((host.to_owned(), port.parse().ok()?)),
        None => Some((text.to_owned(), default?)),
    }
}

/// Connects. A name on the list must not lead back to this machine or to a cloud's own addresses;
/// an address that stands on the list itself is meant.
async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let literal = host.parse::<IpAddr>().is_ok() || host == "localhost";
    let found = tokio::net::lookup_host((host, port)).await?;
    let fine: Vec<SocketAddr> = found.filter(|a| literal || is_outside(a.ip())).collect();
    if fine.is_empty() {
        let text = format!("{host} leads to no address outside this machine");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    TcpStream::connect(&fine[..]).await
}

fn is_outside(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    let local = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !(local || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast())
}

#[cfg(test)]
mod tests;
