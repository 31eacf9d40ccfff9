//! The old API's way of speaking: its job record, its times, its payload keys. Only the HTTP face
//! knows it; everything behind speaks of `AgentJob`s.

pub(super) mod naive;
pub(super) mod payload;
mod reader;
pub(super) mod record;
mod translate;

pub(super) use reader::Roots;
pub(super) use translate::{Translated, old_names, translate};

/// The annotation that holds the payload as the client sent it.
pub(super) const PAYLOAD: &str = "multiagent.dev/payload";
/// The annotation that holds what was accepted and has no meaning, as a JSON array of sentences.
pub(super) const WARNINGS: &str = "multiagent.dev/warnings";
