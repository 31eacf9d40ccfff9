//! Who stands at the door while a request is answered, and why the request was turned away: the
//! library's sessions know neither, for they are asked by an id alone.

use std::{future::Future, sync::OnceLock};

use sandbox_core::Tenant;

/// Why a request was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There are as many sessions as there may be.
    #[error("began a session: {0} are open, which is the most; end one or come again later")]
    Full(usize),
    /// There is no such session, or it is somebody else's: the two look the same.
    #[error("looked for this session: there is none; begin another one")]
    NoSession,
}

/// Whoever asks: a tenant, or nobody who is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visitor(pub Option<Tenant>);

/// One request on its way.
struct Visit {
    visitor: Visitor,
    refusal: OnceLock<Refusal>,
}

tokio::task_local! {
    static VISIT: Visit;
}

/// Does the work for this visitor; gives why it was turned away where it was.
pub async fn during<T>(visitor: Visitor, work: impl Future<Output = T>) -> Result<T, Refusal> {
    let refusal = OnceLock::new();
    let watched = async {
        let done = work.await;
        let refusal = VISIT.with(|visit| visit.refusal.get().copied());
        refusal.map_or(Ok(done), Err)
    };
    VISIT.scope(Visit { visitor, refusal }, watched).await
}

/// Whose request it is. Nothing where no request is answered: then it is the library's own doing.
pub fn visitor() -> Option<Visitor> {
    VISIT.try_with(|visit| visit.visitor.clone()).ok()
}

/// Turns the request away.
pub fn refuse(refusal: Refusal) -> Refusal {
    // The first reason stands; outside of a request there is nobody to tell.
    let _ = VISIT.try_with(|visit| visit.refusal.set(refusal));
    refusal
}
