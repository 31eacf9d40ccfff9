//! The one decision what an agent is doing, from everything that was seen of it. Pure.
//!
//! 1. The end of its process is final, whatever else was told.
//! 2. What the program told by hooks decides, the newest of it.
//! 3. Its state file decides where it is newer than the newest hook and has said the same twice:
//!    an interruption tells no hook.
//! 4. What is not known never ends an agent. One that never gave any sign, by two sources, did not
//!    start.
//! 5. A refusal by the model's side is no crash.

use serde::Serialize;

/// No sign of life for this long after the start: it did not start.
const START: i64 = 120_000;
/// At work for this long without an event: a person should look.
const SILENT: i64 = 600_000;
/// For this long the program may say that it is idle before it tells why.
const SETTLE: i64 = 5_000;
/// So much later than what it tells of a hook's line may stand there: a hook is a process of its
/// own, which goes on when a person interrupts the program in the middle of it. As `seed` limits it.
const LATE: i64 = 10_000;

/// What an agent is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// It was started and has told nothing yet.
    Starting,
    /// At work.
    Working,
    /// It waits for somebody.
    Blocked(Why),
    /// Its turn is over and it waits for another prompt.
    Done,
    /// The model's side refuses for the moment.
    RateLimited,
    /// Its turn ended with an error of this class.
    Error(String),
    /// Its process is over.
    Exited(End),
    /// It is gone and nobody knows how.
    Lost,
}

/// What an agent waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// A permission or an answer of a person.
    Question,
    /// A person interrupted it.
    Interrupted,
    /// Nothing was told for long: perhaps it tries again and again to reach its model.
    Silent,
}

/// How a process ended, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct End {
    /// Its exit code.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

/// What the system shows of the agent's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// It runs.
    Runs,
    /// It is over.
    Over(End),
    /// Its terminal is gone, and so is it.
    Gone,
}

/// The newest of what hooks told about the turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The session begins.
    Begun,
    /// A prompt was taken, or a tool used.
    Active,
    /// A person is asked.
    Asks,
    /// The turn is over; work may go on in the background.
    Stopped {
        /// Whether it does.
        background: bool,
    },
    /// The turn ended with an error of this class.
    Failed(String),
}

/// What the program's state file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// What it is doing.
    pub status: Status,
    /// Since when, in milliseconds of Unix time.
    pub since: i64,
    /// Whether two reads said the same.
    pub steady: bool,
}

/// The words of the state file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It waits for a prompt.
    Idle,
    /// It is at work.
    Busy,
    /// A dialog is open.
    Waiting,
}

/// Everything that was seen of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its process.
    pub process: Process,
    /// When it was started, in milliseconds of Unix time.
    pub started: i64,
    /// The newest event, and when it came.
    pub event: Option<(Event, i64)>,
    /// Its state file.
    pub file: Option<File>,
}

/// What the agent is doing.
pub fn state(seen: &Seen, now: i64) -> AgentState {
    match seen.process {
        Process::Over(end) => return AgentState::Exited(end),
        Process::Gone => return AgentState::Lost,
        Process::Runs => {}
    }
    if seen.file.is_some_and(|f| f.status == Status::Waiting) {
        return AgentState::Blocked(Why::Question);
    }
    match &seen.event {
        None => starting(seen, now),
        Some((event, at)) => running(event, *at, seen.file, now),
    }
}

fn starting(seen: &Seen, now: i64) -> AgentState {
    match seen.file {
        None if now - seen.started > START => AgentState::Error("did_not_start".to_owned()),
        Some(_) if now - seen.started > START => AgentState::Blocked(Why::Silent),
        _ => AgentState::Starting,
    }
}

fn running(event: &Event, at: i64, file: Option<File>, now: i64) -> AgentState {
    let idle = file.filter(|f| f.status == Status::Idle && f.steady);
    // Idle since after what the event tells of, and long enough for the reason to have been told.
    let settled = idle.is_some_and(|f| f.since + LATE >= at && now - f.since.max(at) >= SETTLE);
    match event {
        Event::Failed(class) if class == "rate_limit" => AgentState::RateLimited,
        Event::Failed(class) => AgentState::Error(class.clone()),
        Event::Asks => AgentState::Blocked(Why::Question),
        // Without a state file the hook is all there is.
        Event::Stopped { background: false } if file.is_none() || idle.is_some() => {
            AgentState::Done
        }
        Event::Begun | Event::Active if settled => AgentState::Blocked(Why::Interrupted),
        Event::Begun => AgentState::Starting,
        Event::Active if now - at > SILENT => AgentState::Blocked(Why::Silent),
        Event::Active | Event::Stopped { .. } => AgentState::Working,
    }
}

impl AgentState {
    /// Whether nothing more is to be expected without a new prompt.
    pub fn is_over(&self) -> bool {
        match self {
            Self::Done | Self::RateLimited | Self::Error(_) | Self::Exited(_) | Self::Lost => true,
            Self::Starting | Self::Working | Self::Blocked(_) => false,
        }
    }

    /// The word for people and for heartbeats.
    pub fn word(&self) -> String {
        match self {
            Self::Starting => "starting".to_owned(),
            Self::Working => "working".to_owned(),
            Self::Blocked(Why::Question) => "blocked: asks a person".to_owned(),
            Self::Blocked(Why::Interrupted) => "blocked: interrupted by a person".to_owned(),
            Self::Blocked(Why::Silent) => "blocked: silent for long".to_owned(),
            Self::Done => "done".to_owned(),
            Self::RateLimited => "rate limited".to_owned(),
            Self::Error(class) => format!("error: {class}"),
            Self::Exited(end) => format!("exited{end}"),
            Self::Lost => "lost".to_owned(),
        }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.code, self.signal) {
            (_, Some(signal)) => write!(f, " by signal {signal}"),
            (Some(code), None) => write!(f, " with code {code}"),
            (None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 10_000_000;

    fn seen(event: Option<(Event, i64)>, file: Option<(Status, i64, bool)>) -> Seen {
        let file = file.map(|(status, ago, steady)| File {
            status,
            since: NOW - ago,
            steady,
        });
        Seen {
            process: Process::Runs,
            started: NOW - 20_000,
            event: event.map(|(e, ago)| (e, NOW - ago)),
            file,
        }
    }

    fn of(event: Event, file: (Status, i64, bool)) -> AgentState {
        state(&seen(Some((event, 10_000)), Some(file)), NOW)
    }

    const STOPPED: Event = Event::Stopped { background: false };

    #[test]
    fn the_end_of_its_process_is_final() {
        let mut all = seen(Some((Event::Active, 1)), Some((Status::Busy, 1, true)));
        let end = End {
            code: None,
            signal: Some(9),
        };
        all.process = Process::Over(end);
        assert_eq!(state(&all, NOW), AgentState::Exited(end));
        all.process = Process::Gone;
        assert_eq!(state(&all, NOW), AgentState::Lost);
    }

    #[test]
    fn a_turn_is_over_when_the_hook_and_the_file_say_so() {
        assert_eq!(of(STOPPED, (Status::Idle, 9_000, true)), AgentState::Done);
        assert_eq!(
            of(STOPPED, (Status::Idle, 9_000, false)),
            AgentState::Working
        );
        assert_eq!(
            of(STOPPED, (Status::Busy, 9_000, true)),
            AgentState::Working
        );
        assert_eq!(
            state(&seen(Some((STOPPED, 10)), None), NOW),
            AgentState::Done
        );
    }

    #[test]
    fn work_in_the_background_is_work() {
        let event = Event::Stopped { background: true };
        assert_eq!(of(event, (Status::Idle, 9_000, true)), AgentState::Working);
    }

    #[test]
    fn a_refusal_by_the_models_side_is_no_crash() {
        let limited = Event::Failed("rate_limit".to_owned());
        assert_eq!(
            of(limited, (Status::Idle, 1, true)),
            AgentState::RateLimited
        );
        let billing = Event::Failed("billing_error".to_owned());
        assert_eq!(
            of(billing, (Status::Idle, 1, true)),
            AgentState::Error("billing_error".to_owned())
        );
    }

    #[test]
    fn an_open_dialog_blocks_whatever_was_told_before() {
        let blocked = AgentState::Blocked(Why::Question);
        assert_eq!(of(STOPPED, (Status::Waiting, 1, false)), blocked);
        assert_eq!(of(Event::Asks, (Status::Busy, 1, true)), blocked);
    }

    #[test]
    fn an_interruption_is_seen_in_the_file_once_it_has_settled() {
        let blocked = AgentState::Blocked(Why::Interrupted);
        assert_eq!(of(Event::Active, (Status::Idle, 6_000, true)), blocked);
        assert_eq!(
            of(Event::Active, (Status::Idle, 6_000, false)),
            AgentState::Working
        );
        assert_eq!(
            of(Event::Active, (Status::Idle, 1_000, true)),
            AgentState::Working
        );
        // Much older than the event: the file is late.
        assert_eq!(
            of(Event::Active, (Status::Idle, 21_000, true)),
            AgentState::Working
        );
    }

    #[test]
    fn a_hook_that_tells_late_does_not_hide_an_interruption() {
        let blocked = AgentState::Blocked(Why::Interrupted);
        let late = |ago: i64| {
            let all = seen(
                Some((Event::Active, ago)),
                Some((Status::Idle, 11_000, true)),
            );
            state(&all, NOW)
        };
        assert_eq!((late(10_900), late(6_000)), (blocked.clone(), blocked));
        assert_eq!(late(1_000), AgentState::Working);
    }

    #[test]
    fn silence_asks_for_a_person_and_ends_nobody() {
        let event = Some((Event::Active, SILENT + 1));
        let all = seen(event, Some((Status::Busy, SILENT, true)));
        assert_eq!(state(&all, NOW), AgentState::Blocked(Why::Silent));
    }

    #[test]
    fn one_that_gives_no_sign_by_two_sources_did_not_start() {
        let mut all = seen(None, None);
        assert_eq!(state(&all, NOW), AgentState::Starting);
        all.started = NOW - START - 1;
        assert_eq!(
            state(&all, NOW),
            AgentState::Error("did_not_start".to_owned())
        );
        all.file = Some(File {
            status: Status::Idle,
            since: NOW,
            steady: true,
        });
        assert_eq!(state(&all, NOW), AgentState::Blocked(Why::Silent));
    }
}
