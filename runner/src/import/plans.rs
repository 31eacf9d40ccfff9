//! Plans of the ancestor and what became of them. A plan has one postmortem here, the first; further
//! ones stand for themselves.

use std::collections::BTreeMap;

use anyhow::Result;
use jiff::Timestamp;
use sandbox_core::Tenant;
use sandbox_elf::{
    legacy::{Old, OldPlan, OldReview},
    plan::{Intent, Review},
    text,
};

use super::{
    Desk,
    memory::{Read, named, pieces},
    table::{Cells, Source},
};

/// A plan's row.
struct Meant {
    id: String,
    is_over: bool,
    intent: Intent,
    made: Timestamp,
}

impl Desk<'_> {
    /// Brings in plans and postmortems that are not known yet.
    ///
    /// # Errors
    /// Our own memory cannot be written.
    pub(super) async fn plans(&mut self, source: &Source, tenant: &Tenant) -> Result<()> {
        let told = self.there(source, "postmortems", review);
        let (mut first, mut reviews) = first_of_each(told);
        let mut plans = Vec::new();
        for Meant {
            id,
            is_over,
            intent,
            made,
        } in self.there(source, "plans", plan)
        {
            let review = first.remove(&id);
            if is_over && review.is_none() {
                let why = "it is completed, and no postmortem says how";
                self.told
                    .passed_over(&source.file, &format!("plan {id}"), why);
                continue;
            }
            plans.push(OldPlan {
                intent,
                made,
                review,
            });
        }
        // Their plans are gone.
        reviews.extend(first.into_values());
        for piece in pieces(plans, |plans| Old {
            plans,
            ..Old::default()
        }) {
            self.take(source, tenant, piece).await?;
        }
        for piece in pieces(reviews, |reviews| Old {
            reviews,
            ..Old::default()
        }) {
            self.take(source, tenant, piece).await?;
        }
        Ok(())
    }

    /// Only its MCP server made these tables: that there are none is nothing to tell.
    fn there<T>(
        &mut self,
        source: &Source,
        table: &'static str,
        read: fn(&Cells<'_>) -> Read<Option<T>>,
    ) -> Vec<T> {
        if source.has(table) {
            self.all(source, table, read)
        } else {
            Vec::new()
        }
    }
}

/// The first postmortem of each plan, and all others.
fn first_of_each(
    told: Vec<(Option<String>, OldReview)>,
) -> (BTreeMap<String, OldReview>, Vec<OldReview>) {
    let (mut first, mut others) = (BTreeMap::new(), Vec::new());
    for (plan, review) in told {
        match plan {
            Some(plan) if !first.contains_key(&plan) => drop(first.insert(plan, review)),
            _ => others.push(review),
        }
    }
    (first, others)
}

fn plan(row: &Cells<'_>) -> Read<Option<Meant>> {
    let read = || {
        Ok(Some(Meant {
            id: row.needed("id")?,
            is_over: row.text("status")?.as_deref() == Some("completed"),
            intent: Intent {
                title: row.needed("title")?,
                description: said(row, "description")?,
                approach: said(row, "approach")?,
                risks: said(row, "risks")?,
                expected_outcome: said(row, "expected_outcome")?,
                domain: domain(row)?,
            },
            made: row.time("created_at")?,
        }))
    };
    named("plan", row, read())
}

fn review(row: &Cells<'_>) -> Read<Option<(Option<String>, OldReview)>> {
    let read = || {
        let plan = row.text("plan_id")?;
        let mut title = said(row, "title")?;
        if title.trim().is_empty() && plan.is_none() {
            title = format!("Postmortem {}", row.needed("id")?);
        }
        let review = Review {
            plan_id: None,
            title,
            actual_outcome: row.needed("actual_outcome")?,
            divergences: said(row, "divergences")?,
            went_well: said(row, "went_well")?,
            went_wrong: said(row, "went_wrong")?,
            lessons: said(row, "lessons")?,
            domain: domain(row)?,
        };
        let told = row.time("created_at")?;
        Ok(Some((plan, OldReview { review, told })))
    };
    named("postmortem", row, read())
}

fn said(row: &Cells<'_>, column: &str) -> Result<String, String> {
    Ok(row.text(column)?.unwrap_or_default())
}

/// The ancestor took any text for a domain; one that is no name here is left out.
fn domain(row: &Cells<'_>) -> Result<String, String> {
    // As it was said: in a slug no secret can be told any more.
    let said = text::cut(&text::one_line(&said(row, "domain")?), text::MAX_DOMAIN);
    Ok(text::domain(&said).map(|_| said).unwrap_or_default())
}
