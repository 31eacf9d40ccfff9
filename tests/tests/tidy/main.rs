//! House rules that no compiler checks: the gauge as a ratchet, the direction of dependencies, and
//! that every source file says what it is for. Reads files only.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod gauge;
mod source;

use std::{collections::BTreeMap, fs, path::Path};

use source::{production, root, rust_files};

/// What the figures may not exceed. They only ever go down.
mod ratchet {
    /// Lines of the longest function.
    pub const LONGEST_FUNCTION: usize = 60;
    /// The middle function.
    pub const MEDIAN_FUNCTION: usize = 10;
    /// 95 of 100 functions are at most this long.
    pub const P95_FUNCTION: usize = 40;
    /// Production lines of the longest file.
    pub const LONGEST_FILE: usize = 500;
    /// 95 of 100 files are at most this long.
    pub const P95_FILE: usize = 350;
}

#[test]
fn functions_and_files_stay_as_short_as_they_are() {
    let seen = gauge::measure(&rust_files());
    assert!(
        seen.functions.max() <= ratchet::LONGEST_FUNCTION,
        "longest functions:\n{}",
        seen.functions.worst(5)
    );
    assert!(
        seen.functions.at(50) <= ratchet::MEDIAN_FUNCTION,
        "median function: {}",
        seen.functions.at(50)
    );
    assert!(
        seen.functions.at(95) <= ratchet::P95_FUNCTION,
        "95 % of functions: {}",
        seen.functions.at(95)
    );
    assert!(
        seen.files.max() <= ratchet::LONGEST_FILE,
        "longest files:\n{}",
        seen.files.worst(5)
    );
    assert!(
        seen.files.at(95) <= ratchet::P95_FILE,
        "95 % of files: {}",
        seen.files.at(95)
    );
}

#[test]
fn nothing_in_production_may_panic_or_is_unfinished() {
    let words = [
        ".unwrap()",
        ".expect(",
        "panic!",
        "unreachable!",
        "todo!",
        "unimplemented!",
        "dbg!",
    ];
    let mut found = Vec::new();
    for file in rust_files() {
        let code = production(&file);
        let lines = code.lines().enumerate();
        let bad = lines.filter(|(_, line)| words.iter().any(|w| line.contains(w)));
        found.extend(bad.map(|(n, line)| format!("{}:{}: {}", file.display(), n + 1, line.trim())));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_source_file_says_first_what_it_is_for() {
    let silent: Vec<String> = rust_files()
        .into_iter()
        .filter(|f| !fs::read_to_string(f).unwrap().starts_with("//!"))
        .map(|f| f.display().to_string())
        .collect();
    assert!(silent.is_empty(), "no first line: {silent:?}");
}

fn manifest(package: &str) -> toml::Table {
    let path = root().join(package).join("Cargo.toml");
    fs::read_to_string(path).unwrap().parse().unwrap()
}

fn dependencies(package: &str) -> Vec<String> {
    let table = manifest(package);
    let listed = table.get("dependencies").and_then(toml::Value::as_table);
    listed
        .map(|t| t.keys().cloned().collect())
        .unwrap_or_default()
}

#[test]
fn packages_depend_in_one_direction() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("core", [].as_slice()),
        ("elf", &["sandbox-core"]),
        ("operator", &["sandbox-core", "sandbox-elf"]),
        (
            "runner",
            &["sandbox-core", "sandbox-elf", "sandbox-operator"],
        ),
        (
            "lambda",
            &["sandbox-core", "sandbox-elf", "sandbox-operator"],
        ),
    ]);
    for (package, allowed) in allowed {
        let ours = dependencies(package)
            .into_iter()
            .filter(|d| d.starts_with("sandbox-"));
        let more: Vec<String> = ours.filter(|d| !allowed.contains(&d.as_str())).collect();
        assert!(more.is_empty(), "{package} must not know {more:?}");
    }
}

#[test]
fn core_depends_on_nothing_that_can_open_a_socket_or_a_file() {
    let allowed = [
        "async-trait",
        "jiff",
        "k8s-openapi",
        "kube",
        "schemars",
        "serde",
        "serde_json",
        "serde_path_to_error",
        "sha2",
        "thiserror",
    ];
    let more: Vec<String> = dependencies("core")
        .into_iter()
        .filter(|d| !allowed.contains(&d.as_str()))
        .collect();
    assert!(more.is_empty(), "core must stay pure: {more:?}");
    for file in rust_files()
        .into_iter()
        .filter(|f| f.starts_with(root().join("core")))
    {
        let code = production(&file);
        for word in [
            "std::fs",
            "std::net",
            "std::env",
            "Timestamp::now",
            "SystemTime::now",
            "Instant::now",
        ] {
            assert!(
                !code.contains(word),
                "{} must not use {word}",
                file.display()
            );
        }
    }
}

#[test]
fn the_promised_libraries_are_direct_dependencies_in_use() {
    let promised = [
        ("kube", "kube::", "core"),
        ("k8s-openapi", "k8s_openapi::", "core"),
        ("schemars", "schemars::", "core"),
        ("serde", "serde::", "core"),
        ("tokio", "tokio::", "operator"),
        ("tmux_interface", "tmux_interface::", "operator"),
    ];
    for (name, used, package) in promised {
        assert!(
            dependencies(package).iter().any(|d| d == name),
            "{package} does not list {name}"
        );
        let here = root().join(package);
        let mut files = rust_files().into_iter().filter(|f| f.starts_with(&here));
        assert!(
            files.any(|f| production(&f).contains(used)),
            "{package} does not use {name}"
        );
    }
}

#[test]
fn faces_do_not_know_back_ends_and_back_ends_do_not_know_faces() {
    let operator = root().join("operator/src");
    let rules = [
        ("face", "crate::backend"),
        ("backend", "crate::face"),
        ("store", "crate::backend"),
        ("store", "crate::face"),
    ];
    for (folder, word) in rules {
        for file in rust_files()
            .into_iter()
            .filter(|f| f.starts_with(operator.join(folder)))
        {
            assert!(
                !production(&file).contains(word),
                "{} must not know {word}",
                file.display()
            );
        }
    }
}

#[test]
fn a_runners_kinds_do_not_know_the_operator() {
    let kinds = root().join("runner/src/kind");
    for file in rust_files().into_iter().filter(|f| f.starts_with(&kinds)) {
        assert!(
            !production(&file).contains("sandbox_operator"),
            "{}",
            file.display()
        );
    }
}

#[test]
fn the_program_of_the_functions_knows_no_job_type_and_makes_no_route() {
    let lambda = root().join("lambda/src");
    let files = rust_files().into_iter().filter(|f| f.starts_with(&lambda));
    for file in files {
        let code = production(&file);
        for word in ["JobType", "job_type", "AgentFarm", "ClaudeChat", ".route("] {
            assert!(!code.contains(word), "{} has {word}", file.display());
        }
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for file in source::documents() {
        let text = fs::read_to_string(&file).unwrap();
        for target in source::links(&text) {
            let there = file.parent().unwrap_or(Path::new("")).join(&target);
            if !there.exists() {
                broken.push(format!("{}: {target}", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_test_that_the_table_of_bad_input_names_is_there() {
    let table = fs::read_to_string(root().join("docs/bad-input.md")).unwrap();
    let named = table.split('`').skip(1).step_by(2);
    let named = named.filter(|word| word.matches('_').count() >= 3);
    // Cases of what installs and proves on a whole system are functions of the shell.
    let cases = fs::read_to_string(root().join("scripts/prove-install-vps")).unwrap();
    let code = source::all_code() + &cases;
    let missing: Vec<&str> = named
        .filter(|name| {
            !code.contains(&format!("fn {name}("))
                && !code.contains(&format!("    {name}\n"))
                && !code.contains(&format!("\n{name}() {{"))
        })
        .collect();
    assert!(missing.is_empty(), "no such test: {missing:?}");
}
