//! The face over stores, seats and a back end in memory: what each route answers, and what each
//! wrong request is told.

mod access;
mod changes;
mod dialect;
mod files;
mod login;
mod mcp;
mod mcp_sessions;
mod pages;
mod paths;
mod records;
mod repositories;
mod served;
mod streams;
mod submissions;
mod table;
mod world;
