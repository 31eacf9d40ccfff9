//! The plan against its rules: each test is one situation and what must be done in it.
//!
//! [`case`] builds situations from adjectives; [`always`] holds what is true of every plan.

mod always;
mod any;
mod case;
mod claimed;
mod deleted;
mod ended;
mod finished;
mod hosts;
mod launched;
mod line;
mod paused;
mod prepared;
mod queued;
mod read;
mod retried;
mod sites;
mod stopped;
