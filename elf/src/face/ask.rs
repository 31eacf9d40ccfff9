//! What is asked: counters, rules, ends, receipts, the log. Changes nothing.

use std::cmp::Reverse;

use jiff::Timestamp;
use sandbox_core::{Seat, Tenant, port::Receipt};

use super::{
    Export, Heuristic, HeuristicQuery, OutcomePage, RulePage, RuleQuery, ShownOutcome, ShownRule,
    Stats,
};
use crate::{
    Elf, ElfError, Rule,
    entry::Ended,
    learn::Verdict,
    rows,
    rule::RuleStatus,
    state::State,
    store::{Item, Kept, Kind, LedgerError},
    text,
    trail::FAINT,
};

/// Most rows of any answer, and how many there are when none is named.
pub(super) const MAX_ROWS: u32 = 500;
const ROWS: u32 = 50;
/// Entries of one piece of an export.
const EXPORT_ROWS: u32 = 1_000;

impl Elf {
    /// Counts what is known.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn stats(&self, tenant: &Tenant) -> Result<Stats, ElfError> {
        let now = self.now();
        self.read(tenant, move |live| stats(&live.state, now)).await
    }

    /// Rules as the old API shows them, most trusted first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn heuristics(
        &self,
        tenant: &Tenant,
        query: HeuristicQuery,
    ) -> Result<Vec<Heuristic>, ElfError> {
        self.read(tenant, move |live| {
            heuristics(&live.state, &query, |_| true)
        })
        .await
    }

    /// The rules that are known to help.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn golden_rules(
        &self,
        tenant: &Tenant,
        project: Option<String>,
    ) -> Result<Vec<Heuristic>, ElfError> {
        let query = HeuristicQuery {
            project,
            limit: MAX_ROWS,
            ..HeuristicQuery::default()
        };
        self.read(tenant, move |live| {
            heuristics(&live.state, &query, |verdict| verdict.golden)
        })
        .await
    }

    /// The rule with this id or number, as a row of the old API.
    ///
    /// # Errors
    /// As [`Elf::get_rule`].
    pub async fn heuristic(&self, tenant: &Tenant, id: &str) -> Result<Heuristic, ElfError> {
        let asked = id.to_owned();
        let found = self
            .read(tenant, move |live| {
                let rule = live.state.rule(&asked);
                rule.map(|r| Heuristic::of(r, &live.state.verdict(r)))
            })
            .await?;
        found.ok_or_else(|| ElfError::not_found("rule", id))
    }

    /// The rule with this id or number.
    ///
    /// # Errors
    /// `NotFound`, or the store cannot be read.
    pub async fn get_rule(&self, tenant: &Tenant, id: &str) -> Result<ShownRule, ElfError> {
        let asked = id.to_owned();
        let found = self
            .read(tenant, move |live| {
                let rule = live.state.rule(&asked);
                rule.map(|r| ShownRule::of(r, &live.state.verdict(r)))
            })
            .await?;
        found.ok_or_else(|| ElfError::not_found("rule", id))
    }

    /// Lists rules in the order in which they were first said.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn list_rules(
        &self,
        tenant: &Tenant,
        query: RuleQuery,
    ) -> Result<RulePage, ElfError> {
        self.read(tenant, move |live| page(&live.state, &query))
            .await
    }

    /// What a seat was given.
    ///
    /// # Errors
    /// `NotFound` when the seat has not asked, or the store cannot be read.
    pub async fn receipt(&self, tenant: &Tenant, seat: &Seat) -> Result<Receipt, ElfError> {
        let id = rows::seat_id(seat);
        let found = self.ledger().item(tenant, Kind::Receipt, &id).await?;
        let item = found.ok_or_else(|| ElfError::not_found("receipt", &id))?;
        Ok(rows::parse(&item)?)
    }

    /// Ends of attempts, newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn outcomes(
        &self,
        tenant: &Tenant,
        before: Option<u64>,
        limit: u32,
    ) -> Result<OutcomePage, ElfError> {
        let limit = rows_of(limit);
        let most = u32::try_from(limit).unwrap_or(MAX_ROWS);
        let items = self
            .ledger()
            .items(tenant, Kind::Outcome, before, most)
            .await?;
        let outcomes = items.iter().map(outcome).collect::<Kept<Vec<_>>>()?;
        let next = outcomes
            .last()
            .filter(|_| outcomes.len() == limit)
            .map(|o| o.seq);
        Ok(OutcomePage { outcomes, next })
    }

    /// A piece of the log as JSON lines, after this place.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn export(&self, tenant: &Tenant, after: u64) -> Result<Export, ElfError> {
        let rows = self.ledger().log(tenant, after, EXPORT_ROWS).await?;
        let mut lines = String::new();
        for row in &rows {
            let failed = |e: serde_json::Error| {
                LedgerError::Unreadable(format!("wrote an entry as JSON: {e}"))
            };
            lines.push_str(&serde_json::to_string(row).map_err(failed)?);
            lines.push('\n');
        }
        let next = rows
            .last()
            .filter(|_| rows.len() == EXPORT_ROWS as usize)
            .map(|r| r.seq);
        Ok(Export { lines, next })
    }
}

pub(super) fn rows_of(limit: u32) -> usize {
    let asked = if limit == 0 { ROWS } else { limit };
    asked.min(MAX_ROWS) as usize
}

fn stats(state: &State, now: Timestamp) -> Stats {
    let rules = || state.rules.values().filter(|r| r.is_told());
    let ends = state.ends();
    let seen = state
        .trails
        .iter()
        .filter(|(key, heat)| heat.strength(key.mark, now) >= FAINT);
    Stats {
        total_heuristics: rules().count() as u64,
        golden_rules: rules().filter(|r| state.verdict(r).golden).count() as u64,
        total_learnings: state.rules.values().map(|r| r.lessons).sum(),
        active_trails: seen.count() as u64,
        total_outcomes: ends.success + ends.failure + ends.unknown,
        successful_jobs: ends.success,
        failed_jobs: ends.failure,
        unknown_jobs: ends.unknown,
    }
}

/// Whether a filter lets a rule through; a filter that names nothing that can be kept finds nothing.
fn passes(rule: &Rule, domain: Option<&str>, project: Option<&str>) -> bool {
    let domain = domain.is_none_or(|d| text::domain(d).as_deref() == Some(rule.domain.as_str()));
    let project =
        project.is_none_or(|p| rule.project.is_none() || rule.project == text::project(p));
    domain && project
}

fn heuristics(
    state: &State,
    query: &HeuristicQuery,
    also: impl Fn(&Verdict) -> bool,
) -> Vec<Heuristic> {
    let rules = state.rules.values().map(|r| (r, state.verdict(r)));
    let mut found: Vec<(&Rule, Verdict)> = rules
        .filter(|(r, v)| r.is_told() && v.confidence >= query.min_confidence)
        .filter(|(r, _)| passes(r, query.domain.as_deref(), query.project.as_deref()))
        .filter(|(_, v)| also(v))
        .collect();
    found.sort_by_key(|(r, _)| {
        let trust = (
            r.status == RuleStatus::Pinned,
            r.evidence,
            r.seats.succeeded,
            r.number,
        );
        Reverse(trust)
    });
    found
        .into_iter()
        .take(rows_of(query.limit))
        .map(|(rule, verdict)| Heuristic::of(rule, &verdict))
        .collect()
}

fn page(state: &State, query: &RuleQuery) -> RulePage {
    let most = rows_of(query.limit);
    let after = usize::try_from(query.after.unwrap_or_default()).unwrap_or(usize::MAX);
    let rules = state.rules.values().skip(after);
    let mut found = rules
        .filter(|r| query.status.is_none_or(|s| s == r.status))
        .filter(|r| query.kind.is_none_or(|k| k == r.kind))
        .filter(|r| passes(r, query.domain.as_deref(), query.project.as_deref()));
    let rules: Vec<ShownRule> = found
        .by_ref()
        .take(most)
        .map(|r| ShownRule::of(r, &state.verdict(r)))
        .collect();
    let last = rules.last().map(|r| r.rule.number);
    let next = found.next().and(last);
    RulePage { rules, next }
}

fn outcome(item: &Item) -> Kept<ShownOutcome> {
    let ended: Ended = rows::parse(item)?;
    Ok(ShownOutcome {
        seq: item.seq,
        ended,
    })
}
