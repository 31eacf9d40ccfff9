//! What an AWS service's refusal is, before anybody says what it means for a call.

use std::error::Error;

use aws_sdk_ecs::error::{ProvideErrorMetadata, SdkError};
use sandbox_core::cause::innermost;
use sandbox_elf::aws::without_credentials;

/// Codes of a service that was asked too often.
const THROTTLED: [&str; 5] = [
    "ThrottlingException",
    "Throttling",
    "ThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
];
/// Codes of a service that does not know who asks.
const STRANGER: [&str; 7] = [
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "IncompleteSignature",
    "ExpiredTokenException",
    "ExpiredToken",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
];

/// Why a call did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The service refused it with this code and these words: it was not done.
    Refused {
        /// Such as `ClientException`.
        code: String,
        /// The service's own words.
        words: String,
    },
    /// It was asked too often: it was not done.
    Throttled(String),
    /// Nobody knows whose rights to use, or the service does not accept them: it was not done.
    Credentials(String),
    /// It may have been done.
    Unknown(String),
}

/// Reads an answer of the SDK.
pub fn fault<E>(error: &SdkError<E>) -> Fault
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let Some(why) = without_credentials(error) {
        return Fault::Credentials(why);
    }
    let status = error.raw_response().map(|r| r.status().as_u16());
    match (error.code(), status) {
        (Some(code), Some(400..500)) => refused(code, error.message().unwrap_or_default()),
        (Some(code), _) => {
            let words = error.message().unwrap_or_default();
            Fault::Unknown(format!("{code}: {words}"))
        }
        (None, Some(429)) => Fault::Throttled("429".to_owned()),
        (None, _) => Fault::Unknown(innermost(error)),
    }
}

fn refused(code: &str, words: &str) -> Fault {
    match code {
        code if THROTTLED.contains(&code) => Fault::Throttled(format!("{code}: {words}")),
        code if STRANGER.contains(&code) => Fault::Credentials(format!("{code}: {words}")),
        _ => Fault::Refused {
            code: code.to_owned(),
            words: words.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_and_unknown_callers_are_told_from_what_is_refused() {
        assert!(matches!(
            refused("ThrottlingException", "Rate exceeded"),
            Fault::Throttled(_)
        ));
        assert!(matches!(
            refused("ExpiredTokenException", "x"),
            Fault::Credentials(_)
        ));
        let other = refused("ClusterNotFoundException", "Cluster not found.");
        let code = "ClusterNotFoundException".to_owned();
        let words = "Cluster not found.".to_owned();
        assert_eq!(other, Fault::Refused { code, words });
    }
}
