//! The engine's client: reached when it is needed, its errors told apart. Knows no seat.

use std::io;

use bollard::{API_DEFAULT_VERSION, Docker, errors::Error};
use sandbox_core::{
    FailureClass,
    cause::{causes, innermost},
    port::{Answer, PortError},
};
use tokio::sync::OnceCell;

use crate::backend::cause::shortened;

/// How long one answer of the engine may take to begin, in seconds.
const LIMIT: u64 = 60;

/// Why the engine did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    /// Nobody answers: it was certainly not asked.
    #[error("{0}")]
    Unreachable(String),
    /// What was asked about is not there.
    #[error("{0}")]
    NotFound(String),
    /// Something of that name is there.
    #[error("{0}")]
    Conflict(String),
    /// It says no: the request is at fault.
    #[error("{0}")]
    Invalid(String),
    /// It says no, and is itself at fault.
    #[error("{0}")]
    Failed(String),
    /// It is not known what became of the request.
    #[error("the container engine gave no answer: {0}")]
    Lost(String),
}

impl Trouble {
    /// What a call that only looks, or that may be repeated, answers.
    pub(super) fn unknown(self, what: &str) -> PortError {
        match self {
            Self::NotFound(text) => PortError::NotFound(format!("{what}: {text}")),
            other => PortError::Unknown(format!("{what}: {other}")),
        }
    }

    /// What a launch answers, which the engine has either done or not.
    pub(super) fn definite(self, what: &str) -> PortError {
        let class = match self {
            Self::Lost(_) => return PortError::Unknown(format!("{what}: {self}")),
            Self::Invalid(_) if self.is_elsewhere() => FailureClass::Infrastructure,
            Self::Invalid(_) => FailureClass::InvalidSpec,
            _ => FailureClass::Infrastructure,
        };
        PortError::refused(class, format!("{what}: {self}{}", self.remedy()))
    }

    /// What we prepared is not there for the engine: it is on another machine, or we are in a
    /// container that it does not know.
    fn is_elsewhere(&self) -> bool {
        matches!(self, Self::Invalid(text) if text.contains("source path does not exist"))
    }

    fn remedy(&self) -> &'static str {
        match self {
            _ if self.is_elsewhere() => {
                "; the engine must see this server's data folder: run both on one machine, and a \
                 server in a container on the engine that it uses, with no hostname of its own"
            }
            Self::Failed(text) if text.contains("no space left") => {
                "; free space where the engine keeps its data (`docker system df`)"
            }
            _ => "",
        }
    }
}

impl From<Error> for Trouble {
    fn from(e: Error) -> Self {
        match e {
            Error::DockerResponseServerError {
                status_code,
                message,
            } => answered(status_code, shortened(&message)),
            Error::DockerStreamError { error } => Self::Failed(shortened(&error)),
            Error::SocketNotFoundError(path) => Self::Unreachable(unreachable(
                &format!("there is no socket {path}"),
                io::ErrorKind::NotFound,
            )),
            Error::HyperLegacyError { err } if err.is_connect() => {
                let kind = io_kind(&err);
                let text = innermost(&err);
                Self::Unreachable(unreachable(&text, kind))
            }
            other => Self::Lost(shortened(&innermost(&other))),
        }
    }
}

fn answered(status: u16, message: String) -> Trouble {
    match status {
        404 => Trouble::NotFound(message),
        409 => Trouble::Conflict(message),
        400..500 => Trouble::Invalid(message),
        // Podman's word for a conflict of names.
        500 if message.contains("name is already in use") => Trouble::Conflict(message),
        _ => Trouble::Failed(message),
    }
}

fn unreachable(text: &str, kind: io::ErrorKind) -> String {
    let remedy = match kind {
        io::ErrorKind::PermissionDenied => {
            "let the server's user use the socket (`usermod -aG docker <user>`) and restart it"
        }
        _ => "start it, or set DOCKER_HOST to where it is",
    };
    format!("reach the container engine: {text}; {remedy}")
}

fn io_kind(e: &(dyn std::error::Error + 'static)) -> io::ErrorKind {
    let io = causes(e).find_map(|e| e.downcast_ref::<io::Error>());
    io.map_or(io::ErrorKind::Other, io::Error::kind)
}

/// One engine.
#[derive(Debug)]
pub(super) struct Engine {
    host: String,
    client: OnceCell<Docker>,
    podman: OnceCell<bool>,
}

impl Engine {
    pub(super) fn new(host: &str) -> Answer<Self> {
        let known = ["unix://", "tcp://", "http://"];
        if !known.iter().any(|start| host.starts_with(start)) {
            let text = format!(
                "use the container engine at {host:?}: its address must begin with unix:// or \
                 tcp://; look at DOCKER_HOST"
            );
            return Err(PortError::refused(FailureClass::Infrastructure, text));
        }
        Ok(Self {
            host: host.to_owned(),
            client: OnceCell::new(),
            podman: OnceCell::new(),
        })
    }

    /// The client, in a version of the interface that the engine knows too. An engine that comes
    /// later than we do is met at the first call that needs it.
    pub(super) async fn client(&self) -> Result<&Docker, Trouble> {
        self.client.get_or_try_init(|| self.connect()).await
    }

    /// Whether it is Podman that speaks Docker's interface; asked once.
    pub(super) async fn is_podman(&self) -> Result<bool, Trouble> {
        let ask = async || {
            let seen = self.client().await?.version().await?;
            let parts = seen.components.unwrap_or_default();
            Ok(parts.iter().any(|part| part.name.starts_with("Podman")))
        };
        self.podman.get_or_try_init(ask).await.copied()
    }

    async fn connect(&self) -> Result<Docker, Trouble> {
        let docker = match self.host.strip_prefix("unix://") {
            Some(path) => Docker::connect_with_unix(path, LIMIT, API_DEFAULT_VERSION)?,
            None => Docker::connect_with_http(&self.host, LIMIT, API_DEFAULT_VERSION)?,
        };
        Ok(docker.negotiate_version().await?)
    }
}

/// What was asked for is the case already.
pub(super) fn is_so_already(e: &Error) -> bool {
    let code = match e {
        Error::DockerResponseServerError { status_code, .. } => *status_code,
        _ => return false,
    };
    code == 304
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_unknown_and_a_refusal_is_definite() {
        let lost = Trouble::Lost("cut".to_owned());
        assert!(matches!(lost.definite("start"), PortError::Unknown(_)));
        for (code, class) in [
            (400, FailureClass::InvalidSpec),
            (500, FailureClass::Infrastructure),
        ] {
            let answer = answered(code, "no".to_owned()).definite("start");
            assert!(matches!(answer, PortError::Refused(f) if f.class == class));
        }
    }

    #[test]
    fn whoever_only_looks_is_never_told_that_something_is_certain() {
        for trouble in [
            Trouble::Unreachable(String::new()),
            Trouble::Failed(String::new()),
            Trouble::Conflict(String::new()),
        ] {
            assert!(matches!(trouble.unknown("look"), PortError::Unknown(_)));
        }
    }

    #[test]
    fn a_socket_that_may_not_be_used_is_told_with_a_remedy() {
        let text = unreachable("Permission denied", io::ErrorKind::PermissionDenied);
        assert!(text.contains("usermod -aG docker"), "{text}");
    }

    #[test]
    fn a_name_that_podman_says_is_in_use_is_a_conflict_and_no_refusal() {
        let text = "that name is already in use".to_owned();
        assert!(matches!(answered(500, text), Trouble::Conflict(_)));
    }

    #[test]
    fn an_address_of_another_kind_is_refused() {
        assert!(Engine::new("ssh://host").is_err());
        assert!(Engine::new("unix:///x").is_ok());
    }

    #[tokio::test]
    async fn a_socket_that_is_not_there_was_certainly_not_asked() {
        let engine = Engine::new("unix:///nonexistent/docker.sock");
        let client = engine.map_err(|e| e.to_string());
        let client = client.as_ref().map(Engine::client);
        let trouble = match client {
            Ok(client) => client.await.map(drop),
            Err(e) => Err(Trouble::Lost(e.clone())),
        };
        assert!(
            matches!(trouble, Err(Trouble::Unreachable(_))),
            "{trouble:?}"
        );
    }
}
