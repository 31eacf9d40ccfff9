//! What checks say of a job's work: each as it stood before and as it stands after. Pure.

use sandbox_core::{Failure, FailureClass};
use serde::Serialize;

/// How a check ended. The later of two is the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// Exit code 0.
    Passed,
    /// Another end.
    Failed,
    /// It was ended at its limit.
    TimedOut,
    /// Its program is not there or cannot be run.
    NotStarted,
    /// It was not tried to its end.
    Unknown,
}

/// A check before and after the work.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What it is called.
    pub name: String,
    /// Whether the job fails where the work broke it.
    pub required: bool,
    /// At the commit that the agents began from.
    pub before: Seen,
    /// At what they made of it.
    pub after: Seen,
    /// How long both took.
    pub seconds: f64,
    /// What it complained of after the work.
    pub said: Option<String>,
}

impl Verdict {
    /// What it says of the work, 0 to 1. One that passes speaks for the work and one that the work
    /// broke against it; one that passed neither before nor after stands in the middle, for it may have
    /// nothing to do with the work. Nothing where one side is not known.
    fn score(&self) -> Option<f64> {
        match (self.before, self.after) {
            (Seen::NotStarted | Seen::Unknown, _) | (_, Seen::Unknown) => None,
            (_, Seen::Passed) => Some(1.0),
            (Seen::Passed, _) => Some(0.0),
            (Seen::Failed | Seen::TimedOut, _) => Some(0.5),
        }
    }

    /// Whether the work broke it.
    fn is_broken(&self) -> bool {
        self.score() == Some(0.0)
    }
}

/// How well the work went: the share of agents that are done, times what the checks say on average.
/// Checks of which nothing is known change nothing, and no check makes a success of work that nobody
/// did.
pub fn grade(done: Option<f64>, all: &[Verdict]) -> Option<f64> {
    let scores: Vec<f64> = all.iter().filter_map(Verdict::score).collect();
    let Ok(count @ 1..) = u32::try_from(scores.len()) else {
        return done;
    };
    let mean = scores.iter().sum::<f64>() / f64::from(count);
    done.map(|done| done * mean)
}

/// Why the work cannot be taken: the first required check that it broke.
pub fn rejected(all: &[Verdict]) -> Option<Failure> {
    let broken = all.iter().find(|v| v.required && v.is_broken())?;
    let how = match broken.after {
        Seen::TimedOut => "does not end in its time after it",
        Seen::NotStarted => "cannot be started after it",
        Seen::Passed | Seen::Failed | Seen::Unknown => "fails after it",
    };
    let said = broken
        .said
        .iter()
        .fold(String::new(), |_, s| format!(": {s}"));
    let text = format!(
        "the check {} passed before the work and {how}{said}",
        broken.name
    );
    Some(Failure::new(FailureClass::OutputRejected, text))
}

/// Why the work may not be pushed: it is rejected, or a required check does not say whether it should be.
pub fn withheld(all: &[Verdict]) -> Option<Failure> {
    let is_silent = |v: &&Verdict| v.required && [v.before, v.after].contains(&Seen::Unknown);
    rejected(all).or_else(|| {
        let silent = all.iter().find(is_silent)?;
        let text = format!(
            "the check {} could not be made both before and after the work; look at the job's log",
            silent.name
        );
        Some(Failure::new(FailureClass::Infrastructure, text))
    })
}

#[cfg(test)]
mod tests {
    use super::{
        Seen::{Failed, NotStarted, Passed, TimedOut, Unknown},
        *,
    };

    fn seen(before: Seen, after: Seen) -> Verdict {
        Verdict {
            name: "test".to_owned(),
            required: false,
            before,
            after,
            seconds: 1.0,
            said: Some("E0308 in a.rs".to_owned()),
        }
    }

    fn required(before: Seen, after: Seen) -> Verdict {
        Verdict {
            required: true,
            ..seen(before, after)
        }
    }

    fn graded(all: &[(Seen, Seen)]) -> Option<f64> {
        let all: Vec<Verdict> = all.iter().map(|(b, a)| seen(*b, *a)).collect();
        grade(Some(1.0), &all)
    }

    #[test]
    fn mended_is_better_than_left_and_left_is_better_than_broken() {
        assert_eq!(graded(&[(Failed, Passed)]), Some(1.0));
        assert_eq!(graded(&[(Passed, Passed)]), Some(1.0));
        assert_eq!(graded(&[(Failed, Failed)]), Some(0.5));
        assert_eq!(graded(&[(TimedOut, Failed)]), Some(0.5));
        for after in [Failed, TimedOut, NotStarted] {
            assert_eq!(graded(&[(Passed, after)]), Some(0.0), "{after:?}");
        }
        let of_three = [(Passed, Passed), (Failed, Passed), (Passed, Failed)];
        assert!(graded(&of_three).is_some_and(|g| (g - 2.0 / 3.0).abs() < 1e-9));
    }

    #[test]
    fn checks_of_which_one_side_is_not_known_change_nothing() {
        for one in [
            (Unknown, Passed),
            (Unknown, Failed),
            (NotStarted, NotStarted),
            (Passed, Unknown),
            (Failed, Unknown),
        ] {
            assert_eq!(graded(&[one]), Some(1.0), "{one:?}");
            assert_eq!(graded(&[one, (Passed, Failed)]), Some(0.0), "{one:?}");
        }
        assert_eq!(grade(Some(0.25), &[]), Some(0.25));
        assert_eq!(grade(None, &[seen(Passed, Passed)]), None);
    }

    #[test]
    fn checks_that_pass_make_no_success_of_agents_that_are_not_done() {
        let all = [seen(Passed, Passed), seen(Failed, Passed)];
        assert_eq!(grade(Some(0.0), &all), Some(0.0));
        assert_eq!(grade(Some(0.5), &all), Some(0.5));
    }

    #[test]
    fn only_a_required_check_that_the_work_broke_fails_the_job_and_says_why() {
        for fine in [
            seen(Passed, Failed),
            required(Failed, Failed),
            required(Passed, Passed),
            required(Unknown, Failed),
            required(Passed, Unknown),
        ] {
            assert_eq!(rejected(&[fine]), None);
        }
        let failure = rejected(&[seen(Passed, Failed), required(Passed, Failed)]).unwrap();
        assert_eq!(failure.class, FailureClass::OutputRejected);
        let said = "the check test passed before the work and fails after it: E0308 in a.rs";
        assert_eq!(failure.message, said);
        let silent = Verdict {
            said: None,
            ..required(Passed, TimedOut)
        };
        let said = rejected(&[silent]).unwrap().message;
        assert!(
            said.ends_with("does not end in its time after it"),
            "{said}"
        );
    }

    #[test]
    fn what_a_required_check_says_nothing_of_is_not_pushed() {
        for silent in [(Passed, Unknown), (Unknown, Failed), (Unknown, Unknown)] {
            assert_eq!(withheld(&[seen(silent.0, silent.1)]), None);
            let failure = withheld(&[required(silent.0, silent.1)]).unwrap();
            assert_eq!(failure.class, FailureClass::Infrastructure, "{silent:?}");
        }
        let broken = [required(Passed, Unknown), required(Passed, Failed)];
        assert_eq!(withheld(&broken), rejected(&broken));
        assert_eq!(withheld(&[required(Failed, Failed)]), None);
    }
}
