//! What DynamoDB's refusals mean, in words with a remedy.

use std::error::Error;

use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use sandbox_core::cause::innermost;

use crate::{aws::without_credentials, store::LedgerError};

/// What failed, and what to do.
#[must_use]
pub fn text<E>(what: &str, table: &str, e: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let Some(why) = without_credentials(e) {
        return format!(
            "{what}: there are no AWS credentials ({why}); give the program a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        );
    }
    match e.code() {
        Some("ResourceNotFoundException") => {
            format!(
                "{what}: DynamoDB has no table `{table}` here any more; restore it from a backup"
            )
        }
        Some("AccessDeniedException") => format!(
            "{what}: the AWS credentials may not do {} to the table `{table}`; give them the rights that docs/dynamodb.md names",
            refused_action(e.message()).unwrap_or("this")
        ),
        Some(
            "UnrecognizedClientException"
            | "ExpiredTokenException"
            | "InvalidSignatureException"
            | "IncompleteSignatureException"
            | "MissingAuthenticationTokenException",
        ) => format!("{what}: DynamoDB does not accept the AWS credentials; renew them"),
        Some(
            "ThrottlingException"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "ThrottlingError",
        ) => throttled(what),
        Some(code) => {
            let said = e.message().unwrap_or("no more is said");
            format!("{what}: DynamoDB said {code}: {said}")
        }
        None => format!("{what}: {}; can DynamoDB be reached?", innermost(e)),
    }
}

/// The right that is missing: AWS says `… is not authorized to perform: dynamodb:PutItem on resource: …`.
fn refused_action(said: Option<&str>) -> Option<&str> {
    let (_, after) = said?.split_once("perform: ")?;
    after.split_whitespace().next()
}

/// Whether asking again is of no use before something is changed.
#[must_use]
pub fn is_settled<E>(e: &SdkError<E>) -> bool
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let later = [
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "TransactionConflictException",
    ];
    without_credentials(e).is_some() || e.code().is_some_and(|code| !later.contains(&code))
}

/// That there were not enough tries.
#[must_use]
pub fn throttled(what: &str) -> String {
    format!(
        "{what}: DynamoDB throttles, also after several tries; ask again later, or give the table more capacity"
    )
}

/// A request that could not be put together.
#[must_use]
pub fn unbuilt(e: &BuildError) -> LedgerError {
    LedgerError::Unavailable(format!("asked DynamoDB: {e}"))
}
