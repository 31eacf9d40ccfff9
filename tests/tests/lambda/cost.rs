//! The page of what AWS costs says what a job asks for: as counted here, and what that comes to.

use std::fs;

use sandbox_tests::{
    dynamodb::proxy::Proxy,
    engine::root,
    lambda::{
        Account, Plan,
        account::servers,
        asked::{Asked, BILLED},
    },
};
use serde_json::json;

/// Jobs that are counted.
const JOBS: usize = 4;
/// Most write units of the table of jobs for an echo, as promised.
const WRITES: f64 = 12.0;

/// A row of the page: how much of it a job asks for, the price of a million, and what it says a thousand jobs cost.
struct Row {
    name: String,
    each: f64,
    million: f64,
    thousand: f64,
}

fn page() -> Vec<Row> {
    let text = fs::read_to_string(root().join("docs/aws.md")).unwrap();
    let begins = text.find("### A thousand jobs").unwrap();
    let number = |text: &str| text.trim().replace(',', "").parse::<f64>();
    let rows = text[begins..]
        .lines()
        .skip_while(|l| !l.starts_with("|---"));
    let rows = rows.skip(1).take_while(|l| l.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        Row {
            name: cells[1].to_owned(),
            each: number(cells[2]).unwrap(),
            million: number(cells[3]).unwrap(),
            thousand: number(cells[4]).unwrap(),
        }
    })
    .collect()
}

#[test]
fn each_row_of_the_page_is_its_amount_times_its_price() {
    for row in page() {
        let comes_to = row.each * 1e3 * row.million / 1e6;
        let close = (comes_to - row.thousand).abs() <= 0.000_051;
        assert!(close, "{}: {comes_to:.5}, not {}", row.name, row.thousand);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_echo_asks_for_what_the_page_says_and_no_more() {
    let (tables, others) = servers().await;
    let tables = Proxy::before(&tables).await.unwrap();
    let others = Proxy::before(&others).await.unwrap();
    let plan = Plan::default()
        .set("AWS_ENDPOINT_URL_DYNAMODB", &tables.endpoint())
        .set("AWS_ENDPOINT_URL_S3", &others.endpoint())
        .set("AWS_ENDPOINT_URL_SQS", &others.endpoint());
    let account = Account::with(plan).await;
    let echo = json!({"type": "echo", "echo": {"message": "hello"}});
    // The first has both functions read what there is.
    account.ended(&account.submit(&echo).await).await;
    let before = Asked::at_rest(&account, (&tables, &others)).await;
    let mut ids = Vec::new();
    for _ in 0..JOBS {
        ids.push(account.submit(&echo).await);
    }
    let after = Asked::at_rest(&account, (&tables, &others)).await;
    for id in ids {
        assert_eq!(account.job(&id).await["status"], "SUCCEEDED");
    }
    let page = page();
    let said = |name: &str| page.iter().find(|row| row.name == name).unwrap().each;
    let jobs = f64::from(u32::try_from(JOBS).unwrap());
    let written = (after.written() - before.written()) / jobs;
    assert!(written <= WRITES, "{written} write units for a job");
    let counted = before.billed(1).into_iter().zip(after.billed(1));
    let counted = BILLED.iter().zip(counted);
    let counted: Vec<(&str, f64)> = counted
        .map(|(name, (before, after))| (*name, (after - before) / jobs))
        .collect();
    let fits = |(name, each): &(&str, f64)| (said(name) / 8.0..=said(name)).contains(each);
    assert!(counted.iter().all(fits), "counted for a job: {counted:#?}");
}
