//! The binary `scripted-model`: the scripted Messages API as a process of its own.
//!
//! It prints its base URL as its first line and serves until it is ended.

use std::{fs::File, io::Write, path::PathBuf, time::Duration};

use anyhow::Context;
use clap::Parser;
use sandbox_tests::model_server::{ModelServer, Script};
use tokio::signal::unix::{SignalKind, signal};

/// A Messages API on loopback that answers from a script
#[derive(Parser)]
struct Args {
    /// The script, YAML
    #[arg(long)]
    script: PathBuf,
    /// The port; 0 is a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Where each request is written as a line of JSON
    #[arg(long)]
    record: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let script = Script::load(&args.script)?;
    let server = ModelServer::start_on(args.port, script).await?;
    println!("{}", server.base_url());
    let record = args.record.as_deref();
    let record = record.map(|p| File::create(p).with_context(|| p.display().to_string()));
    let mut term = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = keep(&server, record.transpose()?) => ended?,
        _ = term.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    server.shutdown().await;
    Ok(())
}

/// Writes requests down as they come; without a file it only waits.
async fn keep(server: &ModelServer, file: Option<File>) -> anyhow::Result<()> {
    let Some(mut file) = file else {
        return std::future::pending().await;
    };
    let mut written = 0;
    loop {
        for request in server.requests().iter().skip(written) {
            writeln!(file, "{}", serde_json::to_string(request)?)?;
            written += 1;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
