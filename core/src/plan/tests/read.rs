//! What a plan says, as a test reads it.

use super::super::{Action, Plan};
use crate::{
    brief::Brief,
    port::{AttemptOutcome, Reservation},
    status::{AgentJobStatus, condition},
};

/// What a plan does, in words.
pub fn does(plan: &Plan) -> String {
    let words: Vec<&str> = plan.actions.iter().map(word).collect();
    words.join(" ")
}

fn word(action: &Action) -> &'static str {
    match action {
        Action::Save(_) => "save",
        Action::Launch(_) => "launch",
        Action::Close { .. } => "close",
        Action::Stop { keep: None } => "stop",
        Action::Stop { keep: Some(_) } => "stop-others",
        Action::Reap => "reap",
        Action::Record(_) => "record",
        Action::Discard => "discard",
        Action::Remove => "remove",
    }
}

/// The status that a plan saves.
pub fn saved(plan: &Plan) -> AgentJobStatus {
    let found = plan.actions.iter().find_map(|a| match a {
        Action::Save(save) => Some(save.status.clone()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("nothing is saved: {plan:?}"))
}

/// What the job holds after a plan.
pub fn held(plan: &Plan) -> Option<Vec<Reservation>> {
    plan.actions.iter().find_map(|a| match a {
        Action::Save(save) => save.holds.clone(),
        _ => None,
    })
}

/// What a plan launches.
pub fn brief(plan: &Plan) -> Brief {
    let found = plan.actions.iter().find_map(|a| match a {
        Action::Launch(brief) => Some((**brief).clone()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("nothing is launched: {plan:?}"))
}

/// What a plan tells memory.
pub fn told(plan: &Plan) -> AttemptOutcome {
    let found = plan.actions.iter().find_map(|a| match a {
        Action::Record(outcome) => Some((**outcome).clone()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("memory is told nothing: {plan:?}"))
}

/// The reason of the condition that people look at first.
pub fn reason_of(status: &AgentJobStatus) -> String {
    let found = status.condition(condition::SUCCEEDED);
    found.map(|c| c.reason.clone()).unwrap_or_default()
}
