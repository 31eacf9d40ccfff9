//! Sessions of the revisions that have them: the library's, each its tenant's alone, no more than so
//! many at a time. One that is silent for five minutes ends.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures::Stream;
use rmcp::{
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::{
        common::server_side_http::ServerSseMessage,
        streamable_http_server::session::{
            SessionId, SessionManager,
            local::{LocalSessionManager, LocalSessionManagerError},
        },
    },
};

use super::visit::{self, Refusal, Visitor};

/// Why a session does not do what is asked.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// It was turned away.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The library says so.
    #[error(transparent)]
    Local(#[from] LocalSessionManagerError),
}

/// How many sessions there may be.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    /// In all.
    pub all: usize,
    /// Of one tenant.
    pub each: usize,
}

/// No more sessions than so many, each for whoever began it.
pub struct Bounded {
    local: LocalSessionManager,
    most: Most,
    owners: Mutex<HashMap<SessionId, Visitor>>,
}

impl Bounded {
    pub fn new(most: Most) -> Self {
        Self {
            local: LocalSessionManager::default(),
            most,
            owners: Mutex::default(),
        }
    }

    fn owners(&self) -> MutexGuard<'_, HashMap<SessionId, Visitor>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Two at once may both see the last place: a few more than the most do no harm.
    fn has_room(&self, visitor: &Visitor) -> Result<(), Refusal> {
        let owners = self.owners();
        let own = owners.values().filter(|owner| *owner == visitor).count();
        if owners.len() >= self.most.all {
            return Err(visit::refuse(Refusal::Full(owners.len())));
        }
        if own >= self.most.each {
            return Err(visit::refuse(Refusal::Full(own)));
        }
        Ok(())
    }

    /// Whether whoever asks may have this session. The library itself may have every one.
    fn is_theirs(&self, id: &SessionId) -> bool {
        let Some(visitor) = visit::visitor() else {
            return true;
        };
        let theirs = self.owners().get(id) == Some(&visitor);
        if !theirs {
            visit::refuse(Refusal::NoSession);
        }
        theirs
    }
}

type Of<T> = Result<T, SessionError>;

impl SessionManager for Bounded {
    type Error = SessionError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Of<(SessionId, Self::Transport)> {
        let visitor = visit::visitor().unwrap_or_default();
        self.has_room(&visitor)?;
        let (id, transport) = self.local.create_session().await?;
        self.owners().insert(id.clone(), visitor);
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Of<ServerJsonRpcMessage> {
        Ok(self.local.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Of<bool> {
        Ok(self.is_theirs(id) && self.local.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Of<()> {
        if self.is_theirs(id) {
            self.local.close_session(id).await?;
            self.owners().remove(id);
        }
        Ok(())
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Of<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        Ok(self.local.create_stream(id, message).await?)
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Of<()> {
        Ok(self.local.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Of<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        Ok(self.local.create_standalone_stream(id).await?)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Of<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        Ok(self.local.resume(id, last_event_id).await?)
    }
}
