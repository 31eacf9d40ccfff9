//! What is made, as Terraform evaluates it: what runs, what is encrypted and kept, what calls what, and that it goes.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, Command};
use sandbox_operator::{
    aws::deployment::names::{Names, Said},
    backend::fargate::settings::FargateSettings,
};
use sandbox_tests::terraform::{Copy, Resource, State};
use serde_json::{Value, json};

use super::{full, plain};

fn function(state: &State, name: &str) -> Value {
    state
        .one("api.aws_lambda_function.this", &json!(name))
        .values
}

fn variables(function: &Value) -> BTreeSet<String> {
    let all = function["environment"][0]["variables"].as_object();
    all.unwrap().keys().cloned().collect()
}

#[test]
fn nothing_that_is_billed_by_the_hour_is_made_unless_it_is_asked_for() {
    let by_the_hour = |r: &Resource| match r.kind.as_str() {
        "aws_vpc_endpoint" => r.values["vpc_endpoint_type"] == "Interface",
        kind => [
            "aws_nat_gateway",
            "aws_eip",
            "aws_ecs_service",
            "aws_instance",
            "aws_lb",
            "aws_lambda_provisioned_concurrency_config",
        ]
        .contains(&kind),
    };
    let made = |state: &State| state.resources().iter().filter(|r| by_the_hour(r)).count();
    assert_eq!(made(plain()), 0);
    assert_eq!(made(&Copy::new().applied(&["way_out=nat"])), 2);
    assert_eq!(made(full()), 4);
    for table in plain().of("aws_dynamodb_table") {
        assert_eq!(table.values["billing_mode"], "PAY_PER_REQUEST");
    }
}

#[test]
fn everything_that_can_have_tags_has_them() {
    let mut seen = 0;
    for it in full().resources() {
        let Some(tags) = it.values.get("tags") else {
            continue;
        };
        assert_eq!(tags["Deployment"], "sandbox", "{}", it.name);
        assert_eq!(tags["Team"], "agents", "{}", it.name);
        seen += 1;
    }
    assert!(seen > 40, "{seen}");
}

/// With what each thing that keeps data is encrypted, by its name.
fn keys(state: &State) -> Vec<(String, Value)> {
    let at = |r: &Resource| {
        let v = &r.values;
        Some(match r.kind.as_str() {
            "aws_dynamodb_table" => v["server_side_encryption"][0]["kms_key_arn"].clone(),
            "aws_s3_bucket_server_side_encryption_configuration" => {
                v["rule"][0]["apply_server_side_encryption_by_default"][0]["kms_master_key_id"]
                    .clone()
            }
            "aws_sqs_queue" => v["kms_master_key_id"].clone(),
            "aws_cloudwatch_log_group" | "aws_secretsmanager_secret" => {
                [&v["kms_key_id"], &v["kms_key_arn"]]
                    .into_iter()
                    .find(|k| !k.is_null())
                    .cloned()
                    .unwrap_or_default()
            }
            "aws_ecr_repository" => v["encryption_configuration"][0]["kms_key"].clone(),
            "aws_lambda_function" => v["kms_key_arn"].clone(),
            _ => return None,
        })
    };
    let all = state.resources();
    all.iter()
        .filter_map(|r| Some((r.name.clone(), at(r)?)))
        .collect()
}

#[test]
fn all_that_stands_still_is_encrypted_with_the_key_of_the_deployment_or_with_keys_of_aws() {
    let key = plain().one("records.aws_kms_key.data", &json!(0)).values["arn"].clone();
    let encrypted = keys(plain());
    assert_eq!(encrypted.len(), 16);
    for (name, with) in encrypted {
        assert_eq!(with, key, "{name}");
    }
    let state = Copy::new().applied(&["customer_managed_key=false"]);
    assert!(state.of("aws_kms_key").is_empty());
    for (name, with) in keys(&state) {
        assert_eq!(with, Value::Null, "{name}");
    }
    for queue in state.of("aws_sqs_queue") {
        assert_eq!(queue.values["sqs_managed_sse_enabled"], true);
    }
    let bucket = state.of("aws_s3_bucket_server_side_encryption_configuration");
    let rule = &bucket[0].values["rule"][0]["apply_server_side_encryption_by_default"][0];
    assert_eq!(rule["sse_algorithm"], "AES256");
}

#[test]
fn data_is_kept_unless_it_is_said_that_it_may_go() {
    for table in plain().of("aws_dynamodb_table") {
        assert_eq!(table.values["deletion_protection_enabled"], true);
        assert_eq!(table.values["point_in_time_recovery"][0]["enabled"], true);
    }
    assert_eq!(
        plain().of("aws_s3_bucket")[0].values["force_destroy"],
        false
    );
    assert_eq!(
        plain().of("aws_ecr_repository")[0].values["force_delete"],
        false
    );
    for secret in plain().of("aws_secretsmanager_secret") {
        assert_eq!(secret.values["recovery_window_in_days"], 7);
    }
    let open = &plain().of("aws_s3_bucket_public_access_block")[0].values;
    for way in [
        "block_public_acls",
        "block_public_policy",
        "ignore_public_acls",
        "restrict_public_buckets",
    ] {
        assert_eq!(open[way], true, "{way}");
    }
}

#[test]
fn destroy_leaves_nothing_behind() {
    let copy = Copy::new();
    let values = [
        "delete_data=true",
        r#"budget={"monthly_usd":1,"emails":["people@example.com"]}"#,
    ];
    let state = copy.applied(&values);
    assert!(state.resources().len() > 70);
    let stays = |r: &Resource| {
        let is = |name: &str, bad: &Value| r.values.get(name) == Some(bad);
        is("deletion_protection_enabled", &json!(true))
            || is("force_destroy", &json!(false)) && r.kind == "aws_s3_bucket"
            || is("force_delete", &json!(false)) && r.kind == "aws_ecr_repository"
            || is("skip_destroy", &json!(true))
            || is("recovery_window_in_days", &json!(7))
    };
    let staying: Vec<Resource> = state.resources().into_iter().filter(stays).collect();
    assert!(staying.is_empty(), "{staying:?}");
    assert!(copy.destroyed(&values).resources().is_empty());
}

#[test]
fn what_is_applied_again_changes_nothing() {
    let copy = Copy::new();
    copy.applied(&[]);
    let changes = || {
        let words = ["plan", "-detailed-exitcode", "-var", "region=eu-central-1"];
        copy.run(&words).status.code() == Some(2)
    };
    assert!(!changes());
    let by_the_clock = "Project    = timestamp()";
    copy.change(
        "examples/serverless/main.tf",
        "Project    = \"multi-agent-sandbox\"",
        by_the_clock,
    );
    assert!(changes());
}

#[test]
fn one_package_makes_two_functions_and_each_is_told_only_what_it_needs() {
    let (api, reconcile) = (function(plain(), "api"), function(plain(), "reconcile"));
    assert_eq!(
        (&api["timeout"], &reconcile["timeout"]),
        (&json!(30), &json!(60))
    );
    for it in [&api, &reconcile] {
        assert_eq!(
            (&it["runtime"], &it["handler"]),
            (&json!("provided.al2023"), &json!("bootstrap"))
        );
        assert_eq!(
            (&it["memory_size"], &it["architectures"]),
            (&json!(128), &json!(["x86_64"]))
        );
        assert_eq!(it["source_code_hash"], api["source_code_hash"]);
    }
    let shared = [
        "ELF",
        "FARGATE_LOG_GROUP",
        "FARGATE_SECRETS_PREFIX",
        "OBJECTS",
        "SEAT_DOOR",
        "SEAT_SECRET",
        "STORE",
    ];
    let set = |more: &[&str]| -> BTreeSet<String> {
        let all = shared.iter().chain(more);
        all.map(|n| format!("SANDBOX_{n}")).collect()
    };
    assert_eq!(variables(&api), set(&["KEYS_SECRET"]));
    let tasks = [
        "CAPACITY",
        "CLUSTER",
        "EXEC",
        "PUBLIC_ADDRESS",
        "SEAT_DOOR",
        "SECURITY_GROUPS",
        "SUBNETS",
        "TASK_DEFINITION",
    ];
    let mut told: Vec<String> = tasks.iter().map(|n| format!("FARGATE_{n}")).collect();
    told.push("WAKES".to_owned());
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    assert_eq!(variables(&reconcile), set(&told));
    let told = &reconcile["environment"][0]["variables"];
    assert_eq!(told["SANDBOX_STORE"], "dynamodb://sandbox-records");
    assert_eq!(told["SANDBOX_ELF"], "dynamodb://sandbox-memory");
    assert_eq!(told["SANDBOX_FARGATE_TASK_DEFINITION"], "sandbox-runner:1");
    assert_eq!(told["SANDBOX_FARGATE_PUBLIC_ADDRESS"], "true");
    assert_eq!(
        function(full(), "reconcile")["environment"][0]["variables"]["SANDBOX_FARGATE_EXEC"],
        "true"
    );
}

#[test]
fn what_is_told_of_fargate_is_called_as_the_programs_settings_are() {
    let settings = FargateSettings::augment_args(Command::new("fargate"));
    let known = settings
        .get_arguments()
        .filter_map(|a| a.get_env()?.to_str());
    let known: BTreeSet<&str> = known.collect();
    let told = variables(&function(plain(), "reconcile"));
    let told = told.iter().filter(|n| n.starts_with("SANDBOX_FARGATE_"));
    for name in told {
        assert!(known.contains(name.as_str()), "no setting is called {name}");
    }
}

#[test]
fn every_request_goes_to_the_program_which_knows_the_keys() {
    let route = &plain().of("aws_apigatewayv2_route")[0].values;
    assert_eq!(
        (&route["route_key"], &route["authorization_type"]),
        (&json!("$default"), &json!("NONE"))
    );
    let way = &plain().of("aws_apigatewayv2_integration")[0].values;
    assert_eq!(way["payload_format_version"], "2.0");
    assert_eq!(
        way["integration_uri"],
        function(plain(), "api")["invoke_arn"]
    );
    let log =
        plain().of("aws_apigatewayv2_stage")[0].values["access_log_settings"][0]["format"].clone();
    for secret in ["header", "authorizer", "query"] {
        assert!(
            !log.as_str().unwrap().to_lowercase().contains(secret),
            "{log}"
        );
    }
}

#[test]
fn what_fails_again_and_again_is_laid_aside_and_the_rest_of_its_batch_goes_on() {
    let mappings = plain().of("aws_lambda_event_source_mapping");
    let reconcile = function(plain(), "reconcile")["arn"].clone();
    for it in &mappings {
        assert_eq!(
            it.values["function_response_types"],
            json!(["ReportBatchItemFailures"]),
            "{}",
            it.name
        );
        assert_eq!(it.values["function_name"], reconcile, "{}", it.name);
    }
    let aside =
        |name: &str| plain().one("api.aws_sqs_queue.aside", &json!(name)).values["arn"].clone();
    let changes = &plain()
        .one("api.aws_lambda_event_source_mapping.changes", &Value::Null)
        .values;
    assert_eq!(changes["bisect_batch_on_function_error"], true);
    assert_eq!(changes["maximum_retry_attempts"], 5);
    assert_eq!(
        changes["destination_config"][0]["on_failure"][0]["destination_arn"],
        aside("changes")
    );
    let wakes = &plain().one("api.aws_sqs_queue.wakes", &Value::Null).values;
    let redrive: Value = serde_json::from_str(wakes["redrive_policy"].as_str().unwrap()).unwrap();
    assert_eq!(
        redrive,
        json!({"deadLetterTargetArn": aside("wakes"), "maxReceiveCount": 5})
    );
    for target in plain().of("aws_cloudwatch_event_target") {
        assert_eq!(
            target.values["dead_letter_config"][0]["arn"],
            aside("events")
        );
        assert_eq!(target.values["arn"], reconcile);
    }
    let sweep = plain().one("api.aws_cloudwatch_event_rule.this", &json!("sweep"));
    assert_eq!(sweep.values["schedule_expression"], "rate(5 minutes)");
    let tasks = plain().one("api.aws_cloudwatch_event_rule.this", &json!("tasks"));
    let pattern = tasks.values["event_pattern"].as_str().unwrap();
    let cluster = plain().of("aws_ecs_cluster")[0].values["arn"].clone();
    assert_eq!(
        serde_json::from_str::<Value>(pattern).unwrap()["detail"]["clusterArn"],
        json!([cluster])
    );
}

#[test]
fn an_alarm_tells_of_each_way_to_fail() {
    let alarms = full().of("aws_cloudwatch_metric_alarm");
    let names: BTreeSet<&str> = alarms
        .iter()
        .map(|a| a.values["alarm_name"].as_str().unwrap())
        .collect();
    let wanted = [
        "answers",
        "aside-changes",
        "aside-events",
        "aside-wakes",
        "behind",
        "errors-api",
        "errors-reconcile",
        "sweep",
        "throttles-api",
        "throttles-reconcile",
    ];
    let wanted: Vec<String> = wanted.iter().map(|n| format!("sandbox-{n}")).collect();
    assert_eq!(names, wanted.iter().map(String::as_str).collect());
    for alarm in &alarms {
        assert_eq!(alarm.values["alarm_actions"].as_array().unwrap().len(), 1);
    }
    let sweep = plain().one("api.aws_cloudwatch_metric_alarm.sweep", &Value::Null);
    assert_eq!(sweep.values["treat_missing_data"], "breaching");
}

#[test]
fn a_task_is_of_the_runners_image_as_its_own_user_with_two_minutes_to_end() {
    let it = &full().of("aws_ecs_task_definition")[0].values;
    assert_eq!(
        (&it["network_mode"], &it["requires_compatibilities"]),
        (&json!("awsvpc"), &json!(["FARGATE"]))
    );
    let containers: Value =
        serde_json::from_str(it["container_definitions"].as_str().unwrap()).unwrap();
    let runner = &containers[0];
    assert_eq!(containers.as_array().unwrap().len(), 1);
    assert_eq!(
        (&runner["name"], &runner["user"], &runner["stopTimeout"]),
        (&json!("runner"), &json!("10001:10001"), &json!(120))
    );
    assert_eq!(
        runner["linuxParameters"]["capabilities"]["drop"],
        json!(["ALL"])
    );
    assert_eq!(
        runner["logConfiguration"]["options"]["awslogs-stream-prefix"],
        "sandbox"
    );
    assert_eq!(runner["secrets"][0]["name"], "ANTHROPIC_API_KEY");
    assert_eq!(runner["environment"][0]["name"], "ANTHROPIC_BASE_URL");
    let images = &full().of("aws_ecr_repository")[0].values;
    assert_eq!(images["image_tag_mutability"], "IMMUTABLE");
    assert_eq!(
        images["image_scanning_configuration"][0]["scan_on_push"],
        true
    );
    assert_eq!(
        runner["image"],
        format!("{}:0.1.0", images["repository_url"].as_str().unwrap())
    );
    let capacity = &full().of("aws_ecs_cluster_capacity_providers")[0].values["capacity_providers"];
    assert_eq!(*capacity, json!(["FARGATE", "FARGATE_SPOT"]));
}

#[test]
fn nobody_reaches_a_task_and_a_network_of_ones_own_is_left_as_it_is() {
    let tasks = plain()
        .one("network.aws_security_group.tasks", &Value::Null)
        .values["id"]
        .clone();
    for state in [plain(), full()] {
        for rule in state.of("aws_vpc_security_group_ingress_rule") {
            assert_ne!(rule.values["security_group_id"], tasks);
        }
    }
    assert!(full().of("aws_internet_gateway").is_empty());
    assert_eq!(
        full().of("aws_apigatewayv2_api")[0].values["ip_address_type"],
        "dualstack"
    );
    let own = r#"network={"subnet_ids":["subnet-1","subnet-2"],"security_group_ids":["sg-1"],"public_address":false}"#;
    let state = Copy::new().applied(&[own]);
    let network = |r: &Resource| r.name.starts_with("network.");
    assert!(!state.resources().iter().any(network));
    let told = function(&state, "reconcile")["environment"][0]["variables"].clone();
    assert_eq!(told["SANDBOX_FARGATE_SUBNETS"], "subnet-1,subnet-2");
    assert_eq!(told["SANDBOX_FARGATE_SECURITY_GROUPS"], "sg-1");
    assert_eq!(told["SANDBOX_FARGATE_PUBLIC_ADDRESS"], "false");
}

#[test]
fn the_command_line_is_told_where_the_api_is() {
    let url = &plain().of("aws_apigatewayv2_api")[0].values["api_endpoint"];
    assert_eq!(plain().output("url"), url);
    assert_eq!(plain().output("records_table"), "sandbox-records");
}

#[test]
fn what_stands_still_is_as_many_as_the_page_of_costs_counts() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/aws.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let counted = |what: &str| -> usize {
        let row = docs
            .lines()
            .find(|l| l.starts_with(&format!("| {what} | ")));
        let cell = row.unwrap().split('|').nth(2).unwrap();
        cell.split(',').next().unwrap().trim().parse().unwrap()
    };
    let there = |kind: &str| plain().of(kind).len();
    assert_eq!(counted("KMS key"), there("aws_kms_key"));
    assert_eq!(counted("Secrets"), there("aws_secretsmanager_secret"));
    assert_eq!(counted("Alarms"), there("aws_cloudwatch_metric_alarm"));
}

#[test]
fn the_outputs_say_all_that_a_pause_has_to_know() {
    let outputs = [
        "cluster",
        "event_sources",
        "queues",
        "records_table",
        "region",
        "standing",
        "sweep_rule",
    ];
    let outputs = outputs.map(|name| (name, json!({"value": plain().output(name)})));
    let outputs: BTreeMap<&str, Value> = outputs.into_iter().collect();
    let names = Names::read(Said::default(), Some(&json!(outputs).to_string())).unwrap();
    let mappings = plain().of("aws_lambda_event_source_mapping");
    let ids: BTreeSet<&str> = mappings
        .iter()
        .map(|m| m.values["uuid"].as_str().unwrap())
        .collect();
    assert_eq!(ids, names.sources.values().map(String::as_str).collect());
    assert_eq!(names.sweep_rule, "sandbox-sweep");
    let there = |kind: &str| u32::try_from(plain().of(kind).len()).unwrap();
    let standing = names.standing.unwrap();
    assert_eq!(standing.kms_keys, there("aws_kms_key"));
    assert_eq!(standing.secrets, there("aws_secretsmanager_secret"));
    assert_eq!(standing.alarms, there("aws_cloudwatch_metric_alarm"));
    assert_eq!(standing.way_out, "address");
    assert_eq!(full().output("standing")["way_out"], "ipv6");
}
