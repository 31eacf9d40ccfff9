//! What the operator may do: the real program works as the chart's own service account, with a token of it, on a real API
//! server that asks for rights. All that it does is allowed, and nothing besides.

use std::{fs, path::PathBuf};

use sandbox_tests::{cluster::Cluster, helm::rendered, node::PATIENCE, operator::Operator};
use serde_json::{Value, json};

use super::plane::{list, run, told};

const ACCOUNT: &str = "system:serviceaccount:sandbox:agents-sandbox";

/// A cluster of its own in which the chart is installed, but for what needs a node.
pub(super) struct Installed {
    cluster: Cluster,
    args: Vec<String>,
}

impl Installed {
    pub(super) async fn with(values: &[&str], namespaces: &[&str]) -> Self {
        let cluster = Cluster::with_accounts().await.unwrap();
        let crds = list(&rendered("sandbox-crds", &[]));
        told(run(&cluster, &["apply", "--server-side", "-f", "-"], &crds));
        for name in [&["sandbox"][..], namespaces].concat() {
            told(run(&cluster, &["create", "namespace", name], &Value::Null));
        }
        for name in [&["default"][..], namespaces].concat() {
            // A controller would.
            let account = ["create", "serviceaccount", "default", "-n", name];
            told(run(&cluster, &account, &Value::Null));
        }
        // Its ledger has no node to run on.
        let values = [&["elf.url=memory"], values].concat();
        let objects = rendered("sandbox", &values);
        let deployment = objects.iter().find(|o| o["kind"] == "Deployment").unwrap();
        let args = deployment["spec"]["template"]["spec"]["containers"][0]["args"].clone();
        let objects = objects
            .into_iter()
            .filter(|o| o["kind"] != "Pod")
            .collect::<Vec<_>>();
        told(run(&cluster, &["apply", "-f", "-"], &list(&objects)));
        let args = args.as_array().unwrap().iter();
        let args = args.map(|a| a.as_str().unwrap().to_owned()).collect();
        Self { cluster, args }
    }

    /// A way to the API server as the operator's account.
    fn kubeconfig(&self) -> PathBuf {
        let words = ["create", "token", "agents-sandbox", "-n", "sandbox"];
        let token = told(run(&self.cluster, &words, &Value::Null));
        let text = fs::read_to_string(self.cluster.kubeconfig()).unwrap();
        let mut config: Value = serde_json::from_str(&text).unwrap();
        config["users"][0]["user"] = json!({"token": token.trim()});
        let file = self.cluster.folder().join("operator");
        fs::write(&file, config.to_string()).unwrap();
        file
    }

    fn operator(&self) -> Operator {
        self.operator_with(&[])
    }

    /// The same that is told this besides.
    pub(super) fn operator_with(&self, more: &[String]) -> Operator {
        let own = ["--namespace=sandbox".to_owned()];
        let told = |arg: &&String| {
            let flag = arg.split('=').next();
            more.iter().all(|m| m.split('=').next() != flag)
        };
        let args = self.args.iter().filter(told).chain(&own).chain(more);
        let args: Vec<&str> = args.map(String::as_str).collect();
        Operator::start(&self.kubeconfig(), &args)
    }

    fn said(&self, words: &[&str], input: &Value) -> String {
        told(run(&self.cluster, words, input))
    }

    /// Whether its account may do this.
    fn may(&self, words: &[&str]) -> bool {
        let words = [&["auth", "can-i", "--as", ACCOUNT][..], words].concat();
        let seen = run(&self.cluster, &words, &Value::Null);
        let said = String::from_utf8(seen.stdout).unwrap();
        match said.trim() {
            "yes" => true,
            "no" => false,
            other => panic!("{other:?}: {words:?}"),
        }
    }

    /// Has one job begin and one be removed, by the API and by kubectl.
    async fn exercise(&self, operator: &Operator, namespace: &str) {
        let job = |name: &str| {
            json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": {"name": name, "namespace": namespace},
                "spec": {"type": "echo", "echo": {"message": "hello"}}})
        };
        self.said(&["apply", "-f", "-"], &job("applied"));
        let pods = ["get", "pods", "-n", namespace, "-o", "name"];
        operator
            .until("began no pod", async |_| {
                !self.said(&pods, &Value::Null).is_empty()
            })
            .await;
        // Nobody places its pod, so it is over as soon as it is asked to end.
        self.said(
            &["delete", "aj", "applied", "-n", namespace, "--timeout=60s"],
            &Value::Null,
        );
    }
}

/// A key for the API, as the operator has made it for the namespace `default`.
pub(super) fn key(installed: &Installed) -> String {
    let words = ["get", "secret", "agents-sandbox-api-keys", "-n", "sandbox"];
    let text = "go-template={{index .data \"clients.json\" | base64decode}}";
    let words = [&words[..], &["-o", text]].concat();
    let text = installed.said(&words, &Value::Null);
    let clients: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    let (key, tenant) = clients.iter().next().unwrap();
    assert_eq!(tenant, "default");
    key.clone()
}

async fn told_by(answer: reqwest::Response) -> (reqwest::StatusCode, String) {
    (answer.status(), answer.text().await.unwrap())
}

async fn submit_and_delete(installed: &Installed, operator: &Operator) {
    let http = reqwest::Client::builder()
        .timeout(PATIENCE)
        .build()
        .unwrap();
    let jobs = format!("{}/jobs", operator.api);
    let body = json!({"job_type": "echo", "payload": {"message": "hello"}});
    let refused = http.post(&jobs).json(&body).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let key = key(installed);
    let made = http.post(&jobs).json(&body).header("x-api-key", &key);
    let made: Value = made.send().await.unwrap().json().await.unwrap();
    let id = made["job_id"].as_str().unwrap_or_else(|| panic!("{made}"));
    let one = format!("{jobs}/{id}");
    let answer = http.delete(&one).header("x-api-key", &key).send().await;
    let (status, said) = told_by(answer.unwrap()).await;
    assert!(status.is_success(), "{status} {said}\n{}", operator.log());
    operator
        .until("did not forget the job", async |_| {
            let left = http.get(&one).header("x-api-key", &key).send().await;
            left.unwrap().status() == 404
        })
        .await;
}

/// Nothing that it asked was refused for want of a right.
async fn nothing_was_forbidden(operator: &Operator) {
    let counted = operator.probe("/metrics").await.unwrap();
    let asked = counted
        .lines()
        .filter(|l| l.starts_with("sandbox_kube_requests"));
    let asked: Vec<&str> = asked.collect();
    assert!(asked.len() > 5, "{counted}");
    let refused: Vec<&&str> = asked
        .iter()
        .filter(|l| l.contains(r#"code="403""#))
        .collect();
    assert!(refused.is_empty(), "{refused:?}\n{}", operator.log());
}

#[tokio::test]
async fn with_the_rights_of_its_account_it_does_all_it_has_to_in_the_whole_cluster() {
    let installed = Installed::with(&[], &["team-a"]).await;
    let operator = installed.operator();
    operator.leads().await;
    operator.ready().await;
    installed.exercise(&operator, "team-a").await;
    submit_and_delete(&installed, &operator).await;
    nothing_was_forbidden(&operator).await;
    let log = operator.stop();
    assert!(log.contains("gave the lease back"), "{log}");
}

#[tokio::test]
async fn with_a_list_of_namespaces_it_works_there_and_may_not_look_elsewhere() {
    let values = ["watch.namespaces={team-a,team-b}"];
    let installed = Installed::with(&values, &["team-a", "team-b", "team-c"]).await;
    let operator = installed.operator();
    operator.leads().await;
    operator.ready().await;
    installed.exercise(&operator, "team-b").await;
    nothing_was_forbidden(&operator).await;
    for place in ["team-a", "team-b"] {
        assert!(installed.may(&["watch", "agentjobs", "-n", place]));
        assert!(installed.may(&["create", "pods", "-n", place]));
    }
    for words in [
        &["list", "agentjobs", "--all-namespaces"][..],
        &["get", "agentjobs", "-n", "team-c"],
        &["create", "pods", "-n", "team-c"],
        &["get", "pods", "-n", "sandbox"],
        &["create", "events.events.k8s.io", "-n", "team-c"],
    ] {
        assert!(!installed.may(words), "{words:?}");
    }
}

#[tokio::test]
async fn it_may_do_nothing_that_it_need_not_do() {
    let installed = Installed::with(&[], &["team-a"]).await;
    for words in [
        &["get", "secret/agents-sandbox-seat-tls", "-n", "sandbox"][..],
        &["update", "secret/agents-sandbox-api-keys", "-n", "sandbox"],
        &["update", "lease/agents-sandbox", "-n", "sandbox"],
    ] {
        assert!(installed.may(words), "{words:?}");
    }
    for words in [
        &["get", "secret/other", "-n", "sandbox"][..],
        &["list", "secrets", "-n", "sandbox"],
        &["watch", "secrets", "-n", "sandbox"],
        &["create", "secrets", "-n", "sandbox"],
        &["delete", "secret/agents-sandbox-seat-tls", "-n", "sandbox"],
        &["get", "secrets", "-n", "team-a"],
        &["get", "secrets", "-n", "kube-system"],
        &["get", "configmaps", "-n", "team-a"],
        &["update", "lease/other", "-n", "sandbox"],
        &["delete", "lease/agents-sandbox", "-n", "sandbox"],
        &["create", "pods", "--subresource=exec", "-n", "team-a"],
        &["update", "agentjobs", "-n", "team-a"],
        &["update", "pods", "-n", "team-a"],
        &[
            "create",
            "serviceaccounts",
            "--subresource=token",
            "-n",
            "team-a",
        ],
        &["impersonate", "users"],
        &["get", "nodes"],
        &["list", "namespaces"],
        &["create", "clusterrolebindings"],
        &["escalate", "clusterroles"],
        &["deletecollection", "agentjobs", "-n", "team-a"],
        &["create", "runnerhosts", "-n", "team-a"],
        &["patch", "runnerhosts", "-n", "team-a"],
        &["get", "secret/vps-1", "-n", "team-a"],
        &["create", "deployments", "-n", "team-a"],
        &["*", "*"],
    ] {
        assert!(!installed.may(words), "{words:?}");
    }
}

#[tokio::test]
async fn of_the_tokens_of_machines_it_may_read_those_that_the_chart_names() {
    let values = ["hosts.secrets.team-a={vps-1,vps-2}"];
    let installed = Installed::with(&values, &["team-a", "team-b"]).await;
    assert!(installed.may(&["get", "secret/vps-1", "-n", "team-a"]));
    assert!(installed.may(&["watch", "runnerhosts", "-n", "team-a"]));
    let status = [
        "patch",
        "runnerhosts",
        "--subresource=status",
        "-n",
        "team-a",
    ];
    assert!(installed.may(&status));
    for words in [
        &["get", "secret/other", "-n", "team-a"][..],
        &["list", "secrets", "-n", "team-a"],
        &["update", "secret/vps-1", "-n", "team-a"],
        &["get", "secret/vps-1", "-n", "team-b"],
    ] {
        assert!(!installed.may(words), "{words:?}");
    }
}

#[tokio::test]
async fn what_it_made_once_stays_when_it_starts_again_and_when_the_chart_is_applied_again() {
    let installed = Installed::with(&[], &[]).await;
    let first = installed.operator();
    first.ready().await;
    let secrets = |installed: &Installed| {
        ["agents-sandbox-seat-tls", "agents-sandbox-api-keys"].map(|name| {
            let words = [
                "get",
                "secret",
                name,
                "-n",
                "sandbox",
                "-o",
                "jsonpath={.data}",
            ];
            installed.said(&words, &Value::Null)
        })
    };
    let made = secrets(&installed);
    for (text, part) in made.iter().zip(["tls.crt", "clients.json"]) {
        assert!(text.contains(part), "{text}");
    }
    first.stop();
    let mut again = rendered("sandbox", &[]);
    again.retain(|o| o["kind"] == "Secret");
    let again = list(&again);
    installed.said(&["apply", "-f", "-"], &again);
    let second = installed.operator();
    second.ready().await;
    assert_eq!(secrets(&installed), made);
}
