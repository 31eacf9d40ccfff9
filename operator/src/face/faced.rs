//! The memory of this process as the HTTP face wants it: answers as JSON.

use std::sync::Arc;

use async_trait::async_trait;
use sandbox_core::{
    Seat, Tenant,
    port::{Answer, PortError},
};
use sandbox_elf::{Elf, ElfError, face::HeuristicQuery};
use serde::Serialize;
use serde_json::Value;

use super::{ElfFace, NewRule, RuleQuery};

/// Memory behind the face.
pub struct Faced(pub Arc<Elf>);

#[async_trait]
impl ElfFace for Faced {
    async fn stats(&self, tenant: &Tenant) -> Answer<Value> {
        json(self.0.stats(tenant).await)
    }

    async fn heuristics(&self, tenant: &Tenant, query: &RuleQuery) -> Answer<Value> {
        if query.golden {
            return json(self.0.golden_rules(tenant, query.project.clone()).await);
        }
        let asked = HeuristicQuery {
            domain: query.domain.clone(),
            project: query.project.clone(),
            limit: query.limit,
            ..HeuristicQuery::default()
        };
        json(self.0.heuristics(tenant, asked).await)
    }

    async fn rule(&self, tenant: &Tenant, id: &str) -> Answer<Value> {
        json(self.0.heuristic(tenant, id).await)
    }

    async fn retire(&self, tenant: &Tenant, id: &str, reason: &str) -> Answer<Value> {
        self.0.retire(tenant, id, reason).await?;
        self.rule(tenant, id).await
    }

    async fn receipt(&self, tenant: &Tenant, seat: &Seat) -> Answer<Value> {
        json(self.0.receipt(tenant, seat).await)
    }

    async fn learn(&self, tenant: &Tenant, lesson: &NewRule) -> Answer<Value> {
        let kept = self.0.add_rule(tenant, lesson.into()).await?;
        self.rule(tenant, &kept.rule.id).await
    }
}

fn json<T: Serialize>(given: Result<T, ElfError>) -> Answer<Value> {
    let given = given?;
    serde_json::to_value(given)
        .map_err(|e| PortError::Unknown(format!("wrote memory's answer: {e}")))
}
