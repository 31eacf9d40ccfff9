//! Takes over what an older program remembered. A second time adds nothing.

use sandbox_core::Tenant;

use crate::{
    Elf, ElfError,
    legacy::{self, Imported, Old},
};

impl Elf {
    /// Keeps what is not known yet. Rules are on trial, ends are history, and nothing is learned of either.
    ///
    /// # Errors
    /// The store may not have kept it; asking again is safe.
    pub async fn import(&self, tenant: &Tenant, old: Old) -> Result<Imported, ElfError> {
        self.write(tenant, move |live, now| {
            let known = (&live.state, &live.redactor);
            Ok(legacy::import(known, &old, now))
        })
        .await
    }
}
