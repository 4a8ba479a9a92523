//! An agent's run, from its own methods to a consumer on a real socket; against each log.

mod support;

use ackwire::wire::{EventType, Priority, StreamName};
use ackwire_server::{
    App,
    agent::{
        AgentRun, Bridge, BridgeError, Confirmation, Delivery, DispatchError, Dispatched, Dispatcher, Report, RunKey,
        Telling, ToolFault, Unconfirmed, blocking,
    },
    config::Config,
    hub::{Awaited, Hub},
    log::{Log, LogError, MemoryLog, Retention, SqliteLog},
};
use clap::Parser;
use serde::Serialize;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use support::{Server, client::Client};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// A confirmation comes much sooner; only a fault makes a call wait so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A log, a server on it, and a bridge to it.
struct Place {
    log: Arc<dyn Log>,
    server: Server,
    bridge: Bridge,
    _folder: Option<TempDir>,
}

impl Place {
    async fn memory(retention: Retention) -> Self {
        Self::on(Arc::new(MemoryLog::new(retention)), None).await
    }

    async fn sqlite(retention: Retention) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = Arc::new(SqliteLog::open(folder.path(), retention).unwrap());
        Self::on(log, Some(folder)).await
    }

    async fn on(log: Arc<dyn Log>, folder: Option<TempDir>) -> Self {
        let server = Server::with_log(&["--dev"], log.clone()).await;
        Self { bridge: Bridge::new(log.clone()), log, server, _folder: folder }
    }

    async fn start(&self) -> AgentRun {
        self.bridge.agent_started(key("ada"), json!({ "task": "Look" })).await.unwrap()
    }

    /// A tab that hears the run from its start.
    async fn tab(&self) -> Client {
        let mut tab = Client::hello(&self.server.url, "tab", json!([{ "stream": "run:1", "from": "start" }])).await;
        tab.next("subscribed").await;
        tab
    }
}

/// Runs `$test` against every log, with a retention.
macro_rules! on_each_log {
    ($($test:ident($retention:expr)),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(super::Place::memory($retention).await).await; })*
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(super::Place::sqlite($retention).await).await; })*
        }
    };
}

on_each_log! {
    a_run_reaches_the_page_with_types_priorities_and_keys(Default::default()),
    a_run_belongs_to_who_started_it(Default::default()),
    two_who_start_the_same_run_at_once_are_told_apart(Default::default()),
    who_starts_its_run_again_goes_on_with_it(Default::default()),
    events_from_before_the_start_claim_nothing(Default::default()),
    a_trimmed_run_still_knows_whose_it_is(super::Retention { events: Some(2), ..Default::default() }),
    a_call_is_told_before_and_after(Default::default()),
    the_four_outcomes_of_a_call_are_told_apart(Default::default()),
    what_is_too_large_is_told_as_its_size(Default::default()),
    calls_may_overlap(Default::default()),
}

fn key(user: &str) -> RunKey {
    RunKey::new("1", "t", user).unwrap()
}

fn event_type(name: &str) -> EventType {
    EventType::new(name).unwrap()
}

/// The next `count` events, however many travel together.
async fn events(tab: &mut Client, count: usize) -> Vec<Value> {
    let mut events = Vec::new();
    while events.len() < count {
        let frame = tab.next("events").await;
        events.extend(frame["events"].as_array().unwrap().clone());
    }
    events
}

async fn a_run_reaches_the_page_with_types_priorities_and_keys(place: Place) {
    let mut tab = place.tab().await;
    let run = place.start().await;
    run.agent_thinking(1, &["First", " this"]).await.unwrap();
    run.progress_update("reading", 3, Some(10)).await.unwrap();
    run.custom(event_type("note"), Priority::Low, json!({ "text": "mine" })).await.unwrap();
    run.agent_error("no way").await.unwrap();
    run.agent_death("out of memory").await.unwrap();
    run.agent_completed("done", 5).await.unwrap();
    run.end().await.unwrap();

    let events = events(&mut tab, 8).await;
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            (event["type"].as_str().unwrap(), event.get("priority").map_or("normal", |it| it.as_str().unwrap()))
        })
        .collect();
    assert_eq!(
        told,
        [
            ("agent_started", "high"),
            ("agent_thinking", "normal"),
            ("agent_thinking", "normal"),
            ("progress_update", "normal"),
            ("note", "low"),
            ("agent_error", "high"),
            ("agent_death", "high"),
            ("agent_completed", "high"),
        ]
    );
    for event in &events {
        assert_eq!(event["meta"], json!({ "run_id": "1", "thread_id": "t", "user_id": "ada" }));
    }
    assert_eq!(events[3]["data"], json!({ "message": "reading", "done": 3, "total": 10 }));
    assert_eq!(run.events(), 8);
    assert_eq!(tab.next("ended").await["seq"], 8);
    assert_eq!(run.agent_error("late").await, Err(LogError::StreamEnded));
}

async fn a_run_belongs_to_who_started_it(place: Place) {
    let not_yours = Some(BridgeError::NotYours(StreamName::new("run:1").unwrap()));
    let not_started = Some(BridgeError::NotStarted(StreamName::new("run:1").unwrap()));
    assert_eq!(place.bridge.resume(key("ada")).await.err(), not_started);
    place.start().await;
    // Another process's bridge knows as much: it stands in the log.
    let bridge = Bridge::new(place.log.clone());
    assert_eq!(bridge.resume(key("eve")).await.err(), not_yours);
    assert_eq!(bridge.agent_started(key("eve"), json!({})).await.err(), not_yours);
    assert_eq!(place.log.tail(key("ada").stream()).await.unwrap().head.get(), 1, "nothing was appended");
    bridge.resume(key("ada")).await.unwrap().agent_completed("done", 1).await.unwrap();
}

async fn two_who_start_the_same_run_at_once_are_told_apart(place: Place) {
    let users: Vec<_> = (0..16).map(|n| format!("user {n}")).collect();
    let starts = users.iter().map(|user| {
        let (bridge, key) = (place.bridge.clone(), key(user));
        tokio::spawn(async move { bridge.agent_started(key, json!({})).await.is_ok() })
    });
    let mut started = 0;
    for start in starts.collect::<Vec<_>>() {
        started += u32::from(start.await.unwrap());
    }
    assert_eq!(started, 1);
    assert_eq!(place.log.tail(key("ada").stream()).await.unwrap().head.get(), 1);
}

async fn who_starts_its_run_again_goes_on_with_it(place: Place) {
    let mut tools = Dispatcher::default();
    tools.register("look", async |_| Ok::<_, String>(Found("a".into())));
    let first = tools.dispatch(&place.start().await, "look", json!({})).await.unwrap().call;
    let second = tools.dispatch(&place.start().await, "look", json!({})).await.unwrap().call;
    assert!(second > first, "a call's number is its own, also after a restart: {first}, {second}");
    assert_eq!(place.log.tail(key("ada").stream()).await.unwrap().head.get(), 5, "started once, two calls");
}

async fn events_from_before_the_start_claim_nothing(place: Place) {
    place.server.append(r#"{"type": "user_message", "data": "please look"}"#).await;
    place.start().await;
    assert!(place.bridge.resume(key("ada")).await.is_ok());
    assert!(place.bridge.resume(key("eve")).await.is_err());
}

async fn a_trimmed_run_still_knows_whose_it_is(place: Place) {
    let run = place.start().await;
    run.agent_thinking(1, &["a", "b", "c"]).await.unwrap();
    assert_eq!(place.log.tail(run.stream()).await.unwrap().oldest.get(), 3, "the start is gone");
    assert!(matches!(place.bridge.resume(key("eve")).await, Err(BridgeError::NotYours(_))));
    assert!(matches!(place.bridge.agent_started(key("eve"), json!({})).await, Err(BridgeError::NotYours(_))));
    assert!(place.bridge.agent_started(key("ada"), json!({})).await.is_ok());
    assert_eq!(place.log.tail(run.stream()).await.unwrap().head.get(), 4, "it has started once");
}

#[derive(Serialize)]
struct Found(String);

impl Report for Found {
    fn summary(&self) -> String {
        self.0.clone()
    }
}

async fn a_call_is_told_before_and_after(place: Place) {
    let mut tab = place.tab().await;
    let run = place.start().await;
    let mut tools = Dispatcher::default();
    tools.register("look", async |arguments: Value| {
        Ok::<_, String>(Found("ä".repeat(arguments["length"].as_u64().unwrap() as usize)))
    });
    let dispatched = tools.dispatch(&run, "look", json!({ "length": 400 })).await.unwrap();
    assert_eq!(dispatched.outcome.unwrap().read::<String>().unwrap(), "ä".repeat(400), "the agent has all of it");

    let events = events(&mut tab, 3).await;
    let call = dispatched.call;
    assert_eq!(events[1]["data"], json!({ "call": call, "tool": "look", "arguments": { "length": 400 } }));
    let completed = &events[2]["data"];
    assert_eq!((&completed["call"], &completed["success"]), (&json!(call), &json!(true)));
    assert_eq!(completed["summary"], "ä".repeat(150), "300 bytes, cut at a character boundary");
    assert!(completed["duration_ms"].is_u64());
    assert_eq!((&events[1]["priority"], &events[2]["priority"]), (&json!("critical"), &json!("critical")));
    let Delivery::Appended(place) = dispatched.delivery else { panic!("{:?}", dispatched.delivery) };
    assert_eq!((place.id.as_str(), place.seq.get()), (events[2]["id"].as_str().unwrap(), 3));
}

async fn the_four_outcomes_of_a_call_are_told_apart(place: Place) {
    let run = place.start().await;
    let mut tools = Dispatcher::default();
    tools.register("fails", async |_| Err::<Found, _>("a is no text file"));
    tools.register("panics", async |_| -> Result<Found, String> { panic!("broken on purpose") });
    tools.register("panics elsewhere", |_| blocking(|| -> Result<Found, String> { panic!("on purpose, too") }));
    let panics_at_once = |_| -> std::future::Ready<Result<Found, String>> { panic!("at once") };
    tools.register("panics at once", panics_at_once);

    let unknown = tools.dispatch(&run, "guess", json!({})).await.unwrap_err();
    assert_eq!(unknown, DispatchError::UnknownTool("guess".into()));
    assert_eq!(run.events(), 1, "it emits nothing");
    for (tool, fault, told) in [
        ("fails", ToolFault::Failed("a is no text file".into()), "a is no text file"),
        ("panics", ToolFault::Panicked("broken on purpose".into()), "the tool panicked"),
        ("panics elsewhere", ToolFault::Panicked("on purpose, too".into()), "the tool panicked"),
        ("panics at once", ToolFault::Panicked("at once".into()), "the tool panicked"),
    ] {
        let dispatched = tools.dispatch(&run, tool, json!({})).await.unwrap();
        assert_eq!(dispatched.outcome.unwrap_err(), fault);
        let Delivery::Appended(completed) = dispatched.delivery else { panic!("{:?}", dispatched.delivery) };
        let (_, event) = place.server.get(&format!("/v1/streams/run:1/events/{}", completed.id)).await;
        let data = &event["event"]["data"];
        assert_eq!((&data["success"], data["summary"].as_str(), data.get("result")), (&json!(false), Some(told), None));
    }

    // The run goes on.
    run.agent_completed("done", 5).await.unwrap();
    assert_eq!(run.tool_calls(), 4);
}

async fn what_is_too_large_is_told_as_its_size(place: Place) {
    let run = place.start().await;
    let mut tools = Dispatcher::new(Telling { detail_bytes: 100, ..Telling::default() });
    tools.register("echo", async |arguments: Value| Ok::<_, String>(Found(arguments.as_str().unwrap().into())));
    let dispatched = tools.dispatch(&run, "echo", json!("x".repeat(99))).await.unwrap();
    assert_eq!(dispatched.outcome.unwrap().read::<String>().unwrap().len(), 99);
    let (_, page) = place.server.get("/v1/streams/run:1/events").await;
    assert_eq!(page["events"][1]["data"]["arguments"], json!({ "omitted_bytes": 101 }));
    assert_eq!(page["events"][2]["data"]["result"], json!({ "omitted_bytes": 101 }));
}

async fn calls_may_overlap(place: Place) {
    let run = place.start().await;
    let mut tools = Dispatcher::default();
    let both = Arc::new(tokio::sync::Barrier::new(2));
    tools.register("meet", move |_| {
        let both = both.clone();
        async move {
            both.wait().await;
            Ok::<_, String>(Found("met".into()))
        }
    });
    let (one, other) = tokio::join!(tools.dispatch(&run, "meet", json!({})), tools.dispatch(&run, "meet", json!({})));
    assert_ne!(one.unwrap().call, other.unwrap().call);
    assert_eq!(place.log.tail(run.stream()).await.unwrap().head.get(), 5);
}

#[tokio::test]
async fn an_agent_that_panics_is_told_as_dead() {
    let place = Place::memory(Retention::default()).await;
    let run = place.start().await;
    assert_eq!(run.attended(async { 7 }).await, Ok(Some(7)));
    assert_eq!(run.attended(async { panic!("with a secret") }).await, Ok(None::<()>));
    let (_, page) = place.server.get("/v1/streams/run:1/events").await;
    let events = page["events"].as_array().unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(
        (&events[1]["type"], &events[1]["data"]),
        (&json!("agent_death"), &json!({ "reason": "the agent panicked" }))
    );
}

#[tokio::test]
async fn a_tool_whose_start_cannot_be_told_is_not_run() {
    let place = Place::memory(Retention::default()).await;
    let run = place.start().await;
    run.end().await.unwrap();
    let mut tools = Dispatcher::default();
    tools.register("look", async |_| -> Result<Found, String> { unreachable!("it is not run") });
    let refused = tools.dispatch(&run, "look", json!({})).await.unwrap_err();
    assert_eq!(refused, DispatchError::Log(LogError::StreamEnded));
}

#[tokio::test]
async fn a_result_whose_telling_fails_is_handed_back_all_the_same() {
    let place = Place::memory(Retention::default()).await;
    let run = place.start().await;
    let mut tools = Dispatcher::default();
    let inside = run.clone();
    tools.register("end", move |_| {
        let run = inside.clone();
        async move { run.end().await.map(|()| Found("ended".into())) }
    });
    let dispatched = tools.dispatch(&run, "end", json!({})).await.unwrap();
    assert_eq!(dispatched.outcome.unwrap().summary, "ended");
    assert!(matches!(dispatched.delivery, Delivery::NotAppended(LogError::StreamEnded)), "{:?}", dispatched.delivery);
}

/// A tool whose calls wait until somebody has confirmed them.
fn awaited_tools(hub: &Arc<Hub>, within: Duration, by_user: bool) -> Dispatcher {
    let mut tools = Dispatcher::default();
    tools.register("look", async |_| Ok::<_, String>(Found("a".into())));
    tools.await_confirmation(Confirmation { hub: hub.clone(), awaited: Awaited::Any, by_user, within });
    tools
}

/// A server whose hub the agent shares, as in one process.
async fn served() -> (Arc<App>, String) {
    let config = Config::try_parse_from(["test", "--dev"]).unwrap();
    let app = App::new(config, Arc::new(MemoryLog::new(Retention::default()))).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = app.router();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (app, url)
}

async fn started(app: &App) -> AgentRun {
    Bridge::new(app.log.clone()).agent_started(key("ada"), json!({})).await.unwrap()
}

async fn subscribed(url: &str) -> (Client, Value) {
    let mut tab = Client::hello(url, "tab", json!([{ "stream": "run:1", "from": "start" }])).await;
    let epoch = tab.next("subscribed").await["epoch"].clone();
    (tab, epoch)
}

#[tokio::test]
async fn a_call_returns_once_the_page_has_confirmed_what_came_of_it() {
    let (app, url) = served().await;
    let run = started(&app).await;
    let (mut tab, epoch) = subscribed(&url).await;
    let call = tokio::spawn(async move {
        let tools = awaited_tools(&app.hub, PATIENCE, false);
        tools.dispatch(&run, "look", json!({})).await.unwrap()
    });
    events(&mut tab, 3).await;
    // What came before is not what is waited for.
    tab.send(json!({ "type": "ack", "stream": "run:1", "epoch": epoch, "upto": 2 })).await;
    tab.send(json!({ "type": "ping" })).await;
    tab.next("pong").await;
    assert!(!call.is_finished());

    tab.send(json!({ "type": "ack", "stream": "run:1", "epoch": epoch, "upto": 3 })).await;
    let Dispatched { outcome, delivery, .. } = call.await.unwrap();
    assert_eq!(outcome.unwrap().read::<String>().unwrap(), "a");
    let Delivery::Confirmed { place, by } = delivery else { panic!("{delivery:?}") };
    assert_eq!((place.seq.get(), by.len(), by[0].consumer.as_str()), (3, 1, "tab"));
}

#[tokio::test]
async fn a_result_that_nobody_confirms_is_handed_back_as_such() {
    let (app, url) = served().await;
    let run = started(&app).await;
    let (mut tab, epoch) = subscribed(&url).await;
    let tools = awaited_tools(&app.hub, Duration::from_millis(1), false);
    let Dispatched { outcome, delivery, .. } = tools.dispatch(&run, "look", json!({})).await.unwrap();
    assert!(outcome.is_ok(), "the tool has done its work");
    assert!(matches!(delivery, Delivery::Unconfirmed { reason: Unconfirmed::Timeout, .. }), "{delivery:?}");

    // The page says that it never will.
    let call = tokio::spawn(async move {
        awaited_tools(&app.hub, PATIENCE, false).dispatch(&run, "look", json!({})).await.unwrap()
    });
    events(&mut tab, 5).await;
    let nack = json!({ "type": "nack", "stream": "run:1", "epoch": epoch, "seq": 5, "attempt": 1, "error": "no", "retry": false });
    tab.send(nack).await;
    let delivery = call.await.unwrap().delivery;
    let Delivery::Unconfirmed { reason: Unconfirmed::Failed(by), .. } = delivery else { panic!("{delivery:?}") };
    assert_eq!(by[0].last_error.as_deref(), Some("no"));
}

#[tokio::test]
async fn a_confirmation_by_somebody_else_is_not_the_users() {
    let (app, url) = served().await;
    let run = started(&app).await;
    let (mut tab, epoch) = subscribed(&url).await;
    let tools = awaited_tools(&app.hub, Duration::from_millis(1), true);
    tools.dispatch(&run, "look", json!({})).await.unwrap();
    events(&mut tab, 3).await;
    tab.send(json!({ "type": "ack", "stream": "run:1", "epoch": epoch, "upto": 3 })).await;
    tab.send(json!({ "type": "ping" })).await;
    tab.next("pong").await;
    // The tab has no token, and so is nobody's.
    let delivery = tools.dispatch(&run, "look", json!({})).await.unwrap().delivery;
    assert!(matches!(delivery, Delivery::Unconfirmed { reason: Unconfirmed::Timeout, .. }), "{delivery:?}");
}
