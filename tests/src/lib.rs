//! What the tests of the whole project share: the scripted agent and the scripted model server.
//!
//! Nothing here is a test, and nothing here ships: the test binaries are in `tests/`.

pub mod agent;
pub mod model_server;
