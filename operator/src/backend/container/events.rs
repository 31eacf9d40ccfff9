//! What the engine tells by itself: a container of ours ended, so its job is looked at now. After
//! every silence all of them are looked at, for what was told meanwhile is lost.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bollard::{
    models::EventMessage,
    query_parameters::{EventsOptionsBuilder, ListContainersOptionsBuilder},
};
use futures::StreamExt;
use jiff::Timestamp;
use sandbox_core::Seat;

use super::{
    ContainerBackend,
    conf::{OWNER_LABEL, SEAT_LABEL},
    engine::Trouble,
};

/// What an engine calls an end, to a filter: Docker's words, and Podman's, which tells of them in
/// Docker's words and filters by its own.
const ENDS: [&str; 4] = ["die", "destroy", "died", "remove"];
/// How soon an engine that hung up is asked again.
const AGAIN: Duration = Duration::from_secs(1);

impl ContainerBackend {
    /// Wakes jobs whose containers end, for ever.
    pub async fn follow(self: Arc<Self>) {
        loop {
            match self.follow_once().await {
                Ok(()) => tracing::info!("the container engine hung up; asking it again"),
                Err(e) => tracing::debug!(error = %e, "the container engine tells nothing"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn follow_once(&self) -> Result<(), Trouble> {
        let docker = self.engine.client().await?;
        let mine = format!("{OWNER_LABEL}={}", self.owner);
        let filters = HashMap::from([
            ("type".to_owned(), vec!["container".to_owned()]),
            ("label".to_owned(), vec![mine]),
            ("event".to_owned(), ENDS.map(str::to_owned).into()),
        ]);
        // What ends during the look is told as well.
        let since = Timestamp::now().as_second().to_string();
        let seats = self.seats().await?;
        for seat in seats {
            self.waker.wake(&seat.uid);
        }
        let options = EventsOptionsBuilder::new().since(&since).filters(&filters);
        let mut told = std::pin::pin!(docker.events(Some(options.build())));
        while let Some(event) = told.next().await {
            self.note(event?);
        }
        Ok(())
    }

    fn note(&self, event: EventMessage) {
        let labels = event.actor.and_then(|a| a.attributes).unwrap_or_default();
        if let Some(seat) = seat_of(&labels) {
            self.waker.wake(&seat.uid);
        }
    }

    /// The seats of all containers of ours.
    pub(super) async fn seats(&self) -> Result<Vec<Seat>, Trouble> {
        let mine = format!("{OWNER_LABEL}={}", self.owner);
        let filters = HashMap::from([("label".to_owned(), vec![mine])]);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        let all = self
            .engine
            .client()
            .await?
            .list_containers(Some(options))
            .await?;
        let labels = all.into_iter().filter_map(|c| c.labels);
        Ok(labels.filter_map(|l| seat_of(&l)).collect())
    }
}

fn seat_of(labels: &HashMap<String, String>) -> Option<Seat> {
    labels.get(SEAT_LABEL)?.parse().ok()
}
