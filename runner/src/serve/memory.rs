//! The shared memory as the HTTP face wants it: answers as JSON.

use std::sync::Arc;

use async_trait::async_trait;
use sandbox_core::{
    Tenant,
    port::{Answer, PortError},
};
use sandbox_elf::{Elf, ElfError, face::HeuristicQuery};
use sandbox_operator::face::{ElfFace, NewRule, RuleQuery};
use serde::Serialize;
use serde_json::Value;

/// Memory behind the face.
pub(super) struct Faced(pub(super) Arc<Elf>);

#[async_trait]
impl ElfFace for Faced {
    async fn stats(&self, tenant: &Tenant) -> Answer<Value> {
        json(self.0.stats(tenant).await)
    }

    async fn heuristics(&self, tenant: &Tenant, query: &RuleQuery) -> Answer<Value> {
        let asked = HeuristicQuery {
            domain: query.domain.clone(),
            project: query.project.clone(),
            limit: query.limit,
            ..HeuristicQuery::default()
        };
        json(self.0.heuristics(tenant, asked).await)
    }

    async fn golden_rules(&self, tenant: &Tenant, query: &RuleQuery) -> Answer<Value> {
        json(self.0.golden_rules(tenant, query.project.clone()).await)
    }

    async fn learn(&self, tenant: &Tenant, lesson: &NewRule) -> Answer<Value> {
        let rule = sandbox_elf::NewRule {
            domain: lesson.domain.clone(),
            text: lesson.rule.clone(),
            explanation: lesson.explanation.clone(),
            project: lesson.project_path.clone(),
        };
        json(self.0.add_rule(tenant, rule).await)
    }
}

fn json<T: Serialize>(given: Result<T, ElfError>) -> Answer<Value> {
    let given = given?;
    serde_json::to_value(given)
        .map_err(|e| PortError::Unknown(format!("wrote memory's answer: {e}")))
}
