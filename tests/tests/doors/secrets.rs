//! No door lets a secret into memory, and none gives one out.

use sandbox_tests::secrets::chance::{ALNUM, Chance};
use serde_json::json;

use super::hammer::{Hammer, KEYS, Said};

fn script(secret: &str) -> String {
    format!(
        "- reply: {{text: \"Done.\\n[LEARNED:sql] Use {secret} for the orders table.\", usage: {{input_tokens: 1, output_tokens: 1}}}}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_goes_in_through_any_door_is_kept_nowhere_and_given_out_nowhere() {
    let mut by = Chance::new(11);
    let secret = format!("ghp_{}", by.text(ALNUM, 36, 36));
    let hammer = Hammer::start(&script(&secret)).await;
    let mut ids = vec!["1".to_owned(), "2".to_owned()];
    let chat = json!({"prompt": "the orders table", "domain": "sql"});
    for _ in 0..2 {
        let job = json!({"job_type": "claude_chat", "payload": chat});
        let told = hammer.send("post", "/jobs", KEYS[0], Some(job)).await;
        ids.push(told.json["job_id"].as_str().expect(&told.text).to_owned());
    }
    let text = format!("{secret} opens the orders table");
    let (mut told, mut written) = (Vec::new(), 0);
    for thing in hammer
        .things
        .iter()
        .filter(|t| !t.reads())
        .cycle()
        .take(100)
    {
        let said = Said {
            key: KEYS[0],
            text: &text,
            ids: &ids,
        };
        let answer = hammer.ask(thing, &said, &mut by).await;
        if answer.done {
            written += 1;
            told.push((thing.name(), answer.text));
        }
    }
    assert!(written >= 30, "{written}");
    for thing in hammer.things.iter().filter(|t| t.reads()).cycle().take(120) {
        let said = Said {
            key: KEYS[0],
            text: "opens the orders table",
            ids: &ids,
        };
        let answer = hammer.ask(thing, &said, &mut by).await;
        told.push((thing.name(), answer.text));
    }
    let all: String = told.iter().map(|(_, t)| t.as_str()).collect();
    assert!(
        all.contains("[redacted:github-token:"),
        "nothing of it arrived"
    );
    // The slug of a domain is in lower case.
    let (body, low) = (&secret[4..16], secret[4..16].to_lowercase());
    let gave: Vec<&String> = told
        .iter()
        .filter(|(name, t)| {
            // The page of a job shows what the model said, which is the job's own; a search says what was
            // searched for.
            let echoes = ["/dashboard/jobs", "/elf/ask"]
                .iter()
                .any(|e| name.contains(e));
            !echoes && (t.contains(body) || t.contains(&low))
        })
        .map(|(name, _)| name)
        .collect();
    assert!(gave.is_empty(), "{gave:?}");
}
