//! Images: the exact one that a name means, pulled where it is not there. A pull goes on by itself;
//! who waits for it is told how far it is, and woken at its end.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bollard::{models::CreateImageInfo, query_parameters::CreateImageOptionsBuilder};
use futures::StreamExt;
use sandbox_core::{
    FailureClass, Seat,
    port::{Answer, PortError},
};

use super::engine::{Engine, Trouble};
use crate::control::Waker;

/// The image that a name means now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exact {
    /// The engine's own id of it.
    pub id: String,
    /// What people and registries call exactly this one; the id where no registry knows it.
    pub shown: String,
}

#[derive(Debug)]
enum Pull {
    /// How far it is, layer by layer: bytes here and bytes in all.
    Running(BTreeMap<String, (i64, i64)>),
    Failed(Trouble),
}

/// The pulls under way.
#[derive(Debug, Default)]
struct State {
    pulls: HashMap<String, Pull>,
    waiting: HashMap<Seat, String>,
}

/// Images and their pulls.
#[derive(Clone, Debug)]
pub(super) struct Images {
    engine: Arc<Engine>,
    waker: Waker,
    state: Arc<Mutex<State>>,
}

impl Images {
    pub(super) fn new(engine: Arc<Engine>, waker: Waker) -> Self {
        let state = Arc::default();
        Self {
            engine,
            waker,
            state,
        }
    }

    /// The exact image of this name, for this seat.
    ///
    /// # Errors
    /// `Unknown` while it is pulled; `Refused` when it cannot be.
    pub(super) async fn exact(&self, name: &str, seat: &Seat) -> Answer<Exact> {
        if let Some(failed) = self.take_failure(name, seat) {
            return Err(not_pulled(name, failed));
        }
        match self.find(name).await {
            Ok(found) => {
                self.lock().waiting.remove(seat);
                Ok(found)
            }
            Err(Trouble::NotFound(_)) => Err(self.pull(name, seat)),
            Err(e) => Err(e.definite(&format!("look at image {name}"))),
        }
    }

    /// What this seat waits for, for people; `None` when it waits for no image.
    pub(super) fn preparing(&self, seat: &Seat) -> Option<String> {
        let state = self.lock();
        let name = state.waiting.get(seat)?;
        match state.pulls.get(name)? {
            Pull::Running(layers) => Some(progress(name, layers)),
            Pull::Failed(_) => None,
        }
    }

    async fn find(&self, name: &str) -> Result<Exact, Trouble> {
        let found = self.engine.client().await?.inspect_image(name).await?;
        let id = found.id.unwrap_or_default();
        let repository = repository(name);
        let digests = found.repo_digests.unwrap_or_default();
        let same = |d: &&String| d.split('@').next() == Some(repository);
        let shown = digests.iter().find(same).or(digests.first());
        Ok(Exact {
            shown: shown.unwrap_or(&id).clone(),
            id,
        })
    }

    /// Takes note of who waits, and begins the pull unless it is under way.
    fn pull(&self, name: &str, seat: &Seat) -> PortError {
        let mut state = self.lock();
        state.waiting.insert(seat.clone(), name.to_owned());
        if !state.pulls.contains_key(name) {
            state
                .pulls
                .insert(name.to_owned(), Pull::Running(BTreeMap::new()));
            let (me, name) = (self.clone(), name.to_owned());
            tokio::spawn(async move { me.run(&name).await });
        }
        PortError::Unknown(format!("image {name} is being pulled"))
    }

    async fn run(&self, name: &str) {
        tracing::info!(image = name, "pulling");
        let pulled = self.stream(name).await;
        let mut state = self.lock();
        match pulled {
            Ok(()) => drop(state.pulls.remove(name)),
            Err(e) => {
                tracing::warn!(image = name, error = %e, "not pulled");
                state.pulls.insert(name.to_owned(), Pull::Failed(e));
            }
        }
        let waiting = state.waiting.iter().filter(|(_, image)| *image == name);
        waiting.for_each(|(seat, _)| self.waker.wake(&seat.uid));
    }

    async fn stream(&self, name: &str) -> Result<(), Trouble> {
        let docker = self.engine.client().await?;
        let mut options = CreateImageOptionsBuilder::new().from_image(name);
        // Without a tag the engine would pull all of them.
        if !name.contains('@') && repository(name) == name {
            options = options.tag("latest");
        }
        let mut steps = std::pin::pin!(docker.create_image(Some(options.build()), None, None));
        while let Some(step) = steps.next().await {
            self.note(name, &step?);
        }
        self.find(name).await.map(drop)
    }

    fn note(&self, name: &str, step: &CreateImageInfo) {
        let detail = step.progress_detail.as_ref();
        let sizes = detail.and_then(|d| Some((d.current?, d.total?)));
        if let (Some(layer), Some(sizes), Some("Downloading")) =
            (&step.id, sizes, step.status.as_deref())
            && let Some(Pull::Running(layers)) = self.lock().pulls.get_mut(name)
        {
            layers.insert(layer.clone(), sizes);
        }
    }

    /// Why the pull that this seat waited for failed: told once, so that a later try pulls again.
    fn take_failure(&self, name: &str, seat: &Seat) -> Option<Trouble> {
        let mut state = self.lock();
        let failed = match state.pulls.get(name) {
            Some(Pull::Failed(failed)) => failed.clone(),
            _ => return None,
        };
        state.waiting.remove(seat)?;
        if !state.waiting.values().any(|waits| waits == name) {
            state.pulls.remove(name);
        }
        Some(failed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name without its tag and digest; the port of a registry is no tag.
fn repository(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or(name);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

fn progress(name: &str, layers: &BTreeMap<String, (i64, i64)>) -> String {
    let sum = |of: fn(&(i64, i64)) -> i64| layers.values().map(of).sum::<i64>() >> 20;
    match sum(|l| l.1) {
        0 => format!("pulling image {name}"),
        all => format!("pulling image {name}: {} of {all} MiB", sum(|l| l.0)),
    }
}

/// A registry that does not know the image will not know it later: that is the name's fault.
fn not_pulled(name: &str, failed: Trouble) -> PortError {
    let text = failed.to_string();
    let unknown = [
        "not found",
        "denied",
        "manifest unknown",
        "invalid reference",
    ];
    let class = if unknown.iter().any(|word| text.contains(word)) {
        FailureClass::InvalidSpec
    } else {
        FailureClass::Infrastructure
    };
    let remedy = "build or load it on this machine, or look at SANDBOX_CONTAINER_IMAGE";
    match failed {
        Trouble::Lost(_) => failed.unknown(&format!("pull image {name}")),
        Trouble::Failed(_) if text.contains("no space left") => {
            failed.definite(&format!("pull image {name}"))
        }
        _ => PortError::refused(class, format!("pull image {name}: {text}; {remedy}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_of_a_name_has_neither_tag_nor_digest() {
        for (name, repository_) in [
            ("a/b:1", "a/b"),
            ("a/b", "a/b"),
            ("127.0.0.1:5000/a", "127.0.0.1:5000/a"),
            ("127.0.0.1:5000/a:1", "127.0.0.1:5000/a"),
            ("a@sha256:1", "a"),
        ] {
            assert_eq!(repository(name), repository_);
        }
    }

    #[test]
    fn a_pull_says_how_far_it_is() {
        let mut layers = BTreeMap::new();
        assert_eq!(progress("a:1", &layers), "pulling image a:1");
        layers.insert("x".to_owned(), (1 << 20, 4 << 20));
        layers.insert("y".to_owned(), (2 << 20, 6 << 20));
        assert_eq!(progress("a:1", &layers), "pulling image a:1: 3 of 10 MiB");
    }

    #[test]
    fn an_image_that_no_registry_has_is_not_tried_again_and_a_cut_line_is() {
        let class = |text: &str| match not_pulled("a", Trouble::Failed(text.to_owned())) {
            PortError::Refused(f) => Some(f.class),
            _ => None,
        };
        let denied = "pull access denied for a, repository does not exist";
        assert_eq!(class(denied), Some(FailureClass::InvalidSpec));
        let cut = "dial tcp: connection refused";
        assert_eq!(class(cut), Some(FailureClass::Infrastructure));
    }
}
