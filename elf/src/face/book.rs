//! What a person looks up: what a job would be given, receipts, plans.
//! Changes nothing.

use sandbox_core::{
    Seat, Tenant, Uid,
    port::{RecallQuery, Receipt},
};
use serde::{Deserialize, Serialize};

use crate::{
    Elf, ElfError,
    plan::{Intent, Plan, told_uid},
    prompt, recall,
    trail::naive,
};

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
            .await?;
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
