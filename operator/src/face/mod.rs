//! How jobs come in, and how runners are spoken to. A face never decides about a job.

pub mod seat;
