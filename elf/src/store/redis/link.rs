//! The way to a Redis server: who it is, whether it keeps what it acknowledges, and what its refusals
//! mean. Knows nothing of what is kept.

use std::{
    error::Error as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use redis::{
    Client, ConnectionInfo, ErrorKind, FromRedisValue, IntoConnectionInfo, RedisError, RedisResult,
    Script, ScriptInvocation, ServerErrorKind, TlsCertificates, Value, aio::MultiplexedConnection,
};

use super::{check, line::Line};

/// How long a connection may take.
pub(super) const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take: a disk that is slow to sync is no reason to give up.
pub(super) const ANSWER: Duration = Duration::from_secs(15);
/// How long replicas may take to say that they have a write.
const REPLICATE: Duration = Duration::from_secs(5);
/// Connections for writes that wait for replicas: the server does nothing else on one that waits.
const WAITING_LINES: usize = 16;

/// Which server, and how it is spoken to.
#[derive(Clone, Default)]
pub struct RedisSettings {
    /// `redis://[user@]host[:port][/db]`, `rediss://…` for TLS, or `unix:///path`.
    pub url: String,
    /// The password; goes before one in the URL.
    pub password: Option<String>,
    /// Certificates in PEM that the server's is checked against; the system's when absent.
    pub ca: Option<Vec<u8>>,
    /// What every key begins with, in braces. Two services on one server need two.
    pub prefix: String,
    /// Replicas that must have a write before it is acknowledged.
    pub replicas: u32,
    /// Whether a server is fine that may lose the last second.
    pub may_lose_a_second: bool,
}

/// Why there is no way to a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It was definitely not done.
    #[error("{0}")]
    Refused(String),
    /// It may or may not have been done. Asking again is safe.
    #[error("{0}")]
    Unknown(String),
}

/// An open way. Cheap to clone: all share one connection, so that the server syncs its file once for
/// many writes; those that wait for replicas share a few of their own.
#[derive(Clone)]
pub struct Link {
    client: Client,
    line: Line,
    waiting: Arc<[Line]>,
    turn: Arc<AtomicUsize>,
    prefix: Arc<str>,
    replicas: u32,
}

impl Link {
    /// Opens it, and checks that the server keeps what it acknowledges.
    ///
    /// # Errors
    /// The server cannot be reached or is not fit; the text says what to change.
    pub async fn open(settings: &RedisSettings) -> Result<Self, LinkError> {
        let prefix = &settings.prefix;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if !prefix.chars().all(plain) {
            let text = format!(
                "opened Redis: the prefix {prefix:?} has other signs than letters, digits and dashes"
            );
            return Err(LinkError::Refused(text));
        }
        let client = client(settings)?;
        let new_line = || Line::new(&client).map_err(|e| failed("connected to Redis", &e));
        let waiting = match settings.replicas {
            0 => 0,
            _ => WAITING_LINES,
        };
        let link = Self {
            line: new_line()?,
            waiting: (0..waiting).map(|_| new_line()).collect::<Result<_, _>>()?,
            turn: Arc::default(),
            prefix: format!("{{{prefix}}}").into(),
            replicas: settings.replicas,
            client,
        };
        check::server(&link, settings).await?;
        Ok(link)
    }

    /// The key of this name.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }

    /// A connection of its own, for a command that waits.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub async fn apart(&self) -> Result<MultiplexedConnection, LinkError> {
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(None);
        let opened = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        opened.await.map_err(|e| failed("connected to Redis", &e))
    }

    /// Asks something that changes nothing.
    ///
    /// # Errors
    /// `Refused` or `Unknown`.
    pub async fn ask<T: FromRedisValue>(
        &self,
        what: &str,
        command: &redis::Cmd,
    ) -> Result<T, LinkError> {
        let told = self
            .line
            .run(async |mut way| command.query_async(&mut way).await);
        told.await.map_err(|e| failed(what, &e))
    }

    /// Runs a script that changes nothing, beneath the key of this name.
    ///
    /// # Errors
    /// `Refused` or `Unknown`.
    pub async fn read<T: FromRedisValue>(
        &self,
        what: &str,
        script: &Script,
        name: &str,
        args: &[Vec<u8>],
    ) -> Result<T, LinkError> {
        let mut call = script.key(self.key(name));
        call.arg(args);
        self.invoke(what, &call).await
    }

    /// Runs a script that may write, beneath the key of this name. When the answer comes, the server
    /// and as many replicas as are asked for have it.
    ///
    /// # Errors
    /// `Refused` or `Unknown`.
    pub async fn write<T: FromRedisValue>(
        &self,
        what: &str,
        script: &Script,
        name: &str,
        args: &[Vec<u8>],
    ) -> Result<T, LinkError> {
        let mut call = script.key(self.key(name));
        call.arg(args);
        if self.waiting.is_empty() {
            return self.invoke(what, &call).await;
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.waiting.len();
        let told = self.waiting[turn].run(async |mut way| self.confirmed(&call, &mut way).await);
        let (told, have) = told.await.map_err(|e| failed(what, &e))?;
        if have < self.replicas {
            return Err(LinkError::Unknown(format!(
                "{what}: only {have} of {} replicas have it; it is done if this server stays the first",
                self.replicas
            )));
        }
        T::from_redis_value(told).map_err(|e| failed(what, &e.into()))
    }

    pub(super) async fn invoke<T: FromRedisValue>(
        &self,
        what: &str,
        call: &ScriptInvocation<'_>,
    ) -> Result<T, LinkError> {
        let told = self
            .line
            .run(async |mut way| call.invoke_async(&mut way).await);
        told.await.map_err(|e| failed(what, &e))
    }

    /// Runs a script and asks how many replicas have what this connection has written: both in one
    /// go, for on another connection, also after a reconnect, the answer would be about nothing.
    async fn confirmed(
        &self,
        call: &ScriptInvocation<'_>,
        way: &mut impl redis::aio::ConnectionLike,
    ) -> RedisResult<(Value, u32)> {
        let within = u64::try_from(REPLICATE.as_millis()).unwrap_or(u64::MAX);
        let mut both = redis::pipe();
        both.invoke_script(call)
            .cmd("WAIT")
            .arg(self.replicas)
            .arg(within);
        both.ignore_errors();
        loop {
            let told: (RedisResult<Value>, RedisResult<u32>) = both.query_async(way).await?;
            match told {
                (Err(e), _) if e.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    call.load_async(way).await?;
                }
                (told, have) => return Ok((told?, have?)),
            }
        }
    }
}

fn client(settings: &RedisSettings) -> Result<Client, LinkError> {
    let bad = |e: &RedisError| {
        // Its text may have the URL, and that may have a password.
        LinkError::Refused(format!(
            "read the address of Redis: it is not redis://host:port, rediss://host:port or unix:///path ({:?})",
            e.kind()
        ))
    };
    let info: ConnectionInfo = settings
        .url
        .as_str()
        .into_connection_info()
        .map_err(|e| bad(&e))?;
    // It would tell the server a name of no use, which needs one more right.
    let own = info.redis_settings().clone().set_skip_set_lib_name();
    let own = match &settings.password {
        Some(password) => own.set_password(password),
        None => own,
    };
    let info = info.set_redis_settings(own);
    let made = match &settings.ca {
        Some(ca) => {
            let certificates = TlsCertificates {
                client_tls: None,
                root_cert: Some(ca.clone()),
            };
            Client::build_with_tls(info, certificates)
        }
        None => Client::open(info),
    };
    made.map_err(|e| bad(&e))
}

/// What a failure means. Codes are those of the server.
pub(super) fn failed(what: &str, e: &RedisError) -> LinkError {
    let refused = |text: &str| LinkError::Refused(format!("{what}: {text}"));
    match (e.kind(), e.code()) {
        (_, Some("OOM")) => refused(
            "Redis is full (maxmemory) and refuses writes; nothing was written. Give it more memory or remove finished jobs",
        ),
        _ if is_read_only(e) => refused(
            "this Redis is a read-only replica; nothing was written. Point SANDBOX_STORE at the primary",
        ),
        (_, Some("MISCONF")) => refused(
            "Redis cannot write to its disk and refuses writes; nothing was written. Look at its log and its disk",
        ),
        (ErrorKind::Server(ServerErrorKind::NoPerm), _) | (_, Some("NOPERM")) => {
            refused("the Redis user may not do this; give it the rights that docs/redis.md names")
        }
        (ErrorKind::AuthenticationFailed, _) | (_, Some("WRONGPASS" | "NOAUTH")) => refused(
            "Redis does not accept the user and password; check the URL's user and SANDBOX_REDIS_PASSWORD_FILE",
        ),
        _ => LinkError::Unknown(format!("{what}: {}; is Redis up?", text_of(e))),
    }
}

/// Whether it came from a server that others write to now.
pub(super) fn is_read_only(e: &RedisError) -> bool {
    e.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly) || e.code() == Some("READONLY")
}

/// Its words without an address in them.
fn text_of(e: &RedisError) -> String {
    let cause = e.source().map(ToString::to_string);
    let detail = cause.or_else(|| e.detail().map(ToOwned::to_owned));
    let detail = detail.unwrap_or_default();
    let detail = detail.lines().next().unwrap_or_default();
    format!("{} {detail}", e.category()).trim().to_owned()
}
