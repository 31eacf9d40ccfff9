//! What values make of the chart, and which are refused before anything is installed.

use sandbox_operator::checks::Checks;
use sandbox_tests::helm::{chart, helm, refusal, rendered};
use serde_json::{Value, json};

/// The objects of this kind.
fn of<'a>(objects: &'a [Value], kind: &'a str) -> Vec<&'a Value> {
    objects.iter().filter(|o| o["kind"] == kind).collect()
}

#[test]
fn both_charts_pass_helms_own_checks() {
    for name in ["sandbox", "sandbox-crds"] {
        let chart = chart(name);
        let seen = helm(&["lint", "--strict", chart.to_str().unwrap()]);
        assert!(seen.status.success(), "{seen:?}");
    }
}

#[test]
fn a_value_that_is_wrong_is_refused_with_its_name() {
    let table: &[(&[&str], &str)] = &[
        (&["replicas=0"], "/replicas"),
        (&["replicas=two"], "/replicas"),
        (&["replica=2"], "replica"),
        (&["jobs.deadline=soon"], "/jobs/deadline"),
        (&["jobs.slots=0"], "/jobs/slots"),
        (&["jobs.ttlAfterFinished=forever"], "/jobs/ttlAfterFinished"),
        (
            &["jobs.checks.stack.rust[0].name=test"],
            "/jobs/checks/stack/rust/0",
        ),
        (
            &["jobs.checks.stack.rust[0].name=a b,jobs.checks.stack.rust[0].argv={true}"],
            "/jobs/checks/stack/rust/0/name",
        ),
        (
            &["jobs.checks.stack.rust[0].name=a,jobs.checks.stack.rust[0].argv=make test"],
            "/jobs/checks/stack/rust/0/argv",
        ),
        (&["jobs.checks.shell=true"], "/jobs/checks"),
        (&["image.digest=latest"], "/image/digest"),
        (&["image.repository=a:b"], "/image/repository"),
        (&["image.pullPolicy=Sometimes"], "/image/pullPolicy"),
        (
            &["leaderElection.leaseDuration=15"],
            "/leaderElection/leaseDuration",
        ),
        (&["watch.namespaces={Team_A}"], "/watch/namespaces/0"),
        (&["artifacts.kind=s3"], "artifacts.s3.url"),
        (
            &["artifacts.kind=s3", "artifacts.s3.url=https://b"],
            "/artifacts/s3/url",
        ),
        (&["elf.url=postgres://x"], "/elf/url"),
        (&["elf.url=redis://user:secret@host"], "/elf/url"),
        (&["elf.ledger.enabled=false"], "/elf/url"),
        (
            &["elf.ledger.storage.size=lots"],
            "/elf/ledger/storage/size",
        ),
        (
            &["elf.ledger.tlsSecret.name=pair"],
            "/elf/ledger/caSecret/name",
        ),
        (&["logFormat=xml"], "/logFormat"),
        (&["seat.port=80"], "/seat/port"),
        (&["api.service.type=External"], "/api/service/type"),
        (&["networkPolicy.jobs.enabled=true"], "/watch/namespaces"),
        (
            &["podDisruptionBudget.maxUnavailable=most"],
            "/podDisruptionBudget/maxUnavailable",
        ),
    ];
    for (values, named) in table {
        let said = refusal("sandbox", values);
        assert!(said.contains(*named), "{values:?}: {said}");
    }
}

#[test]
fn checks_stand_in_a_config_map_that_the_program_reads_as_serve_reads_its_file() {
    let values = [
        "jobs.checks.env.CARGO_HOME=/srv/cargo",
        "jobs.checks.stack.rust[0].name=test",
        "jobs.checks.stack.rust[0].argv={cargo,test,--locked}",
        "jobs.checks.stack.rust[0].limit=20m",
        "jobs.checks.stack.rust[0].required=true",
        "jobs.checks.stack.default[0].name=check",
        "jobs.checks.stack.default[0].argv={./check.sh}",
    ];
    let objects = rendered("sandbox", &values);
    let map = of(&objects, "ConfigMap")
        .into_iter()
        .find(|o| o["data"]["checks.toml"].is_string())
        .unwrap();
    let checks = Checks::parse(map["data"]["checks.toml"].as_str().unwrap()).unwrap();
    assert_eq!(checks.known(), "default, rust");
    let [test] = checks.of(Some("rust")).unwrap() else {
        panic!("one check: {checks:?}");
    };
    assert_eq!(test.argv, ["cargo", "test", "--locked"]);
    assert!(test.required && test.limit.as_mins() == 20 && checks.env.len() == 1);
    let pod = &of(&objects, "Deployment")[0]["spec"]["template"];
    let volumes = pod["spec"]["volumes"].to_string();
    let name = map["metadata"]["name"].as_str().unwrap();
    assert!(
        volumes.contains(&format!(r#"{{"name":"{name}"}}"#)),
        "{volumes}"
    );
    let args = pod["spec"]["containers"][0]["args"].to_string();
    assert!(
        args.contains("--checks-file=/etc/sandbox/checks/checks.toml"),
        "{args}"
    );
    // Without, there is nothing of it; with others, the pods begin anew.
    let sum = |values: &[&str]| {
        let objects = rendered("sandbox", values);
        let pod = &of(&objects, "Deployment")[0]["spec"]["template"];
        pod["metadata"]["annotations"]["checksum/checks"].clone()
    };
    assert_eq!(sum(&[]), Value::Null);
    assert_ne!(sum(&values), sum(&values[1..]));
}

#[test]
fn memory_on_dynamodb_names_its_table_and_the_place_of_its_snapshots_or_is_refused() {
    let table = "elf.url=dynamodb://memory";
    let said = refusal("sandbox", &[table]);
    assert!(said.contains("elf.dynamodb.snapshots"), "{said}");
    let place = "elf.dynamodb.snapshots=s3://bucket/memory";
    let objects = rendered("sandbox", &[table, place]);
    let args = &of(&objects, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["args"];
    let args = args.to_string();
    for flag in [
        "--elf=dynamodb://memory",
        "--elf-snapshots=s3://bucket/memory",
    ] {
        assert!(args.contains(flag), "{args}");
    }
    assert!(!args.contains("redis"), "{args}");
}

#[test]
fn a_password_in_an_address_is_refused_for_it_would_stand_in_the_arguments() {
    let said = refusal("sandbox", &["elf.url=rediss://:pw@redis:6379"]);
    assert!(said.contains("/elf/url"), "{said}");
    let objects = rendered(
        "sandbox",
        &[
            "elf.url=rediss://redis:6379",
            "elf.redis.passwordSecret.name=redis-login",
        ],
    );
    let pod = &of(&objects, "Deployment")[0]["spec"]["template"]["spec"];
    let args = pod["containers"][0]["args"].to_string();
    assert!(
        args.contains("--redis-password-file=/etc/sandbox/redis-password/password"),
        "{args}"
    );
    let volumes = pod["volumes"].to_string();
    assert!(
        volumes.contains(r#"{"secretName":"redis-login"}"#),
        "{volumes}"
    );
}

#[test]
fn a_bucket_takes_the_place_of_the_volume() {
    let values = [
        "artifacts.kind=s3",
        "artifacts.s3.url=s3://agents/prod",
        "artifacts.s3.region=eu-central-1",
        "artifacts.s3.endpoint=http://minio:9000",
        "artifacts.s3.credentialsSecret=bucket-login",
    ];
    let objects = rendered("sandbox", &values);
    let claims = of(&objects, "PersistentVolumeClaim");
    assert!(
        claims.iter().all(|c| c["metadata"]["name"] != "sandbox"),
        "{claims:?}"
    );
    let pod = &of(&objects, "Deployment")[0]["spec"]["template"]["spec"];
    let operator = pod["containers"][0].to_string();
    for part in [
        "--objects=s3://agents/prod",
        r#"{"name":"AWS_REGION","value":"eu-central-1"}"#,
        r#"{"name":"AWS_ENDPOINT_URL_S3","value":"http://minio:9000"}"#,
        r#"{"name":"AWS_ALLOW_HTTP","value":"true"}"#,
        r#"{"secretRef":{"name":"bucket-login"}}"#,
    ] {
        assert!(operator.contains(part), "{part}: {operator}");
    }
    let usual = rendered("sandbox", &[]);
    let usual = of(&usual, "Deployment")[0].to_string();
    assert!(
        !usual.contains("--objects") && !usual.contains("AWS_"),
        "{usual}"
    );
}

#[test]
fn a_digest_wins_over_a_tag_and_the_tag_is_the_charts_version() {
    let image = |values: &[&str]| {
        let objects = rendered("sandbox", values);
        let pod = &of(&objects, "Deployment")[0]["spec"]["template"]["spec"];
        pod["containers"][0]["image"].as_str().unwrap().to_owned()
    };
    assert_eq!(image(&[]), "multi-agent-sandbox/operator:0.1.0");
    assert_eq!(
        image(&["image.tag=edge"]),
        "multi-agent-sandbox/operator:edge"
    );
    let digest = format!("sha256:{}", "a".repeat(64));
    let both = [
        format!("image.digest={digest}"),
        "image.tag=edge".to_owned(),
    ];
    let both: Vec<&str> = both.iter().map(String::as_str).collect();
    assert_eq!(
        image(&both),
        format!("multi-agent-sandbox/operator@{digest}")
    );
}

#[test]
fn with_a_list_of_namespaces_rights_over_jobs_are_given_there_alone() {
    let objects = rendered("sandbox", &["watch.namespaces={team-a,team-b}"]);
    let cluster_wide = of(&objects, "ClusterRole");
    assert_eq!(cluster_wide.len(), 1);
    let rules = json!([{"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]}]);
    assert_eq!(cluster_wide[0]["rules"], rules);
    let mut places: Vec<&str> = of(&objects, "Role")
        .iter()
        .map(|r| r["metadata"]["namespace"].as_str().unwrap())
        .collect();
    places.sort_unstable();
    assert_eq!(places, ["sandbox", "team-a", "team-b"]);
    let args = of(&objects, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["args"]
        .to_string();
    assert!(args.contains("--watch-namespaces=team-a,team-b"), "{args}");
}

#[test]
fn its_pods_are_restricted_and_two_of_them_are_never_away_at_once() {
    let objects = rendered("sandbox", &[]);
    let spec = &of(&objects, "Deployment")[0]["spec"];
    assert_eq!(spec["replicas"], 2);
    assert_eq!(
        spec["strategy"]["rollingUpdate"],
        json!({"maxUnavailable": 1, "maxSurge": 0})
    );
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(
        pod["securityContext"]["seccompProfile"]["type"],
        "RuntimeDefault"
    );
    let container = &pod["containers"][0]["securityContext"];
    let wanted = json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}});
    assert_eq!(*container, wanted);
    assert_eq!(
        of(&objects, "PodDisruptionBudget")[0]["spec"]["maxUnavailable"],
        1
    );
}

#[test]
fn a_policy_lets_runners_in_at_the_seat_door_by_the_label_that_their_pods_have() {
    let label = sandbox_operator::backend::pod::JOB_LABEL;
    let values = [
        "watch.namespaces={team-a}",
        "networkPolicy.jobs.enabled=true",
    ];
    let objects = rendered("sandbox", &values);
    let policies = of(&objects, "NetworkPolicy");
    assert_eq!(policies.len(), 3);
    let own = |p: &&Value| p["metadata"]["name"] != "agents-sandbox-ledger";
    for policy in policies.into_iter().filter(own) {
        let text = policy["spec"].to_string();
        let chosen = format!(r#"{{"key":"{label}","operator":"Exists"}}"#);
        assert!(text.contains(&chosen), "{text}");
    }
}

#[test]
fn two_releases_of_two_namespaces_share_no_name_of_the_whole_cluster() {
    let named = |namespace: &str| {
        let chart = chart("sandbox");
        let words = [
            "template",
            "agents",
            chart.to_str().unwrap(),
            "-n",
            namespace,
        ];
        let more = ["--set", "flowSchema.enabled=true"];
        let seen = helm(&[&words[..], &more].concat());
        let text = String::from_utf8(seen.stdout).unwrap();
        let all: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        let wide = all
            .into_iter()
            .filter(|o| o["metadata"]["namespace"].is_null());
        let names =
            wide.filter_map(|o| Some(format!("{} {}", o["kind"].as_str()?, o["metadata"]["name"])));
        names.collect::<std::collections::BTreeSet<String>>()
    };
    let (one, other) = (named("one"), named("other"));
    assert_eq!(one.len(), 4, "{one:?}");
    assert!(one.is_disjoint(&other), "{one:?} {other:?}");
}
