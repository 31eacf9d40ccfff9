//! Chance that goes against the deployment: the same seed gives the same numbers, though not to the same events.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{dynamodb::proxy::Fault, ecs, secrets::chance::Chance};

/// Whether something goes wrong, so many times of a thousand.
pub struct Trouble {
    chance: Mutex<Chance>,
    of_thousand: usize,
}

impl Trouble {
    /// With this seed and this often.
    #[must_use]
    pub fn new(seed: u64, of_thousand: usize) -> Self {
        Self {
            chance: Mutex::new(Chance::new(seed)),
            of_thousand,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Chance> {
        self.chance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it happens.
    pub fn happens(&self) -> bool {
        self.below(1000) < self.of_thousand
    }

    /// A number below this one.
    pub fn below(&self, bound: usize) -> usize {
        self.lock().below(bound)
    }

    /// Puts them into another order.
    pub fn mix<T>(&self, all: &mut [T]) {
        for at in (1..all.len()).rev() {
            all.swap(at, self.below(at + 1));
        }
    }

    /// How a request of this service goes wrong, if it does: it is lost, or its answer is, or too much was asked, or the
    /// service fails.
    pub fn of(&self, service: Service) -> Option<Fault> {
        if !self.happens() {
            return None;
        }
        Some(match (self.below(4), service) {
            (0, _) => Fault::LoseRequest,
            (1, _) => Fault::LoseAnswer,
            (2, Service::Dynamodb) => Fault::error(400, "ProvisionedThroughputExceededException"),
            (2, Service::Other) => Fault::Say(
                503,
                r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#.to_owned(),
            ),
            (_, Service::Dynamodb) => Fault::error(500, "InternalServerError"),
            (_, Service::Other) => Fault::Say(500, String::new()),
        })
    }

    /// The same of ECS.
    pub fn of_ecs(&self) -> Option<ecs::Fault> {
        let all = [
            ecs::Fault::Throttled,
            ecs::Fault::Failed,
            ecs::Fault::AnswerLost,
        ];
        self.happens().then(|| all[self.below(all.len())].clone())
    }
}

/// Whose requests go wrong.
#[derive(Clone, Copy)]
pub enum Service {
    /// Tables.
    Dynamodb,
    /// Objects, queues and secrets.
    Other,
}
