//! Takes over what an older program remembered. A second time adds nothing.

use sandbox_core::Tenant;

use crate::{
    Elf, ElfError,
    legacy::{self, Imported, Old, Told},
    plan::{Review, Reviewed},
    rows,
    store::Kind,
};

/// Postmortems that are read at a time.
const PIECE: u32 = 500;

impl Elf {
    /// Keeps what is not known yet. Rules are on trial, ends are history, and nothing is learned of either.
    ///
    /// # Errors
    /// The store may not have kept it; asking again is safe.
    pub async fn import(&self, tenant: &Tenant, old: Old) -> Result<Imported, ElfError> {
        let wanted = !(old.plans.is_empty() && old.reviews.is_empty());
        let told = if wanted {
            self.told(tenant).await?
        } else {
            Told::default()
        };
        self.write(tenant, move |live, now| {
            let known = (&live.state, &live.redactor);
            Ok(legacy::import(known, &told, &old, now))
        })
        .await
    }

    /// The postmortems that are kept.
    async fn told(&self, tenant: &Tenant) -> Result<Told, ElfError> {
        let (mut told, mut before) = (Told::new(), None);
        loop {
            let items = self
                .ledger()
                .items(tenant, Kind::Postmortem, before, PIECE)
                .await?;
            for item in &items {
                let Reviewed {
                    review, told: at, ..
                } = rows::parse(item)?;
                let bare = Review {
                    plan_id: None,
                    ..review
                };
                told.insert((bare, at));
            }
            match items.last() {
                Some(last) if items.len() == PIECE as usize => before = Some(last.seq),
                _ => return Ok(told),
            }
        }
    }
}
