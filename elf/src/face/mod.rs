//! Memory as people and programs read and teach it. Every answer is of one tenant; an id that is
//! not there is an error.

mod ask;
pub mod book;
pub mod diary;
pub mod follow;
pub mod history;
pub mod import;
pub mod shown;
mod teach;
pub mod trails;

pub use book::{Context, ShownPlan};
pub use follow::Followed;
pub use history::{Dossier, Event, What};
pub use shown::{
    Export, Heuristic, HeuristicQuery, OutcomePage, RulePage, RuleQuery, ShownOutcome, ShownRule,
    Stats,
};
pub use trails::TrailQuery;
