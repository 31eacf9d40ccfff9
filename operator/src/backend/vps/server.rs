//! The tmux server: started where neither a logout nor our own end takes it down, and left alone
//! once it runs. Starts no session.

use std::{ffi::OsString, path::Path, time::Duration};

use tmux_interface::{SourceFile, StartServer, TmuxCommands};
use tokio::{net::UnixStream, sync::Mutex};

use super::{
    conf::VpsConfig,
    tmux::{self, Tmux, TmuxError},
};

/// What the server is a child of, as far as the service manager is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Its own scope of the system: it stays when we end and when people log out.
    SystemScope,
    /// Its own scope of the user's manager: it stays when we end, and with lingering when the user
    /// logs out.
    UserScope,
    /// A daemon beside us. Where a service manager ends a whole service, it ends with ours.
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
    let booted = Path::new("/run/systemd/system").is_dir();
    let root = rustix::process::geteuid().is_root();
    if booted {
        match scope(tmux, root).await {
            Ok(placement) => return Ok(placement),
            Err(e) => tracing::warn!(
                error = %e,
                "no scope of its own for the tmux server; set KillMode=process for our service"
            ),
        }
    }
    let words = TmuxCommands::new().cmd(StartServer::new().build());
    tmux.run(words).await?;
    Ok(Placement::Daemon)
}

async fn scope(tmux: &Tmux, root: bool) -> Result<Placement, TmuxError> {
    let mut command = tmux::command(scope_argv(tmux, root));
    for name in ["XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    tmux::read(&tmux::output(command, tmux.limit.max(Duration::from_secs(5))).await?)?;
    Ok(if root {
        Placement::SystemScope
    } else {
        Placement::UserScope
    })
}

/// `env -i` because the scope's tool needs variables that the server and all its children must
/// not get.
fn scope_argv(tmux: &Tmux, root: bool) -> Vec<OsString> {
    let mut argv: Vec<OsString> = vec!["systemd-run".into()];
    if !root {
        argv.push("--user".into());
    }
    let fixed = [
        "--scope",
        "--collect",
        "--quiet",
        "--description=sandbox agents",
        "--",
    ];
    argv.extend(fixed.map(OsString::from));
    argv.extend(["env", "-i"].map(OsString::from));
    for (name, value) in tmux::clean_env() {
        let mut pair = name;
        pair.push("=");
        pair.push(value);
        argv.push(pair);
    }
    argv.extend(tmux.prefix());
    argv.push("start-server".into());
    argv
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_asks_the_users_manager_and_the_server_gets_a_clean_environment() {
        let tmux = Tmux {
            socket: "/d/s".into(),
            conf: "/d/c".into(),
            limit: Duration::from_secs(5),
        };
        let argv = |root| -> Vec<String> {
            let words = scope_argv(&tmux, root).into_iter();
            words.map(|w| w.to_string_lossy().into_owned()).collect()
        };
        assert!(argv(false).contains(&"--user".to_owned()));
        assert!(!argv(true).contains(&"--user".to_owned()));
        let words = argv(true);
        let place = |word: &str| words.iter().position(|w| w == word);
        assert!(place("--") < place("env") && place("env") < place("-i"));
        assert!(place("-i") < place("tmux"));
        assert_eq!(words.last().map(String::as_str), Some("start-server"));
    }
}
