//! The tmux server: started where neither a logout nor our own end takes it down, and left alone
//! once it runs. Starts no session.

use tmux_interface::{SourceFile, StartServer, TmuxCommands};
use tokio::{net::UnixStream, sync::Mutex};

use super::{
    conf::VpsConfig,
    scope::{self, Keeper},
    tmux::{self, Tmux, TmuxError},
};

/// What the server is a child of, as far as the service manager is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Its own scope of the system: it stays when we end and when people log out.
    SystemScope,
    /// Its own scope of the user's manager: it stays when we end, and as long as that manager does.
    UserScope,
    /// A daemon beside us. Where a service manager ends a whole service or session, it ends too.
    Daemon,
    /// It was running before we came.
    Found,
}

/// Keeps the server running and configured.
#[derive(Debug, Default)]
pub(super) struct Server {
    /// Set once the version is known to do and the configuration is in force.
    known: Mutex<Option<Placement>>,
}

impl Server {
    /// Starts the server if none listens. Asked before every launch, so it has to be cheap: one
    /// connection to the socket. (Should the server end right after, tmux starts one by itself
    /// with the same configuration, though not in a scope of its own.)
    pub(super) async fn up(&self, tmux: &Tmux, config: &VpsConfig) -> Result<Placement, TmuxError> {
        let mut known = self.known.lock().await;
        let listens = UnixStream::connect(&tmux.socket).await.is_ok();
        match *known {
            Some(placement) if listens => return Ok(placement),
            _ => tmux.check_version().await?,
        }
        config.prepare()?;
        let placement = if listens {
            Placement::Found
        } else {
            start(tmux).await?
        };
        configure(tmux).await?;
        *known = Some(placement);
        Ok(placement)
    }
}

/// A server that was here before us gets today's configuration too.
async fn configure(tmux: &Tmux) -> Result<(), TmuxError> {
    let mut source = SourceFile::new().build();
    source.push_param(tmux::word(&pattern(&tmux.conf.to_string_lossy())));
    tmux.one(source).await.map(drop)
}

/// A path as a pattern that fits this path only: tmux reads such a path as a pattern.
fn pattern(path: &str) -> String {
    let special = |c| matches!(c, '*' | '?' | '[' | '\\');
    let mut text = String::with_capacity(path.len());
    for c in path.chars() {
        text.extend(special(c).then_some('\\'));
        text.push(c);
    }
    text
}

async fn start(tmux: &Tmux) -> Result<Placement, TmuxError> {
    match scope::keeper(tmux.limit).await {
        Keeper::Manager(placement) => match scope::begin(tmux, placement).await {
            Ok(()) => return Ok(placement),
            Err(e) => tracing::warn!(error = %e, "{}", scope::ADVICE),
        },
        Keeper::Nobody => tracing::warn!("{}", scope::ADVICE),
        Keeper::NotNeeded => {}
    }
    let words = TmuxCommands::new().cmd(StartServer::new().build());
    tmux.run(words).await?;
    Ok(Placement::Daemon)
}
