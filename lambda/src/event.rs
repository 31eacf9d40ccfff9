//! What an event of Lambda asks for, told from its JSON alone. Does nothing about it.

use jiff::Timestamp;
use sandbox_core::{Seat, Uid};
use sandbox_operator::{aws::deployment::EVERYTHING, store::dynamodb::job_of};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use crate::wakes::Wake;

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// Answer a request of API Gateway.
    Request,
    /// Look at jobs that somebody wrote.
    Changes(Vec<Item<Uid>>),
    /// Look at the job of a task of which ECS tells something; none where it is not of ours.
    TaskChanged(Option<Uid>, Value),
    /// Look at jobs of which the time has come, or at all.
    Wakes(Vec<Item<Called>>),
    /// Look for whatever nobody told of.
    Sweep(Timestamp),
}

/// What a message of the queue calls for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Called {
    /// One job.
    Job(Wake),
    /// Whatever there is to look at: somebody has paused the deployment, or has it go on.
    Everything,
}

/// One of several that come together, and fail alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item<T> {
    /// What Lambda calls it.
    pub id: String,
    /// What it is about; none where it is of no kind that anything of ours writes.
    pub about: Option<T>,
}

#[derive(Deserialize)]
struct Shape {
    #[serde(rename = "requestContext")]
    request: Option<IgnoredAny>,
    #[serde(rename = "Records")]
    records: Option<Vec<Record>>,
    #[serde(rename = "detail-type")]
    kind: Option<String>,
    time: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_source: String,
    dynamodb: Option<Changed>,
    message_id: Option<String>,
    body: Option<String>,
}

#[derive(Deserialize)]
struct Changed {
    #[serde(rename = "Keys", default)]
    keys: Value,
    #[serde(rename = "SequenceNumber")]
    number: String,
}

/// Reads an event.
///
/// # Errors
/// It is of no kind that is known here; the text says what it has to be.
pub fn read(event: &str) -> Result<Asked, String> {
    let strange = |what: &dyn std::fmt::Display| {
        format!(
            "read an event: {what}; this function takes requests of an HTTP API (format 2.0), records of DynamoDB and SQS, and events of ECS and of a schedule"
        )
    };
    let shape: Shape = serde_json::from_str(event).map_err(|e| strange(&e))?;
    if shape.request.is_some() {
        return Ok(Asked::Request);
    }
    if let Some(records) = shape.records {
        return batch(records).ok_or_else(|| strange(&"its records are of another source"));
    }
    match (shape.kind.as_deref(), shape.time) {
        (Some("ECS Task State Change"), _) => {
            let event: Value = serde_json::from_str(event).map_err(|e| strange(&e))?;
            Ok(Asked::TaskChanged(job_of_task(&event), event))
        }
        (Some("Scheduled Event"), Some(time)) => Ok(Asked::Sweep(time)),
        (Some(kind), _) => Err(strange(&format!("`{kind}` is not known"))),
        (None, _) => Err(strange(&"it is of no kind that is known")),
    }
}

fn batch(records: Vec<Record>) -> Option<Asked> {
    match records.first().map(|r| r.event_source.clone()).as_deref() {
        Some("aws:dynamodb") => {
            let changes = records.into_iter().filter_map(|r| r.dynamodb);
            Some(Asked::Changes(changes.map(Changed::item).collect()))
        }
        Some("aws:sqs") => {
            let wakes = records.into_iter().filter_map(Record::wake);
            Some(Asked::Wakes(wakes.collect()))
        }
        _ => None,
    }
}

impl Changed {
    fn item(self) -> Item<Uid> {
        Item {
            about: self.keys["pk"]["S"].as_str().and_then(job_of),
            id: self.number,
        }
    }
}

impl Record {
    fn wake(self) -> Option<Item<Called>> {
        Some(Item {
            id: self.message_id?,
            about: self.body.and_then(|body| called(&body)),
        })
    }
}

fn called(body: &str) -> Option<Called> {
    if body == EVERYTHING {
        return Some(Called::Everything);
    }
    serde_json::from_str(body).ok().map(Called::Job)
}

/// The job that a task was started for.
fn job_of_task(event: &Value) -> Option<Uid> {
    let started_by = event["detail"]["startedBy"].as_str()?;
    Seat::of_object_name(started_by).map(|seat| seat.uid)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use serde_json::json;

    use super::*;

    const UID: &str = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";

    fn asked(event: &Value) -> Asked {
        read(&event.to_string()).unwrap()
    }

    fn uid() -> Uid {
        UID.parse().unwrap()
    }

    #[test]
    fn a_request_of_an_http_api_is_one() {
        let event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/jobs", "rawQueryString": "limit=1",
            "headers": {"host": "id.execute-api.eu-west-1.amazonaws.com", "x-api-key": "k"},
            "requestContext": {
                "accountId": "1", "apiId": "id", "domainName": "id.execute-api.eu-west-1.amazonaws.com", "domainPrefix": "id",
                "http": {"method": "GET", "path": "/jobs", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "curl"},
                "requestId": "r", "routeKey": "$default", "stage": "$default", "time": "12/Mar/2026:19:03:58 +0000", "timeEpoch": 1_583_348_638_390_u64,
            },
            "isBase64Encoded": false,
        });
        assert_eq!(asked(&event), Asked::Request);
    }

    fn record(pk: &str, number: &str) -> Value {
        json!({
            "eventID": "c4ca4238a0b923820dcc509a6f75849b", "eventName": "MODIFY", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
            "awsRegion": "eu-west-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_764_504_000, "Keys": {"pk": {"S": pk}, "sk": {"S": "team-a"}},
                "SequenceNumber": number, "SizeBytes": 60, "StreamViewType": "KEYS_ONLY",
            },
            "eventSourceARN": "arn:aws:dynamodb:eu-west-1:1:table/sandbox-records/stream/2026-01-01T00:00:00.000",
        })
    }

    #[test]
    fn changes_say_which_jobs_and_one_that_is_of_none_stays_among_them() {
        let event =
            json!({"Records": [record(&format!("job#{UID}"), "11"), record("job#broken", "12")]});
        let item = |id: &str, about| Item {
            id: id.to_owned(),
            about,
        };
        let wanted = vec![item("11", Some(uid())), item("12", None)];
        assert_eq!(asked(&event), Asked::Changes(wanted));
    }

    #[test]
    fn a_wake_says_which_job_and_when() {
        let message = |id: &str, body: &str| {
            json!({
                "messageId": id, "receiptHandle": "h", "body": body, "md5OfBody": "", "eventSource": "aws:sqs",
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183"}, "messageAttributes": {},
                "eventSourceARN": "arn:aws:sqs:eu-west-1:1:sandbox-wakes", "awsRegion": "eu-west-1",
            })
        };
        let good = format!(r#"{{"job":"{UID}","at":"2026-01-01T00:00:00Z"}}"#);
        let all = [
            message("m1", &good),
            message("m2", "hello"),
            message("m3", EVERYTHING),
        ];
        let Asked::Wakes(wakes) = asked(&json!({"Records": all})) else {
            panic!("no wakes")
        };
        let Some(Called::Job(wake)) = wakes[0].about.clone() else {
            panic!("no job")
        };
        assert_eq!((wake.job, wake.at.as_second()), (uid(), 1_767_225_600));
        assert_eq!((wakes[1].id.as_str(), &wakes[1].about), ("m2", &None));
        assert_eq!(wakes[2].about, Some(Called::Everything));
    }

    #[test]
    fn a_task_says_whose_it_is_and_one_of_somebody_else_is_nobodys() {
        let event = |started_by: &str| {
            json!({
                "version": "0", "id": "e", "detail-type": "ECS Task State Change", "source": "aws.ecs", "account": "1",
                "time": "2026-01-01T00:00:00Z", "region": "eu-west-1", "resources": ["arn:aws:ecs:eu-west-1:1:task/c/1"],
                "detail": {"taskArn": "arn:aws:ecs:eu-west-1:1:task/c/1", "startedBy": started_by, "lastStatus": "RUNNING", "version": 3},
            })
        };
        let ours = event(&format!("aj-{UID}-2"));
        assert_eq!(asked(&ours), Asked::TaskChanged(Some(uid()), ours.clone()));
        let other = event("ecs-svc/1");
        assert_eq!(asked(&other), Asked::TaskChanged(None, other.clone()));
    }

    #[test]
    fn the_schedule_asks_for_a_sweep() {
        let event = json!({
            "version": "0", "id": "e", "detail-type": "Scheduled Event", "source": "aws.events", "account": "1",
            "time": "2026-01-01T00:05:00Z", "region": "eu-west-1", "resources": ["arn:aws:events:eu-west-1:1:rule/sweep"], "detail": {},
        });
        let at = "2026-01-01T00:05:00Z".parse().unwrap();
        assert_eq!(asked(&event), Asked::Sweep(at));
    }

    #[test]
    fn what_nobody_sends_is_refused_in_words() {
        let strange = [
            json!({}),
            json!({"Records": [{"eventSource": "aws:s3"}]}),
            json!({"Records": []}),
            json!({"detail-type": "EC2 Instance State-change Notification", "time": "2026-01-01T00:00:00Z"}),
            json!("hello"),
        ];
        for event in strange {
            let refused = read(&event.to_string()).unwrap_err();
            assert!(refused.contains("this function takes"), "{refused}");
        }
    }
}
