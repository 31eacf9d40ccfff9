//! A custom resource definition as something that values are held against.

use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::cel::{CompiledSchema, ValidationErrors, Validator, compile_schema};
use serde_json::{Value, json};

use super::{Class, Invalid, Problems, shape, verdict};
use crate::{crd, job::is_label};

const API_VERSION: &str = "multiagent.dev/v1alpha1";

pub(super) static JOBS: LazyLock<Definition> = LazyLock::new(|| Definition::of(&crd::agent_jobs()));
pub(super) static HOSTS: LazyLock<Definition> =
    LazyLock::new(|| Definition::of(&crd::runner_hosts()));

/// A kind, its schema, and its rules compiled once.
pub(super) struct Definition {
    kind: String,
    schema: Value,
    compiled: CompiledSchema,
}

impl Definition {
    fn of(crd: &CustomResourceDefinition) -> Self {
        let schema = crd::schema(crd);
        let compiled = compile_schema(&schema);
        Self {
            kind: crd.spec.names.kind.clone(),
            schema,
            compiled,
        }
    }

    /// Checks an object as it was written. Takes away nulls.
    pub(super) fn examine(&self, object: &mut Value) -> Result<(), Problems> {
        verdict(self.shape(object))?;
        verdict(self.rules(&object["spec"], None))
    }

    /// Checks a spec, and its change from an old one.
    pub(super) fn check(&self, spec: &Value, old: Option<&Value>) -> Result<(), Problems> {
        let mut found = Vec::new();
        self.walk(spec, &mut found);
        verdict(found)?;
        verdict(self.rules(spec, old))
    }

    fn walk(&self, spec: &Value, found: &mut Vec<Invalid>) {
        shape::Walk { found }.value(&self.schema["properties"]["spec"], spec, "spec");
    }

    /// What is wrong with the shape of what people write: all but the status.
    fn shape(&self, object: &mut Value) -> Vec<Invalid> {
        let mut found = self.around(object);
        match object.get_mut("spec") {
            None | Some(Value::Null) => {
                found.push(Invalid::of(Class::Required, "spec", "is required"));
            }
            Some(spec) => {
                shape::without_nulls(&self.schema["properties"]["spec"], spec);
                self.walk(spec, &mut found);
            }
        }
        found
    }

    /// What is wrong around the spec.
    fn around(&self, object: &Value) -> Vec<Invalid> {
        let Some(members) = object.as_object() else {
            return vec![Invalid::of(Class::Type, "", "must be an object")];
        };
        let mut found = Vec::new();
        for (key, wanted) in [("apiVersion", API_VERSION), ("kind", &self.kind)] {
            if members.get(key).and_then(Value::as_str) != Some(wanted) {
                found.push(Invalid::of(Class::Choice, key, format!("must be {wanted}")));
            }
        }
        let known = ["apiVersion", "kind", "metadata", "spec", "status"];
        let others = members.keys().filter(|k| !known.contains(&k.as_str()));
        let message = format!("there is no such field; there are {}", known.join(", "));
        found.extend(others.map(|key| Invalid::of(Class::Unknown, key, message.clone())));
        let name = object["metadata"]["name"].as_str();
        if name.is_some_and(|n| !is_name(n)) {
            let rule =
                "must be labels of a-z, 0-9 and - with . between them, 253 characters at most";
            found.push(Invalid::of(Class::Bound, "metadata.name", rule));
        }
        found
    }

    /// The rules that a spec breaks. The status is the reconciler's own and not checked.
    fn rules(&self, spec: &Value, old: Option<&Value>) -> Vec<Invalid> {
        let whole = |spec| json!({"apiVersion": API_VERSION, "kind": self.kind, "spec": spec});
        let (new, old) = (whole(spec), old.map(whole));
        let seen = Validator::new().validate_compiled(&self.compiled, &new, old.as_ref());
        let broken = seen
            .err()
            .map(ValidationErrors::into_vec)
            .unwrap_or_default();
        let broken = broken.into_iter();
        broken
            .map(|e| Invalid::new(e.field_path, e.message))
            .collect()
    }
}

/// What Kubernetes allows as the name of an object; it becomes part of a branch's name.
fn is_name(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_of_the_crd_compiles() {
        fn rules(node: &Value, found: &mut Vec<String>) {
            if let Some(list) = node["x-kubernetes-validations"].as_array() {
                found.extend(list.iter().map(|r| r["rule"].to_string()));
            }
            match node {
                Value::Object(members) => members.values().for_each(|v| rules(v, found)),
                Value::Array(items) => items.iter().for_each(|v| rules(v, found)),
                _ => {}
            }
        }
        for (definition, least) in [(&JOBS, 40), (&HOSTS, 8)] {
            let mut found = Vec::new();
            rules(&definition.schema, &mut found);
            assert!(found.len() >= least, "{found:?}");
            let errors: Vec<String> = definition
                .compiled
                .compilation_errors()
                .iter()
                .map(|e| format!("{e:?}"))
                .collect();
            assert!(errors.is_empty(), "{errors:?}");
        }
    }
}
