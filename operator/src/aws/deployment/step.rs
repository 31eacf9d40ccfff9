//! What is done next to pause a deployment, or to have it go on, given what was seen: a pure function, so that whoever was
//! stopped in the middle goes on where things stand.

use std::collections::BTreeMap;

use sandbox_core::{Uid, plan::Pause};

use crate::store::dynamodb::paused::Mark;

/// Whether something calls the functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// It does.
    On,
    /// It does not.
    Off,
    /// It is being switched, and takes no other order meanwhile.
    Turning,
}

/// What was seen of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// That it is paused, or is being paused.
    pub mark: Option<Mark>,
    /// Whether no attempt can begin any more.
    pub in_force: bool,
    /// Whether all jobs were told of that.
    pub told: bool,
    /// Jobs at work.
    pub at_work: Vec<Uid>,
    /// Jobs that wait for a slot.
    pub queued: usize,
    /// Tasks that run in the cluster, by their ARNs.
    pub tasks: Vec<String>,
    /// The rule of the sweep.
    pub sweep: Switch,
    /// The pollers, by what they poll.
    pub sources: BTreeMap<String, Switch>,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Nothing is at work and nothing polls.
    Paused(Pause),
    /// Jobs are taken and begun.
    Running,
}

/// Whether everything was called for since this was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Called {
    /// It was not.
    No,
    /// It was, and may not have been done yet.
    Lately,
    /// It was, and would have been done by now.
    LongAgo,
}

/// What is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write down that no attempt begins.
    Mark(Pause),
    /// Write down that attempts begin again.
    Unmark,
    /// Have every job looked at.
    Call,
    /// Let the rule and the pollers call.
    TurnOn,
    /// Let them call no more.
    TurnOff,
    /// Look again in a moment.
    Wait,
    /// It is as it is wanted.
    Done,
}

impl Seen {
    /// The rule and the pollers.
    fn switches(&self) -> impl Iterator<Item = Switch> {
        self.sources.values().copied().chain([self.sweep])
    }

    fn any(&self, state: Switch) -> bool {
        self.switches().any(|s| s == state)
    }

    /// Whether something runs.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        !self.at_work.is_empty() || !self.tasks.is_empty()
    }
}

/// What is done next.
#[must_use]
pub fn next(goal: Goal, seen: &Seen, called: Called) -> Step {
    match goal {
        Goal::Paused(how) if !is_marked(seen, how) => Step::Mark(how),
        _ if seen.any(Switch::Turning) => Step::Wait,
        Goal::Paused(_) => pause(seen, called),
        Goal::Running => resume(seen, called),
    }
}

/// Whether the mark says what is wanted, or more, and stands everywhere.
fn is_marked(seen: &Seen, how: Pause) -> bool {
    let mark = seen.mark.filter(|_| seen.in_force);
    mark.is_some_and(|m| m.how == how || m.how == Pause::Now)
}

fn pause(seen: &Seen, called: Called) -> Step {
    match (seen.is_busy(), seen.any(Switch::On), seen.any(Switch::Off)) {
        (false, false, _) => Step::Done,
        // What is at work is looked at until it is over.
        (true, _, true) => Step::TurnOn,
        // Some are off already: this was begun before.
        (false, _, true) => Step::TurnOff,
        (busy, ..) => match (seen.told, called) {
            (false, Called::No) => Step::Call,
            (false, Called::Lately) => Step::Wait,
            _ if busy => Step::Wait,
            _ => Step::TurnOff,
        },
    }
}

fn resume(seen: &Seen, called: Called) -> Step {
    if seen.any(Switch::Off) {
        return Step::TurnOn;
    }
    match (seen.mark, called) {
        (Some(_), _) => Step::Unmark,
        (None, Called::No) => Step::Call,
        (None, _) => Step::Done,
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    const DRAIN: Goal = Goal::Paused(Pause::Drain);
    const NOW: Goal = Goal::Paused(Pause::Now);

    /// A deployment that takes jobs and has none.
    fn running() -> Seen {
        Seen {
            mark: None,
            in_force: false,
            told: false,
            at_work: Vec::new(),
            queued: 0,
            tasks: Vec::new(),
            sweep: Switch::On,
            sources: ["changes", "wakes"]
                .map(|name| (name.to_owned(), Switch::On))
                .into(),
        }
    }

    fn at_work(mut seen: Seen) -> Seen {
        seen.at_work
            .push("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11".parse().unwrap());
        seen.tasks.push("arn:aws:ecs:task/1".to_owned());
        seen
    }

    fn marked(mut seen: Seen, how: Pause) -> Seen {
        let since = Timestamp::UNIX_EPOCH;
        seen.mark = Some(Mark { since, how });
        seen.in_force = true;
        seen.told = false;
        seen
    }

    fn told(mut seen: Seen) -> Seen {
        seen.told = true;
        seen
    }

    fn turned(mut seen: Seen, to: Switch) -> Seen {
        seen.sweep = to;
        seen.sources.values_mut().for_each(|s| *s = to);
        seen
    }

    /// The world after a step; what is at work ends while it is waited for.
    fn after(seen: Seen, step: Step) -> Seen {
        match step {
            Step::Mark(how) => marked(seen, how),
            Step::Unmark => Seen {
                mark: None,
                in_force: false,
                told: false,
                ..seen
            },
            Step::Call => Seen {
                told: seen.mark.is_some(),
                ..seen
            },
            Step::TurnOn => turned(seen, Switch::On),
            Step::TurnOff => turned(seen, Switch::Off),
            Step::Wait => Seen {
                at_work: Vec::new(),
                tasks: Vec::new(),
                ..seen
            },
            Step::Done => seen,
        }
    }

    /// Every step to the goal, and the world then.
    fn steps(goal: Goal, mut seen: Seen) -> (Vec<Step>, Seen) {
        let (mut all, mut called) = (Vec::new(), Called::No);
        loop {
            let step = next(goal, &seen, called);
            assert!(all.len() < 20, "it comes to no end: {all:?}");
            all.push(step);
            if step == Step::Done {
                return (all, seen);
            }
            if step == Step::Call {
                called = Called::Lately;
            }
            seen = after(seen, step);
        }
    }

    #[test]
    fn jobs_are_refused_before_anything_is_waited_for_and_pollers_end_last() {
        use Step::{Call, Done, Mark, TurnOff, Wait};
        let (all, end) = steps(DRAIN, at_work(running()));
        assert_eq!(all, [Mark(Pause::Drain), Call, Wait, TurnOff, Done]);
        assert_eq!(
            end,
            told(turned(marked(running(), Pause::Drain), Switch::Off))
        );
    }

    #[test]
    fn pollers_begin_before_jobs_are_taken_and_what_waits_is_called() {
        use Step::{Call, Done, TurnOn, Unmark};
        let paused = turned(marked(running(), Pause::Now), Switch::Off);
        let (all, end) = steps(Goal::Running, paused);
        assert_eq!(all, [TurnOn, Unmark, Call, Done]);
        assert_eq!(end, running());
    }

    #[test]
    fn a_pause_that_is_half_put_in_place_is_put_in_place_or_taken_back_before_anything_else() {
        let mut half = marked(running(), Pause::Now);
        half.in_force = false;
        for how in [Pause::Drain, Pause::Now] {
            assert_eq!(next(Goal::Paused(how), &half, Called::No), Step::Mark(how));
        }
        assert_eq!(next(Goal::Running, &half, Called::No), Step::Unmark);
    }

    #[test]
    fn what_was_stopped_anywhere_comes_to_the_same_end_by_either_command() {
        for goal in [DRAIN, NOW, Goal::Running] {
            let (all, _) = steps(goal, at_work(running()));
            for stopped in 0..all.len() {
                let world = all[..stopped]
                    .iter()
                    .fold(at_work(running()), |seen, step| after(seen, *step));
                for then in [DRAIN, NOW, Goal::Running] {
                    let (_, end) = steps(then, world.clone());
                    let paused = then != Goal::Running;
                    assert_eq!(end.mark.is_some(), paused);
                    assert!(end.switches().all(|s| (s == Switch::Off) == paused));
                    assert!(!(paused && end.is_busy()), "{goal:?} {stopped} {then:?}");
                }
            }
        }
    }

    #[test]
    fn a_drain_becomes_one_that_stops_what_is_at_work_and_not_the_other_way() {
        let drains = told(at_work(marked(running(), Pause::Drain)));
        assert_eq!(next(NOW, &drains, Called::No), Step::Mark(Pause::Now));
        let stops = told(at_work(marked(running(), Pause::Now)));
        assert_eq!(next(DRAIN, &stops, Called::No), Step::Wait);
    }

    #[test]
    fn what_is_at_work_though_nothing_polls_is_looked_at_again() {
        let stuck = turned(told(at_work(marked(running(), Pause::Drain))), Switch::Off);
        assert_eq!(next(DRAIN, &stuck, Called::No), Step::TurnOn);
    }

    #[test]
    fn functions_that_do_not_answer_hold_up_the_end_of_pollers_for_a_while_only() {
        let silent = marked(running(), Pause::Drain);
        assert_eq!(next(DRAIN, &silent, Called::Lately), Step::Wait);
        assert_eq!(next(DRAIN, &silent, Called::LongAgo), Step::TurnOff);
        assert_eq!(next(DRAIN, &at_work(silent), Called::LongAgo), Step::Wait);
    }

    #[test]
    fn what_is_being_switched_is_waited_for() {
        let turning = turned(told(marked(running(), Pause::Drain)), Switch::Turning);
        for goal in [DRAIN, Goal::Running] {
            assert_eq!(next(goal, &turning, Called::No), Step::Wait);
        }
    }

    #[test]
    fn what_is_as_it_is_wanted_takes_no_step() {
        let paused = turned(marked(running(), Pause::Drain), Switch::Off);
        assert_eq!(next(DRAIN, &paused, Called::No), Step::Done);
        assert_eq!(next(Goal::Running, &running(), Called::Lately), Step::Done);
    }
}
