//! What a client can ask, over any transport: it reads the request, asks the desk, and says the answer
//! in the protocol's words. It holds nothing between two requests.

use std::sync::Arc;

use axum::http::request::Parts;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock,
        GetPromptRequestParams, GetPromptResponse, Implementation, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
        ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, ResourceContents,
        ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
};
use sandbox_elf::tools::{self, Answer, Ask, Failed};
use serde_json::json;

use super::{Desk, door::asker_of, offered};

type Context = RequestContext<RoleServer>;
type Paged = Option<PaginatedRequestParams>;
type Said<T> = Result<T, ErrorData>;

/// Memory as a server of the protocol. Cheap to clone.
#[derive(Clone)]
pub struct Handler {
    desk: Arc<dyn Desk>,
}

impl Handler {
    /// Asks this desk.
    pub fn new(desk: Arc<dyn Desk>) -> Self {
        Self { desk }
    }

    async fn asked(&self, context: &Context, ask: &Ask) -> Answer {
        let asker = context.extensions.get::<Parts>().and_then(asker_of);
        self.desk.ask(asker.as_ref(), ask).await
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_prompts()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("elf", env!("CARGO_PKG_VERSION")))
            .with_instructions(offered::INSTRUCTIONS)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::find(name).map(offered::tool)
    }

    async fn list_tools(&self, paged: Paged, _: Context) -> Said<ListToolsResult> {
        one_page(paged)?;
        let tools = tools::all().iter().map(offered::tool).collect();
        Ok(offered::fresh(ListToolsResult::with_all_items(tools)))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: Context,
    ) -> Said<CallToolResponse> {
        let tool = request.name.into_owned();
        if tools::find(&tool).is_none() {
            return Err(unknown("tool", &tool));
        }
        let arguments = request.arguments.unwrap_or_default();
        let answer = self.asked(&context, &Ask::Call { tool, arguments }).await;
        Ok(result(answer).into())
    }

    async fn list_resources(&self, paged: Paged, _: Context) -> Said<ListResourcesResult> {
        one_page(paged)?;
        let all = ListResourcesResult::with_all_items(offered::resources());
        Ok(offered::fresh(all))
    }

    async fn list_resource_templates(
        &self,
        paged: Paged,
        _: Context,
    ) -> Said<ListResourceTemplatesResult> {
        one_page(paged)?;
        let all = ListResourceTemplatesResult::with_all_items(offered::templates());
        Ok(offered::fresh(all))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: Context,
    ) -> Said<ReadResourceResponse> {
        let uri = request.uri;
        let ask = Ask::Read { uri: uri.clone() };
        match self.asked(&context, &ask).await {
            Answer::Done { structured, .. } => {
                let contents = ResourceContents::text(structured.to_string(), uri);
                let contents = contents.with_mime_type("application/json");
                let read = ReadResourceResult::new(vec![contents]);
                Ok(read
                    .with_ttl_ms(offered::READ_TTL_MS)
                    .with_cache_scope(offered::SCOPE)
                    .into())
            }
            Answer::Failed { kind, text } => Err(failed(kind, text, &uri)),
        }
    }

    async fn list_prompts(&self, paged: Paged, _: Context) -> Said<ListPromptsResult> {
        one_page(paged)?;
        let all = ListPromptsResult::with_all_items(offered::prompts());
        Ok(offered::fresh(all))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: Context,
    ) -> Said<GetPromptResponse> {
        let given = request.arguments.unwrap_or_default();
        let Some((ask, words)) = offered::prompt(&request.name, &given) else {
            return Err(unknown("prompt", &request.name));
        };
        match self.asked(&context, &ask).await {
            Answer::Done { text, .. } => Ok(offered::prompted(&words, &text).into()),
            Answer::Failed { kind, text } => Err(failed(kind, text, &request.name)),
        }
    }
}

fn result(answer: Answer) -> CallToolResult {
    match answer {
        Answer::Done { text, structured } => {
            let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
            result.structured_content = Some(structured);
            result
        }
        Answer::Failed { text, .. } => CallToolResult::error(vec![ContentBlock::text(text)]),
    }
}

/// Every list is one page, so no cursor is ours.
fn one_page(paged: Paged) -> Said<()> {
    match paged.and_then(|p| p.cursor) {
        Some(_) => Err(ErrorData::invalid_params(
            "Unknown cursor: this list has one page",
            None,
        )),
        None => Ok(()),
    }
}

/// A name is repeated so that it can neither fill a page nor hide in it.
fn unknown(what: &str, name: &str) -> ErrorData {
    let name: String = name.chars().take(100).collect();
    ErrorData::invalid_params(format!("Unknown {what}: {}", name.escape_debug()), None)
}

fn failed(kind: Failed, text: String, what: &str) -> ErrorData {
    match kind {
        Failed::NotFound => ErrorData::resource_not_found(text, Some(json!({"uri": what}))),
        Failed::Invalid => ErrorData::invalid_params(text, None),
        Failed::TooMany | Failed::Unavailable => ErrorData::internal_error(text, None),
    }
}
