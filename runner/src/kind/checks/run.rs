//! One check in one checkout: a clean environment, a time limit, bounded output, and nothing of it that
//! goes on. What it prints comes into the seat's log without its secrets.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    pin::pin,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};
use sandbox_core::Seat;
use sandbox_elf::redact::Redactor;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
};
use uuid::Uuid;

use super::{Check, Seen};
use crate::{
    agent::{
        process::{SEAT_VARIABLE, end_all},
        toolchains,
    },
    exec::{log::Log, relay},
    kind::dbt_run::plain,
};

/// Marks everything that one check begins, also what leaves its process group.
const CHECK_VARIABLE: &str = "SANDBOX_CHECK";
/// What is kept of the end of each of its two streams, in bytes; for a while twice as much.
const OUTPUT: usize = 64 << 10;
/// The most lines of a check that come into the log.
const SHOWN: usize = 40;
/// The most characters of its complaint.
const SAID: usize = 160;
/// How long output may still come after it is over, from what could not be found.
const DRAIN: Duration = Duration::from_secs(2);
/// The folder of a home for what is of no use afterwards.
const TEMP: &str = "tmp";
/// Where programs are looked for when nobody says.
const USUAL: &str = "/usr/local/bin:/usr/bin:/bin";

/// What every check is given, and what the file may say otherwise.
const FIXED: [(&str, &str); 5] = [
    ("LANG", "C.UTF-8"),
    ("TERM", "dumb"),
    ("NO_COLOR", "1"),
    ("CARGO_TERM_COLOR", "never"),
    ("GIT_TERMINAL_PROMPT", "0"),
];

/// How one check went.
#[derive(Clone, Debug, PartialEq)]
pub struct Ran {
    /// How it ended.
    pub seen: Seen,
    /// How long it took.
    pub seconds: f64,
    /// What it complained of.
    pub said: Option<String>,
}

impl Ran {
    /// Of one that was not tried.
    pub fn unknown() -> Self {
        Self {
            seen: Seen::Unknown,
            seconds: 0.0,
            said: None,
        }
    }
}

/// Where checks of one seat run.
pub struct Room {
    seat: Seat,
    /// Their homes stand in it.
    folder: PathBuf,
    env: BTreeMap<String, String>,
    log: Arc<Log>,
    redactor: Redactor,
}

impl Room {
    /// A room in the seat's folder, with this environment beside what every check gets.
    pub fn new(
        seat: &Seat,
        seat_dir: &Path,
        env: &BTreeMap<String, String>,
        log: Arc<Log>,
    ) -> Self {
        Self {
            seat: seat.clone(),
            folder: seat_dir.join("checks"),
            env: env.clone(),
            log,
            // Equal secrets of one tenant's jobs need not be told to be equal.
            redactor: Redactor::new(seat.to_string()),
        }
    }

    /// Makes a home for the checks of one state of the work: empty, and of a name that nobody knew
    /// before, for agents write where we do.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn home(&self) -> io::Result<PathBuf> {
        std::fs::create_dir_all(&self.folder)?;
        let home = self.folder.join(Uuid::new_v4().simple().to_string());
        std::fs::create_dir(&home)?;
        std::fs::create_dir(home.join(TEMP))?;
        Ok(home)
    }

    /// Takes all homes away.
    pub async fn tidy(&self) {
        // What cannot be removed goes with the seat's folder.
        if tokio::fs::remove_dir_all(&self.folder).await.is_err() {
            let _ = tokio::fs::remove_file(&self.folder).await;
        }
    }

    /// Runs a check in this folder, with this home.
    pub async fn run(&self, check: &Check, (folder, home): (&Path, &Path), when: &str) -> Ran {
        let began = Instant::now();
        let mark = format!("{} {when} {}", self.seat, check.name);
        let mut output = [Vec::new(), Vec::new()];
        let mut command = Self::command(check, folder);
        command.envs(self.environment(home));
        let ended = match command.env(CHECK_VARIABLE, &mark).spawn() {
            Ok(child) => Self::ended(child, check, &mark, &mut output).await,
            Err(e) => Err(e),
        };
        let seconds = (began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        let (seen, why) = told(&ended);
        self.log.line(&format!(
            "check {} {when} the work: {why} in {seconds} s",
            check.name
        ));
        let lines = match seen {
            Seen::Passed => Vec::new(),
            _ => self.lines(&output, folder),
        };
        for line in &lines[lines.len().saturating_sub(SHOWN)..] {
            self.log.line(&format!("check {}: {line}", check.name));
        }
        Ran {
            seen,
            seconds,
            said: complaint(&lines),
        }
    }

    fn command(check: &Check, folder: &Path) -> Command {
        let program = Path::new(&check.argv[0]);
        // A path is one of the checkout; a bare name is looked up in PATH.
        let is_path = program.components().count() > 1;
        let program = if is_path {
            folder.join(program)
        } else {
            program.to_owned()
        };
        let mut command = Command::new(program);
        command
            .args(&check.argv[1..])
            .current_dir(folder)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
    }

    /// Nothing of ours but what programs are found by.
    fn environment(&self, home: &Path) -> BTreeMap<String, String> {
        let owned = |(k, v): (&str, String)| (k.to_owned(), v);
        let path = elsewhere(&std::env::var("PATH").unwrap_or_default());
        let mut env = BTreeMap::from([owned(("PATH", path))]);
        if let Some(ours) = std::env::var_os("HOME") {
            env.extend(toolchains::beneath(Path::new(&ours)).into_iter().map(owned));
        }
        env.extend(FIXED.map(|(k, v)| owned((k, v.to_owned()))));
        env.extend(relay::variables().into_iter().map(owned));
        env.extend(self.env.clone());
        let shown = |path: &Path| path.to_string_lossy().into_owned();
        env.extend(
            [
                ("HOME", shown(home)),
                ("TMPDIR", shown(&home.join(TEMP))),
                (SEAT_VARIABLE, self.seat.to_string()),
            ]
            .map(owned),
        );
        env
    }

    /// Waits for the end or the limit, and ends all that it began.
    async fn ended(
        mut child: Child,
        check: &Check,
        mark: &str,
        output: &mut [Vec<u8>; 2],
    ) -> io::Result<Option<ExitStatus>> {
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let [out, err] = output;
        let mut reading = pin!(async { tokio::join!(keep(stdout, out), keep(stderr, err)) });
        let mut ending = pin!(over(&mut child, check, mark));
        tokio::select! {
            ended = &mut ending => {
                // What is kept of it by then is what there is.
                let _ = tokio::time::timeout(DRAIN, reading).await;
                ended
            }
            _ = &mut reading => ending.await,
        }
    }

    /// What it printed, complaints first, as it may be told to others.
    fn lines(&self, [out, err]: &[Vec<u8>; 2], folder: &Path) -> Vec<String> {
        let folder = format!("{}/", folder.display());
        let text = |bytes: &[u8]| {
            let whole = String::from_utf8_lossy(bytes).replace(&folder, "");
            self.redactor.clean(&whole)
        };
        let text = text(err) + "\n" + &text(out);
        let lines = text
            .lines()
            .map(|l| plain(l.as_bytes()).trim_end().to_owned());
        lines.filter(|l| !l.is_empty()).collect()
    }
}

/// Its exit, or nothing where it had to be ended.
async fn over(child: &mut Child, check: &Check, mark: &str) -> io::Result<Option<ExitStatus>> {
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    let limit = check.limit.unsigned_abs();
    let ended = tokio::time::timeout(limit, child.wait()).await;
    if let (Err(_), Some(pid)) = (&ended, pid.and_then(Pid::from_raw)) {
        // It was not waited for, so the number is still its own.
        let _ = kill_process_group(pid, Signal::KILL);
        child.wait().await?;
    }
    end_all(&format!("{CHECK_VARIABLE}={mark}")).await;
    ended.ok().transpose()
}

/// Reads a stream to its end and keeps whole lines of its end: what failed is mostly told last, and of
/// half a line nobody could tell that it holds a secret.
async fn keep(stream: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut stream) = stream else { return };
    // A stream that breaks ends here as well; the exit code tells of what matters.
    while let Ok(1..) = stream.read_buf(kept).await {
        if kept.len() > 2 * OUTPUT {
            let from = kept.len() - OUTPUT;
            let line = kept[from..].iter().position(|b| *b == b'\n');
            kept.drain(..line.map_or(kept.len(), |n| from + n + 1));
        }
    }
}

/// The search path without places that depend on where one stands: in a checkout they are the
/// repository's.
fn elsewhere(path: &str) -> String {
    let places = path.split(':').filter(|place| place.starts_with('/'));
    match places.collect::<Vec<_>>().join(":") {
        // Without any, programs would be looked for where one stands.
        none if none.is_empty() => USUAL.to_owned(),
        path => path,
    }
}

fn told(ended: &io::Result<Option<ExitStatus>>) -> (Seen, String) {
    match ended {
        Ok(Some(status)) if status.success() => (Seen::Passed, "passed".to_owned()),
        Ok(Some(status)) => (Seen::Failed, format!("failed with {status}")),
        Ok(None) => (Seen::TimedOut, "was ended at its limit".to_owned()),
        Err(e) => {
            let of_the_program = matches!(
                e.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
            );
            let seen = if of_the_program {
                Seen::NotStarted
            } else {
                Seen::Unknown
            };
            (seen, format!("could not be run: {e}"))
        }
    }
}

/// The line that tells most: the first that names an error or a failure, or else the first.
fn complaint(lines: &[String]) -> Option<String> {
    let tells = |line: &&String| {
        let line = line.to_lowercase();
        ["error", "fail", "panic"].iter().any(|w| line.contains(w))
    };
    let found = lines.iter().find(tells).or_else(|| lines.first())?;
    let words: Vec<&str> = found.split_whitespace().collect();
    Some(words.join(" ").chars().take(SAID).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_line_that_names_the_failure_is_told_and_not_the_noise_before_it() {
        let said = lines("   Compiling shop v0.1.0\nerror[E0308]: mismatched   types\nfailed");
        assert_eq!(
            complaint(&said).as_deref(),
            Some("error[E0308]: mismatched types")
        );
        assert_eq!(complaint(&lines("odd\nodder")).as_deref(), Some("odd"));
        assert_eq!(complaint(&[]), None);
        let long = complaint(&lines(&"é".repeat(1000))).unwrap();
        assert_eq!(long.chars().count(), SAID);
    }
    #[tokio::test]
    async fn of_a_long_output_whole_lines_of_its_end_are_kept() {
        let text: String = (0..40_000).fold(String::new(), |s, n| s + &format!("line {n}\n"));
        let mut kept = Vec::new();
        keep(Some(text.as_bytes()), &mut kept).await;
        let kept = String::from_utf8(kept).unwrap();
        assert!((OUTPUT - 20..=2 * OUTPUT).contains(&kept.len()));
        assert!(kept.starts_with("line ") && text.ends_with(&kept));
        let mut kept = Vec::new();
        keep(Some("short".as_bytes()), &mut kept).await;
        assert_eq!(kept, b"short");
    }

    #[test]
    fn no_place_of_the_checkout_is_searched_for_programs() {
        assert_eq!(elsewhere(".:/usr/bin::bin:/bin:"), "/usr/bin:/bin");
        assert_eq!(elsewhere("."), USUAL);
    }
}
