//! Git by its command line: argument lists only, no configuration but ours, no hook, no prompt, a
//! time limit on every call. Knows repositories and remotes; nothing of agents or jobs.
//!
//! | file | what it is |
//! |---|---|
//! | `call` | one call of git in its clean environment |
//! | `trouble` | why a call failed, and whose fault that is |
//! | `remote` | which remotes are allowed, and how a token reaches them |
//! | `repo` | clone, open, worktrees |
//! | `bundle` | commits of a worktree as a file, and back |
//! | `history` | commits between two points, and what they changed |
//! | `land` | one branch that commits are put on, by compare-and-swap |
//! | `turn` | taking turns at what git keeps of worktrees |
//! | `push` | that branch to where the repository came from |

mod bundle;
mod call;
mod history;
mod land;
mod push;
mod remote;
mod repo;
mod trouble;
mod turn;

pub use call::{Bounds, Git, Identity};
pub use history::{Commit, Stat};
pub use land::{Attempt, Branch};
pub use push::Pushed;
pub use remote::{Remote, Token};
pub use repo::Repo;
pub use trouble::GitError;

#[cfg(test)]
mod tests;
