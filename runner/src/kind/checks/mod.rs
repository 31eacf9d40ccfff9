//! Checks: commands by which the server judges what agents made of a repository, such as its build,
//! its lint and its tests. They stand in a file of the server and in no job; the settings have what it says.
//!
//! | file | what it is |
//! |---|---|
//! | `run` | one check in one checkout |
//! | `verdict` | what checks before and after the work say of it; pure |

mod run;
mod verdict;

pub use crate::settings::{Check, Checks, DEFAULT};
pub use run::{Ran, Room};
pub use verdict::{Seen, Verdict, grade, rejected, withheld};
