//! What agents tell: rules in passing, plans and what became of them, ends of work that ran
//! elsewhere, opinions. And what they look for. Their words prove nothing; see [`crate::learn`].

use jiff::Timestamp;
use sandbox_core::{FailureClass, Outcome, Seat, Tenant, Usage, port::AttemptOutcome};

use super::{Heuristic, ShownOutcome};
use crate::{
    Elf, ElfError, NewRule, Rule, decide,
    entry::{Claimed, Ended, Entry, RuleAdded, Source},
    live::Live,
    near,
    plan::{self, Intent, Kept, Plan, Review},
    recall::Known,
    rows,
    store::Kind,
    text,
};

/// Longest name of a job that ran elsewhere, in characters.
const JOB_NAME: std::ops::RangeInclusive<usize> = 1..=100;
/// Longest query, in characters, and the shortest.
const QUERY: std::ops::RangeInclusive<usize> = 2..=500;

/// An end as somebody tells it who worked elsewhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToldEnd {
    /// What they call the job.
    pub job: String,
    /// The job type's word.
    pub job_type: String,
    /// How well it went, 0 to 1: a half where it is said to be partly done.
    pub success: f64,
    /// The project.
    pub project: Option<String>,
    /// How long it took, in seconds.
    pub seconds: u64,
    /// Files that were touched.
    pub files: Vec<String>,
    /// Lessons, each as a marker `[LEARNED:domain] text`; others are counted as dropped.
    pub lessons: Vec<String>,
    /// What failed.
    pub message: Option<String>,
}

impl Elf {
    /// Keeps a rule that an agent states. It is no evidence where it stood in its seat's prompt, or
    /// where the same seat said it first.
    ///
    /// # Errors
    /// As [`Elf::add_rule`].
    pub async fn state_rule(
        &self,
        tenant: &Tenant,
        rule: NewRule,
        by: (Source, Claimed),
    ) -> Result<Heuristic, ElfError> {
        let stated = self.write(tenant, move |live, _| {
            let mut added = decide::checked(&live.redactor, &rule)?;
            added.source = by.0.clone();
            added.claimed = Some(by.1);
            near::taught(live.known(), stated(live, added)?)
        });
        let id = stated.await?;
        self.heuristic(tenant, &id).await
    }

    /// Keeps what somebody means to do.
    ///
    /// # Errors
    /// `Invalid`, or the store may not have kept it.
    pub async fn record_plan(
        &self,
        tenant: &Tenant,
        intent: Intent,
        by: Source,
    ) -> Result<Plan, ElfError> {
        let planned = self.write(tenant, move |live, _| {
            plan::plan((&live.state, &live.redactor), &intent, &by)
        });
        let number = planned.await?;
        let found = self.read(tenant, move |live| live.state.plans.get(&number).cloned());
        let missing = || ElfError::not_found("plan", &number.to_string());
        found.await?.ok_or_else(missing)
    }

    /// Keeps how something went, and its lessons as a rule where it names a domain.
    ///
    /// # Errors
    /// `Invalid`; `NotFound` for the plan; `Reviewed`; or the store may not have kept it.
    pub async fn record_postmortem(
        &self,
        tenant: &Tenant,
        review: Review,
        by: Source,
    ) -> Result<Kept, ElfError> {
        let stands = self.review_of(tenant, review.plan_id).await?;
        self.write(tenant, move |live, _| {
            let known = (&live.state, &live.redactor);
            let (entries, mut kept) = plan::review(known, &review, &by, stands.as_ref())?;
            let (entries, mut aliases) = near::settle(live.known(), entries);
            let other = kept.rule.as_ref().and_then(|id| aliases.remove(id));
            kept.rule = other.or(kept.rule);
            Ok((entries, kept))
        })
        .await
    }

    /// Plans, newest first: those of this status, or all.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn plans(
        &self,
        tenant: &Tenant,
        status: Option<&'static str>,
        most: usize,
    ) -> Result<Vec<Plan>, ElfError> {
        self.read(tenant, move |live| {
            let plans = live.state.plans.values().rev();
            let wanted = plans.filter(|p| status.is_none_or(|s| s == p.status()));
            wanted.take(most).cloned().collect()
        })
        .await
    }

    /// Keeps an end of work that ran elsewhere: the first that is told of a job. It teaches what is
    /// usual in its domain, and of no rule anything, for no prompt of it is known.
    ///
    /// # Errors
    /// `Invalid`, or the store may not have kept it.
    pub async fn told_end(
        &self,
        tenant: &Tenant,
        told: &ToldEnd,
    ) -> Result<ShownOutcome, ElfError> {
        let seat = told_seat(&told.job)?;
        text::line("job_type", &told.job_type, 1..=decide::MAX_JOB_TYPE)?;
        let outcome = attempt_of(tenant, told);
        let at = seat.clone();
        self.write(tenant, move |live, now| {
            let known = (&live.state, &live.redactor);
            Ok((decide::record(known, &at, &outcome, now), ()))
        })
        .await?;
        let id = rows::seat_id(&seat);
        let found = self.ledger().item(tenant, Kind::Outcome, &id).await?;
        let item = found.ok_or_else(|| ElfError::not_found("outcome", &id))?;
        let ended: Ended = rows::parse(&item)?;
        Ok(ShownOutcome {
            seq: item.seq,
            ended,
        })
    }

    /// Keeps what those without a seat think of a rule: the last word stands.
    ///
    /// # Errors
    /// `NotFound`, or the store may not have kept it.
    pub async fn think(&self, tenant: &Tenant, id: &str, helpful: bool) -> Result<(), ElfError> {
        let asked = id.to_owned();
        self.write(tenant, move |live, _| {
            let missing = || ElfError::not_found("rule", &asked);
            let rule = live.state.rule(&asked).ok_or_else(missing)?;
            let entry = Entry::Opinion {
                rule: rule.id.clone(),
                helpful,
            };
            let changes = rule.opinion != Some(helpful);
            Ok((changes.then_some(entry).into_iter().collect(), ()))
        })
        .await
    }

    /// Rules whose words fit, best first.
    ///
    /// # Errors
    /// `Invalid`, or the store cannot be read.
    pub async fn search(
        &self,
        tenant: &Tenant,
        (query, domain): (&str, Option<&str>),
        most: usize,
    ) -> Result<Vec<Heuristic>, ElfError> {
        let words = text::line("query", query, QUERY)?;
        let domain = domain.map(|d| text::domain(d).unwrap_or_default());
        self.read(tenant, move |live| {
            let rules = fitting(live.known(), &words, domain.as_deref(), most);
            let shown = |rule: &Rule| Heuristic::of(rule, &live.state.verdict(rule));
            rules.into_iter().map(shown).collect()
        })
        .await
    }

    async fn review_of(
        &self,
        tenant: &Tenant,
        plan: Option<u64>,
    ) -> Result<Option<Review>, ElfError> {
        let Some(plan) = plan else { return Ok(None) };
        let place = self.read(tenant, move |live| live.state.plans.get(&plan)?.review);
        let Some((place, _)) = place.await? else {
            return Ok(None);
        };
        let id = place.to_string();
        let item = self.ledger().item(tenant, Kind::Postmortem, &id).await?;
        let told = item
            .as_ref()
            .map(rows::parse::<plan::Reviewed>)
            .transpose()?;
        Ok(told.map(|told| told.review))
    }
}

fn stated(live: &Live, added: RuleAdded) -> Result<(Vec<Entry>, String), ElfError> {
    let (state, seat) = (&live.state, added.source.seat.clone());
    let (entry, id) = decide::taught(state, added)?;
    let known = seat.zip(state.rules.get(&id));
    let heard = known.is_some_and(|(seat, rule)| state.has_heard(&seat, rule));
    Ok((if heard { Vec::new() } else { vec![entry] }, id))
}

fn told_seat(job: &str) -> Result<Seat, ElfError> {
    let job = text::line("job_id", job, JOB_NAME)?;
    let uid = plan::told_uid(&job).ok_or_else(|| ElfError::invalid("job_id", "it names no job"))?;
    Ok(Seat::new(uid, 1))
}

fn attempt_of(tenant: &Tenant, told: &ToldEnd) -> AttemptOutcome {
    let whole = told.success >= 1.0;
    AttemptOutcome {
        tenant: tenant.clone(),
        job_type: told.job_type.clone(),
        project: told.project.clone(),
        domain: None,
        outcome: if whole {
            Outcome::Succeeded
        } else {
            Outcome::Failed
        },
        class: (!whole).then_some(FailureClass::AgentError),
        message: told.message.clone(),
        grade: Some(told.success),
        usage: Usage {
            seconds: told.seconds,
            ..Usage::default()
        },
        files: told.files.clone(),
        lessons: told.lessons.clone(),
        at: Timestamp::MAX,
    }
}

fn fitting<'a>(known: Known<'a>, words: &str, domain: Option<&str>, most: usize) -> Vec<&'a Rule> {
    let wanted = |number: u64| {
        let rule = known.state.numbered(number);
        rule.is_some_and(|r| r.is_told() && domain.is_none_or(|d| d == r.domain))
    };
    let hits = known.index.best(words, most, wanted);
    let rules = hits
        .into_iter()
        .filter_map(|hit| known.state.numbered(hit.number));
    rules.collect()
}
