//! What every back end promises, as far as it can be asked without knowing the place.
//! `backend_contract!` makes one test of each promise.
#![allow(missing_docs, reason = "the name of a promise says what is promised")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::unused_async,
    reason = "a test may stop at what it did not expect"
)]

use jiff::Timestamp;
use sandbox_core::{
    AgentJobSpec, Brief, JobType, Seat, Sighting, Tenant,
    brief::VERSION,
    port::{Backend, PortError},
    spec::{BackendName, EchoSpec},
};

/// A back end in its place, with what a test needs to know of that place.
#[async_trait::async_trait]
pub trait Place: Send + Sync {
    /// The back end. Each runner it starts works until it is asked to end.
    fn backend(&self) -> &dyn Backend;
    /// A brief for the first attempt of a new job.
    async fn brief(&self) -> Brief {
        new_brief(self.backend().name_of(&new_seat()).0)
    }
    /// Waits until this seat's runner is up.
    async fn up(&self, seat: &Seat);
    /// Waits until this instance is over.
    async fn over(&self, instance: &str);
    /// How many starts the work itself has counted.
    fn starts(&self) -> usize;
}

/// One test per promise, in the place that `$make` gives.
#[macro_export]
macro_rules! backend_contract {
    ($name:ident, $make:expr) => {
        $crate::backend_contract!(@each $name, $make,
            nothing_is_seen_of_a_seat_that_was_never_launched,
            a_seat_has_one_name,
            launching_twice_starts_once,
            an_instance_keeps_its_identity,
            stopping_ends_the_instance,
            an_instance_that_is_kept_goes_on,
            after_reaping_nothing_is_seen,
            what_is_not_there_can_be_stopped_and_reaped,
            a_seat_without_a_log_says_so,
        );
    };
    (@each $name:ident, $make:expr, $($promise:ident,)*) => {
        mod $name {
            $(
                #[tokio::test]
                async fn $promise() {
                    let made = $make;
                    $crate::contract::backend::$promise(&made).await;
                }
            )*
        }
    };
}

/// A brief for the first attempt of a new job that echoes.
#[must_use]
pub fn new_brief(backend: BackendName) -> Brief {
    Brief {
        version: VERSION,
        seat: new_seat(),
        tenant: Tenant::default_tenant(),
        name: "job".to_owned(),
        backend,
        spec: AgentJobSpec {
            job_type: JobType::Echo,
            echo: Some(EchoSpec::default()),
            ..AgentJobSpec::default()
        },
        deadline_at: Timestamp::MAX,
        usd_left: None,
        tokens_left: None,
    }
}

/// The first seat of a new job.
#[must_use]
pub fn new_seat() -> Seat {
    Seat::new(uuid::Uuid::new_v4().to_string().parse().unwrap(), 1)
}

/// The only instance that is seen of the seat, which must be alive.
pub async fn the_one_alive(backend: &dyn Backend, seat: &Seat) -> String {
    let look = backend.look(seat, None).await.unwrap();
    match &look.sightings[..] {
        [Sighting::Alive { instance }] => instance.clone(),
        other => panic!("expected one that is alive: {other:?}"),
    }
}

async fn launched(place: &dyn Place) -> Seat {
    let brief = place.brief().await;
    place.backend().launch(&brief).await.unwrap();
    place.up(&brief.seat).await;
    brief.seat
}

pub async fn nothing_is_seen_of_a_seat_that_was_never_launched(place: &dyn Place) {
    let look = place.backend().look(&new_seat(), None).await.unwrap();
    assert_eq!((look.sightings, look.remains), (Vec::new(), 0));
}

pub async fn a_seat_has_one_name(place: &dyn Place) {
    let (one, other) = (new_seat(), new_seat());
    let name = |seat| place.backend().name_of(seat);
    assert_eq!(name(&one), name(&one));
    assert_ne!(name(&one), name(&other));
    assert_ne!(name(&one), name(&Seat::new(one.uid.clone(), 2)));
}

pub async fn launching_twice_starts_once(place: &dyn Place) {
    let brief = place.brief().await;
    let launch = || place.backend().launch(&brief);
    let answers = futures::future::join_all([launch(), launch(), launch()]).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    place.up(&brief.seat).await;
    launch().await.unwrap();
    assert_eq!(place.starts(), 1);
}

pub async fn an_instance_keeps_its_identity(place: &dyn Place) {
    let seat = launched(place).await;
    let first = the_one_alive(place.backend(), &seat).await;
    assert_eq!(the_one_alive(place.backend(), &seat).await, first);
}

pub async fn stopping_ends_the_instance(place: &dyn Place) {
    let seat = launched(place).await;
    let instance = the_one_alive(place.backend(), &seat).await;
    place.backend().stop(&seat, None).await.unwrap();
    place.over(&instance).await;
    let look = place.backend().look(&seat, None).await.unwrap();
    let ended = |s: &Sighting| {
        matches!(
            s,
            Sighting::Exited {
                signal: Some(15),
                ..
            }
        )
    };
    assert!(look.sightings.iter().all(ended), "{look:?}");
}

pub async fn an_instance_that_is_kept_goes_on(place: &dyn Place) {
    let seat = launched(place).await;
    let instance = the_one_alive(place.backend(), &seat).await;
    place.backend().stop(&seat, Some(&instance)).await.unwrap();
    assert_eq!(the_one_alive(place.backend(), &seat).await, instance);
}

pub async fn after_reaping_nothing_is_seen(place: &dyn Place) {
    let seat = launched(place).await;
    place.backend().reap(&seat).await.unwrap();
    let look = place.backend().look(&seat, None).await.unwrap();
    assert_eq!((look.sightings, look.remains), (Vec::new(), 0));
}

pub async fn what_is_not_there_can_be_stopped_and_reaped(place: &dyn Place) {
    let seat = new_seat();
    place.backend().stop(&seat, None).await.unwrap();
    place.backend().reap(&seat).await.unwrap();
}

pub async fn a_seat_without_a_log_says_so(place: &dyn Place) {
    let answer = place.backend().logs(&new_seat(), 0, 1024).await;
    assert!(matches!(answer, Err(PortError::NotFound(_))), "{answer:?}");
}
