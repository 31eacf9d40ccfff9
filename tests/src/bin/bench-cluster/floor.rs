//! What the API server does in a raw loop: objects of the same size made, and the status of each written three times with
//! what a job's says after its intent, its claim and its end.

use std::time::Instant;

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{
    audit::rate,
    jobs::{AT_ONCE, MESSAGE, echo},
    plane::Plane,
};

/// Writes of the raw loop for each object.
pub const WRITES: usize = 4;
/// Where its objects are.
const NAMESPACE: &str = "floor";

/// Writes a second.
pub async fn measure(plane: &Plane, objects: usize) -> Result<f64> {
    plane.make_namespace(NAMESPACE).await?;
    let api = plane.jobs(NAMESPACE);
    let begun = Instant::now();
    let looped = tokio::spawn(async move {
        let each = stream::iter(0..objects).map(|n| {
            let api = api.clone();
            async move {
                let name = format!("floor-{n}");
                api.create(&PostParams::default(), &echo(&name)?).await?;
                for step in 1..WRITES {
                    let status = json!({"status": status(step)});
                    let patch = Patch::Merge(&status);
                    api.patch_status(&name, &PatchParams::default(), &patch)
                        .await?;
                }
                anyhow::Ok(())
            }
        });
        let done = each.buffer_unordered(AT_ONCE);
        done.try_for_each(|()| std::future::ready(Ok(()))).await
    });
    looped.await.context("wrote in a raw loop")??;
    Ok(rate(objects * WRITES, begun.elapsed()))
}

fn status(step: usize) -> Value {
    let at = jiff::Timestamp::now().to_string();
    let claim = json!({"nonce": "0123456789abcdef0123456789abcdef", "instance": "pod:0123456789abcdef", "at": at});
    let mut intent = json!({"backend": "pod", "at": at, "deadlineAt": at, "slots": 1});
    let mut all = json!({"attempt": 1, "startedAt": at, "updatedAt": at, "holds": [{"pool": "slots/pod", "units": 1}],
        "backendRef": {"kind": "pod", "name": "aj-a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-1"}});
    let (word, text) = [
        ("Starting", "is starting"),
        ("Running", "is at work"),
        ("Succeeded", ""),
    ][step - 1];
    let conditions = ["Succeeded", "Finished", "Reconciling", "Recorded"].map(|kind| {
        json!({"type": kind, "status": "Unknown", "reason": word, "message": format!("attempt 1 {text}"),
            "lastTransitionTime": at})
    });
    all["conditions"] = json!(conditions);
    if step > 1 {
        intent["claim"] = claim.clone();
        all["seat"] = json!({"attempt": 1, "claimed": claim});
    }
    if step > 2 {
        all["seat"]["report"] = json!({"outcome": "Succeeded", "startedAt": at, "finishedAt": at});
        all["result"] = json!({"inline": {"echoed_message": MESSAGE.repeat(4)}});
        all["usage"] = json!({"usd": "0", "inputTokens": 0, "outputTokens": 0, "seconds": 1});
        all["outcome"] = json!("Succeeded");
    }
    all["intent"] = intent;
    all
}
