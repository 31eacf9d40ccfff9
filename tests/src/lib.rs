//! What the tests of the whole project share: the promises of the ports as functions, run on every
//! implementation, a node that can be killed anywhere, and the scripted agent and model server.
//!
//! Nothing here is a test, and nothing here ships: the test binaries are in `tests/`.

pub mod agent;
mod cache;
pub mod cluster;
pub mod contract;
pub mod dynamodb;
pub mod ecs;
pub mod engine;
pub mod experiment;
pub mod figures;
pub mod fixture;
pub mod flow;
pub mod hands;
pub mod helm;
pub mod images;
pub mod interrupted;
pub mod lambda;
pub mod ledger;
pub mod made;
pub mod model_server;
pub mod node;
pub mod operator;
mod process;
pub mod redis;
pub mod repository;
pub mod retrieval;
pub mod s3;
pub mod secrets;
pub mod sim;
pub mod tasks;
pub mod terraform;
pub mod tower;
pub mod visit;
