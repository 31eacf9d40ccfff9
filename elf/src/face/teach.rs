//! What people change: rules are added, pinned, retired, made active again, and voted on.

use sandbox_core::{Seat, Tenant};

use super::ShownRule;
use crate::{
    Elf, ElfError, NewRule, Rule, decide,
    entry::{Entry, Source},
    live::Live,
    near,
    rule::RuleStatus,
    text,
};

/// Longest reason for a retirement, in characters.
const MAX_REASON: usize = 500;

impl Elf {
    /// Keeps a rule that a person teaches, or counts that a known one was said again.
    ///
    /// # Errors
    /// `Invalid` when it cannot be kept as it is; `NotFound` for the one whose place it takes; `Retired` when a retired rule says the same;
    /// `Full`; or the store may not have kept it.
    pub async fn add_rule(&self, tenant: &Tenant, rule: NewRule) -> Result<ShownRule, ElfError> {
        let taught = self.write(tenant, move |live, _| {
            let added = decide::checked(&live.redactor, &rule)?;
            if let Some(other) = &rule.supersedes {
                return decide::supersede(&live.state, added, other);
            }
            let (entry, id) = decide::taught(&live.state, added)?;
            near::taught(live.known(), (vec![entry], id))
        });
        let id = taught.await?;
        self.get_rule(tenant, &id).await
    }

    /// Keeps a rule until a person accepts it: nobody is told of it before. What is known, or nearly, stays as it
    /// is and is answered.
    ///
    /// # Errors
    /// As [`Elf::add_rule`]; `Invalid` also where it is to take the place of another.
    pub async fn propose(&self, tenant: &Tenant, rule: NewRule) -> Result<ShownRule, ElfError> {
        if rule.supersedes.is_some() {
            let problem =
                "a proposal cannot take a rule's place; a person can, when they accept it";
            return Err(ElfError::invalid("supersedes", problem));
        }
        let proposed = self.write(tenant, move |live, _| {
            let mut added = decide::checked(&live.redactor, &rule)?;
            (added.source, added.proposed) = (Source::agent(None), true);
            let (entry, id) = decide::taught(&live.state, added)?;
            let (mut entries, id) = near::taught(live.known(), (vec![entry], id))?;
            // Nobody met it at work, so it is no evidence.
            entries.retain(|entry| matches!(entry, Entry::RuleAdded(_)));
            Ok((entries, id))
        });
        let id = proposed.await?;
        self.get_rule(tenant, &id).await
    }

    /// Puts a rule, by id or number, into every prompt that it fits.
    ///
    /// # Errors
    /// `NotFound`, or the store may not have kept it.
    pub async fn pin(&self, tenant: &Tenant, id: &str) -> Result<ShownRule, ElfError> {
        self.set(tenant, id, RuleStatus::Pinned, |rule| Entry::Pinned {
            rule,
        })
        .await
    }

    /// Takes a rule, by id or number, out of every prompt. It stays as a tombstone.
    ///
    /// # Errors
    /// `NotFound`, `Invalid` for the reason, or the store may not have kept it.
    pub async fn retire(
        &self,
        tenant: &Tenant,
        id: &str,
        reason: &str,
    ) -> Result<ShownRule, ElfError> {
        let reason = text::line("reason", reason, 0..=MAX_REASON)?;
        let redacted = self.redacted(tenant, reason).await?;
        let entry = move |rule| Entry::Retired {
            rule,
            reason: redacted.clone(),
        };
        self.set(tenant, id, RuleStatus::Retired, entry).await
    }

    /// Makes a pinned or retired rule, by id or number, an ordinary one again.
    ///
    /// # Errors
    /// `NotFound`, or the store may not have kept it.
    pub async fn activate(&self, tenant: &Tenant, id: &str) -> Result<ShownRule, ElfError> {
        self.set(tenant, id, RuleStatus::Active, |rule| Entry::Activated {
            rule,
        })
        .await
    }

    /// Makes a pinned rule, by id or number, an ordinary one again; leaves any other as it is.
    ///
    /// # Errors
    /// As [`Elf::pin`].
    pub async fn unpin(&self, tenant: &Tenant, id: &str) -> Result<ShownRule, ElfError> {
        let asked = id.to_owned();
        let set = self.write(tenant, move |live, _| {
            let rule = known(live, &asked)?;
            let pinned = rule.status == RuleStatus::Pinned;
            let entry = pinned.then(|| Entry::Activated {
                rule: rule.id.clone(),
            });
            Ok((entry.into_iter().collect(), rule.id.clone()))
        });
        let id = set.await?;
        self.get_rule(tenant, &id).await
    }

    /// Counts an opinion of the seat about a rule that stood in its prompt: the first one.
    ///
    /// # Errors
    /// `NotFound`, `NotInjected`, `OwnRule`, or the store may not have kept it.
    pub async fn vote(
        &self,
        tenant: &Tenant,
        seat: &Seat,
        id: &str,
        helpful: bool,
    ) -> Result<(), ElfError> {
        let (seat, id) = (seat.clone(), id.to_owned());
        self.write(tenant, move |live, _| {
            Ok((ballot(live, &seat, &id, helpful)?, ()))
        })
        .await
    }

    async fn set(
        &self,
        tenant: &Tenant,
        id: &str,
        status: RuleStatus,
        entry: impl Fn(String) -> Entry + Send + Sync + 'static,
    ) -> Result<ShownRule, ElfError> {
        let asked = id.to_owned();
        let set = self.write(tenant, move |live, _| {
            let rule = known(live, &asked)?;
            let changes = rule.status != status;
            let entries = changes
                .then(|| entry(rule.id.clone()))
                .into_iter()
                .collect();
            Ok((entries, rule.id.clone()))
        });
        let id = set.await?;
        self.get_rule(tenant, &id).await
    }

    async fn redacted(&self, tenant: &Tenant, text: String) -> Result<String, ElfError> {
        self.read(tenant, move |live| live.redactor.clean(&text))
            .await
    }
}

fn known<'a>(live: &'a Live, id: &str) -> Result<&'a Rule, ElfError> {
    live.state
        .rule(id)
        .ok_or_else(|| ElfError::not_found("rule", id))
}

/// The entry of a vote; none for a second one.
fn ballot(live: &Live, seat: &Seat, id: &str, helpful: bool) -> Result<Vec<Entry>, ElfError> {
    let rule = known(live, id)?;
    let attempt = live.state.attempt(seat);
    let stood = attempt.is_some_and(|a| a.given().contains(&rule.number));
    if !stood {
        return Err(ElfError::NotInjected {
            rule: rule.id.clone(),
            seat: seat.to_string(),
        });
    }
    if is_own(live, seat, rule) {
        return Err(ElfError::OwnRule {
            rule: rule.id.clone(),
            seat: seat.to_string(),
        });
    }
    let voted = attempt.is_some_and(|a| a.votes.contains(&rule.number));
    let vote = Entry::Vote {
        seat: seat.clone(),
        rule: rule.id.clone(),
        helpful,
    };
    Ok(if voted { Vec::new() } else { vec![vote] })
}

/// Whether a seat of the same job said the rule, first or again: nobody is a witness of their own words.
fn is_own(live: &Live, seat: &Seat, rule: &Rule) -> bool {
    let first = rule.source.seat.as_ref().map(|s| &s.uid);
    let job = live.state.jobs.get(&seat.uid);
    let mut attempts = job.into_iter().flat_map(|j| j.attempts.values());
    first == Some(&seat.uid) || attempts.any(|a| a.stated.contains(&rule.number))
}
