//! Rules in CEL that several fields share or that follow from a list. They are written here once: the CRD carries
//! them to the API server, and `validate` evaluates the CRD's own at every other door.

use kube::core::{Rule, validate};
use schemars::Schema;

use super::JobType;
use crate::outcome::FailureClass;

/// A time as Go writes it, each unit at most once, short of what 64 bits of nanoseconds hold. Nothing finer than a
/// millisecond: our evaluator of CEL does not read the `µs` that it would be written back as.
// `kube` writes no time as `0ns`, whatever it was read from.
const TIME: &str = "^(0ns|([0-9]{1,6}([.][0-9]{1,3})?h)?([0-9]{1,7}([.][0-9]{1,3})?m)?([0-9]{1,9}([.][0-9]{1,3})?s)?([0-9]{1,12}ms)?)$";

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
        "has(self.{field}) ? has(oldSelf.{field}) && self.{field} == oldSelf.{field} : !has(oldSelf.{field})"
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

fn bounded(schema: &mut Schema, least: u64, most: u64) {
    schema.insert("minLength".to_owned(), least.into());
    schema.insert("maxLength".to_owned(), most.into());
}

/// The name of an object of a cluster.
pub(super) fn object(name: &'static str) -> impl Fn(&mut Schema) {
    move |schema| {
        bounded(schema, 1, 253);
        let rule = "self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')";
        let message = format!("{name} must be of a-z, 0-9, - and ., with no - or . at an end");
        add(schema, Rule::new(rule).message(message.as_str()));
    }
}

/// A key in a secret or a config map.
pub(super) fn key(schema: &mut Schema) {
    bounded(schema, 1, 253);
    let message = "key must be of letters, digits, -, _ and .";
    add(
        schema,
        Rule::new("self.matches('^[A-Za-z0-9._-]+$')").message(message),
    );
}

/// Processors, as Kubernetes writes them.
pub(super) fn processors(schema: &mut Schema) {
    bounded(schema, 1, 16);
    let rule =
        "self.matches('^([0-9]{1,4}([.][0-9]{1,3})?|[0-9]{1,7}m)$') && self.matches('[1-9]')";
    let message = "cpu must be more than 0 and like 2, 0.5 or 500m";
    add(schema, Rule::new(rule).message(message));
}

/// Memory, of which a runner needs a little.
pub(super) fn memory(schema: &mut Schema) {
    bounded(schema, 3, 16);
    let rule = "self.matches('^([1-9][0-9]{2,8}|[2-9][0-9]|1[6-9])Mi$|^[1-9][0-9]{0,5}Gi$')";
    let message = "memory must be like 512Mi or 2Gi, and at least 16Mi";
    add(schema, Rule::new(rule).message(message));
}

/// Processors of a task: at most as many as Fargate has.
pub(super) fn task_processors(schema: &mut Schema) {
    bounded(schema, 1, 16);
    let rule = "self.matches('^(([0-9]|1[0-5])([.][0-9]{1,3})?|16|([0-9]{1,4}|1[0-5][0-9]{3}|16000)m)$') && self.matches('[1-9]')";
    let message = "cpu must be more than 0, at most 16, and like 2, 0.5 or 500m";
    add(schema, Rule::new(rule).message(message));
}

/// Memory of a task: at most as much as Fargate has.
pub(super) fn task_memory(schema: &mut Schema) {
    bounded(schema, 3, 16);
    let rule =
        "self.matches('^([1-9][0-9]{2,4}|[2-9][0-9]|1[6-9])Mi$|^([1-9][0-9]?|1[01][0-9]|120)Gi$')";
    let message = "memory must be like 512Mi or 8Gi, at least 16Mi and at most 120Gi";
    add(schema, Rule::new(rule).message(message));
}

/// A task's own disk, as large as Fargate makes one.
pub(super) fn task_disk(schema: &mut Schema) {
    bounded(schema, 3, 16);
    let message = "ephemeralStorage must be from 21Gi to 200Gi; 20 GiB are there without";
    let rule = "self.matches('^(2[1-9]|[3-9][0-9]|1[0-9]{2}|200)Gi$')";
    add(schema, Rule::new(rule).message(message));
}

/// Room on a disk.
pub(super) fn size(name: &'static str) -> impl Fn(&mut Schema) {
    move |schema| {
        bounded(schema, 3, 16);
        let message = format!("{name} must be like 500Mi or 10Gi");
        let rule = "self.matches('^[1-9][0-9]{0,8}(Mi|Gi)$')";
        add(schema, Rule::new(rule).message(message.as_str()));
    }
}

/// The address of a proxy. A password in it would stand in the job for everybody to read.
pub(super) fn proxy(name: &'static str) -> impl Fn(&mut Schema) {
    move |schema| {
        bounded(schema, 8, 512);
        let message =
            format!("{name} must be like http://proxy.example.org:3128, with no password in it");
        let rule = "self.matches('^https?://[A-Za-z0-9.:-]+/?$')";
        add(schema, Rule::new(rule).message(message.as_str()));
    }
}

/// A map of labels to values.
pub(super) fn labels(schema: &mut Schema) {
    let rule = "self.all(key, key.size() >= 1 && key.size() <= 317)";
    let message = "each key must have 1 to 317 characters";
    add(schema, Rule::new(rule).message(message));
    let values = schema.get_mut("additionalProperties");
    if let Some(values) = values.and_then(|v| <&mut Schema>::try_from(v).ok()) {
        bounded(values, 0, 63);
        let rule = "self.matches('^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$')";
        let message = "a label's value must be of letters, digits, -, _ and ., with a letter or digit at both ends";
        add(values, Rule::new(rule).message(message));
    }
}
