//! `sandbox mcp`: the shared memory as an MCP server on stdin and stdout. It knows nothing itself: it
//! asks a server, or the node of the seat that its agent sits in.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use rmcp::{ServiceExt, transport::stdio};
use sandbox_core::{Register, Seat};
use sandbox_elf::tools::{Answer, Ask, Asker, Failed};
use sandbox_operator::{
    face::mcp::{Desk, Handler},
    seats::files::sync as seats,
};

use super::api::{Api, ServerFlags};
use crate::{
    exec::socket::{CallError, Node},
    settings::Settings,
};

/// The shared memory for an agent: an MCP server on stdin and stdout.
#[derive(clap::Args)]
pub struct Mcp {
    /// Whose memory, where the server asks nobody for a key
    #[arg(long, env = "CLIENT_ID", value_name = "NAME")]
    client_id: Option<String>,
    /// The seat of an agent that works for a job
    #[arg(long, hide = true, requires = "data_dir")]
    seat: Option<String>,
    /// Where the seat's files stand
    #[arg(long, hide = true, requires = "seat")]
    data_dir: Option<PathBuf>,
}

impl Mcp {
    /// Serves until the client goes away.
    ///
    /// # Errors
    /// The seat is not there, or the client does not speak the protocol.
    pub async fn run(self, server: &ServerFlags) -> Result<ExitCode> {
        let desk: std::sync::Arc<dyn Desk> = match (&self.seat, &self.data_dir) {
            (Some(seat), Some(data_dir)) => {
                std::sync::Arc::new(InSeat(node(&seat.parse()?, data_dir)?))
            }
            _ => std::sync::Arc::new(Away {
                api: server.api()?,
                client: self.client_id.filter(|name| !name.is_empty()),
            }),
        };
        let serving = Handler::new(desk).serve(stdio()).await;
        let serving = serving.context("began to speak MCP on stdin and stdout; this command is for MCP clients, such as `claude mcp add elf -- sandbox mcp`")?;
        serving.waiting().await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The way to the node for whoever sits in this seat.
fn node(seat: &Seat, data_dir: &std::path::Path) -> Result<Node> {
    let settings = Settings::read(data_dir).context("read the node's settings")?;
    let register = seats::register(&data_dir.join("seats"), seat).context("read the seat")?;
    let Register::Claimed(claim) = register else {
        bail!("asked for seat {seat}: nobody works there");
    };
    Node::of(&settings, seat.clone(), claim.nonce).map_err(anyhow::Error::msg)
}

/// A server, wherever it is.
struct Away {
    api: Api,
    client: Option<String>,
}

#[async_trait]
impl Desk for Away {
    async fn ask(&self, _: Option<&Asker>, ask: &Ask) -> Answer {
        let named = self.client.as_deref().map(|name| ("x-client-id", name));
        let headers: Vec<(&str, &str)> = named.into_iter().collect();
        let body = serde_json::to_value(ask).unwrap_or_default();
        let answer = self.api.post("/elf/ask", &body, &headers).await;
        let read = answer.and_then(|a| serde_json::from_value(a).context("read memory's answer"));
        read.unwrap_or_else(|e| Answer::failed(Failed::Unavailable, format!("asked memory: {e:#}")))
    }
}

/// The node of a seat.
struct InSeat(Node);

#[async_trait]
impl Desk for InSeat {
    async fn ask(&self, _: Option<&Asker>, ask: &Ask) -> Answer {
        match self.0.ask(ask).await {
            Ok(answer) => answer,
            Err(CallError::Stale(why)) => Answer::failed(Failed::Invalid, why),
            Err(e) => {
                let text = format!("asked memory: {e}; your work goes on without it");
                Answer::failed(Failed::Unavailable, text)
            }
        }
    }
}
