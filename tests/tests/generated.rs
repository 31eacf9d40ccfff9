//! Files that are made from the code and committed. A difference rewrites the file and fails.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

use std::{fs, path::Path};

use kube::CustomResourceExt;
use sandbox_core::AgentJob;

/// Compares a committed file with what the code makes now; rewrites it when it differs.
fn stands(path: &str, made: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    if fs::read_to_string(&file).is_ok_and(|committed| committed == made) {
        return;
    }
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, made).unwrap();
    panic!("{path} was out of date and has been rewritten; commit it");
}

#[test]
fn the_crd_is_the_one_that_the_types_make() {
    let crd = serde_saphyr::to_string(&AgentJob::crd()).unwrap();
    stands(
        "crds/agentjobs.yaml",
        &format!("# Made from core/src/spec by the test `generated`; never edited by hand.\n{crd}"),
    );
}
