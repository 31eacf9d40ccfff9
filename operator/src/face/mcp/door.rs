//! The HTTP end: one transport for every handler. Keys, origins, hosts and sizes are the gate's
//! business, which every request has passed; who asks, it has left in the request.

use std::{future::Future, pin::Pin, sync::Arc};

use async_trait::async_trait;
use axum::{body::Body, extract::Request, http::request::Parts, response::Response};
use rmcp::{
    ServerHandler,
    transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService},
};
use sandbox_elf::tools::{Answer, Ask, Asker, Failed};

use super::{
    Desk, Handler, Tools,
    sessions::{Bounded, Most},
    visit::{self, Refusal, Visitor},
};

/// Most sessions at a time.
const SESSIONS: usize = 256;
/// Most sessions of one tenant: one tenant must not keep all others out.
pub const SESSIONS_EACH: usize = 64;

type Answering = Pin<Box<dyn Future<Output = Result<Response, Refusal>> + Send>>;

/// What answers at `/mcp`. Cheap to clone.
#[derive(Clone)]
pub struct Door {
    answer: Arc<dyn Fn(Request) -> Answering + Send + Sync>,
    close: Arc<dyn Fn() + Send + Sync>,
}

impl Door {
    /// Memory, asked by bodies of at most so many bytes.
    #[must_use]
    pub fn of_memory(tools: Arc<dyn Tools>, body: usize) -> Self {
        Self::with(tools, |handler| handler, body)
    }

    /// The same where nothing can be held open: no session, and each question has its answer at once.
    #[must_use]
    pub fn of_memory_at_once(tools: Arc<dyn Tools>, body: usize) -> Self {
        let desk: Arc<dyn Desk> = Arc::new(AtTheDoor(tools));
        let config = config(body)
            .with_legacy_session_mode(false)
            .with_json_response(true);
        Self::new(move || Handler::new(Arc::clone(&desk)), config)
    }

    /// The same within another handler, which may answer more.
    pub fn with<H: ServerHandler>(
        tools: Arc<dyn Tools>,
        around: impl Fn(Handler) -> H + Send + Sync + 'static,
        body: usize,
    ) -> Self {
        let desk: Arc<dyn Desk> = Arc::new(AtTheDoor(tools));
        Self::new(
            move || around(Handler::new(Arc::clone(&desk))),
            config(body),
        )
    }

    /// Any handler. One is made for each session, and for each request of a revision without them.
    fn new<H: ServerHandler>(
        handler: impl Fn() -> H + Send + Sync + 'static,
        config: StreamableHttpServerConfig,
    ) -> Self {
        let closing = config.cancellation_token.clone();
        let sessions = Arc::new(Bounded::new(Most {
            all: SESSIONS,
            each: SESSIONS_EACH,
        }));
        let service = StreamableHttpService::new(move || Ok(handler()), sessions, config);
        let answer = move |request: Request| -> Answering {
            let service = service.clone();
            let asker = request.extensions().get::<Asker>();
            let visitor = Visitor(asker.map(|asker| asker.tenant.clone()));
            Box::pin(visit::during(visitor, async move {
                service.handle(request).await.map(Body::new)
            }))
        };
        Self {
            answer: Arc::new(answer),
            close: Arc::new(move || closing.cancel()),
        }
    }

    /// Answers a request.
    ///
    /// # Errors
    /// The session is not theirs, or there are too many.
    pub async fn answer(&self, request: Request) -> Result<Response, Refusal> {
        (self.answer)(request).await
    }

    /// Ends every session and stream.
    pub fn close(&self) {
        (self.close)();
    }
}

fn config(body: usize) -> StreamableHttpServerConfig {
    StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .with_max_request_body_bytes(body)
}

/// Who asks, as the gate has left it in a request.
#[must_use]
pub fn asker_of(parts: &Parts) -> Option<Asker> {
    parts.extensions.get::<Asker>().cloned()
}

/// Asks for whoever has passed the gate.
struct AtTheDoor(Arc<dyn Tools>);

#[async_trait]
impl Desk for AtTheDoor {
    async fn ask(&self, asker: Option<&Asker>, ask: &Ask) -> Answer {
        match asker {
            Some(asker) => self.0.answer(asker, ask).await,
            None => Answer::failed(Failed::Invalid, "asked memory: nobody is known to ask"),
        }
    }
}
