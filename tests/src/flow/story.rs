//! The stories that must end in the same way wherever the node dies.

use sandbox_core::{FailureClass, Outcome};
use serde_json::{Value, json};

/// What a person asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Submits the job.
    Submit,
    /// Sets `spec.cancel`.
    Cancel,
    /// Sets `spec.suspend`.
    Suspend(bool),
}

/// When it is asked: as soon as this is the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At the beginning.
    AtOnce,
    /// The job is told that it waits for a slot.
    Waiting,
    /// An instance of the first attempt exists, and has not claimed its seat.
    Launched,
    /// The work of the first attempt has begun.
    AtWork,
    /// The job stands suspended without an attempt under way.
    HeldBack,
}

/// How an attempt's work ends when nobody stops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It reports success.
    Succeeds,
    /// It reports a failure of this class.
    Fails(FailureClass),
    /// The runner is killed and leaves so many processes.
    Dies(u32),
    /// The runner and all of it are gone, and nothing shows that it was there.
    Vanishes,
    /// It goes on for ever.
    Never,
}

/// What the runner of an attempt does.
#[derive(Clone, Copy, Debug)]
pub struct Deed {
    /// Seconds from its launch to its claim.
    pub claims_after: u64,
    /// Seconds of work.
    pub works: u64,
    /// What comes then.
    pub ending: Ending,
}

const fn claims_at_once(ending: Ending) -> Deed {
    Deed {
        claims_after: 1,
        works: 10,
        ending,
    }
}

/// One story.
#[derive(Clone, Debug)]
pub struct Story {
    /// The fields of the spec besides the work itself.
    pub spec: Value,
    /// Slots there are.
    pub slots: u32,
    /// What people ask, in this order.
    pub asks: Vec<(When, Ask)>,
    /// What the runner of each attempt does.
    pub deed: fn(u32) -> Deed,
    /// Attempts up to this one are refused by the place.
    pub refused: u32,
    /// How it ends.
    pub ends: Ends,
}

/// How a story ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The job's outcome; `None` when its record is gone.
    pub outcome: Option<Outcome>,
    /// The attempts whose work began, each as often as it did.
    pub began: Vec<u32>,
    /// What memory has: attempt and outcome, one row each.
    pub recorded: Vec<(u32, Outcome)>,
}

fn story(deed: fn(u32) -> Deed, outcome: Outcome) -> Story {
    Story {
        spec: json!({}),
        slots: 1,
        asks: vec![(When::AtOnce, Ask::Submit)],
        deed,
        refused: 0,
        ends: Ends {
            outcome: Some(outcome),
            began: vec![1],
            recorded: vec![(1, outcome)],
        },
    }
}

impl Story {
    fn then(mut self, when: When, ask: Ask) -> Self {
        self.asks.push((when, ask));
        self
    }

    fn with_spec(mut self, spec: Value) -> Self {
        self.spec = spec;
        self
    }

    fn begins(mut self, attempts: &[u32]) -> Self {
        self.ends.began = attempts.to_vec();
        self
    }

    fn records(mut self, rows: &[(u32, Outcome)]) -> Self {
        self.ends.recorded = rows.to_vec();
        self
    }
}

/// The work is done at the first attempt.
#[must_use]
pub fn succeeds() -> Story {
    story(|_| claims_at_once(Ending::Succeeds), Outcome::Succeeded)
}

/// The first attempt fails with its place, the second does the work.
#[must_use]
pub fn fails_then_succeeds() -> Story {
    let deed = |attempt| match attempt {
        1 => claims_at_once(Ending::Fails(FailureClass::Infrastructure)),
        _ => claims_at_once(Ending::Succeeds),
    };
    story(deed, Outcome::Succeeded)
        .begins(&[1, 2])
        .records(&[(1, Outcome::Failed), (2, Outcome::Succeeded)])
}

/// There is no slot, and the job is cancelled while it waits.
#[must_use]
pub fn is_cancelled_while_it_waits() -> Story {
    let mut story = story(|_| claims_at_once(Ending::Succeeds), Outcome::Cancelled);
    story.slots = 0;
    story
        .then(When::Waiting, Ask::Cancel)
        .begins(&[])
        .records(&[])
}

/// The job is cancelled while its work goes on.
#[must_use]
pub fn is_cancelled_at_work() -> Story {
    story(|_| claims_at_once(Ending::Never), Outcome::Cancelled).then(When::AtWork, Ask::Cancel)
}

/// The job is cancelled after its launch and before anybody has the seat; the runner comes late.
#[must_use]
pub fn is_cancelled_before_the_claim() -> Story {
    let slow = |_| Deed {
        claims_after: 40,
        ..claims_at_once(Ending::Succeeds)
    };
    story(slow, Outcome::Cancelled)
        .then(When::Launched, Ask::Cancel)
        .begins(&[])
}

/// The work goes on beyond the deadline.
#[must_use]
pub fn runs_out_of_time() -> Story {
    story(|_| claims_at_once(Ending::Never), Outcome::TimedOut)
        .with_spec(json!({"deadline": "90s"}))
}

/// The first runner is killed and leaves processes; the second does the work.
#[must_use]
pub fn loses_a_runner() -> Story {
    let deed = |attempt| match attempt {
        1 => claims_at_once(Ending::Dies(2)),
        _ => claims_at_once(Ending::Succeeds),
    };
    story(deed, Outcome::Succeeded)
        .begins(&[1, 2])
        .records(&[(1, Outcome::Failed), (2, Outcome::Succeeded)])
}

/// The first runner is not to be seen any more; the second does the work.
#[must_use]
pub fn loses_sight_of_a_runner() -> Story {
    let deed = |attempt| match attempt {
        1 => claims_at_once(Ending::Vanishes),
        _ => claims_at_once(Ending::Succeeds),
    };
    story(deed, Outcome::Succeeded)
        .begins(&[1, 2])
        .records(&[(1, Outcome::Failed), (2, Outcome::Succeeded)])
}

/// The place refuses the first two attempts.
#[must_use]
pub fn is_refused_twice() -> Story {
    let mut story = story(|_| claims_at_once(Ending::Succeeds), Outcome::Succeeded);
    story.refused = 2;
    story.begins(&[3]).records(&[
        (1, Outcome::Failed),
        (2, Outcome::Failed),
        (3, Outcome::Succeeded),
    ])
}

/// Nobody claims the first seat in time; the runner comes too late.
#[must_use]
pub fn waits_in_vain_for_a_runner() -> Story {
    let deed = |attempt| Deed {
        claims_after: if attempt == 1 { 300 } else { 1 },
        ..claims_at_once(Ending::Succeeds)
    };
    story(deed, Outcome::Succeeded)
        .begins(&[2])
        .records(&[(1, Outcome::Failed), (2, Outcome::Succeeded)])
}

/// The job is suspended while its work goes on, and resumed.
#[must_use]
pub fn is_suspended_and_resumed() -> Story {
    let deed = |attempt| match attempt {
        1 => claims_at_once(Ending::Never),
        _ => claims_at_once(Ending::Succeeds),
    };
    story(deed, Outcome::Succeeded)
        .then(When::AtWork, Ask::Suspend(true))
        .then(When::HeldBack, Ask::Suspend(false))
        .begins(&[1, 2])
        .records(&[(1, Outcome::Cancelled), (2, Outcome::Succeeded)])
}

/// The record goes when its time is over.
#[must_use]
pub fn is_forgotten_in_time() -> Story {
    let mut story = succeeds().with_spec(json!({"ttlAfterFinished": "1h"}));
    story.ends.outcome = None;
    story
}

/// Every story, with its name.
#[must_use]
pub fn all() -> Vec<(&'static str, Story)> {
    vec![
        ("succeeds", succeeds()),
        ("fails_then_succeeds", fails_then_succeeds()),
        ("is_cancelled_while_it_waits", is_cancelled_while_it_waits()),
        ("is_cancelled_at_work", is_cancelled_at_work()),
        (
            "is_cancelled_before_the_claim",
            is_cancelled_before_the_claim(),
        ),
        ("runs_out_of_time", runs_out_of_time()),
        ("loses_a_runner", loses_a_runner()),
        ("loses_sight_of_a_runner", loses_sight_of_a_runner()),
        ("is_refused_twice", is_refused_twice()),
        ("waits_in_vain_for_a_runner", waits_in_vain_for_a_runner()),
        ("is_suspended_and_resumed", is_suspended_and_resumed()),
        ("is_forgotten_in_time", is_forgotten_in_time()),
    ]
}
