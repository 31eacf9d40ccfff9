//! Simulated years of jobs and rules, to measure what a way of choosing rules is worth. The worlds
//! know the true effect of every rule; the policies only see what a memory would see.
//!
//! | file | what it is |
//! |---|---|
//! | `chance` | the only source of chance: the same for the same seed |
//! | `world` | rules with true effects, and a stream of jobs that every policy gets alike |
//! | `policy` | ways to choose rules: the memory's learner, and formulas of others |
//! | `run` | one policy in one world |
//! | `figures` | what came of it, and means over seeds |
//! | `goals` | what is asked of the memory's learner, and whether it holds |

pub mod chance;
pub mod figures;
pub mod goals;
pub mod policy;
pub mod run;
pub mod world;
