//! Plans and what became of them: what somebody means to do, and how it went. Pure. A plan is held
//! until so many came after it; how it went stands in the ledger for good.

use jiff::{Timestamp, tz::TimeZone};
use sandbox_core::Uid;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    ElfError, NewRule, decide,
    entry::{Claimed, Entry, Origin, Source},
    fold::Touched,
    redact::Redactor,
    state::State,
    text,
};

/// Most plans of a tenant; beyond it the oldest that is over goes, or the oldest of all.
pub const MAX_PLANS: usize = 1_000;
/// Longest title, in characters, and the shortest.
const TITLE: std::ops::RangeInclusive<usize> = 3..=200;
/// Longest text of the longer fields, in characters.
const LONG: usize = 2_000;
/// Longest text of the shorter ones.
const SHORT: usize = 1_000;
/// How much of a postmortem's lessons becomes a rule, in characters.
const LESSON: usize = 200;
/// What is said of a rule out of a postmortem.
const CLAIMED: Claimed = Claimed {
    percent: 60,
    from: Origin::Observation,
};

/// What somebody means to do, as the log keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Intent {
    /// What, in one line.
    pub title: String,
    /// More of it.
    pub description: String,
    /// How.
    pub approach: String,
    /// What may go wrong.
    pub risks: String,
    /// What will be true afterwards.
    pub expected_outcome: String,
    /// What it is about, a slug; empty where none was named.
    pub domain: String,
}

/// A plan with whoever made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// What is meant, cleaned and redacted.
    pub intent: Intent,
    /// Who.
    pub source: Source,
    /// When, where an older program kept it before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Timestamp>,
}

/// How something went, as it is told and as the log keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Review {
    /// The number of its plan.
    pub plan_id: Option<u64>,
    /// What, in one line; that of the plan where it is empty.
    pub title: String,
    /// What is true now.
    pub actual_outcome: String,
    /// What went otherwise than planned.
    pub divergences: String,
    /// What went well.
    pub went_well: String,
    /// What did not.
    pub went_wrong: String,
    /// What to do next time.
    pub lessons: String,
    /// What it is about; that of the plan where it is empty.
    pub domain: String,
}

/// A review with whoever made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reviewed {
    /// How it went, cleaned and redacted.
    pub review: Review,
    /// Who says so.
    pub source: Source,
    /// When, where an older program kept it before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Timestamp>,
}

/// A plan as it is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Its number: its place in the log.
    pub number: u64,
    /// What is meant.
    pub intent: Intent,
    /// Who.
    pub source: Source,
    /// Since when.
    pub created_at: Timestamp,
    /// The place in the log of what became of it, and when that was told.
    pub review: Option<(u64, Timestamp)>,
}

impl Plan {
    /// Its name for people: the title as a slug with its minute.
    #[must_use]
    pub fn task_id(&self) -> String {
        let slug = text::domain(&text::cut(&self.intent.title, 50)).unwrap_or_default();
        let minute = self.created_at.to_zoned(TimeZone::UTC);
        format!("{slug}-{}", minute.strftime("%Y%m%d-%H%M"))
    }

    /// `active` or `completed`.
    #[must_use]
    pub const fn status(&self) -> &'static str {
        match self.review {
            None => "active",
            Some(_) => "completed",
        }
    }
}

/// Takes a plan up.
pub fn begun(state: &mut State, planned: &Planned, at: Timestamp) -> Vec<Touched> {
    let number = state.head;
    let plan = Plan {
        number,
        intent: planned.intent.clone(),
        source: planned.source.clone(),
        created_at: planned.made.unwrap_or(at),
        review: None,
    };
    state.plans.insert(number, plan);
    let mut touched = vec![Touched::Plan(number)];
    if state.plans.len() > MAX_PLANS {
        let over = state.plans.values().find(|p| p.review.is_some());
        let oldest = over.or_else(|| state.plans.values().next());
        if let Some(gone) = oldest.map(|p| p.number) {
            state.plans.remove(&gone);
            touched.push(Touched::Plan(gone));
        }
    }
    touched
}

/// Notes what became of a plan; the first word stands.
pub fn ended(state: &mut State, reviewed: &Reviewed, at: Timestamp) -> Vec<Touched> {
    let place = state.head;
    let plan = reviewed
        .review
        .plan_id
        .and_then(|n| state.plans.get_mut(&n));
    let Some(plan) = plan.filter(|p| p.review.is_none()) else {
        return Vec::new();
    };
    plan.review = Some((place, reviewed.told.unwrap_or(at)));
    vec![Touched::Plan(plan.number)]
}

/// The entry of a plan and its number. One that is meant already is not meant twice.
///
/// # Errors
/// Something in it cannot be kept.
pub fn plan(
    known: (&State, &Redactor),
    intent: &Intent,
    source: &Source,
) -> Result<(Vec<Entry>, u64), ElfError> {
    let (state, redactor) = known;
    let intent = intent.kept(redactor)?;
    let same = |p: &&Plan| p.review.is_none() && p.intent == intent && p.source == *source;
    if let Some(stands) = state.plans.values().find(same) {
        return Ok((Vec::new(), stands.number));
    }
    let source = source.clone();
    let entry = Entry::Planned(Box::new(Planned {
        intent,
        source,
        made: None,
    }));
    Ok((vec![entry], state.head + 1))
}

/// What came of a review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its number: its place in the log.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// What is true now, as it is kept.
    pub actual_outcome: String,
    /// Its plan, as it is afterwards.
    pub plan: Option<Plan>,
    /// The rule that its lessons made or said again.
    pub rule: Option<String>,
}

/// The entries of a review: itself, and a rule where it names lessons and a domain. The same review
/// of a plan is kept once.
///
/// # Errors
/// Something in it cannot be kept; `NotFound` for the plan; `Reviewed` when somebody else told
/// already how it went.
pub fn review(
    known: (&State, &Redactor),
    told: &Review,
    by: &Source,
    stands: Option<&Review>,
) -> Result<(Vec<Entry>, Kept), ElfError> {
    let (state, redactor) = known;
    let plan = told
        .plan_id
        .map(|number| found(state, number))
        .transpose()?;
    let review = told.kept(redactor, plan.map(|p| &p.intent))?;
    if let Some((plan, (number, _))) = plan.and_then(|p| Some((p, p.review?))) {
        if stands != Some(&review) {
            return Err(ElfError::Reviewed(plan.number, number));
        }
        let kept = kept(number, &review, Some(plan), None);
        return Ok((Vec::new(), kept));
    }
    let rule = rule_of(state, redactor, &review, by)?;
    let number = state.head + 1;
    let (rule_entry, rule) = rule.unzip();
    let answer = kept(number, &review, plan, rule);
    let source = by.clone();
    let entry = Entry::Reviewed(Box::new(Reviewed {
        review,
        source,
        told: None,
    }));
    Ok((std::iter::once(entry).chain(rule_entry).collect(), answer))
}

fn found(state: &State, number: u64) -> Result<&Plan, ElfError> {
    let missing = || ElfError::not_found("plan", &number.to_string());
    state.plans.get(&number).ok_or_else(missing)
}

fn kept(number: u64, review: &Review, plan: Option<&Plan>, rule: Option<String>) -> Kept {
    Kept {
        number,
        title: review.title.clone(),
        actual_outcome: review.actual_outcome.clone(),
        plan: plan.cloned(),
        rule,
    }
}

/// The rule that lessons make. One that a person retired is not said again.
fn rule_of(
    state: &State,
    redactor: &Redactor,
    review: &Review,
    by: &Source,
) -> Result<Option<(Entry, String)>, ElfError> {
    let said = text::cut(&text::one_line(&review.lessons), LESSON);
    if review.domain.is_empty() || !text::RULE.contains(&said.trim().chars().count()) {
        return Ok(None);
    }
    let rule = NewRule {
        domain: review.domain.clone(),
        text: said,
        explanation: format!("From the postmortem of: {}", review.title),
        ..NewRule::default()
    };
    let mut added = decide::checked(redactor, &rule)?;
    added.source = by.clone();
    added.claimed = Some(CLAIMED);
    match decide::taught(state, added) {
        Err(ElfError::Retired(_)) => Ok(None),
        taught => taught.map(Some),
    }
}

impl Intent {
    /// Cleaned and redacted.
    ///
    /// # Errors
    /// Something in it cannot be kept.
    pub(crate) fn kept(&self, redactor: &Redactor) -> Result<Self, ElfError> {
        let block = |field, text: &str, most| block(redactor, field, text, 0..=most);
        Ok(Self {
            title: line(redactor, "title", &self.title)?,
            description: block("description", &self.description, LONG)?,
            approach: block("approach", &self.approach, LONG)?,
            risks: block("risks", &self.risks, SHORT)?,
            expected_outcome: block("expected_outcome", &self.expected_outcome, SHORT)?,
            domain: slug(redactor, &self.domain)?,
        })
    }
}

impl Review {
    /// Cleaned and redacted, with what its plan says where it says nothing.
    ///
    /// # Errors
    /// Something in it cannot be kept.
    pub(crate) fn kept(
        &self,
        redactor: &Redactor,
        plan: Option<&Intent>,
    ) -> Result<Self, ElfError> {
        let block = |field, text: &str, least| block(redactor, field, text, least..=LONG);
        let title = match plan.filter(|_| self.title.trim().is_empty()) {
            Some(intent) => intent.title.clone(),
            None => line(redactor, "title", &self.title)?,
        };
        let domain = match plan.filter(|_| self.domain.trim().is_empty()) {
            Some(intent) => intent.domain.clone(),
            None => slug(redactor, &self.domain)?,
        };
        Ok(Self {
            plan_id: self.plan_id,
            title,
            actual_outcome: block("actual_outcome", &self.actual_outcome, 5)?,
            divergences: block("divergences", &self.divergences, 0)?,
            went_well: block("went_well", &self.went_well, 0)?,
            went_wrong: block("went_wrong", &self.went_wrong, 0)?,
            lessons: block("lessons", &self.lessons, 0)?,
            domain,
        })
    }
}

fn line(redactor: &Redactor, field: &'static str, said: &str) -> Result<String, ElfError> {
    let said = text::line(field, said, TITLE)?;
    Ok(text::cut(&redactor.clean(&said), *TITLE.end()))
}

fn block(
    redactor: &Redactor,
    field: &'static str,
    said: &str,
    length: std::ops::RangeInclusive<usize>,
) -> Result<String, ElfError> {
    let most = *length.end();
    let said = text::block(field, said, length)?;
    Ok(text::cut(&redactor.clean(&said), most))
}

/// A domain as a slug, or none; one that was named and is no name at all is refused.
fn slug(redactor: &Redactor, said: &str) -> Result<String, ElfError> {
    let said = text::line("domain", said, 0..=text::MAX_DOMAIN)?;
    if said.is_empty() {
        return Ok(said);
    }
    let no_slug = || ElfError::invalid("domain", "it has no letter a to z and no digit");
    redactor.domain(&said).ok_or_else(no_slug)
}

/// The job of an end that was told under this name, apart from every job that ran here: who tells an
/// end by hand must not speak for a seat.
#[must_use]
pub fn told_uid(name: &str) -> Option<Uid> {
    let digest = Sha256::digest(format!("told by hand: {name}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(digest.get(..16)?);
    let made = uuid::Builder::from_bytes(bytes).into_uuid();
    made.to_string().parse().ok()
}
