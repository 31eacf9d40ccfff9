//! Under systemd the tmux server gets a scope of its own, or it would end with our service. Which
//! manager can keep it, and how it is asked. Knows tmux's command line and nothing of seats.

use std::{ffi::OsString, path::Path, time::Duration};

use super::{
    server::Placement,
    tmux::{self, Tmux, TmuxError},
};

/// What to do where no manager keeps the server.
pub(super) const ADVICE: &str = "the tmux server has no scope of its own: in a service set \
    KillMode=process, or run `loginctl enable-linger` for this user";

/// Who keeps the server when we end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeper {
    /// The manager of this placement.
    Manager(Placement),
    /// systemd is here, and no manager of it would keep the server any longer than a daemon lives.
    Nobody,
    /// No systemd: nobody ends daemons.
    NotNeeded,
}

/// Looks who could keep the server.
pub(super) async fn keeper(limit: Duration) -> Keeper {
    if !Path::new("/run/systemd/system").is_dir() {
        return Keeper::NotNeeded;
    }
    if rustix::process::geteuid().is_root() {
        return Keeper::Manager(Placement::SystemScope);
    }
    let ours = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    // A manager that does not linger ends with the user's last session and takes its scopes along,
    // while a daemon of a session stays.
    if is_beneath_a_users_manager(&ours) || lingers(limit).await {
        Keeper::Manager(Placement::UserScope)
    } else {
        Keeper::Nobody
    }
}

/// Whether these control groups (`/proc/self/cgroup`) are a service's of a user's own manager.
fn is_beneath_a_users_manager(cgroups: &str) -> bool {
    cgroups.contains("/user@")
}

async fn lingers(limit: Duration) -> bool {
    let user = rustix::process::getuid().as_raw().to_string();
    let words = ["loginctl", "show-user", &user, "--property=Linger"];
    let asked = tmux::output(tmux::command(words.map(OsString::from)), limit).await;
    asked.is_ok_and(|said| said.stdout.starts_with(b"Linger=yes"))
}

/// Starts the server in a scope of this manager.
pub(super) async fn begin(tmux: &Tmux, placement: Placement) -> Result<(), TmuxError> {
    let mut command = tmux::command(argv(tmux, placement));
    if placement == Placement::UserScope {
        // A service has no such variable although the user's manager is there.
        let user = rustix::process::getuid().as_raw();
        let folder = std::env::var_os("XDG_RUNTIME_DIR").filter(|text| !text.is_empty());
        command.env(
            "XDG_RUNTIME_DIR",
            folder.unwrap_or_else(|| format!("/run/user/{user}").into()),
        );
    }
    tmux::read(&tmux::output(command, tmux.limit.max(Duration::from_secs(5))).await?).map(drop)
}

/// `env -i` because the scope's tool needs variables that the server and all its children must
/// not get.
fn argv(tmux: &Tmux, placement: Placement) -> Vec<OsString> {
    let mut argv: Vec<OsString> = vec!["systemd-run".into()];
    if placement == Placement::UserScope {
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
        let argv = |placement| -> Vec<String> {
            let words = argv(&tmux, placement).into_iter();
            words.map(|w| w.to_string_lossy().into_owned()).collect()
        };
        assert!(argv(Placement::UserScope).contains(&"--user".to_owned()));
        let words = argv(Placement::SystemScope);
        assert!(!words.contains(&"--user".to_owned()));
        let place = |word: &str| words.iter().position(|w| w == word);
        assert!(place("--") < place("env") && place("env") < place("-i"));
        assert!(place("-i") < place("tmux"));
        assert_eq!(words.last().map(String::as_str), Some("start-server"));
    }

    #[test]
    fn a_service_of_a_users_own_manager_is_told_from_a_login_and_from_the_systems() {
        let of_user = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/s.service\n";
        assert!(is_beneath_a_users_manager(of_user));
        for other in [
            "0::/user.slice/user-1000.slice/session-2.scope\n",
            "0::/system.slice/sandbox.service\n",
            "",
        ] {
            assert!(!is_beneath_a_users_manager(other), "{other}");
        }
    }
}
