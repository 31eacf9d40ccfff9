//! Who of several operators leads: the holder of one `Lease` of the API server. The leader alone reconciles;
//! serving is everybody's business and needs no leader.
//!
//! A candidate never compares clocks of two machines. It takes over once it has *itself* seen nothing change for
//! as long as the record says that its holder may lead; and a leader stops leading by itself before that, counted
//! from the moment it *sent* the last renewal that was acknowledged.
//!
//! | file | what it is |
//! |---|---|
//! | `decide` | the decision, pure: what was seen, when, and what follows |
//! | `record` | a `Lease` as the decision reads it, and back |
//! | `clock` | the one clock it reads |
//! | `term` | that one leads now, as those see it who work for the leader |
//! | `election` | looks, decides, writes, again and again |

mod clock;
mod decide;
mod election;
mod record;
mod term;

pub use clock::{Moment, now};
pub use decide::{BadTerms, Candidate, Decision, NOBODY, Record, Terms};
pub use election::Election;
pub use term::Term;

#[cfg(test)]
mod tests;
