//! Any server does what any other one does for a consumer, wherever it is connected: against every log, of which only those
//! that servers can share have two.

mod support;

use serde_json::{Value, json};
use support::{
    answer, assert_refused,
    client::Client,
    fleet::{Fleet, Keeper, Page, append, delivery, post, until_failed},
    redis::Redis,
    until,
};

/// Runs each `$test` against every log, with flags.
macro_rules! any_server {
    ($($test:ident($flags:expr)),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Fleet::start(super::Keeper::Process, $flags).await).await;
            })*
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let keeper = super::Keeper::Folder(tempfile::tempdir().unwrap());
                super::$test(super::Fleet::start(keeper, $flags).await).await;
            })*
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let Some(redis) = super::Redis::start() else { return };
                super::$test(super::Fleet::start(super::Keeper::Redis(redis), $flags).await).await;
            })*
        }
    };
}

/// Retries come at once.
const FAST: &[&str] = &["--delivery-backoff", "1ms", "--delivery-backoff-max", "1ms"];

any_server! {
    the_newest_connection_wins_aw_conn_5(&[]),
    what_was_confirmed_just_before_is_not_sent_again(&[]),
    a_retry_comes_once_and_where_the_page_is(super::FAST),
    a_dead_letter_is_one(super::FAST),
    operations_reach_a_page_anywhere(super::FAST),
    operations_reach_a_consumer_that_is_away(&[]),
    who_waits_for_a_confirmation_hears_of_it(&[]),
    everybody_sees_who_is_connected(&[]),
    an_operation_on_nobody_is_refused(&[]),
    alerts_go_by_what_any_server_has_appended(&["--alert-tool", "1s", "--alert-silence", "1s"]),
}

async fn the_newest_connection_wins_aw_conn_5(fleet: Fleet) {
    let mut pages = vec![Page::open(&fleet.one().url, "tab").await];
    for server in [fleet.two(), fleet.one(), fleet.one(), fleet.two()] {
        pages.push(Page::open(&server.url, "tab").await);
        let older = pages.len() - 2;
        assert_eq!(pages[older].client.closed().await.0, 4409);
    }
    append(fleet.one(), "a").await;
    let newest = pages.last_mut().unwrap();
    assert_eq!(newest.event().await["id"], "a");
    // Whatever it subscribes to.
    let _idle = Client::hello(&fleet.one().url, "tab", json!([])).await;
    assert_eq!(newest.client.closed().await.0, 4409);
}

async fn what_was_confirmed_just_before_is_not_sent_again(fleet: Fleet) {
    for n in 0..20 {
        let (here, there) = if n % 2 == 0 { (fleet.one(), fleet.two()) } else { (fleet.two(), fleet.one()) };
        let mut page = Page::open(&here.url, "tab").await;
        let id = format!("event-{n}");
        append(there, &id).await;
        let event = page.event().await;
        page.ack(&event).await;
        // Known there, and not saved yet.
        until("it is confirmed", async || delivery(here, &id).await["state"] == "confirmed").await;
        let page = Page::open(&there.url, "tab").await;
        assert_eq!(page.subscribed["after"], event["seq"], "{}", page.subscribed);
    }
}

async fn a_retry_comes_once_and_where_the_page_is(fleet: Fleet) {
    // Both servers have known the consumer.
    let mut page = Page::open(&fleet.one().url, "tab").await;
    append(fleet.two(), "a").await;
    let event = page.event().await;
    page.nack(&event, true).await;
    until_failed(fleet.one(), "a", 1).await;
    let mut page = Page::open(&fleet.two().url, "tab").await;
    let mut attempts = Vec::new();
    // What failed is sent again with the attempt that it had, and then its retry comes.
    while attempts.last() != Some(&2) {
        attempts.push(page.event().await["attempt"].as_u64().unwrap_or(1));
    }
    assert!(attempts.len() <= 2, "{attempts:?}");
    page.ack(&json!({ "seq": event["seq"] })).await;
    until("it is confirmed", async || delivery(fleet.one(), "a").await["state"] == "confirmed").await;
    let counters = consumer(fleet.one()).await["counters"].clone();
    assert_eq!([&counters["failed"], &counters["retries"]], [1, 1], "{counters}");
}

async fn a_dead_letter_is_one(fleet: Fleet) {
    let mut page = Page::open(&fleet.one().url, "tab").await;
    append(fleet.two(), "a").await;
    let mut servers = [fleet.two(), fleet.one()].into_iter().cycle();
    // With each attempt it is on another server.
    loop {
        let event = page.event().await;
        page.nack(&event, true).await;
        if event["attempt"] == 4 {
            break;
        }
        until_failed(fleet.one(), "a", event["attempt"].as_u64().unwrap_or(1)).await;
        page = Page::open(&servers.next().unwrap().url, "tab").await;
    }
    let letters = async || fleet.one().get("/v1/streams/run:1/dead-letters").await.1["events"].clone();
    until("it is dead", async || letters().await.as_array().is_some_and(|letters| letters.len() == 1)).await;
    let (_, consumers) = fleet.two().get("/v1/streams/run:1/consumers").await;
    assert_eq!(consumers["consumers"][0]["counters"]["dead"], 1, "{consumers}");
    assert_eq!(delivery(fleet.two(), "a").await["failures"].as_array().map(Vec::len), Some(4));
}

async fn operations_reach_a_page_anywhere(fleet: Fleet) {
    let mut page = Page::open(&fleet.two().url, "tab").await;
    for id in ["a", "b", "c"] {
        append(fleet.one(), id).await;
    }
    let [_, _, c] = [page.event().await, page.event().await, page.event().await];

    let (status, done) = post(fleet.one(), "/events/a/confirm", "tab").await;
    assert_eq!((status.as_u16(), &done["changed"]), (200, &json!(true)), "{done}");
    let (status, done) = post(fleet.one(), "/events/a/confirm", "tab").await;
    assert_eq!((status.as_u16(), &done["changed"]), (200, &json!(false)), "{done}");
    assert_eq!(delivery(fleet.two(), "a").await["state"], "confirmed");

    assert_eq!(post(fleet.one(), "/events/b/fail", "tab").await.0, 200);
    let again = page.event().await;
    assert_eq!([&again["id"], &again["attempt"]], [&json!("b"), &json!(2)], "the page is sent it again");

    page.nack(&c, false).await;
    until("it is dead", async || delivery(fleet.one(), "c").await["state"] == "dead").await;
    assert_eq!(post(fleet.one(), "/dead-letters/c/requeue", "tab").await.0, 200);
    assert_eq!(page.event().await["id"], "c");
    assert_refused(post(fleet.one(), "/dead-letters/c/requeue", "tab").await, 404, "no_dead_letter", &[]);
    page.nack(&again, false).await;
    until("it is dead", async || delivery(fleet.one(), "b").await["state"] == "dead").await;
    assert_eq!(post(fleet.one(), "/dead-letters/b/discard", "tab").await.0, 200);
}

async fn operations_reach_a_consumer_that_is_away(fleet: Fleet) {
    let mut page = Page::open(&fleet.two().url, "tab").await;
    append(fleet.one(), "a").await;
    append(fleet.one(), "b").await;
    let (a, b) = (page.event().await, page.event().await);
    page.nack(&a, false).await;
    until("it is dead", async || delivery(fleet.two(), "a").await["state"] == "dead").await;
    page.client.close().await;
    until("it is gone", async || consumer(fleet.one()).await["connected"] == false).await;
    // Now one does it, now the other.
    for (server, path) in [(fleet.one(), "/events/b/confirm"), (fleet.two(), "/dead-letters/a/requeue")] {
        let (status, done) = post(server, path, "tab").await;
        assert_eq!(status, 200, "{path}: {done}");
    }
    assert_ne!(delivery(fleet.one(), "a").await["state"], "dead");
    assert_eq!(post(fleet.one(), "/events/a/confirm", "tab").await.0, 200);
    let page = Page::open(&fleet.two().url, "tab").await;
    assert_eq!(page.subscribed["after"], b["seq"], "nothing is left");
}

async fn who_waits_for_a_confirmation_hears_of_it(fleet: Fleet) {
    let mut page = Page::open(&fleet.two().url, "tab").await;
    until("it is seen", async || consumer(fleet.one()).await["connected"] == true).await;
    for (n, of) in ["tab", "any", "all"].into_iter().enumerate() {
        let body = json!({ "id": format!("{n}"), "type": "x", "data": 1 });
        let path = format!("/v1/streams/run:1/events?wait=confirmed&consumer={of}&timeout_ms=15000");
        let asked = answer(fleet.one().request(reqwest::Method::POST, &path).json(&body));
        let confirmed = async {
            let event = page.event().await;
            page.ack(&event).await;
        };
        let ((status, answer), ()) = tokio::join!(asked, confirmed);
        assert_eq!((status.as_u16(), &answer["waited"][0]["outcome"]), (201, &json!("confirmed")), "{of}: {answer}");
    }
}

async fn everybody_sees_who_is_connected(fleet: Fleet) {
    let page = Page::open(&fleet.two().url, "tab").await;
    for server in [fleet.one(), fleet.two()] {
        until("it is connected", async || consumer(server).await["connected"] == true).await;
        let operator = async || server.get("/v1/operator/streams").await.1["streams"][0]["consumers"][0].clone();
        until("operators see it", async || operator().await["connected"] == true).await;
    }
    page.client.close().await;
    for server in [fleet.one(), fleet.two()] {
        until("it is not", async || consumer(server).await["connected"] == false).await;
    }
}

async fn an_operation_on_nobody_is_refused(fleet: Fleet) {
    append(fleet.one(), "a").await;
    for server in [fleet.one(), fleet.two()] {
        assert_refused(post(server, "/events/a/confirm", "nobody").await, 404, "unknown_consumer", &[]);
    }
    assert_eq!(fleet.two().get("/v1/streams/run:1/consumers").await.1["consumers"], json!([]));
}

async fn consumer(server: &support::Server) -> Value {
    server.get("/v1/streams/run:1/consumers").await.1["consumers"][0].clone()
}

/// A run whose events came by both servers and that is over raises nothing; one that fell silent is told, and no longer once
/// it has spoken anywhere.
async fn alerts_go_by_what_any_server_has_appended(fleet: Fleet) {
    let append = async |server: &support::Server, run: &str, event_type: &str| {
        let event = json!({ "type": event_type, "data": { "call": "1", "tool": "read" }, "meta": { "run_id": run } });
        let (status, answer) = server.append(&event.to_string()).await;
        assert!(status.is_success(), "{answer}");
    };
    for run in ["over", "silent"] {
        append(fleet.one(), run, "agent_started").await;
        append(fleet.one(), run, "tool_executing").await;
        append(fleet.two(), run, "tool_completed").await;
    }
    append(fleet.two(), "over", "agent_completed").await;
    let told = async || {
        let (_, answer) = fleet.one().get("/v1/operator/overview").await;
        let of = |alert: &Value| (alert["condition"].clone(), alert["run"].clone(), alert["over"].is_null());
        answer["alerts"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    let silent = |stands| vec![(json!("run_silent"), json!("silent"), stands)];
    until("the silent run is told", async || told().await == silent(true)).await;
    append(fleet.two(), "silent", "agent_completed").await;
    until("it is over", async || told().await == silent(false)).await;
}
