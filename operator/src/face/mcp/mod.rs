//! The shared memory by the Model Context Protocol: over HTTP here, over stdio in `sandbox mcp`. The
//! protocol is `rmcp`'s; what memory knows is memory's. Knows no store and no back end.
//!
//! | file | what it is |
//! |---|---|
//! | `handler` | what a client can ask, over any transport |
//! | `offered` | tools, resources and prompts as the protocol shows them |
//! | `limit` | tools that answer nobody too often |
//! | `sessions` | sessions of older revisions, bounded in number, each its tenant's |
//! | `visit` | who stands at the door while a request is answered |
//! | `door` | the HTTP end |

mod door;
mod handler;
mod limit;
mod offered;
mod sessions;
mod visit;

use async_trait::async_trait;
use sandbox_elf::tools::{Answer, Ask, Asker};

pub use door::{Door, SESSIONS_EACH};
pub use handler::Handler;
pub use limit::Limited;
pub use visit::Refusal;

/// Memory's tools, wherever they are.
#[async_trait]
pub trait Tools: Send + Sync {
    /// Answers; whatever is wrong is an answer as well.
    async fn answer(&self, asker: &Asker, ask: &Ask) -> Answer;
}

/// The memory that stands in this process.
#[async_trait]
impl Tools for sandbox_elf::Elf {
    async fn answer(&self, asker: &Asker, ask: &Ask) -> Answer {
        sandbox_elf::tools::answer(self, asker, ask).await
    }
}

/// Where a handler's questions go.
#[async_trait]
pub trait Desk: Send + Sync {
    /// Asks for whoever stands at the door; for nobody in particular where there is no door.
    async fn ask(&self, asker: Option<&Asker>, ask: &Ask) -> Answer;
}
