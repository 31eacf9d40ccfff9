//! Memory's ledger over HTTP: one process has the file, the nodes that share it reach it here.
//!
//! | file | what it is |
//! |---|---|
//! | `wire` | what is asked and answered |
//! | `door` | the side that has a ledger: routes over any [`Ledger`](sandbox_elf::store::Ledger) |
//! | `client` | the side that has none: a ledger like any other |
//! | `serve` | listens, over TLS and with a token |
//!
//! It understands nothing of what it carries. Rankings and beliefs are made where they are needed, from the log.

mod client;
mod door;
mod serve;
mod wire;

pub use client::{RemoteLedger, RemoteSettings};
pub use door::{MAX_BODY, router};
pub use serve::{Serving, serve};
