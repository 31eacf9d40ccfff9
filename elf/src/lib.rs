//! The shared memory of agents: rules, outcomes, trails, recall.
//!
//! Everything that happens is an [`entry::Entry`] of an ordered log per tenant; what is known is a
//! fold over it ([`fold`]). Recall ranks rules for a seat and leaves a receipt. Knows nothing of
//! places, of job types or of HTTP. What outcomes teach about rules is [`learn`].

pub mod aws;
mod decide;
mod elf;
pub mod entry;
pub mod error;
pub mod face;
pub mod fold;
mod foreign;
pub mod index;
pub mod kind;
pub mod label;
pub mod learn;
pub mod legacy;
pub mod lesson;
mod likeness;
mod live;
mod memory;
mod near;
pub mod plan;
pub mod prompt;
pub mod recall;
pub mod redact;
pub mod rows;
pub mod rule;
pub mod rules;
pub mod state;
pub mod store;
pub mod suspect;
pub mod text;
pub mod tools;
pub mod trail;
mod trouble;
pub mod trust;

pub use elf::Elf;
pub use error::ElfError;
pub use kind::RuleKind;
pub use prompt::prompt_block;
pub use rule::{NewRule, Rule};
