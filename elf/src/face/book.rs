//! What a person looks up: one rule with its history, what a job would be given, receipts, plans.
//! Changes nothing.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;
use sandbox_core::{
    Seat, Tenant, Uid,
    port::{RecallQuery, Receipt},
};
use serde::{Deserialize, Serialize};

use super::ShownRule;
use crate::{
    Elf, ElfError,
    entry::{Entry, Row, Source},
    label::Label,
    learn::{Explained, Verdict},
    live::Live,
    plan::{Intent, Plan, told_uid},
    prompt, recall,
    rule::{Rule, RuleStatus},
    trail::naive,
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
}

/// What a job would be given now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Context {
    /// The block as it would stand in the prompt.
    pub text: String,
    /// About how many tokens it has.
    pub tokens: usize,
    /// What would be written down with it; nothing is.
    pub receipt: Receipt,
}

/// A plan as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownPlan {
    /// Its number.
    pub id: u64,
    /// Its name for people.
    pub task_id: String,
    /// `active` or `completed`.
    pub status: String,
    /// What is meant.
    #[serde(flatten)]
    pub intent: Intent,
    /// Since when, naive UTC.
    pub created_at: String,
    /// When it was told how it went, naive UTC.
    pub completed_at: Option<String>,
}

impl ShownPlan {
    /// The plan, for people.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        Self {
            id: plan.number,
            task_id: plan.task_id(),
            status: plan.status().to_owned(),
            intent: plan.intent.clone(),
            created_at: naive(plan.created_at),
            completed_at: plan.review.map(|(_, at)| naive(at)),
        }
    }
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

    /// What a job that asks this would be given now. No receipt is written, and the draws are always
    /// those of the same made-up seat.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn context(&self, tenant: &Tenant, query: RecallQuery) -> Result<Context, ElfError> {
        let nobody = || ElfError::not_found("seat", "nobody");
        let seat = Seat::new(told_uid("what a job would be given").ok_or_else(nobody)?, 1);
        let now = self.now();
        let receipt = self
            .read(tenant, move |live| {
                recall::rank(live.known(), &query, &seat, now)
            })
            .await??;
        let text = prompt::prompt_block(&receipt);
        Ok(Context {
            tokens: prompt::tokens(&text),
            text,
            receipt,
        })
    }

    /// What an attempt of a job was given; the last that asked when none is named.
    ///
    /// # Errors
    /// `NotFound`, or the store cannot be read.
    pub async fn receipt_of(
        &self,
        tenant: &Tenant,
        job: &str,
        attempt: Option<u32>,
    ) -> Result<Receipt, ElfError> {
        let missing = || ElfError::not_found("receipt", job);
        let uid: Uid = job.parse().map_err(|_| missing())?;
        let asked = uid.clone();
        let last = self.read(tenant, move |live| {
            let attempts = &live.state.jobs.get(&asked)?.attempts;
            let asked = attempts.iter().filter(|(_, a)| a.injected.is_some());
            asked.map(|(number, _)| *number).next_back()
        });
        let last = last.await?;
        let attempt = attempt.or(last).ok_or_else(missing)?;
        self.receipt(tenant, &Seat::new(uid, attempt)).await
    }

    /// Plans for people, newest first.
    ///
    /// # Errors
    /// `Invalid` for a status that is none, or the store cannot be read.
    pub async fn shown_plans(
        &self,
        tenant: &Tenant,
        status: Option<&str>,
        most: usize,
    ) -> Result<Vec<ShownPlan>, ElfError> {
        let status = match status {
            None | Some("all") => None,
            Some("active") => Some("active"),
            Some("completed") => Some("completed"),
            Some(_) => {
                let problem = "it must be active, completed or all";
                return Err(ElfError::invalid("status", problem));
            }
        };
        let plans = self.plans(tenant, status, most).await?;
        Ok(plans.iter().map(ShownPlan::of).collect())
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
    let more = match rule.status {
        RuleStatus::Active => "",
        RuleStatus::Pinned => {
            " A person pinned it: it comes into every prompt that it fits, golden or not."
        }
        RuleStatus::Retired => " A person retired it: it comes into no prompt.",
        RuleStatus::Quarantined => " It is in quarantine and comes into no prompt: ",
    };
    explained.sentence.push_str(more);
    if rule.status == RuleStatus::Quarantined {
        let why = rule
            .suspect
            .as_deref()
            .unwrap_or("a person is to look at it");
        let sentence = &mut explained.sentence;
        sentence.extend([why, ". A person can activate or retire it."]);
    }
    explained
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
