//! Several servers on one Redis, of which one has a consumer at a time: it dies, is stopped for a while, is cut off, drains,
//! and another one goes on where it was, once.

mod support;

use ackwire::wire::{ClientSession, StreamName};
use ackwire_server::{
    App,
    config::Config,
    log::{
        ConsumerKey, Fence, Loaded, Log, Owners, Purpose, RedisLog, RedisSettings, Retention, Save, Taken, Taker, Word,
    },
    outbox::{self, Outbox},
};
use clap::Parser;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use support::{
    Server,
    client::Client,
    fleet::{Page, append, delivery, post, until_failed},
    program::{Running, program},
    redis::Redis,
    route::Route,
    until,
};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// Retries come soon, but not at once.
const FLAGS: [&str; 8] =
    ["--dev", "--drain", "0s", "--delivery-backoff", "20ms", "--delivery-backoff-max", "20ms", "--delivery-retries=2"];

fn key(consumer: &str) -> ConsumerKey {
    ConsumerKey { subject: None, consumer: consumer.parse().unwrap() }
}

fn run() -> StreamName {
    "run:1".parse().unwrap()
}

fn save(state: &str, fence: Fence, version: u64) -> Save {
    let (stream, consumer, state) = (run(), key("tab"), state.to_owned());
    Save { stream, consumer, state, fence, version, is_connected: true }
}

/// A server of the program, with its folder.
fn start(redis: &Redis) -> (Running, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = redis.url();
    let flags = [&FLAGS[..], &["--port", "0", "--log", &url]].concat();
    let mut running = Running::start(program(&flags, &folder));
    // What it says must not fill the pipe.
    let mut stderr = running.child.stderr.take().unwrap();
    std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
    (running, folder)
}

async fn server(redis: &Redis) -> Server {
    Server::with_log(&FLAGS, Arc::new(redis.log(Retention::default()))).await
}

/// The names of the keys that end so.
fn keys(redis: &Redis, end: &str) -> Vec<String> {
    redis::from_redis_value(redis.command(&["KEYS", &format!("*:{end}")])).unwrap()
}

/// A connection that is there and says nothing of itself.
fn connection() -> Taker {
    Taker::Connection { session: None, is_there: Arc::new(|| true) }
}

/// The same with its number.
fn numbered(connection: u64) -> Taker {
    let session = ClientSession { id: "tab".parse().unwrap(), connection };
    Taker::Connection { session: Some(session), is_there: Arc::new(|| true) }
}

async fn take(owners: &Arc<dyn Owners>, held: Option<Fence>) -> Fence {
    take_for(owners, held, &connection()).await
}

async fn take_for(owners: &Arc<dyn Owners>, held: Option<Fence>, taker: &Taker) -> Fence {
    match owners.take(&key("tab"), held, taker).await.unwrap() {
        Taken::Here(fence) => fence,
        elsewhere => panic!("it stays elsewhere: {elsewhere:?}"),
    }
}

/// A server that hands over whatever is taken from it.
fn willing(log: &RedisLog) -> Arc<dyn Owners> {
    let owners = log.owners().unwrap();
    let mut words = owners.words().unwrap();
    tokio::spawn(async move {
        while let Some(word) = words.recv().await {
            if let Word::Taken { reply, .. } = word {
                reply.send(String::new());
            }
        }
    });
    owners
}

#[tokio::test]
async fn what_is_saved_under_an_older_fence_is_refused() {
    let Some(redis) = Redis::start() else { return };
    let logs = [(); 2].map(|()| redis.log(Retention::default()));
    let [one, two] = logs.each_ref().map(willing);
    let older = take(&one, None).await;
    assert_eq!(take(&one, Some(older)).await, older, "it has it already");
    assert_eq!(one.load(&run(), &key("tab"), older).await, Ok(Loaded::Current(None)));
    assert_eq!(one.save(vec![save("1", older, 1)]).await, Ok(vec![]));
    let newer = take(&two, None).await;
    assert!(newer > older);
    assert_eq!(one.superseded(&key("tab"), older).await, Ok(Some(Purpose::Connection)));
    assert_eq!(two.superseded(&key("tab"), newer).await, Ok(None));
    assert_eq!(one.save(vec![save("2", older, 2)]).await, Ok(vec![]), "it hands over what it knows");
    assert_eq!(two.load(&run(), &key("tab"), newer).await, Ok(Loaded::Current(Some("2".into()))));
    assert_eq!(one.save(vec![save("3", older, 3)]).await, Ok(vec![(key("tab"), older)]));
    assert_eq!(one.load(&run(), &key("tab"), older).await, Ok(Loaded::Superseded));
    assert!(logs[0].save_consumers(vec![(run(), key("tab"), "4".into())]).await.is_err(), "nobody goes around it");
    assert_eq!(logs[0].load_consumer(&run(), &key("tab")).await, Ok(Some("2".into())));

    // Given back, it is anybody's; what is known of the one before stays known.
    two.release(&key("tab"), newer);
    until("it is given back", async || keys(&redis, "owners").is_empty()).await;
    let newest = take(&one, None).await;
    assert!(newest > newer);
    assert_eq!(one.load(&run(), &key("tab"), newest).await, Ok(Loaded::Current(Some("2".into()))));
}

#[tokio::test]
async fn a_save_that_a_later_one_has_overtaken_changes_nothing() {
    let Some(redis) = Redis::start() else { return };
    let log = redis.log(Retention::default());
    let owners = willing(&log);
    let fence = take(&owners, None).await;
    owners.load(&run(), &key("tab"), fence).await.unwrap();
    assert_eq!(owners.save(vec![save("later", fence, 2)]).await, Ok(vec![]));
    assert_eq!(owners.save(vec![save("earlier", fence, 1)]).await, Ok(vec![]), "it is not refused either");
    assert_eq!(log.load_consumer(&run(), &key("tab")).await, Ok(Some("later".into())));
}

#[tokio::test]
async fn an_operation_takes_a_consumer_from_nobody_who_is_in_touch() {
    let Some(redis) = Redis::start() else { return };
    let logs = [(); 2].map(|()| redis.log(Retention::default()));
    let [one, two] = logs.each_ref().map(willing);
    take(&one, None).await;
    let Ok(Taken::Elsewhere(server)) = two.take(&key("tab"), None, &Taker::Operation { not: None }).await else {
        panic!("it was taken")
    };
    let taken = two.take(&key("tab"), None, &Taker::Operation { not: Some(server) }).await;
    assert!(matches!(taken, Ok(Taken::Here(_))), "unless that one says that it has it not: {taken:?}");
}

#[tokio::test]
async fn aw_conn_5_a_connection_takes_its_consumer_from_none_that_is_newer() {
    let Some(redis) = Redis::start() else { return };
    let logs = [(); 2].map(|()| redis.log(Retention::default()));
    let [one, two] = logs.each_ref().map(willing);
    let older = take_for(&one, None, &numbered(7)).await;
    let newer = take_for(&two, None, &numbered(8)).await;
    // Redis was long in doing what the first server asked for it.
    assert_eq!(one.take(&key("tab"), Some(older), &numbered(7)).await, Ok(Taken::Overtaken));
    assert_eq!(two.superseded(&key("tab"), newer).await, Ok(None));
    // Neither a look nor an operation forgets the number.
    until("it was looked for", async || two.is_in_touch()).await;
    assert_eq!(two.take(&key("tab"), Some(newer), &Taker::Operation { not: None }).await, Ok(Taken::Here(newer)));
    assert_eq!(one.take(&key("tab"), None, &numbered(7)).await, Ok(Taken::Overtaken));
    // Nor does what Redis has forgotten.
    redis.command(&["FLUSHALL"]);
    assert_eq!(two.superseded(&key("tab"), newer).await, Ok(None));
    assert_eq!(one.take(&key("tab"), None, &numbered(7)).await, Ok(Taken::Overtaken));
    assert!(take_for(&one, None, &numbered(9)).await > newer);
}

#[tokio::test]
async fn what_is_taken_for_a_connection_that_has_gone_is_taken_from_nobody() {
    let Some(redis) = Redis::start() else { return };
    let logs = [(); 2].map(|()| redis.log(Retention::default()));
    let [one, two] = logs.each_ref().map(willing);
    let fence = take(&two, None).await;
    assert_eq!(two.save(vec![save("1", fence, 1)]).await, Ok(vec![]));
    let gone = Taker::Connection { session: None, is_there: Arc::new(|| false) };
    assert_eq!(one.take(&key("tab"), None, &gone).await, Ok(Taken::Overtaken));
    assert_eq!(two.superseded(&key("tab"), fence).await, Ok(None));
    assert_eq!(two.save(vec![save("2", fence, 2)]).await, Ok(vec![]));
}

/// It carries out late what was asked of it for a connection that the page has given up meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_hangs_replaces_no_page() {
    let Some(redis) = Redis::start() else { return };
    let (one, two) = (server(&redis).await, server(&redis).await);
    append(&one, "a").await;
    let hello = |connection: u32| {
        let subscriptions = json!([{ "stream": "run:1", "window": { "events": 10, "bytes": 65536 } }]);
        let session = json!({ "id": "tab", "connection": connection });
        json!({ "type": "hello", "consumer": "tab", "session": session, "subscriptions": subscriptions })
    };
    for round in 0..20 {
        let (mut older, mut newer) = (Client::connect(&one.url).await, Client::connect(&two.url).await);
        redis.signal("STOP");
        newer.send(hello(2 * round + 2)).await;
        older.send(hello(2 * round + 1)).await;
        redis.signal("CONT");
        assert_eq!(older.closed().await.0, 4409);
        newer.next("welcome").await;
        newer.next("subscribed").await;
        assert_eq!(newer.next("events").await["events"][0]["id"], "a");
        newer.send(json!({ "type": "ping" })).await;
        newer.next("pong").await;
    }
}

/// A page that has failed to apply an event, with its retry to come.
async fn with_a_retry_to_come(url: &str, producer: &Server, id: &str) -> (Page, Value) {
    let mut page = Page::open(url, "tab").await;
    append(producer, id).await;
    let event = page.event().await;
    page.nack(&event, true).await;
    until_failed(producer, id, 1).await;
    (page, event)
}

/// The page fails the event until it is given up; how often it was sent.
async fn fail_to_the_end(page: &mut Page) -> Vec<u64> {
    let mut attempts = Vec::new();
    while attempts.last() != Some(&3) {
        let event = page.event().await;
        attempts.push(event["attempt"].as_u64().unwrap_or(1));
        page.nack(&event, true).await;
    }
    attempts
}

async fn assert_dead_once(server: &Server, id: &str) {
    until("it is dead", async || delivery(server, id).await["state"] == "dead").await;
    let (_, consumers) = server.get("/v1/streams/run:1/consumers").await;
    let counters = &consumers["consumers"][0]["counters"];
    assert_eq!([&counters["failed"], &counters["retries"], &counters["dead"]], [3, 2, 1], "{consumers}");
    let (_, letters) = server.get("/v1/streams/run:1/dead-letters").await;
    assert_eq!(letters["events"].as_array().map(Vec::len), Some(1), "{letters}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timers_move_when_their_server_is_killed() {
    let Some(redis) = Redis::start() else { return };
    let (mut one, two) = (start(&redis), server(&redis).await);
    let (page, _) = with_a_retry_to_come(&one.0.url, &two, "a").await;
    one.0.child.kill().unwrap();
    drop(page);
    let mut page = Page::open(&two.url, "tab").await;
    let attempts = fail_to_the_end(&mut page).await;
    assert!(attempts.is_sorted(), "{attempts:?}");
    assert_dead_once(&two, "a").await;
}

/// Both servers send retries themselves, and have known the consumer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_is_asked_once_for_each_retry() {
    let Some(redis) = Redis::start() else { return };
    let asked = Arc::new(Mutex::new(Vec::new()));
    let serve = async || {
        let config = Config::try_parse_from(["server"].iter().chain(&FLAGS)).unwrap();
        let app = App::new(config, Arc::new(redis.log(Retention::default()))).unwrap();
        let asked = asked.clone();
        app.hub.on_retry(move |_, _, _, attempt| {
            asked.lock().unwrap().push(attempt);
            async { Ok::<_, String>(true) }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app.router()).await });
        url
    };
    let (one, two, producer) = (serve().await, serve().await, server(&redis).await);
    let (page, _) = with_a_retry_to_come(&one, &producer, "a").await;
    until("the first retry counts as sent", async || delivery(&producer, "a").await["attempt"] == 2).await;
    drop(page);
    let mut page = Page::open(&two, "tab").await;
    let mut event = page.event().await;
    assert_eq!(event["attempt"], 2, "who comes to another server is sent what it has not settled");
    page.nack(&event, true).await;
    until("the other server asks for the second", async || *asked.lock().unwrap() == [2, 3]).await;
    event["attempt"] = 3.into();
    page.nack(&event, true).await;
    assert_dead_once(&producer, "a").await;
    assert_eq!(*asked.lock().unwrap(), [2, 3]);
}

/// What an application commits with its own data is relayed by several of its servers to several of ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outbox_is_relayed_once_whoever_relays_it() {
    let Some(redis) = Redis::start() else { return };
    let (folder, producer) = (tempfile::tempdir().unwrap(), server(&redis).await);
    let path = folder.path().join("shop.db");
    let database = Connection::open(&path).unwrap();
    outbox::create(&database).unwrap();
    let start = || Outbox::start(&path, Arc::new(redis.log(Retention::default())), Duration::from_millis(1)).unwrap();
    let relays = [start(), start()];
    let mut page = Page::open(&producer.url, "tab").await;
    for n in 0..50 {
        let event = json!({ "id": format!("{n}"), "type": "sold", "time": 1, "data": n });
        outbox::append(&database, &run(), &serde_json::from_str(&event.to_string()).unwrap()).unwrap();
        relays[n % 2].wake();
    }
    for n in 0..50 {
        let event = page.event().await;
        assert_eq!(event["id"], format!("{n}"));
        page.ack(&event).await;
    }
    for relay in relays {
        relay.flush().await.unwrap();
        relay.close().await;
    }
    let (_, stream) = producer.get("/v1/streams/run:1").await;
    assert_eq!(stream["events"], 50);
}

/// It answers nobody and fires nothing; when it wakes, another one has been there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_stopped_for_a_while_does_no_harm() {
    let Some(redis) = Redis::start() else { return };
    let (one, two) = (start(&redis), server(&redis).await);
    let (mut asleep, _) = with_a_retry_to_come(&one.0.url, &two, "a").await;
    one.0.signal("STOP");
    let mut page = Page::open(&two.url, "tab").await;
    fail_to_the_end(&mut page).await;
    append(&two, "b").await;
    let b = page.event().await;
    page.ack(&b).await;
    until("it is confirmed", async || delivery(&two, "b").await["state"] == "confirmed").await;
    // What its page said last, it finds when it wakes.
    asleep.nack(&b, false).await;
    one.0.signal("CONT");
    assert_eq!(asleep.client.closed().await.0, 4409);
    assert_eq!(delivery(&two, "b").await["state"], "confirmed");
    assert_dead_once(&two, "a").await;
    assert_eq!(Page::open(&one.0.url, "tab").await.subscribed["after"], b["seq"], "it knows all of it");
    assert_eq!(page.client.closed().await.0, 4409);
}

/// It lives, has its clients, and cannot reach Redis; meanwhile another one is where they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_cut_off_keeps_its_pages_and_loses_those_that_have_gone_elsewhere() {
    let Some(redis) = Redis::start() else { return };
    let route = Route::to(redis.port()).await;
    let url = format!("redis://127.0.0.1:{}", route.port()).parse().unwrap();
    let cut_off = Arc::new(RedisLog::new(RedisSettings { url, replicas: 0 }, Retention::default()));
    let (one, two) = (Server::with_log(&FLAGS, cut_off.clone()).await, server(&redis).await);
    let (mut moves, _) = with_a_retry_to_come(&one.url, &two, "a").await;
    let mut stays = Page::open(&one.url, "stays").await;
    let a = stays.event().await;
    // Nobody is there.
    route.turn(1);
    until("it is out of touch", async || !cut_off.owners().unwrap().is_in_touch()).await;
    stays.ack(&a).await;
    let mut page = Page::open(&two.url, "tab").await;
    fail_to_the_end(&mut page).await;
    route.turn(redis.port());
    assert_eq!(moves.client.closed().await.0, 4409);
    assert_dead_once(&two, "a").await;
    append(&two, "b").await;
    let b = stays.event().await;
    assert_eq!(b["id"], "b", "on the same connection");
    stays.ack(&b).await;
    until("both are confirmed", async || {
        let (_, consumers) = two.get("/v1/streams/run:1/consumers").await;
        consumers["consumers"][0]["consumer"] == "stays" && consumers["consumers"][0]["confirmed"] == b["seq"]
    })
    .await;
    assert_eq!(delivery(&two, "a").await["attempt"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timers_move_when_their_server_drains_and_nothing_is_left_behind() {
    let Some(redis) = Redis::start() else { return };
    let (one, two) = (server(&redis).await, server(&redis).await);
    let (mut page, _) = with_a_retry_to_come(&one.url, &two, "a").await;
    let (_, closed) = tokio::join!(one.stop(), page.client.closed());
    assert_eq!(closed.0, 4503);
    assert_eq!(keys(&redis, "owners"), [""; 0], "no consumer is anybody's");
    assert_eq!(keys(&redis, "servers"), [""; 0], "no server is remembered");
    let mut page = Page::open(&two.url, "tab").await;
    fail_to_the_end(&mut page).await;
    assert_dead_once(&two, "a").await;
    two.stop().await;
    assert_eq!([keys(&redis, "owners"), keys(&redis, "servers")].concat(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_stay_where_they_are_while_redis_restarts() {
    let Some(mut redis) = Redis::start() else { return };
    let (one, two) = (server(&redis).await, server(&redis).await);
    let (mut page, _) = with_a_retry_to_come(&one.url, &two, "a").await;
    let mut other = Page::open(&two.url, "other").await;
    let a = other.event().await;
    redis.kill();
    other.ack(&a).await;
    redis.restart();
    fail_to_the_end(&mut page).await;
    until("what was confirmed meanwhile is saved", async || {
        let (_, consumers) = one.get("/v1/streams/run:1/consumers").await;
        consumers["consumers"][0]["consumer"] == "other" && consumers["consumers"][0]["confirmed"] == a["seq"]
    })
    .await;
    until("it is dead", async || delivery_of(&two, "tab").await["state"] == "dead").await;
    assert_eq!(post(&one, "/dead-letters/a/requeue", "tab").await.0, 200);
    assert_eq!(page.event().await["attempt"], 4);
}

/// What became of `a` for a consumer.
async fn delivery_of(server: &Server, consumer: &str) -> Value {
    let (_, event) = server.get("/v1/streams/run:1/events/a").await;
    let mut deliveries = event["deliveries"].as_array().into_iter().flatten();
    deliveries.find(|delivery| delivery["consumer"] == consumer).cloned().unwrap_or_default()
}

/// The fence of whoever takes it next at once, of who has a consumer (`lua/take.lua`).
fn newer(owner: &str) -> u64 {
    owner.split(' ').next().unwrap().parse::<u64>().unwrap() + 1
}

/// A replica that becomes the primary may not know who has what.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_redis_has_forgotten_is_taken_again_and_what_it_could_not_tell_is_found() {
    let Some(redis) = Redis::start() else { return };
    let one = server(&redis).await;
    let mut page = Page::open(&one.url, "tab").await;
    let name = keys(&redis, "owners").remove(0);
    redis.command(&["DEL", &name]);
    until("it has it again", async || keys(&redis, "owners") == [name.clone()]).await;
    append(&one, "a").await;
    let a = page.event().await;
    page.ack(&a).await;
    until("it is saved", async || delivery(&one, "a").await["state"] == "confirmed").await;

    // Another server takes it, and its word is lost.
    let fields: Vec<String> = redis::from_redis_value(redis.command(&["HGETALL", &name])).unwrap();
    redis.command(&["HSET", &name, &fields[0], &format!("{} another c ? 0", newer(&fields[1]))]);
    assert_eq!(page.client.closed().await.0, 4409);

    // Somebody has done something to it, so it comes back.
    redis.command(&["DEL", &name]);
    let mut page = Page::open(&one.url, "tab").await;
    let fields: Vec<String> = redis::from_redis_value(redis.command(&["HGETALL", &name])).unwrap();
    redis.command(&["HSET", &name, &fields[0], &format!("{} another o ? 0", newer(&fields[1]))]);
    assert_eq!(page.client.closed().await.0, 1012);
}

#[tokio::test]
async fn what_a_server_had_that_is_long_gone_is_let_go() {
    let Some(redis) = Redis::start() else { return };
    let one = server(&redis).await;
    let page = Page::open(&one.url, "tab").await;
    let (owners, servers) = (keys(&redis, "owners").remove(0), keys(&redis, "servers").remove(0));
    redis.command(&["HSET", &owners, "a", "1 gone c ? 0", "b", "2 gone o ? 0", "c", "3 away c ? 0"]);
    // In milliseconds since 1970: long ago, and just now.
    let now = ackwire_server::clock::unix_ms().to_string();
    redis.command(&["ZADD", &servers, "1000", "gone", &now, "away"]);
    until("it is let go", async || {
        let left: Vec<String> = redis::from_redis_value(redis.command(&["HVALS", &owners])).unwrap();
        let known: Vec<String> = redis::from_redis_value(redis.command(&["ZRANGE", &servers, "0", "-1"])).unwrap();
        left.len() == 2 && left.contains(&"3 away c ? 0".into()) && known.len() == 2 && known.contains(&"away".into())
    })
    .await;
    drop(page);
}

/// Who dies with consumers holds nobody up for longer than it could have been at work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_on_a_consumer_of_a_server_that_died_is_refused_and_then_done() {
    let Some(redis) = Redis::start() else { return };
    let (mut one, two) = (start(&redis), server(&redis).await);
    let mut page = Page::open(&one.0.url, "tab").await;
    append(&two, "a").await;
    page.event().await;
    until("it is known", async || delivery(&two, "a").await["state"] == "sent").await;
    one.0.child.kill().unwrap();
    let (status, answer) = post(&two, "/events/a/confirm", "tab").await;
    assert!(status == 503 && answer["error"]["code"] == "unavailable" || status == 200, "{status} {answer}");
    until("it is done", async || post(&two, "/events/a/confirm", "tab").await.0 == 200).await;
    assert_eq!(delivery(&two, "a").await["state"], "confirmed");
    assert_eq!(json!(false), two.get("/v1/streams/run:1/consumers").await.1["consumers"][0]["connected"]);
}

/// What is written for a consumer to be taken is little: a full Redis takes no events, and clients still come and go.
#[tokio::test]
async fn a_full_redis_does_not_keep_consumers_from_being_taken() {
    let Some(redis) = Redis::start() else { return };
    let logs = [(); 2].map(|()| redis.log(Retention::default()));
    let [one, two] = logs.each_ref().map(willing);
    take(&one, None).await;
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let fence = take(&two, None).await;
    assert_eq!(two.load(&run(), &key("tab"), fence).await, Ok(Loaded::Current(None)));
    assert!(two.save(vec![save("1", fence, 1)]).await.is_err(), "it is full");
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(two.save(vec![save("1", fence, 1)]).await, Ok(vec![]));
}

/// Everything that a script touches lies in one slot, and words find their way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_share_a_cluster() {
    let Some(redis) = Redis::with(&["--cluster-enabled", "yes"]) else { return };
    redis.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    until("the cluster is complete", async || {
        let info: String = redis::from_redis_value(redis.command(&["CLUSTER", "INFO"])).unwrap();
        info.contains("cluster_state:ok")
    })
    .await;
    let start = async || {
        let url = format!("redis-cluster://127.0.0.1:{}", redis.port()).parse().unwrap();
        let log = RedisLog::new(RedisSettings { url, replicas: 0 }, Retention::default());
        Server::with_log(&FLAGS, Arc::new(log)).await
    };
    let (one, two) = (start().await, start().await);
    let (mut older, event) = with_a_retry_to_come(&one.url, &two, "a").await;
    let mut page = Page::open(&two.url, "tab").await;
    assert_eq!(older.client.closed().await.0, 4409);
    assert_eq!(post(&one, "/events/a/confirm", "tab").await.0, 200);
    assert_eq!(delivery(&two, "a").await["state"], "confirmed");
    append(&one, "b").await;
    while page.event().await["id"] != "b" {}
    page.ack(&json!({ "seq": event["seq"] })).await;
    one.stop().await;
    two.stop().await;
    assert_eq!([keys(&redis, "owners"), keys(&redis, "servers")].concat(), [""; 0]);
}
