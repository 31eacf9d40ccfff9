//! The tools: names, what they are for, what a client may assume of them, and their schemas.

use std::sync::LazyLock;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value};

use super::{args, given};

/// A tool as it is offered.
#[derive(Clone, Debug)]
pub struct Tool {
    /// What it is called by.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// What it is for; the first sentence decides whether a model finds it.
    pub about: &'static str,
    /// Whether it changes nothing.
    pub reads: bool,
    /// Whether calling it again changes nothing more.
    pub idempotent: bool,
    /// The schema of its arguments.
    pub input: Map<String, Value>,
    /// The schema of its answer.
    pub output: Map<String, Value>,
}

/// Every tool, in the order in which they are offered.
#[must_use]
pub fn all() -> &'static [Tool] {
    static ALL: LazyLock<Vec<Tool>> = LazyLock::new(list);
    &ALL
}

/// The tool of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Tool> {
    all().iter().find(|tool| tool.name == name)
}

fn schema<T: JsonSchema>() -> Map<String, Value> {
    let inline = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    let schema = inline.into_generator().into_root_schema_for::<T>();
    let mut schema = match schema.to_value() {
        Value::Object(schema) => schema,
        _ => Map::new(),
    };
    // The name of a type of ours tells an agent nothing.
    schema.remove("title");
    schema
}

fn tool<I: JsonSchema, O: JsonSchema>(
    name: &'static str,
    (title, about): (&'static str, &'static str),
    (reads, idempotent): (bool, bool),
) -> Tool {
    Tool {
        name,
        title,
        about,
        reads,
        idempotent,
        input: schema::<I>(),
        output: schema::<O>(),
    }
}

/// Reads; reading again changes nothing.
const READS: (bool, bool) = (true, true);
/// Writes once, however often it is called with the same.
const ONCE: (bool, bool) = (false, true);
/// Writes each time.
const EACH: (bool, bool) = (false, false);

fn list() -> Vec<Tool> {
    let mut tools = readers();
    tools.extend(writers());
    tools
}

fn readers() -> Vec<Tool> {
    vec![
        tool::<args::Query, given::Context>(
            "elf_query",
            (
                "What memory knows",
                "Get lessons of earlier work before you begin: golden rules, other rules, recent outcomes. Narrow it by domain or project.",
            ),
            READS,
        ),
        tool::<args::Search, given::Found>(
            "elf_search",
            (
                "Search memory",
                "Find lessons of earlier work by words: an error message, a task, a file name.",
            ),
            READS,
        ),
        tool::<args::Plans, given::Planned>(
            "elf_list_plans",
            ("List plans", "List plans that were recorded, newest first."),
            READS,
        ),
        tool::<args::Nothing, given::Counted>(
            "elf_stats",
            (
                "Count what is known",
                "Count the rules, outcomes and trails in memory.",
            ),
            READS,
        ),
    ]
}

fn writers() -> Vec<Tool> {
    vec![
        tool::<args::Heuristic, given::Stated>(
            "elf_record_heuristic",
            (
                "Record a lesson",
                "Record a lesson as soon as you have learned it, so that later agents are told: one rule, one line.",
            ),
            EACH,
        ),
        tool::<args::Outcome, given::EndKept>(
            "elf_record_outcome",
            (
                "Record an outcome",
                "Record how work ended that no runner reports, with the files it touched and its lessons.",
            ),
            ONCE,
        ),
        tool::<args::Vote, given::Voted>(
            "elf_validate_heuristic",
            (
                "This rule helped",
                "Say that a rule helped. It is weak evidence, and only from a job whose prompt held the rule.",
            ),
            ONCE,
        ),
        tool::<args::Vote, given::Voted>(
            "elf_violate_heuristic",
            (
                "This rule did not help",
                "Say that a rule did not help. It is weak evidence, and only from a job whose prompt held the rule.",
            ),
            ONCE,
        ),
        tool::<args::Plan, given::PlanKept>(
            "elf_record_plan",
            (
                "Record a plan",
                "Record what you are about to do before you begin, to compare it afterwards.",
            ),
            ONCE,
        ),
        tool::<args::Postmortem, given::ReviewKept>(
            "elf_record_postmortem",
            (
                "Record how it went",
                "Record how work went beside its plan; its lessons become a rule where you name a domain.",
            ),
            EACH,
        ),
    ]
}
