//! Back ends: places where seats run.
//!
//! The list: [`vps`], tmux on this machine; [`container`], a container engine on this machine; [`pod`], a cluster; [`memory`], for tests. Each answers for one place and
//! keeps the promises of [`sandbox_core::port::Backend`]; none decides what to run or when.

pub mod container;
pub mod memory;
pub mod pod;
pub mod vps;
