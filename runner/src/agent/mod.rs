//! Terminal agents: how one is started, watched, spoken to and ended. Knows the agents' program and
//! tmux; nothing of repositories, jobs or results.
//!
//! | file | what it is |
//! |---|---|
//! | `desk` | an agent's folder and what stands in it |
//! | `seed` | the files by which the program starts without a question |
//! | `credentials` | how the program logs in at the model's side |
//! | `login` | the user's own login: what agents get of it, and how it stays good |
//! | `launch` | `sandbox launch`: becomes the program, with a clean environment |
//! | `hook`, `status_line` | `sandbox hook`, `sandbox statusline`: what the program tells us |
//! | `keep` | `sandbox keep`: what its terminal shows |
//! | `toolchains` | what of the user's home programs need |
//! | `tmux` | the farm's own tmux server |
//! | `reopen` | another program in one of its windows |
//! | `watch` | reads what was told and what the system shows |
//! | `session` | what a session is gone on with elsewhere |
//! | `spent` | what it has used, by its transcript |
//! | `state` | the one decision what an agent is doing |
//! | `deliver` | a prompt into a running agent |
//! | `process` | processes beyond doubt, and the end of all that were begun for a seat |

pub mod credentials;
pub mod deliver;
pub mod desk;
pub mod hook;
pub mod keep;
pub mod launch;
pub mod login;
pub mod process;
mod reopen;
pub mod seed;
pub mod session;
mod spent;
pub mod state;
pub mod status_line;
pub mod tmux;
pub mod toolchains;
pub mod watch;

use std::{ffi::OsString, path::PathBuf};

/// The folder and the number of an agent, as `sandbox hook` and its like are told them.
fn desk_of(mut words: impl Iterator<Item = OsString>) -> Option<desk::Desk> {
    let folder = PathBuf::from(words.next()?);
    let number = words.next()?.to_str()?.parse().ok()?;
    Some(desk::Desk::new(&folder, number))
}
