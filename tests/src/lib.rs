//! What the tests of the whole project share: the promises of the ports as functions, run on every
//! implementation, and the scripted agent and model server.
//!
//! Nothing here is a test, and nothing here ships: the test binaries are in `tests/`.

pub mod agent;
pub mod contract;
pub mod model_server;
