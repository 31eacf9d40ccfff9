//! Orphans: containers of ours that no attempt under way needs. A crash between two calls can leave
//! one, and so can a person who removes a record.

use std::{sync::Arc, time::Duration};

use sandbox_core::{
    Seat,
    port::{Answer, Backend, Store},
};

use super::{ContainerBackend, engine::Trouble};

/// How often orphans are looked for.
const EVERY: Duration = Duration::from_mins(5);

impl ContainerBackend {
    /// Removes orphans now and every few minutes, for ever.
    pub async fn keep_tidy(self: Arc<Self>, store: Arc<dyn Store>) {
        loop {
            match self.sweep(store.as_ref()).await {
                Ok(0) => {}
                Ok(n) => tracing::info!(containers = n, "removed containers that no job needs"),
                Err(e) => tracing::debug!(error = %e, "could not look for orphans"),
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Removes orphans; gives how many there were.
    ///
    /// # Errors
    /// `Unknown` when engine or store could not be asked; asking again is safe.
    pub async fn sweep(&self, store: &dyn Store) -> Answer<usize> {
        let failed = |e: Trouble| e.unknown("look for orphans");
        let mut found = 0;
        for seat in self.seats().await.map_err(failed)? {
            if is_orphan(store, &seat).await? {
                self.reap(&seat).await?;
                found += 1;
            }
        }
        Ok(found)
    }
}

/// Read after the container was seen: an attempt is written down before anything is launched for it.
async fn is_orphan(store: &dyn Store, seat: &Seat) -> Answer<bool> {
    let Some(job) = store.load(&seat.uid).await? else {
        return Ok(true);
    };
    Ok(!job.status().is_under_way(seat.attempt))
}
