//! Serves the product's HTTP face with the fixtures of the conformance suite at `/mcp`, until its stdin
//! ends. Says on stdout where.

use std::{collections::BTreeMap, io::Read, net::TcpListener, sync::Arc};

use sandbox_core::spec::BackendName;
use sandbox_elf::{Elf, store::memory::MemoryLedger};
use sandbox_operator::{
    announce::Announcing,
    control::Waker,
    face::{
        HttpLimits, Services,
        http::{Face, auth::Keys},
        mcp::{Door, Limited, Tools},
        rate::Bounds,
    },
    seats::memory::MemorySeats,
    store::memory::MemoryStore,
};
use sandbox_tests::fixture::Fixture;
use tokio::sync::broadcast;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    println!("http://{}/mcp", listener.local_addr()?);
    let stop = async {
        // Whatever ends the wait is the end.
        let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await;
    };
    Face::new(services()).serve(listener, stop).await?;
    Ok(())
}

fn services() -> Services {
    let (store, events) = Announcing::new(Arc::new(MemoryStore::default()));
    let elf = Elf::new(Arc::new(MemoryLedger::default()));
    let bounds = Arc::new(Bounds::default());
    let tools: Arc<dyn Tools> = Arc::new(Limited::new(Arc::new(elf), bounds.clone()));
    let limits = HttpLimits::default();
    let changes = broadcast::Sender::new(16);
    let around = move |product| Fixture {
        product,
        changes: changes.clone(),
    };
    let door = Door::with(tools.clone(), around, limits.body);
    Services {
        site: None,
        store: Arc::new(store),
        seats: Arc::new(MemorySeats::default()),
        backends: Arc::new(BTreeMap::new()),
        backend: BackendName::Vps,
        waker: Waker::new().0,
        events,
        keys: Keys::off(),
        workspace_root: std::env::temp_dir(),
        artifacts_root: std::env::temp_dir(),
        artifacts: None,
        limits,
        elf: None,
        book: None,
        intake: None,
        bounds,
        counted: Vec::new(),
        tools: Some(tools),
        mcp: Some(door),
    }
}
