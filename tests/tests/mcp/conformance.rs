//! The suite of the protocol's makers.
