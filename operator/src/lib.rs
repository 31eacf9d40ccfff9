//! placeholder

pub mod backend;
pub mod seats;
