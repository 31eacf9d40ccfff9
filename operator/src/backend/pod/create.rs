//! What a pod is made of: restricted by default, as one pure function. Asks nobody.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        Capabilities, ConfigMapVolumeSource, Container, EmptyDirVolumeSource, EnvVar, EnvVarSource,
        KeyToPath, LocalObjectReference, ObjectFieldSelector, PersistentVolumeClaimVolumeSource,
        Pod, PodSecurityContext, PodSpec as KubePodSpec, ProjectedVolumeSource,
        ResourceRequirements, SeccompProfile, SecretKeySelector, SecurityContext,
        ServiceAccountTokenProjection, Toleration, Volume, VolumeMount, VolumeProjection,
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{ObjectMeta, OwnerReference},
    },
};
use kube::Resource;
use sandbox_core::{
    AgentJob, Brief,
    spec::{self, PodResources, PodSpec, Quantities},
};

use super::conf::{ATTEMPT_LABEL, AUDIENCE, CONTAINER, JOB_LABEL, PodConfig, inside};
use crate::backend::runner_words;

/// The user of every runner: the one of its image.
const USER: i64 = 10001;
/// How long a token is good; the kubelet renews it when four fifths of that are over.
const TOKEN_SECONDS: i64 = 3600;
/// What a pod asks for, and the most memory it gets, where its job does not say.
const CPU: &str = "100m";
const MEMORY: &str = "256Mi";
const MOST_MEMORY: &str = "2Gi";

/// What the job says about its pod; all defaults where it says nothing.
pub(super) fn asked(brief: &Brief) -> PodSpec {
    let backend = brief.spec.backend.as_ref();
    backend.and_then(|b| b.pod.clone()).unwrap_or_default()
}

/// The whole pod.
pub(super) fn pod(conf: &PodConfig, brief: &Brief) -> Pod {
    let asked = asked(brief);
    Pod {
        metadata: metadata(brief),
        spec: Some(KubePodSpec {
            containers: vec![container(conf, brief, &asked)],
            volumes: Some(volumes(&asked)),
            restart_policy: Some("Never".to_owned()),
            security_context: Some(security()),
            // The token for the seat door is the only one.
            automount_service_account_token: Some(false),
            // Names of services would come into its environment.
            enable_service_links: Some(false),
            service_account_name: asked.service_account_name.clone(),
            termination_grace_period_seconds: i64::try_from(conf.grace.as_secs()).ok(),
            image_pull_secrets: Some(pull_secrets(conf, &asked)),
            node_selector: Some(asked.node_selector.clone()).filter(|s| !s.is_empty()),
            tolerations: Some(asked.tolerations.iter().map(toleration).collect()),
            runtime_class_name: asked.runtime_class_name.clone(),
            priority_class_name: asked.priority_class_name.clone(),
            ..KubePodSpec::default()
        }),
        status: None,
    }
}

/// It goes with its job: whoever removes the job need not know of it.
fn metadata(brief: &Brief) -> ObjectMeta {
    let labels = [
        (
            "app.kubernetes.io/managed-by",
            "multi-agent-sandbox".to_owned(),
        ),
        ("app.kubernetes.io/component", CONTAINER.to_owned()),
        (JOB_LABEL, brief.seat.uid.to_string()),
        (ATTEMPT_LABEL, brief.seat.attempt.to_string()),
    ];
    ObjectMeta {
        name: Some(brief.seat.object_name()),
        namespace: Some(brief.tenant.to_string()),
        labels: Some(labels.map(|(k, v)| (k.to_owned(), v)).into()),
        owner_references: Some(vec![OwnerReference {
            api_version: AgentJob::api_version(&()).into_owned(),
            kind: AgentJob::kind(&()).into_owned(),
            name: brief.name.clone(),
            uid: brief.seat.uid.to_string(),
            controller: Some(true),
            block_owner_deletion: None,
        }]),
        ..ObjectMeta::default()
    }
}

fn container(conf: &PodConfig, brief: &Brief, asked: &PodSpec) -> Container {
    let image = asked.image.as_ref().unwrap_or(&conf.image);
    Container {
        name: CONTAINER.to_owned(),
        image: Some(image.clone()),
        image_pull_policy: conf.pull_policy.clone(),
        args: Some(runner_words(&brief.seat, inside::DATA, ("pod", &conf.door))),
        working_dir: Some(inside::HOME.to_owned()),
        env: Some(environment(conf, brief, asked)),
        resources: Some(resources(asked.resources.as_ref())),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                add: None,
            }),
            privileged: Some(false),
            read_only_root_filesystem: Some(true),
            ..SecurityContext::default()
        }),
        // What a runner printed last is told with its end.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(mounts(brief, asked)),
        ..Container::default()
    }
}

fn security() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        fs_group: Some(USER),
        // A volume with many files would be gone through at each start.
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        ..PodSecurityContext::default()
    }
}

/// A value in clear.
fn plain(name: &str, value: impl Into<String>) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.into()),
        value_from: None,
    }
}

/// A value that stands in a secret; what it is stands nowhere else.
fn secret(name: &str, secret: &str, key: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: secret.to_owned(),
                key: key.to_owned(),
                optional: None,
            }),
            ..EnvVarSource::default()
        }),
    }
}

/// The operator's, then the job's, then what nobody may say otherwise: of two, the last counts.
fn environment(conf: &PodConfig, brief: &Brief, asked: &PodSpec) -> Vec<EnvVar> {
    let mut all = conf.env.clone();
    all.extend(asked.env.iter().map(|variable| match &variable.value_from {
        Some(from) => {
            let from = &from.secret_key_ref;
            secret(&variable.name, &from.name, &from.key)
        }
        None => plain(&variable.name, variable.value.clone().unwrap_or_default()),
    }));
    all.extend(proxy(asked));
    if asked.ca_bundle.is_some() {
        all.extend(authorities());
    }
    all.extend(own(conf));
    let secrets = spec::secrets(&brief.spec);
    let secrets = secrets.into_iter().enumerate();
    all.extend(secrets.map(|(n, name)| secret(&format!("SANDBOX_SECRET_{n}"), name, "token")));
    all
}

fn own(conf: &PodConfig) -> Vec<EnvVar> {
    let uid = EnvVar {
        name: "SANDBOX_POD_UID".to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                field_path: "metadata.uid".to_owned(),
                api_version: None,
            }),
            ..EnvVarSource::default()
        }),
    };
    let token = format!("{}/{}", inside::TOKENS, inside::TOKEN);
    vec![
        plain("HOME", inside::HOME),
        plain("TMPDIR", "/tmp"),
        plain("LANG", "C.UTF-8"),
        plain("SANDBOX_SEAT_CA", conf.authority.clone()),
        plain("SANDBOX_SEAT_TOKEN_FILE", token),
        plain("SANDBOX_STOP_SECONDS", conf.grace.as_secs().to_string()),
        uid,
    ]
}

/// By every name that programs look for: the runner, git, and what agents run.
fn authorities() -> [EnvVar; 4] {
    let file = format!("{}/ca.crt", inside::AUTHORITIES);
    [
        plain("SSL_CERT_FILE", file.clone()),
        plain("SSL_CERT_DIR", "/etc/ssl/certs"),
        plain("GIT_SSL_CAINFO", file.clone()),
        plain("NODE_EXTRA_CA_CERTS", file),
    ]
}

/// In capitals and small, for programs look for one or the other.
fn proxy(asked: &PodSpec) -> Vec<EnvVar> {
    let proxy = asked.proxy.clone().unwrap_or_default();
    let said = [
        ("HTTP_PROXY", proxy.http_proxy),
        ("HTTPS_PROXY", proxy.https_proxy),
        ("NO_PROXY", proxy.no_proxy),
    ];
    let said = said
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    said.flat_map(|(name, value)| {
        [
            plain(name, value.clone()),
            plain(&name.to_lowercase(), value),
        ]
    })
    .collect()
}

/// Of each thing the job's own words, or else ours: a request of ours could be above a limit of its.
fn resources(asked: Option<&PodResources>) -> ResourceRequirements {
    let asked = asked.cloned().unwrap_or_default();
    let says = |of: fn(&Quantities) -> &Option<String>| {
        [&asked.requests, &asked.limits]
            .into_iter()
            .flatten()
            .any(|q| of(q).is_some())
    };
    let mut requests = quantities(asked.requests.as_ref());
    let mut limits = quantities(asked.limits.as_ref());
    if !says(|q| &q.cpu) {
        requests.insert("cpu".to_owned(), Quantity(CPU.to_owned()));
    }
    if !says(|q| &q.memory) {
        requests.insert("memory".to_owned(), Quantity(MEMORY.to_owned()));
        limits.insert("memory".to_owned(), Quantity(MOST_MEMORY.to_owned()));
    }
    ResourceRequirements {
        requests: Some(requests),
        limits: Some(limits),
        claims: None,
    }
}

fn quantities(asked: Option<&Quantities>) -> BTreeMap<String, Quantity> {
    let asked = asked.cloned().unwrap_or_default();
    let all = [
        ("cpu", asked.cpu),
        ("memory", asked.memory),
        ("ephemeral-storage", asked.ephemeral_storage),
    ];
    let said = all
        .into_iter()
        .filter_map(|(name, amount)| Some((name, amount?)));
    said.map(|(name, amount)| (name.to_owned(), Quantity(amount)))
        .collect()
}

fn pull_secrets(conf: &PodConfig, asked: &PodSpec) -> Vec<LocalObjectReference> {
    let named = asked.image_pull_secrets.iter().map(|s| &s.name);
    let all = named.chain(&conf.pull_secrets);
    all.map(|name| LocalObjectReference { name: name.clone() })
        .collect()
}

fn toleration(asked: &spec::Toleration) -> Toleration {
    Toleration {
        key: asked.key.clone(),
        operator: asked.operator.map(|o| o.word().to_owned()),
        value: asked.value.clone(),
        effect: asked.effect.map(|e| e.word().to_owned()),
        toleration_seconds: asked.toleration_seconds,
    }
}

/// The folder of the pod, its memory for temporary files, the token, and what the job asks for.
fn volumes(asked: &PodSpec) -> Vec<Volume> {
    let workspace = asked.workspace.clone().unwrap_or_default();
    let mut all = vec![
        empty("work", workspace.size),
        empty("tmp", None),
        memory("secrets"),
        Volume {
            name: "seat".to_owned(),
            projected: Some(ProjectedVolumeSource {
                // The group reads it: the runner is not root.
                default_mode: Some(0o440),
                sources: Some(vec![token()]),
            }),
            ..Volume::default()
        },
    ];
    all.extend(workspace.claim_name.map(|claim_name| Volume {
        name: "workspace".to_owned(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name,
            read_only: None,
        }),
        ..Volume::default()
    }));
    all.extend(asked.ca_bundle.as_ref().map(|bundle| Volume {
        name: "authorities".to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: bundle.config_map_name.clone(),
            items: Some(vec![KeyToPath {
                key: bundle.key.clone(),
                path: "ca.crt".to_owned(),
                mode: None,
            }]),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }));
    all
}

fn empty(name: &str, size: Option<String>) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: None,
            size_limit: size.map(Quantity),
        }),
        ..Volume::default()
    }
}

fn memory(name: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: Some("Memory".to_owned()),
            size_limit: Some(Quantity("1Mi".to_owned())),
        }),
        ..Volume::default()
    }
}

/// Bound to this pod, and good for the seat door alone.
fn token() -> VolumeProjection {
    VolumeProjection {
        service_account_token: Some(ServiceAccountTokenProjection {
            audience: Some(AUDIENCE.to_owned()),
            expiration_seconds: Some(TOKEN_SECONDS),
            path: inside::TOKEN.to_owned(),
        }),
        ..VolumeProjection::default()
    }
}

fn mounts(brief: &Brief, asked: &PodSpec) -> Vec<VolumeMount> {
    let files = format!("{}/{}", inside::WORKSPACE, brief.tenant);
    let kept = asked.workspace.as_ref().and_then(|w| w.claim_name.as_ref());
    let mut all = vec![
        mount("work", inside::DATA, None),
        mount("work", inside::HOME, Some("home")),
        mount("tmp", "/tmp", None),
        mount("secrets", inside::SECRETS, None),
        VolumeMount {
            read_only: Some(true),
            ..mount("seat", inside::TOKENS, None)
        },
        match kept {
            Some(_) => mount("workspace", &files, None),
            None => mount("work", &files, Some("files")),
        },
    ];
    if asked.ca_bundle.is_some() {
        all.push(VolumeMount {
            read_only: Some(true),
            ..mount("authorities", inside::AUTHORITIES, None)
        });
    }
    all
}

fn mount(name: &str, at: &str, beneath: Option<&str>) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: at.to_owned(),
        sub_path: beneath.map(str::to_owned),
        ..VolumeMount::default()
    }
}

#[cfg(test)]
mod tests;
