//! Ending a seat's container: asked first, killed when its grace is over, removed at last. Only one
//! that is ours is touched.

use std::time::Instant;

use bollard::query_parameters::{KillContainerOptionsBuilder, RemoveContainerOptionsBuilder};
use sandbox_core::{
    Seat,
    port::{Answer, PortError},
};

use super::{
    ContainerBackend,
    engine::{Trouble, is_so_already},
    folders,
    look::{Found, instance},
};

impl ContainerBackend {
    /// Asks the seat's container to end unless it is to stay; kills one that was asked too long ago.
    pub(super) async fn stop_seat(&self, seat: &Seat, keep: Option<&str>) -> Answer<()> {
        let failed = |e: Trouble| e.unknown(&format!("stop the container of seat {seat}"));
        let Some(found) = self.ours(seat).await.map_err(failed)? else {
            return Ok(());
        };
        if !found.runs() || keep == Some(instance(&found.id).as_str()) {
            return Ok(());
        }
        let signal = self.next_signal(&found.id);
        self.signal(&found.id, signal).await.map_err(failed)
    }

    /// The first call asks; one after the grace kills. Our own restart asks anew, which only makes
    /// the grace longer.
    fn next_signal(&self, id: &str) -> &'static str {
        let mut asked = self.lock_asked();
        let first = asked.get(id).copied();
        match first {
            Some(at) if at.elapsed() >= self.conf.grace => "SIGKILL",
            Some(_) => "SIGTERM",
            None => {
                asked.insert(id.to_owned(), Instant::now());
                "SIGTERM"
            }
        }
    }

    async fn signal(&self, id: &str, signal: &str) -> Result<(), Trouble> {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        let docker = self.engine.client().await?;
        match docker.kill_container(id, Some(options)).await {
            Err(e) => match Trouble::from(e) {
                // It ended meanwhile, which is what is wanted.
                Trouble::NotFound(_) | Trouble::Conflict(_) => Ok(()),
                other => Err(other),
            },
            Ok(()) => Ok(()),
        }
    }

    /// Ends and removes the seat's container with everything in it, and what only it needed.
    pub(super) async fn reap_seat(&self, seat: &Seat) -> Answer<()> {
        let failed = |e: Trouble| e.unknown(&format!("remove the container of seat {seat}"));
        if let Some(found) = self.ours(seat).await.map_err(failed)? {
            self.remove(&found.id).await.map_err(failed)?;
            self.lock_asked().remove(&found.id);
        }
        let (conf, seat) = (self.conf.clone(), seat.clone());
        let gone = tokio::task::spawn_blocking(move || folders::forget(&conf, &seat)).await;
        let text = |e: &dyn std::fmt::Display| {
            PortError::Unknown(format!("remove the copies of secrets: {e}"))
        };
        gone.map_err(|e| text(&e))?.map_err(|e| text(&e))
    }

    async fn remove(&self, id: &str) -> Result<(), Trouble> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true);
        let docker = self.engine.client().await?;
        match docker.remove_container(id, Some(options.build())).await {
            Err(e) if is_so_already(&e) => Ok(()),
            Err(e) => match Trouble::from(e) {
                Trouble::NotFound(_) => Ok(()),
                other => Err(other),
            },
            Ok(()) => Ok(()),
        }
    }

    /// The container of the seat, if it is ours.
    pub(super) async fn ours(&self, seat: &Seat) -> Result<Option<Found>, Trouble> {
        let found = Found::of(&self.engine, seat).await?;
        Ok(found.filter(|f| f.is_ours(&self.owner, seat)))
    }
}
