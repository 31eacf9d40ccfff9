//! What is seen of a seat: the one container of its name, if it is ours. Changes nothing.

use std::collections::HashMap;

use bollard::{
    models::{ContainerInspectResponse, ContainerState, ContainerStateStatusEnum as Status},
    query_parameters::{EventsOptionsBuilder, LogsOptionsBuilder},
};
use futures::StreamExt;
use jiff::Timestamp;
use sandbox_core::{Failure, FailureClass, Seat, Sighting};

use super::{
    conf::{OWNER_LABEL, SEAT_LABEL},
    create::name,
    engine::{Engine, Trouble},
};

/// How a container is named in a claim: what stands in its hostname, inside.
const SHORT: usize = 12;
/// How long the news that memory ran out may come after the end, in seconds.
const OOM_WAIT: i64 = 1;
/// The most that is shown of what a runner printed that ended at once.
const PRINTED: usize = 400;

/// The words by which a container claims its seat, from its id or its hostname.
#[must_use]
pub fn instance(id: &str) -> String {
    format!("container:{}", id.get(..SHORT).unwrap_or(id))
}

/// The container of a seat.
#[derive(Debug)]
pub(super) struct Found {
    pub id: String,
    pub state: ContainerState,
    pub image: Option<String>,
    pub memory: i64,
    labels: HashMap<String, String>,
}

impl Found {
    /// The container that has the seat's name, whoever made it.
    pub(super) async fn of(engine: &Engine, seat: &Seat) -> Result<Option<Self>, Trouble> {
        let docker = engine.client().await?;
        match docker.inspect_container(&name(seat), None).await {
            Ok(seen) => Ok(Some(Self::read(seen))),
            Err(e) => match Trouble::from(e) {
                Trouble::NotFound(_) => Ok(None),
                other => Err(other),
            },
        }
    }

    fn read(seen: ContainerInspectResponse) -> Self {
        let labels = seen.config.and_then(|c| c.labels).unwrap_or_default();
        Self {
            id: seen.id.unwrap_or_default(),
            state: seen.state.unwrap_or_default(),
            image: labels.get("dev.multiagent.image").cloned(),
            memory: seen.host_config.and_then(|h| h.memory).unwrap_or_default(),
            labels,
        }
    }

    /// Whether we made it for this seat.
    pub(super) fn is_ours(&self, owner: &str, seat: &Seat) -> bool {
        let is = |label: &str, wanted: &str| self.labels.get(label).is_some_and(|l| l == wanted);
        is(OWNER_LABEL, owner) && is(SEAT_LABEL, &seat.to_string())
    }

    /// One that was made and never started has run nothing yet: it is started by the next launch.
    pub(super) fn is_only_made(&self) -> bool {
        matches!(
            self.state.status,
            None | Some(Status::CREATED | Status::EMPTY)
        )
    }

    pub(super) fn runs(&self) -> bool {
        use Status::{PAUSED, RESTARTING, RUNNING, STOPPING};
        let running = [RUNNING, PAUSED, RESTARTING, STOPPING];
        self.state.status.is_some_and(|s| running.contains(&s))
    }

    /// What is seen of it; `said` is what it printed last, where nobody claimed.
    pub(super) fn sighting(&self, said: Option<String>) -> Sighting {
        let instance = instance(&self.id);
        if self.runs() {
            return Sighting::Alive { instance };
        }
        let code = self.state.exit_code.and_then(|c| i32::try_from(c).ok());
        let signal = code.filter(|c| (129..=192).contains(c)).map(|c| c - 128);
        Sighting::Exited {
            instance,
            code: code.filter(|_| signal.is_none()),
            signal,
            why: self.why(said),
        }
    }

    /// Whether it was ended by a signal that the kernel sends for want of memory, too.
    fn was_killed(&self) -> bool {
        !self.runs() && self.state.exit_code == Some(137) && self.state.oom_killed != Some(true)
    }

    /// Asks whether the memory ran out where the engine's own flag does not say so: engines before 23
    /// lose it when they are told of the end first. The event is kept, and comes a moment later.
    pub(super) async fn ask_about_memory(&mut self, engine: &Engine) {
        if self.was_killed() && oom_event(engine, self).await == Some(true) {
            self.state.oom_killed = Some(true);
        }
    }

    /// What the engine knows about the end, and a code does not say.
    fn why(&self, said: Option<String>) -> Option<Failure> {
        if self.state.oom_killed == Some(true) {
            let text = format!(
                "the container ran out of its {} MiB of memory; give it more with \
                 spec.backend.container.resources.memory",
                self.memory >> 20
            );
            return Some(Failure::new(FailureClass::AgentError, text));
        }
        let error = self.state.error.clone().filter(|text| !text.is_empty());
        let text = error.or(said)?;
        Some(Failure::new(FailureClass::Infrastructure, text))
    }
}

/// Whether the engine has told, or tells within a moment, that memory ran out in this container.
async fn oom_event(engine: &Engine, found: &Found) -> Option<bool> {
    let began: Timestamp = found.state.started_at.as_deref()?.parse().ok()?;
    let until = Timestamp::now().as_second().saturating_add(OOM_WAIT);
    let filters = HashMap::from([
        ("container".to_owned(), vec![found.id.clone()]),
        ("event".to_owned(), vec!["oom".to_owned()]),
    ]);
    let options = EventsOptionsBuilder::new()
        .since(&began.as_second().to_string())
        .until(&until.to_string())
        .filters(&filters)
        .build();
    let docker = engine.client().await.ok()?;
    let mut told = std::pin::pin!(docker.events(Some(options)));
    Some(told.next().await?.is_ok())
}

/// The last lines that a container printed, as one; nothing when it cannot be asked.
pub(super) async fn printed(engine: &Engine, seat: &Seat) -> Option<String> {
    let docker = engine.client().await.ok()?;
    let options = LogsOptionsBuilder::new()
        .stdout(true)
        .stderr(true)
        .tail("5");
    let lines = docker.logs(&name(seat), Some(options.build())).take(64);
    let lines: Vec<String> = lines
        .filter_map(async |line| Some(line.ok()?.to_string()))
        .collect()
        .await;
    let words: Vec<&str> = lines.iter().flat_map(|l| l.split_whitespace()).collect();
    let text: String = words.join(" ").chars().take(PRINTED).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(status: Status, code: i64, oom: bool) -> Found {
        Found {
            id: "0123456789abcdef0123".to_owned(),
            state: ContainerState {
                status: Some(status),
                exit_code: Some(code),
                oom_killed: Some(oom),
                ..ContainerState::default()
            },
            image: None,
            memory: 64 << 20,
            labels: HashMap::new(),
        }
    }

    fn ended(code: i64, oom: bool) -> (Option<i32>, Option<i32>, Option<FailureClass>) {
        match found(Status::EXITED, code, oom).sighting(None) {
            Sighting::Exited {
                code, signal, why, ..
            } => (code, signal, why.map(|f| f.class)),
            _ => (None, None, None),
        }
    }

    #[test]
    fn an_exit_is_told_as_a_code_or_as_a_signal() {
        assert_eq!(ended(0, false), (Some(0), None, None));
        assert_eq!(ended(75, false), (Some(75), None, None));
        assert_eq!(ended(137, false), (None, Some(9), None));
        assert_eq!(ended(143, false), (None, Some(15), None));
    }

    #[test]
    fn work_that_ran_out_of_memory_is_told_so() {
        assert_eq!(ended(137, true).2, Some(FailureClass::AgentError));
    }

    #[test]
    fn only_an_engine_that_says_exited_or_dead_is_believed() {
        let name = "container:0123456789ab".to_owned();
        for status in [Status::RUNNING, Status::PAUSED, Status::RESTARTING] {
            let alive = Sighting::Alive {
                instance: name.clone(),
            };
            assert_eq!(found(status, 0, false).sighting(None), alive);
        }
        for status in [Status::EXITED, Status::DEAD, Status::REMOVING] {
            let seen = found(status, 1, false).sighting(None);
            assert!(matches!(seen, Sighting::Exited { .. }), "{status:?}");
        }
    }

    #[test]
    fn a_container_of_another_node_or_seat_is_not_ours() {
        let seat: Option<Seat> = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11/1".parse().ok();
        let seat = seat.unwrap_or_else(|| panic!("a seat"));
        let mut seen = found(Status::RUNNING, 0, false);
        assert!(!seen.is_ours("me", &seat));
        seen.labels = HashMap::from([
            (OWNER_LABEL.to_owned(), "me".to_owned()),
            (SEAT_LABEL.to_owned(), seat.to_string()),
        ]);
        assert!(seen.is_ours("me", &seat));
        assert!(!seen.is_ours("other", &seat));
    }
}
