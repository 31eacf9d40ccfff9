//! What an answer of the API server means to who asked the store.

use std::{error::Error as _, time::Duration};

use futures::future::BoxFuture;
use kube::Error;
use sandbox_core::{
    FailureClass,
    port::{Answer, PortError},
};

/// How long an answer is waited for; the client itself waits for ever.
const WITHIN: Duration = Duration::from_secs(30);

/// Waits for an answer, for a while.
pub(super) async fn within<T>(what: &str, asked: BoxFuture<'_, Result<T, Error>>) -> Answer<T> {
    match tokio::time::timeout(WITHIN, asked).await {
        Ok(answer) => answer.map_err(|e| port(what, &e)),
        Err(_) => Err(PortError::Unknown(format!(
            "{what}: the API server did not answer within {} s",
            WITHIN.as_secs()
        ))),
    }
}

/// What was attempted, what was seen and what to do.
fn port(what: &str, e: &Error) -> PortError {
    let Error::Api(status) = e else {
        return PortError::Unknown(format!("{what}: {}", causes(e)));
    };
    let text = format!("{what}: {}", status.message);
    match status.code {
        404 => PortError::NotFound(text),
        409 => PortError::Conflict(text),
        400 | 413 | 422 => PortError::refused(FailureClass::InvalidSpec, text),
        403 | 405 => {
            let text = format!("{text}; see what the operator's role and the namespace allow");
            PortError::refused(FailureClass::Infrastructure, text)
        }
        _ => PortError::Unknown(text),
    }
}

fn causes(e: &Error) -> String {
    let mut text = e.to_string();
    let mut cause = e.source();
    while let Some(e) = cause {
        let more = e.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = e.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn answered(code: u16) -> PortError {
        let status = Status::failure("because", "Reason").with_code(code);
        port("saved the job", &Error::Api(Box::new(status)))
    }

    #[test]
    fn only_what_was_surely_not_done_counts_as_refused() {
        for code in [400, 403, 405, 413, 422] {
            assert!(matches!(answered(code), PortError::Refused(_)), "{code}");
        }
        for code in [401, 408, 429, 500, 502, 503, 504] {
            assert!(matches!(answered(code), PortError::Unknown(_)), "{code}");
        }
        assert!(matches!(answered(404), PortError::NotFound(_)));
        assert!(matches!(answered(409), PortError::Conflict(_)));
    }

    #[test]
    fn an_error_says_what_was_attempted_and_what_was_seen() {
        let text = answered(422).to_string();
        assert_eq!(text, "saved the job: because");
    }
}
