//! The user's own login for agents: copies of its access token, never of its refresh token.
//!
//! Whoever renews a login uses its refresh token up, and every other copy of it is logged out. So
//! only one holder can ever renew: the user's own program, in the user's own folder, which we read
//! and never write. Agents get what is good until it expires, and the next one as soon as it stands
//! there; their program takes a replaced file up with its next request (seen with version 2.1.197).
//!
//! Where a command for it is set, the user's program is run shortly before the end, under a lock.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::{fs::OpenOptionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{desk::Desk, process::SEAT_VARIABLE};

/// The file's name in the program's folder.
const FILE: &str = ".credentials.json";
/// The one object in it that is about this login.
const OBJECT: &str = "claudeAiOauth";
/// What agents are given of it.
const COPIED: [&str; 5] = [
    "accessToken",
    "expiresAt",
    "scopes",
    "subscriptionType",
    "rateLimitTier",
];
/// The largest file of logins.
const LARGEST: u64 = 64 << 10;
/// So long before the end the program renews its login when it is run: it does from five minutes on.
const EARLY: i64 = 270_000;
/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How long it is waited after a renewal that changed nothing.
const AGAIN: Duration = Duration::from_mins(1);

/// Where the login stands, and how it is renewed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    /// The file of the user's own program.
    pub file: PathBuf,
    /// The command that makes the user's own program renew it; empty where nobody is to.
    pub renew: Vec<String>,
    /// Held while it is renewed.
    pub lock: PathBuf,
}

/// What agents may have of a login.
#[derive(Clone, PartialEq, Eq)]
pub struct Loan {
    text: Vec<u8>,
    /// When it ends, in milliseconds of Unix time, where that is known.
    pub until: Option<i64>,
}

impl Login {
    /// Reads what agents may have.
    ///
    /// # Errors
    /// The file is not there, or holds no login. What it holds is not told.
    pub fn loan(&self) -> io::Result<Loan> {
        let mut text = String::new();
        File::open(&self.file)?
            .take(LARGEST)
            .read_to_string(&mut text)?;
        let none = || io::Error::other("it holds no login; run `claude` once and log in");
        let whole: Value = serde_json::from_str(&text).map_err(|_| none())?;
        let own = &whole[OBJECT];
        if own["accessToken"].as_str().is_none_or(str::is_empty) {
            return Err(none());
        }
        let copied: Map<String, Value> = COPIED
            .iter()
            .filter(|k| !own[**k].is_null())
            .map(|k| ((*k).to_owned(), own[*k].clone()))
            .collect();
        Ok(Loan {
            text: serde_json::to_vec(&json!({OBJECT: copied}))?,
            until: own["expiresAt"].as_i64(),
        })
    }

    /// Runs the command in the user's surroundings, if nobody else renews. The lock goes with it.
    fn begin(&self) -> io::Result<Option<Child>> {
        let Some((program, rest)) = self.renew.split_first() else {
            return Ok(None);
        };
        if let Some(folder) = self.lock.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        let lock = options.mode(0o600).open(&self.lock)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) => return Err(e),
        }
        let mut command = Command::new(program);
        // It is no part of the seat: ended in the middle, it could use the refresh token up and
        // keep no other.
        command
            .args(rest)
            .env_remove(SEAT_VARIABLE)
            .process_group(0);
        command.envs(self.surroundings());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.stdin(Stdio::from(lock)).spawn().map(Some)
    }

    /// The variable by which the program finds this file.
    fn surroundings(&self) -> Option<(&'static str, &Path)> {
        let folder = self.file.parent()?;
        match (folder.file_name()?.to_str(), folder.parent()) {
            (Some(".claude"), Some(home)) => Some(("HOME", home)),
            _ => Some(("CLAUDE_CONFIG_DIR", folder)),
        }
    }
}

impl Loan {
    /// Puts it where an agent's program looks.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn give(&self, desk: &Desk) -> io::Result<()> {
        let path = desk.config().join(FILE);
        let next = path.with_extension("next");
        let mut options = OpenOptions::new();
        options.create(true).truncate(true).write(true).mode(0o600);
        options.open(&next)?.write_all(&self.text)?;
        fs::rename(next, path)
    }

    /// How long it is good, in milliseconds; for ever where no end is known.
    fn left(&self, now: i64) -> i64 {
        self.until.map_or(i64::MAX, |until| until - now)
    }

    /// Whether it is of no use any more.
    pub fn is_over(&self, now: i64) -> bool {
        self.left(now) <= 0
    }

    /// Until when it is good, for people.
    pub fn end(&self) -> Option<Timestamp> {
        self.until
            .and_then(|ms| Timestamp::from_millisecond(ms).ok())
    }
}

/// Takes an agent's copy away.
pub fn forget(desk: &Desk) {
    // Without a login there is none.
    let _ = fs::remove_file(desk.config().join(FILE));
}

/// Keeps the copies of a farm's agents good.
pub struct Keeper {
    login: Login,
    given: Option<Loan>,
    next: Instant,
    renewing: Option<Child>,
    renew_from: Instant,
    is_told: bool,
}

impl Keeper {
    /// Begins.
    pub fn new(login: &Login) -> Self {
        let now = Instant::now();
        Self {
            login: login.clone(),
            given: None,
            next: now,
            renewing: None,
            renew_from: now,
            is_told: false,
        }
    }

    /// Looks whether there is another token, gives it to these agents, and renews in time. Gives
    /// what people should know.
    pub fn tend<'a>(&mut self, desks: impl Iterator<Item = &'a Desk>, now: i64) -> Option<String> {
        if Instant::now() < self.next {
            return None;
        }
        self.next = Instant::now() + LOOK;
        let loan = match self.login.loan() {
            Ok(loan) => loan,
            Err(e) => return self.tell(&format!("read your own login: {e}")),
        };
        let left = loan.left(now);
        if self.given.as_ref() != Some(&loan) {
            let failed: Vec<io::Error> = desks.filter_map(|d| loan.give(d).err()).collect();
            if let Some(e) = failed.first() {
                return self.tell(&format!("give the agents another token: {e}"));
            }
            self.given = Some(loan);
        }
        if left > EARLY {
            self.is_told = false;
            return None;
        }
        self.renew(left)
    }

    /// Waits until a login that is over is renewed, if somebody does. Says whether it is good.
    pub async fn is_ready(&mut self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        loop {
            let now = Timestamp::now().as_millisecond();
            if self.login.loan().is_ok_and(|loan| !loan.is_over(now)) {
                return true;
            }
            if self.login.renew.is_empty() || Instant::now() > until {
                return false;
            }
            self.renew(0);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// When the login ends, if nobody here renews it and that is before this.
    pub fn end_before(&self, deadline: Timestamp) -> Option<Timestamp> {
        let end = self.login.loan().ok()?.end()?;
        (self.login.renew.is_empty() && end < deadline).then_some(end)
    }

    fn renew(&mut self, left: i64) -> Option<String> {
        if let Some(child) = &mut self.renewing {
            match child.try_wait() {
                Ok(None) => return None,
                Ok(Some(_)) | Err(_) => self.renewing = None,
            }
        }
        if !self.login.renew.is_empty() && Instant::now() >= self.renew_from {
            self.renew_from = Instant::now() + AGAIN;
            match self.login.begin() {
                Ok(child) => self.renewing = child,
                Err(e) => return self.tell(&format!("run SANDBOX_AGENT_LOGIN_RENEW: {e}")),
            }
            return None;
        }
        if left > 0 || self.renewing.is_some() {
            return None;
        }
        self.tell("your own login is over: open `claude` once, which renews it")
    }

    /// Says a thing once, until all is well again.
    fn tell(&mut self, text: &str) -> Option<String> {
        (!std::mem::replace(&mut self.is_told, true)).then(|| text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Rig {
        dir: tempfile::TempDir,
        login: Login,
        desk: Desk,
    }

    /// A login that ends after so many seconds, and an agent.
    fn rig(seconds: i64) -> Rig {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(".claude/.credentials.json");
        fs::create_dir(dir.path().join(".claude")).unwrap();
        fs::write(&file, login("one", seconds)).unwrap();
        let desk = Desk::new(&dir.path().join("seat"), 1);
        desk.make().unwrap();
        let lock = dir.path().join("secrets/login.lock");
        let renew = Vec::new();
        Rig {
            login: Login { file, renew, lock },
            dir,
            desk,
        }
    }

    fn login(token: &str, seconds: i64) -> String {
        let until = now() + seconds * 1000;
        json!({"claudeAiOauth": {"accessToken": token, "refreshToken": "never", "expiresAt": until,
            "scopes": ["user:inference"], "subscriptionType": "max"}, "mcpOAuth": {"x": "never"}})
        .to_string()
    }

    fn now() -> i64 {
        Timestamp::now().as_millisecond()
    }

    impl Rig {
        fn copy(&self) -> Value {
            let bytes = fs::read(self.desk.config().join(FILE)).unwrap();
            serde_json::from_slice(&bytes).unwrap()
        }

        fn tend(&self, keeper: &mut Keeper) -> Option<String> {
            keeper.next = Instant::now();
            keeper.tend([&self.desk].into_iter(), now())
        }
    }

    #[test]
    fn agents_get_the_access_token_and_nothing_that_could_renew_it() {
        use std::os::unix::fs::PermissionsExt;
        let rig = rig(3600);
        let before = fs::read(&rig.login.file).unwrap();
        assert_eq!(rig.tend(&mut Keeper::new(&rig.login)), None);
        let copy = rig.copy();
        assert_eq!(copy["claudeAiOauth"]["accessToken"], "one");
        assert_eq!(copy["claudeAiOauth"]["subscriptionType"], "max");
        assert!(!copy.to_string().contains("never"), "{copy}");
        let mode = fs::metadata(rig.desk.config().join(FILE)).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read(&rig.login.file).unwrap(), before);
        forget(&rig.desk);
        assert!(!rig.desk.config().join(FILE).exists());
    }

    #[test]
    fn a_token_that_the_user_renewed_reaches_agents_at_work() {
        let rig = rig(60);
        let mut keeper = Keeper::new(&rig.login);
        rig.tend(&mut keeper);
        fs::write(&rig.login.file, login("two", 3600)).unwrap();
        rig.tend(&mut keeper);
        assert_eq!(rig.copy()["claudeAiOauth"]["accessToken"], "two");
    }

    #[test]
    fn a_login_that_is_over_is_said_once() {
        let rig = rig(-1);
        let mut keeper = Keeper::new(&rig.login);
        assert!(rig.tend(&mut keeper).unwrap().contains("open `claude`"));
        assert_eq!(rig.tend(&mut keeper), None);
    }

    #[test]
    fn what_is_no_login_is_said_without_its_text() {
        let rig = rig(60);
        for text in [
            "",
            "secret",
            "{}",
            r#"{"claudeAiOauth": {"accessToken": ""}}"#,
        ] {
            fs::write(&rig.login.file, text).unwrap();
            let said = rig.login.loan().err().unwrap().to_string();
            assert!(
                said.contains("log in") && !said.contains("secret"),
                "{said}"
            );
        }
    }

    #[tokio::test]
    async fn of_two_farms_one_renews_in_the_users_own_home() {
        let mut rig = rig(-1);
        let script = rig.dir.path().join("renew.sh");
        let fresh = rig.dir.path().join("fresh.json");
        fs::write(&fresh, login("two", 3600)).unwrap();
        // As the real program: it finds its folder by HOME, and others wait while it is at work.
        let text = "echo \"${SANDBOX_SEAT-none}\" >>\"$HOME/starts\"\n\
            until [ -e \"$HOME/go\" ]; do sleep 0.02; done\n\
            cp \"$HOME/fresh.json\" \"$HOME/.claude/.credentials.json\"\n";
        fs::write(&script, text).unwrap();
        rig.login.renew = vec!["sh".to_owned(), script.to_str().unwrap().to_owned()];
        let mut keepers = [0; 2].map(|_| Keeper::new(&rig.login));
        let starts = rig.dir.path().join("starts");
        for keeper in &mut keepers {
            rig.tend(keeper);
            while !starts.exists() {
                tokio::task::yield_now().await;
            }
        }
        fs::write(rig.dir.path().join("go"), "").unwrap();
        for keeper in &mut keepers {
            assert!(keeper.is_ready(Duration::from_mins(1)).await);
            rig.tend(keeper);
        }
        assert_eq!(fs::read_to_string(starts).unwrap(), "none\n");
        assert_eq!(rig.copy()["claudeAiOauth"]["accessToken"], "two");
    }
}
