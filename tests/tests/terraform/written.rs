//! What is written: its form, names that exist, words for every variable and output, and values that are refused.

use std::fs;

use sandbox_tests::terraform::{Copy, files, source};

#[test]
fn all_files_are_formatted_as_terraform_formats_them() {
    let copy = Copy::new();
    let words = ["fmt", "-check", "-recursive", "-diff", "../.."];
    copy.told(&words);
    copy.change("modules/budget/main.tf", "  name         =", "  name =");
    assert!(!copy.run(&words).status.success());
}

#[test]
fn every_type_argument_block_and_reference_is_one_that_there_is() {
    Copy::new().validated().unwrap();
}

#[test]
fn one_that_there_is_not_is_found() {
    let table = [
        (
            "modules/records/tables.tf",
            "  hash_key ",
            "  hsh_key ",
            r#"An argument named "hsh_key" is not expected here"#,
        ),
        (
            "modules/api/gateway.tf",
            "  protocol_type   = \"HTTP\"\n",
            "",
            r#"The argument "protocol_type" is required"#,
        ),
        (
            "modules/records/tables.tf",
            "  ttl {",
            "  time_to_live {",
            r#"Blocks of type "time_to_live" are not expected here"#,
        ),
        (
            "modules/budget/main.tf",
            r#""aws_budgets_budget" "monthly""#,
            r#""aws_budget" "monthly""#,
            r#"does not support resource type "aws_budget""#,
        ),
        (
            "modules/runner/outputs.tf",
            "runner.repository_url",
            "runner.repository_uri",
            r#"has no argument, nested block, or exported attribute named "repository_uri""#,
        ),
        (
            "examples/serverless/main.tf",
            "module.records.bucket",
            "module.records.buckets",
            "Unsupported attribute",
        ),
        (
            "examples/serverless/main.tf",
            "  way_out = var.way_out\n",
            "  way_out = [var.way_out]\n",
            "string required",
        ),
    ];
    for (file, from, to, said) in table {
        let copy = Copy::new();
        copy.change(file, from, to);
        let told = copy.validated().unwrap_err();
        assert!(told.contains(said), "{file}: {told}");
    }
}

/// Variables and outputs of a file that lack words or a type.
fn silent(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let blocks = text.split("\n}").map(str::trim_start);
    for block in blocks {
        let Some((kind, rest)) = block.split_once(" \"") else {
            continue;
        };
        let name = rest.split('"').next().unwrap();
        let needs: &[&str] = match kind {
            "variable" => &["\n  description = \"", "\n  type "],
            "output" => &["\n  description = \""],
            _ => continue,
        };
        if needs.iter().any(|n| !block.contains(n)) {
            found.push(format!("{kind} {name}"));
        }
    }
    found
}

#[test]
fn every_variable_has_words_and_a_type_and_every_output_has_words() {
    let mut seen = 0;
    for file in files(&source(), "tf") {
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(silent(&text), [""; 0], "{}", file.display());
        seen += text.matches("\n  description = \"").count();
    }
    assert!(seen > 90, "{seen}");
    let bad = "variable \"a\" {\n  type = string\n}\n\noutput \"b\" {\n  value = 1\n}\n";
    assert_eq!(silent(bad), ["variable a", "output b"]);
}

#[test]
fn the_readme_of_the_example_has_every_variable_and_output() {
    let example = source().join("examples/serverless");
    let readme = fs::read_to_string(example.join("README.md")).unwrap();
    for (file, kind) in [("variables.tf", "variable"), ("outputs.tf", "output")] {
        let text = fs::read_to_string(example.join(file)).unwrap();
        let begins = format!("{kind} \"");
        let names = text.lines().filter_map(|l| l.strip_prefix(&begins));
        for name in names.map(|n| n.split('"').next().unwrap()) {
            assert!(readme.contains(&format!("| `{name}` |")), "{kind} {name}");
        }
    }
}

#[test]
fn a_value_that_is_wrong_is_refused_in_words() {
    let table = [
        ("name=Sandbox", "3 to 24 lower-case letters"),
        ("name=two--hyphens", "single hyphens"),
        ("name=one-that-is-far-too-long-x", "3 to 24"),
        ("package=there-is-none.zip", "There is no such zip file"),
        ("image_tag=latest", "not `latest`"),
        ("image_architecture=sparc", "x86_64 or arm64"),
        ("package_architecture=sparc", "x86_64 or arm64"),
        ("capacity=cheap", "spot-with-fallback"),
        ("way_out=door", "address, ipv6 or nat"),
        ("ports=[22]", "443 is one of them"),
        (r#"alarm_actions=["me"]"#, "Alarm actions are ARNs"),
        (r#"runner_secrets={"A":"sk-1"}"#, "NAME = ARN"),
        (
            r#"budget={"monthly_usd":0,"emails":["people@example.com"]}"#,
            "more than 0",
        ),
        (
            r#"budget={"monthly_usd":1,"emails":[]}"#,
            "1 to 10 mail addresses",
        ),
        (
            r#"network={"subnet_ids":[],"security_group_ids":["g"],"public_address":true}"#,
            "needs a subnet",
        ),
    ];
    let copy = Copy::new();
    for (value, said) in table {
        let told = copy.refused(&[value]);
        assert!(told.contains(said), "{value}: {told}");
    }
}

#[test]
fn the_oldest_provider_that_is_taken_is_the_one_whose_schema_is_asked() {
    let version = sandbox_tests::terraform::provider_version();
    let (wanted, _) = version.rsplit_once('.').unwrap();
    let mut seen = 0;
    for file in files(&source(), "tf") {
        let text = fs::read_to_string(&file).unwrap();
        for line in text.lines().filter(|l| l.contains("  version = ")) {
            assert!(line.contains(&format!("\">= {wanted}, < ")), "{line}");
            seen += 1;
        }
    }
    assert_eq!(seen, 6);
    let docs = source().join("../docs/aws.md");
    let docs = fs::read_to_string(docs).unwrap();
    assert!(docs.contains(&format!("version {wanted}")));
}
