//! Rules in CEL that several fields share or that follow from a list. They are written here once: the CRD carries
//! them to the API server, and `validate` evaluates the CRD's own at every other door.

use kube::core::{Rule, validate};
use schemars::Schema;

use super::JobType;
use crate::outcome::FailureClass;

/// A time as Go writes it, each unit at most once, short of what 64 bits of nanoseconds hold. Nothing finer than a
/// millisecond: our evaluator of CEL does not read the `µs` that it would be written back as.
const TIME: &str = "^([0-9]{1,6}([.][0-9]{1,3})?h)?([0-9]{1,7}([.][0-9]{1,3})?m)?([0-9]{1,9}([.][0-9]{1,3})?s)?([0-9]{1,12}ms)?$";

/// What stays as it was submitted, besides the work itself.
const FIXED: [&str; 8] = [
    "type",
    "backend",
    "budget",
    "retry",
    "queue",
    "dependsOn",
    "elf",
    "retryOf",
];

fn add(schema: &mut Schema, rule: Rule) {
    // Plain texts can always be written as JSON; a test looks whether each rule is there.
    let _ = validate(schema, rule);
}

/// The rules of a whole spec: one member for the type, and what may change.
pub(super) fn of_a_spec(schema: &mut Schema) {
    add(schema, one_member());
    for field in FIXED {
        add(
            schema,
            unchanged(
                field,
                &format!("{field} cannot be changed; submit a new job"),
            ),
        );
    }
    for member in JobType::ALL.map(JobType::member) {
        let message = "the work itself cannot be changed; submit a new job";
        add(schema, unchanged(member, message));
    }
    let stays = "!has(oldSelf.cancel) || !oldSelf.cancel || (has(self.cancel) && self.cancel)";
    let message = "a cancelled job stays cancelled; retry it instead";
    add(
        schema,
        Rule::new(stays).message(message).field_path(".cancel"),
    );
    let grows = "!has(oldSelf.deadline) || (has(self.deadline) && duration(self.deadline) >= duration(oldSelf.deadline))";
    let message = "the deadline can only be made longer";
    add(
        schema,
        Rule::new(grows).message(message).field_path(".deadline"),
    );
}

fn one_member() -> Rule {
    let each =
        JobType::ALL.map(|t| format!("has(self.{}) == (self.type == '{}')", t.member(), t.word()));
    let members = JobType::ALL.map(JobType::member).join(", ");
    let message = format!("exactly the member that type names must be set, of {members}");
    Rule::new(each.join(" && ")).message(message.as_str())
}

fn unchanged(field: &str, message: &str) -> Rule {
    let same = format!(
        "has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
    );
    Rule::new(same)
        .message(message)
        .field_path(format!(".{field}"))
}

/// A time between these two; a `least` of none means more than nothing.
pub(super) fn time(
    name: &'static str,
    least: Option<&'static str>,
    most: &'static str,
) -> impl Fn(&mut Schema) {
    let (above, told) = match least {
        Some(least) => (format!(">= duration('{least}')"), String::new()),
        None => (
            "> duration('0s')".to_owned(),
            "more than 0s and ".to_owned(),
        ),
    };
    let rule = format!(
        "self != '' && self.matches('{TIME}') && duration(self) {above} && duration(self) <= duration('{most}')"
    );
    let message = format!("{name} must be {told}at most {most}, like 90s, 30m or 2h");
    move |schema| {
        schema.insert("maxLength".to_owned(), 40.into());
        add(schema, Rule::new(rule.as_str()).message(message.as_str()));
    }
}

/// A path that names something beneath the tenant's root. Whether something stands there is not asked.
pub(super) fn beneath_root(schema: &mut Schema) {
    for (rule, why) in [
        (r"!self.matches('^/|\\x00')", "must be relative"),
        ("!self.matches('(^|/)[.][.](/|$)')", "must not contain .."),
    ] {
        let message = format!("{why}: it is read beneath the tenant's root");
        add(schema, Rule::new(rule).message(message.as_str()));
    }
}

/// The same for each of a list.
pub(super) fn each_beneath_root(schema: &mut Schema) {
    let items = schema
        .get_mut("items")
        .and_then(|i| <&mut Schema>::try_from(i).ok());
    if let Some(items) = items {
        beneath_root(items);
    }
}

/// A field, or values of it, that are read but not obeyed yet: refused, because a field that is ignored lies.
pub(super) fn only(rule: &'static str) -> impl Fn(&mut Schema) {
    move |schema| add(schema, Rule::new(rule).message("is not supported yet"))
}

/// A map whose keys are classes of failure.
pub(super) fn by_class(schema: &mut Schema) {
    let classes = FailureClass::ALL.map(FailureClass::word);
    let rule = format!("self.all(class, class in ['{}'])", classes.join("', '"));
    let message = format!(
        "each key must be a class of failure: {}",
        classes.join(", ")
    );
    add(schema, Rule::new(rule).message(message.as_str()));
}
