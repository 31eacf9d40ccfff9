//! Fargate before a double of ECS that runs tasks as processes: what the double promises, and what the back end makes of
//! an ECS that fails, forgets, is slow to tell, or takes its capacity back. Then moto, as a second opinion on the words.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at what it did not expect"
)]

mod begin;
mod checkpoint;
mod double;
mod end;
mod logs;
mod moto;
mod node;
