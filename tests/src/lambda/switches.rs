//! What calls the functions of a deployment though nothing happens, as AWS knows it: the rule of the sweep and the pollers.
//! moto keeps whether they are on, and calls nobody; the pump asks it whether it may.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use uuid::Uuid;

use super::account::Place;
use crate::dynamodb::REGION;

/// A zip with nothing in it.
const PACKAGE: &str = "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==";
const MAPPINGS: &str = "/2015-03-31/event-source-mappings";

/// A rule, and two mappings.
pub struct Switches {
    place: Place,
    /// The rule of the sweep.
    pub rule: String,
    /// The ids of the mappings, by what they poll.
    pub sources: BTreeMap<String, String>,
}

impl Switches {
    /// New ones, which are on. What they poll is not what the functions read, for moto would call them itself.
    pub(super) async fn new(place: &Place) -> Self {
        let name = format!("switches-{}", Uuid::new_v4().simple());
        let role = [
            ("Action", "CreateRole"),
            ("Version", "2010-05-08"),
            ("RoleName", &name),
            ("AssumeRolePolicyDocument", "%7B%7D"),
        ];
        place.form("iam", &role).await;
        let role = format!("arn:aws:iam::123456789012:role/{name}");
        let function = json!({
            "FunctionName": name, "Role": role, "Runtime": "provided.al2023", "Handler": "bootstrap", "Code": {"ZipFile": PACKAGE},
        });
        place
            .lambda(("POST", "/2015-03-31/functions"), &function)
            .await;
        let stream = place.stream_of_moto(&name).await;
        place.sqs("CreateQueue", &json!({"QueueName": name})).await;
        let queue = format!("arn:aws:sqs:{REGION}:123456789012:{name}");
        let mut sources = BTreeMap::new();
        for (polled, arn) in [("changes", stream), ("wakes", queue)] {
            let asked = json!({"EventSourceArn": arn, "FunctionName": name});
            let made = place.lambda(("POST", MAPPINGS), &asked).await;
            sources.insert(polled.to_owned(), made["UUID"].as_str().unwrap().to_owned());
        }
        let sweep = json!({"Name": name, "ScheduleExpression": "rate(5 minutes)"});
        place.events("PutRule", &sweep).await;
        Self {
            place: place.clone(),
            rule: name,
            sources,
        }
    }

    /// Whether the rule calls.
    pub async fn sweeps(&self) -> bool {
        let asked = json!({"Name": self.rule});
        self.place.events("DescribeRule", &asked).await["State"] == "ENABLED"
    }

    /// Whether this is polled.
    pub async fn polls(&self, polled: &str) -> bool {
        let path = format!("{MAPPINGS}/{}", self.sources[polled]);
        let told = self.place.lambda(("GET", &path), &Value::Null).await;
        told["State"] == "Enabled"
    }
}

/// Waits until this is polled; what cannot be switched is.
pub(super) async fn on(switches: Option<&Switches>, polled: &str) {
    while let Some(switches) = switches
        && !switches.polls(polled).await
    {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
