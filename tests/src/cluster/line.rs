//! A line to the API server that a test can cut: every connection breaks, and none is made until it is mended.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use kube::{Client, Config};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// A line; it ends with this value.
pub struct Line {
    address: SocketAddr,
    whole: Arc<AtomicBool>,
    cuts: watch::Sender<u64>,
    keeper: JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.keeper.abort();
        self.cut();
    }
}

impl Line {
    /// A line to this server.
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let whole = Arc::new(AtomicBool::new(true));
        let (cuts, cut) = watch::channel(0);
        let lets = Arc::clone(&whole);
        let keeper = tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                if lets.load(Ordering::SeqCst) {
                    tokio::spawn(carry(from, server, cut.clone()));
                }
            }
        });
        Self {
            address,
            whole,
            cuts,
            keeper,
        }
    }

    /// What a client at the other end is made of.
    #[must_use]
    pub fn config(&self, mut config: Config) -> Config {
        config.cluster_url = format!("https://{}", self.address).parse().unwrap();
        config
    }

    /// A client at the other end.
    #[must_use]
    pub fn client(&self, config: Config) -> Client {
        Client::try_from(self.config(config)).unwrap()
    }

    /// Breaks every connection and makes none.
    pub fn cut(&self) {
        self.whole.store(false, Ordering::SeqCst);
        self.cuts.send_modify(|n| *n += 1);
    }

    /// Makes connections again.
    pub fn mend(&self) {
        self.whole.store(true, Ordering::SeqCst);
    }
}

async fn carry(mut from: TcpStream, server: SocketAddr, mut cut: watch::Receiver<u64>) {
    cut.mark_unchanged();
    let Ok(mut to) = TcpStream::connect(server).await else {
        return;
    };
    tokio::select! {
        _ = copy_bidirectional(&mut from, &mut to) => {}
        _ = cut.changed() => {}
    }
}
