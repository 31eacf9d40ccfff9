//! One rule with what happened to it, and why it is golden or is not. Changes nothing.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;
use sandbox_core::{Seat, Tenant, port::Receipt};
use serde::{Deserialize, Serialize};

use super::ShownRule;
use crate::{
    Elf, ElfError, RuleKind,
    entry::{Entry, Row, Source},
    label::Label,
    learn::{Explained, Verdict},
    live::Live,
    rule::{Rule, RuleStatus},
};

/// Events of a rule that are shown: the newest.
const MAX_EVENTS: usize = 200;
/// Newest entries of the log that are searched for them.
const MAX_SEARCHED: u64 = 200_000;
/// Entries that are read at a time.
const PIECE: u32 = 1_000;

/// A rule with what happened to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dossier {
    /// The rule with what is believed of it.
    #[serde(flatten)]
    pub rule: ShownRule,
    /// Why it is golden or is not.
    pub explained: Explained,
    /// What happened to it, oldest first: at most the newest 200.
    pub history: Vec<Event>,
    /// Whether that is all that ever happened.
    pub complete: bool,
}

/// Something that happened to a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its place in the log.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened to a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase")]
pub enum What {
    /// Somebody said it first.
    Said(Source),
    /// Somebody said it again.
    SaidAgain(Source),
    /// It stood in this seat's prompt.
    Given {
        /// The seat.
        seat: String,
    },
    /// It fitted this seat and was kept back.
    KeptBack {
        /// The seat.
        seat: String,
    },
    /// A seat that had it in its prompt ended.
    Ended {
        /// The seat.
        seat: String,
        /// What that says about the work.
        label: Label,
    },
    /// A seat's opinion.
    Voted {
        /// The seat.
        seat: String,
        /// Whether it helped.
        helpful: bool,
    },
    /// An opinion of somebody without a seat.
    Thought {
        /// Whether it helped.
        helpful: bool,
    },
    /// A person pinned it.
    Pinned,
    /// A person retired it.
    Retired {
        /// Why.
        reason: String,
    },
    /// A person made it an ordinary one again.
    Activated,
    /// Another rule took its place.
    Superseded {
        /// That rule's id.
        by: String,
    },
}

impl Elf {
    /// The rule with this id or number, why it is golden or is not, and what happened to it.
    ///
    /// # Errors
    /// `NotFound`, or the store cannot be read.
    pub async fn dossier(&self, tenant: &Tenant, id: &str) -> Result<Dossier, ElfError> {
        let asked = id.to_owned();
        let found = self.read(tenant, move |live| opened(live, &asked)).await?;
        let (head, (rule, explained), seats) =
            found.ok_or_else(|| ElfError::not_found("rule", id))?;
        let first = rule.rule.seq.saturating_sub(1);
        let mut after = first.max(head.saturating_sub(MAX_SEARCHED));
        let mut complete = after == first;
        let mut history = VecDeque::new();
        loop {
            let rows = self.ledger().log(tenant, after, PIECE).await?;
            for row in &rows {
                history.extend(event(row, &rule.rule.id, &seats));
                if history.len() > MAX_EVENTS {
                    history.pop_front();
                    complete = false;
                }
            }
            match rows.last() {
                Some(last) if rows.len() == PIECE as usize => after = last.seq,
                _ => break,
            }
        }
        Ok(Dossier {
            rule,
            explained,
            history: history.into(),
            complete,
        })
    }

    /// Why the rule with this id or number is golden or is not.
    ///
    /// # Errors
    /// `NotFound`, or the store cannot be read.
    pub async fn explain(&self, tenant: &Tenant, id: &str) -> Result<Explained, ElfError> {
        let asked = id.to_owned();
        let found = self.read(tenant, move |live| {
            let rule = live.state.rule(&asked)?;
            Some(explained(rule, &live.state.verdict(rule)))
        });
        found.await?.ok_or_else(|| ElfError::not_found("rule", id))
    }
}

/// The head of the log, the rule as it is shown, and the seats that had it in their prompts.
fn opened(live: &Live, id: &str) -> Option<(u64, (ShownRule, Explained), BTreeSet<String>)> {
    let rule: &Rule = live.state.rule(id)?;
    let mut seats = BTreeSet::new();
    for (uid, job) in &live.state.jobs {
        for (number, attempt) in &job.attempts {
            if attempt.given().contains(&rule.number) {
                seats.insert(Seat::new(uid.clone(), *number).to_string());
            }
        }
    }
    let verdict = live.state.verdict(rule);
    let shown = (ShownRule::of(rule, &verdict), explained(rule, &verdict));
    Some((live.state.head, shown, seats))
}

fn explained(rule: &Rule, verdict: &Verdict) -> Explained {
    let mut explained = Explained::of(verdict);
    explained.sentence.push_str(match rule.kind {
        RuleKind::Heuristic => "",
        RuleKind::Decision => " It is a decision: it comes where it fits, golden or not.",
        RuleKind::Invariant => {
            " It is an invariant: it comes into its project's prompts, golden or not."
        }
    });
    explained.sentence.push_str(&standing(rule));
    explained
}

/// Where a rule stands, unless it is an ordinary one.
fn standing(rule: &Rule) -> String {
    let why = rule.suspect.as_deref();
    let why = why.unwrap_or("a person is to look at it");
    match (rule.status, &rule.superseded_by) {
        (RuleStatus::Active, _) => String::new(),
        (RuleStatus::Pinned, _) => {
            " A person pinned it: it comes into every prompt that it fits, golden or not."
                .to_owned()
        }
        (RuleStatus::Retired, Some(by)) => {
            format!(" Rule {by} took its place: it comes into no prompt.")
        }
        (RuleStatus::Retired, None) => " A person retired it: it comes into no prompt.".to_owned(),
        (RuleStatus::Proposed, _) => {
            " It is a proposal: it comes into no prompt until a person accepts it.".to_owned()
        }
        (RuleStatus::Quarantined, _) => format!(
            " It is in quarantine and comes into no prompt: {why}. A person can activate or retire it."
        ),
    }
}

/// What an entry says of the rule, where it says something.
fn event(row: &Row, id: &str, seats: &BTreeSet<String>) -> Option<Event> {
    let what = match &row.entry {
        Entry::RuleAdded(added) if added.id == id => What::Said(added.source.clone()),
        Entry::RuleAliased { rule, source, .. } if rule == id => What::SaidAgain(source.clone()),
        Entry::Receipt { seat, receipt } => at_seat(&seat.to_string(), receipt, id)?,
        Entry::Outcome(ended) => What::Ended {
            seat: Some(ended.seat.to_string()).filter(|seat| seats.contains(seat))?,
            label: ended.label,
        },
        Entry::Vote {
            seat,
            rule,
            helpful,
        } if rule == id => What::Voted {
            seat: seat.to_string(),
            helpful: *helpful,
        },
        Entry::Opinion { rule, helpful } if rule == id => What::Thought { helpful: *helpful },
        Entry::Pinned { rule } if rule == id => What::Pinned,
        Entry::Activated { rule } if rule == id => What::Activated,
        Entry::Superseded { rule, by } if rule == id => What::Superseded { by: by.clone() },
        Entry::Retired { rule, reason } if rule == id => What::Retired {
            reason: reason.clone(),
        },
        _ => return None,
    };
    Some(Event {
        seq: row.seq,
        at: row.at,
        what,
    })
}

fn at_seat(seat: &str, receipt: &Receipt, id: &str) -> Option<What> {
    let seat = seat.to_owned();
    if receipt.injected.iter().any(|lesson| lesson.rule == id) {
        return Some(What::Given { seat });
    }
    let kept_back = receipt.withheld.iter().any(|rule| rule == id);
    kept_back.then_some(What::KeptBack { seat })
}
