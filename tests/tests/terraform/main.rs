//! The modules of `terraform/`, checked by Terraform itself with the schema of the AWS provider, by checkov, and by what
//! the programs and docs say. No account is asked: which values AWS takes, these tests do not know.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod made;
mod policies;
mod rights;
mod tables;
mod written;

use std::sync::OnceLock;

use sandbox_tests::terraform::{Copy, State};

/// Everything that can be asked for at once.
const EVERYTHING: &[&str] = &[
    "exec=true",
    "way_out=ipv6",
    "capacity=spot-with-fallback",
    "ports=[443,22]",
    r#"alarm_actions=["arn:aws:sns:eu-central-1:123456789012:people"]"#,
    r#"runner_secrets={"ANTHROPIC_API_KEY":"arn:aws:secretsmanager:eu-central-1:123456789012:secret:model"}"#,
    r#"runner_environment={"ANTHROPIC_BASE_URL":"https://models.example"}"#,
    r#"budget={"monthly_usd":20,"emails":["people@example.com"]}"#,
    r#"tags={"Team":"agents"}"#,
];

/// The example as it is.
fn plain() -> &'static State {
    static MADE: OnceLock<State> = OnceLock::new();
    MADE.get_or_init(|| Copy::new().applied(&[]))
}

/// The example with everything.
fn full() -> &'static State {
    static MADE: OnceLock<State> = OnceLock::new();
    MADE.get_or_init(|| Copy::new().applied(EVERYTHING))
}
