//! Pods on a real kubelet: the promises of back ends, every way to lose a pod, and whole jobs whose runners speak to the
//! seat door.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at what it did not expect"
)]

mod causes;
mod desk;
mod jobs;
mod left;
mod lost;
mod passes;
mod restricted;

use sandbox_tests::{
    backend_contract,
    contract::pod::{Pods, WORK},
};

backend_contract!(pod, crate::Pods::new(crate::WORK).await);
