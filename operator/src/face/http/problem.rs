//! Every error of the HTTP face: `application/problem+json` as RFC 9457 has it.
//!
//! `detail` is the text that clients of the old API look for; `code` is a stable word for programs.

use std::borrow::Cow;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use sandbox_core::{
    FailureClass,
    port::PortError,
    validate::{Class, Invalid, Problems},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::face::rate::TooOften;

/// One field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FieldError {
    /// The path of the field, such as `payload.agent_count`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
    /// What kind of wrong it is, for programs.
    pub class: Class,
}

/// An answer that is no success.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Problem {
    /// A name for the kind of problem; `about:blank` says that the status tells it all.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What happened and what to do, for people.
    detail: Cow<'static, str>,
    /// A stable word for programs.
    code: &'static str,
    /// Every field that is wrong, where fields are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    #[serde(skip)]
    retry_after: Option<u32>,
}

/// What a handler gives.
pub type Told<T> = Result<T, Problem>;

impl Problem {
    /// What is wrong, in one line.
    pub fn said(&self) -> &str {
        &self.detail
    }

    /// Whether a key is needed and none came.
    pub fn is_missing_key(&self) -> bool {
        self.code == "missing_key"
    }

    /// A problem of this status and stable word.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            code,
            errors: Vec::new(),
            retry_after: None,
        }
    }

    /// Somebody comes too often.
    pub fn too_often(e: &TooOften) -> Self {
        let seconds = u32::try_from(e.wait.as_secs()).unwrap_or(u32::MAX);
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_often", e.to_string())
            .retry_after(seconds.saturating_add(1))
    }

    /// The same, to be tried again after this many seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The same under another stable word.
    #[must_use]
    pub const fn coded(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    /// There is no such job, or it is somebody else's: the two look the same.
    #[must_use]
    pub fn no_job() -> Self {
        Self::new(StatusCode::NOT_FOUND, "job_not_found", "Job not found")
    }

    /// Whether something was not there.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND.as_u16()
    }

    /// Something else is not there.
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// What was asked does not fit the state of what it was asked of.
    pub fn conflict(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// What was sent cannot be understood or obeyed.
    pub fn invalid(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
    }

    /// The body is larger than allowed.
    #[must_use]
    pub fn too_large() -> Self {
        let text = "the body is larger than allowed";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text)
    }

    /// The caller may not have this.
    pub fn forbidden(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// It cannot be done now; asking again may help.
    pub fn unavailable(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(1)
    }

    /// Fields that are wrong, each with its path.
    #[must_use]
    pub fn fields(found: Vec<Invalid>) -> Self {
        let errors: Vec<FieldError> = found.into_iter().map(FieldError::from).collect();
        let lines = errors.iter().map(|e| format!("{}: {}", e.field, e.message));
        let mut problem = Self::invalid(lines.collect::<Vec<_>>().join("; "));
        problem.errors = errors;
        problem
    }
}

impl From<Invalid> for FieldError {
    fn from(found: Invalid) -> Self {
        Self {
            field: found.field,
            message: found.message,
            class: found.class,
        }
    }
}

impl From<Problems> for Problem {
    fn from(found: Problems) -> Self {
        Self::fields(found.0)
    }
}

impl From<PortError> for Problem {
    fn from(error: PortError) -> Self {
        match error {
            PortError::Refused(f) if f.class == FailureClass::InvalidSpec => {
                Self::invalid(f.message)
            }
            PortError::Refused(f) => Self::unavailable(f.message),
            PortError::Conflict(text) => Self::conflict("conflict", text),
            PortError::NotFound(text) => Self::not_found(text),
            PortError::NoRoom(text) | PortError::Unknown(text) => Self::unavailable(text),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let text = serde_json::to_string(&self).unwrap_or_default();
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (status, kind, text).into_response();
        if let Some(seconds) = self.retry_after {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            let asks = HeaderValue::from_static("Bearer realm=\"sandbox\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, asks);
        }
        response
    }
}
