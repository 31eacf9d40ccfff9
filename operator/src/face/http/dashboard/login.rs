//! The way in for browsers: a page that asks for the key once, and the way out.

use askama::Template;
use axum::{
    Form,
    extract::{State, rejection::FormRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::page;
use crate::face::http::{
    app::App,
    problem::{Problem, Told},
};

/// Where the jobs are.
const HOME: &str = "/dashboard";

/// The page that asks for the key.
#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    tenant: &'static str,
    login: bool,
    wrong: bool,
}

fn asking(wrong: bool) -> Told<Response> {
    let (tenant, login) = ("", false);
    page(&LoginPage {
        tenant,
        login,
        wrong,
    })
}

pub(in crate::face::http) async fn ask(State(app): State<App>) -> Told<Response> {
    if !app.services.keys.required() {
        return Ok(Redirect::to(HOME).into_response());
    }
    asking(false)
}

/// What the page sends.
#[derive(Deserialize)]
pub(in crate::face::http) struct Shown {
    key: String,
}

pub(in crate::face::http) async fn enter(
    State(app): State<App>,
    headers: HeaderMap,
    shown: Result<Form<Shown>, FormRejection>,
) -> Told<Response> {
    let Form(shown) = shown.map_err(|e| Problem::invalid(format!("body: {}", e.body_text())))?;
    let Some(key) = app.services.keys.known(shown.key.as_bytes()) else {
        return Ok((StatusCode::FORBIDDEN, asking(true)?).into_response());
    };
    let cookie = [(header::SET_COOKIE, app.sessions.begin(key, &headers))];
    Ok((cookie, Redirect::to(HOME)).into_response())
}

pub(in crate::face::http) async fn leave(State(app): State<App>, headers: HeaderMap) -> Response {
    let cookie = [(header::SET_COOKIE, app.sessions.end(&headers))];
    (cookie, Redirect::to("/dashboard/login")).into_response()
}
