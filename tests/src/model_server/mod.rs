//! A Messages API on loopback that answers from a script, for agents and clients under test.
//!
//! It serves the Claude Code CLI and our own client. It counts no tokens, checks no key and knows
//! no model: it says what its script says and remembers what it was asked.

mod messages;
mod request;
mod script;
mod stream;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    task::JoinHandle,
};

pub use request::Recorded;
pub use script::{ErrorReply, Reply, Rule, Script, ToolUse, Usage, When};

/// A server that is running; it ends when it is shut down or dropped.
pub struct ModelServer {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// What the handlers share.
struct State {
    script: Script,
    /// How often each rule has answered, and every request so far.
    seen: Mutex<Seen>,
    /// Whether answers are held back.
    held: watch::Sender<bool>,
}

#[derive(Default)]
struct Seen {
    answered: Vec<u32>,
    requests: Vec<Recorded>,
}

impl ModelServer {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// No port can be opened.
    pub async fn start(script: Script) -> io::Result<Self> {
        Self::start_on(0, script).await
    }

    /// Starts on this port of 127.0.0.1; 0 is a free one.
    ///
    /// # Errors
    /// The port cannot be opened.
    pub async fn start_on(port: u16, script: Script) -> io::Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, port).into(), script).await
    }

    /// Starts at this address of the machine, for clients that are not on loopback.
    ///
    /// # Errors
    /// The port cannot be opened.
    pub async fn start_at(address: SocketAddr, script: Script) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::new(script));
        let (stop, stopped) = oneshot::channel();
        let app = messages::router(Arc::clone(&state));
        let task = tokio::spawn(async move {
            tokio::select! {
                _ = axum::serve(listener, app) => {}
                _ = stopped => {}
            }
        });
        let stop = Some(stop);
        Ok(Self {
            address,
            state,
            stop,
            task,
        })
    }

    /// What clients put before `/v1/messages`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far, in the order of their arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.seen().requests.clone()
    }

    /// Requests that come from now on are heard and not answered.
    pub fn hold(&self) {
        self.state.held.send_replace(true);
    }

    /// They are answered, and so is everything that comes.
    pub fn go_on(&self) {
        self.state.held.send_replace(false);
    }

    /// Ends the server; open connections are cut.
    pub async fn shutdown(mut self) {
        self.stop.take();
        // A server that fell over has nothing left to end.
        let _ = (&mut self.task).await;
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    fn new(script: Script) -> Self {
        let answered = vec![0; script.rules.len()];
        let seen = Mutex::new(Seen {
            answered,
            requests: Vec::new(),
        });
        let held = watch::Sender::new(false);
        Self { script, seen, held }
    }

    /// Waits while answers are held back.
    async fn let_go(&self) {
        // An error would be the end of the sender, which is ours.
        let _ = self.held.subscribe().wait_for(|held| !held).await;
    }

    /// What was seen, also after a handler died with the lock.
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a request and picks the rule that answers it.
    fn choose(&self, mut request: Recorded) -> Option<Rule> {
        let mut seen = self.seen();
        let chosen = self.script.choose(&request, &seen.answered);
        if let Some(n) = chosen {
            seen.answered[n] += 1;
        }
        request.rule = chosen;
        seen.requests.push(request);
        chosen.map(|n| self.script.rules[n].clone())
    }

    /// Records a request that no rule can answer.
    fn record(&self, request: Recorded) {
        self.seen().requests.push(request);
    }
}
