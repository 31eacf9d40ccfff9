//! Faces, stores, back ends and the wiring that reconciles `AgentJob`s. Knows places, not job types.

pub mod announce;
pub mod control;
pub mod face;
