//! The one clock of an election: this machine's since it started. It never goes back, nobody sets it, and it
//! counts the time that the machine slept.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment on this machine's own clock; means nothing on another.
pub type Moment = Duration;

/// What the clock says.
#[must_use]
pub fn now() -> Moment {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}
