//! The HTTP face: the old API's routes with the same fields, what is new beside them, and a small
//! dashboard. It writes what is asked and reads what happened; it decides nothing about jobs.

mod agents;
mod app;
mod artifacts;
pub mod auth;
mod beneath;
mod book;
mod dashboard;
mod dialect;
mod elf;
mod events;
mod gate;
mod health;
mod jobs;
mod logs;
mod mcp;
mod metrics;
mod openapi;
mod problem;
mod read;
mod routes;
mod server;
mod session;
mod workspace;

pub use jobs::old;
pub use routes::{ROUTES, Route};
pub use server::{Face, Refused, check_bind};

#[cfg(test)]
mod tests;
