//! The program of the functions of AWS, as Lambda runs it: the built `bootstrap` before a runtime API, with events in their
//! documented shapes, `DynamoDB` Local, moto, the double of ECS and the real runner.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at what it did not expect"
)]

mod begin;
mod containers;
mod cost;
mod events;
mod jobs;
mod memory;
mod pause;
mod refused;
mod secrets;
mod streams;
