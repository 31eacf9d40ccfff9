//! placeholder

pub mod seats;
