//! What is known of one tenant: what the log amounts to. Holds it in order; [`crate::fold`] changes
//! it, [`crate::rows`] writes it down.

use std::collections::BTreeMap;

use sandbox_core::{Seat, Uid};
use serde::{Deserialize, Serialize};

use crate::{
    label::Label,
    learn::{Model, Step, Verdict, prior},
    plan::Plan,
    rule::{Rule, Seats},
    rules::Rules,
    trail::{Heat, TrailKey},
    trouble::Troubles,
};

/// Everything that is known of one tenant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The place of the last entry that is in here.
    pub head: u64,
    /// Rules by number and by id.
    pub rules: Rules,
    /// Trails.
    pub trails: BTreeMap<TrailKey, Heat>,
    /// Jobs with their attempts.
    pub jobs: BTreeMap<Uid, Job>,
    /// Plans by number.
    pub plans: BTreeMap<u64, Plan>,
    /// Which jobs failed alike. Follows from the attempts and is not written down.
    pub troubles: Troubles,
    /// What is believed of the rules. Follows from rules and attempts; never written down.
    pub learned: Model,
}

/// A job as memory knows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its attempts by number; apart, for a map has room for eleven where a job mostly has one.
    pub attempts: BTreeMap<u32, Box<Attempt>>,
}

/// An attempt as memory knows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// How it ended, once it has.
    pub label: Option<Label>,
    /// Numbers of the rules in its prompt, once it has asked.
    pub injected: Option<Vec<u64>>,
    /// Numbers of the rules that fitted and were kept back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<u64>,
    /// What its end teaches, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lesson: Option<Taught>,
    /// Numbers of the rules that were voted on there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub votes: Vec<u64>,
    /// What those votes were, where they teach.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cast: Vec<Cast>,
    /// Numbers of the rules that were stated there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stated: Vec<u64>,
    /// The key of its failure, where it is one that can repeat itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// A vote that teaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cast {
    /// Its place in the log.
    pub seq: u64,
    /// The rule's number.
    pub rule: u64,
    /// Whether it helped.
    pub helpful: bool,
}

/// What the end of an attempt teaches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Taught {
    /// The place of the end in the log.
    pub seq: u64,
    /// The job's domain; its type where it names none.
    pub domain: String,
    /// How well it went, 0 to 1.
    pub success: f64,
}

/// How many jobs ended how. A job counts by its last attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// Succeeded.
    pub success: u64,
    /// Failed.
    pub failure: u64,
    /// Ended in a way that says nothing about the work.
    pub unknown: u64,
}

impl State {
    /// The rule with this number.
    #[must_use]
    pub fn numbered(&self, number: u64) -> Option<&Rule> {
        self.rules.numbered(number)
    }

    /// The rule with this id or number.
    #[must_use]
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        let by_number = || id.parse().ok().and_then(|n| self.numbered(n));
        self.rules.get(id).or_else(by_number)
    }

    /// What is believed of this rule.
    #[must_use]
    pub fn verdict(&self, rule: &Rule) -> Verdict {
        self.learned.verdict(rule.number).unwrap_or_default()
    }

    /// Counts the rules that a seat was given and those that were kept back.
    pub fn count_given(&mut self, attempt: &Attempt) {
        for number in attempt.given() {
            self.count(*number, |seats| {
                seats.eligible += 1;
                seats.injected += 1;
            });
        }
        for number in &attempt.withheld {
            self.count(*number, |seats| seats.eligible += 1);
        }
    }

    /// Counts how a seat ended for the rules that it was given.
    pub fn count_end(&mut self, attempt: &Attempt) {
        let Some(label) = attempt.label else { return };
        for number in attempt.given() {
            self.count(*number, |seats| seats.ended(label));
        }
    }

    fn count(&mut self, number: u64, count: impl FnOnce(&mut Seats)) {
        if let Some(rule) = self.rules.numbered_mut(number) {
            count(&mut rule.seats);
        }
    }

    /// Counts and learns again from all that was kept.
    pub fn relearn(&mut self) {
        self.recount();
        self.learned = self.believed();
    }

    /// What all that was kept teaches, in the order of the log.
    #[must_use]
    pub fn believed(&self) -> Model {
        let mut learned = Model::for_rules(self.rules.len());
        let mut steps: Vec<(u64, Kept<'_>)> = Vec::with_capacity(self.rules.len());
        steps.extend(self.rules.values().map(|r| (r.seq, Kept::Rule(r))));
        for attempt in self.jobs.values().flat_map(|j| j.attempts.values()) {
            let taught = attempt.lesson.as_ref();
            steps.extend(taught.map(|t| (t.seq, Kept::End(attempt, t))));
            steps.extend(attempt.cast.iter().map(|c| (c.seq, Kept::Vote(*c))));
        }
        steps.sort_by_key(|(seq, _)| *seq);
        for (_, step) in steps {
            match step {
                Kept::Rule(rule) => take_up(&mut learned, rule),
                Kept::End(attempt, taught) => learn(&mut learned, attempt, taught),
                Kept::Vote(cast) => learned.hear(cast.rule, cast.helpful),
            }
        }
        learned
    }

    /// Counts again from all that was kept.
    pub fn recount(&mut self) {
        for rule in self.rules.values_mut() {
            rule.seats = Seats::default();
        }
        self.troubles = Troubles::default();
        let jobs = std::mem::take(&mut self.jobs);
        for (uid, job) in &jobs {
            for attempt in job.attempts.values() {
                self.count_given(attempt);
                self.count_end(attempt);
                self.troubles.add(attempt.trouble.as_deref(), uid);
            }
        }
        self.jobs = jobs;
    }

    /// What is known of an attempt.
    #[must_use]
    pub fn attempt(&self, seat: &Seat) -> Option<&Attempt> {
        let job = self.jobs.get(&seat.uid)?;
        job.attempts.get(&seat.attempt).map(Box::as_ref)
    }

    /// How many jobs ended how.
    #[must_use]
    pub fn ends(&self) -> Ends {
        let mut ends = Ends::default();
        for label in self.jobs.values().filter_map(Job::label) {
            match label {
                Label::Success => ends.success += 1,
                Label::Failure => ends.failure += 1,
                Label::Unknown => ends.unknown += 1,
            }
        }
        ends
    }
}

impl State {
    /// Whether the attempt of this seat knows a rule already: it stood in its prompt, or was stated there.
    #[must_use]
    pub fn has_heard(&self, seat: &Seat, rule: &Rule) -> bool {
        // What an older release wrote down says only who was first.
        let was_first = rule.source.seat.as_ref() == Some(seat);
        let heard =
            |a: &Attempt| a.given().contains(&rule.number) || a.stated.contains(&rule.number);
        was_first || self.attempt(seat).is_some_and(heard)
    }
}

impl Attempt {
    /// Numbers of the rules in its prompt.
    #[must_use]
    pub fn given(&self) -> &[u64] {
        self.injected.as_deref().unwrap_or_default()
    }
}

impl Job {
    /// How its last attempt that ended did end.
    #[must_use]
    pub fn label(&self) -> Option<Label> {
        self.attempts.values().rev().find_map(|a| a.label)
    }
}

/// What there is to learn from.
enum Kept<'a> {
    Rule(&'a Rule),
    End(&'a Attempt, &'a Taught),
    Vote(Cast),
}

/// A rule enters the model. Whoever states it may claim a little for it, as much as their tier allows.
pub fn take_up(model: &mut Model, rule: &Rule) {
    let percent = rule.legacy.map(|legacy| legacy.percent);
    let percent = percent.or(rule.claimed.map(|claimed| claimed.percent));
    let said = percent.map(|percent| f64::from(percent.min(100)) / 100.0);
    let trust = rule.trust();
    let claimed = prior(said.unwrap_or_else(|| trust.usual_claim()));
    let claimed = claimed.min(trust.most_claimed());
    model.add(rule.number, &rule.domain, claimed);
}

/// The end of an attempt enters the model.
pub fn learn(model: &mut Model, attempt: &Attempt, taught: &Taught) {
    model.learn(&Step {
        domain: &taught.domain,
        injected: attempt.given(),
        withheld: &attempt.withheld,
        success: taught.success,
        weight: 1.0,
    });
}
