//! A disk that is full, or may not be written: a clear error, nothing half-written, and on it goes once that is over.

mod support;

use ackwire_server::log::{OpenError, Retention, SqliteLog};
use serde_json::json;
use std::{fs, sync::Arc};
use support::{Server, assert_refused, disk::Disk};

#[tokio::test]
async fn a_full_disk_refuses_and_recovers() {
    let Some(disk) = Disk::mount() else { return };
    let data = disk.path().join("data");
    let log = Arc::new(SqliteLog::open(&data, Retention::default()).unwrap());
    let server = Server::with_log(&["--dev"], log).await;
    let event = |id: &str, bytes| json!({ "id": id, "type": "x", "data": "d".repeat(bytes) }).to_string();
    assert_eq!(server.append(&event("before", 10)).await.0, 201);

    let filler = disk.fill();
    let batch: Vec<_> =
        (0..40).map(|n| json!({ "id": format!("large {n}"), "type": "x", "data": "d".repeat(100_000) })).collect();
    let refused = server.append(&json!(batch).to_string()).await;
    assert_refused(refused, 503, "unavailable", &["full", data.to_str().unwrap(), "free some space"]);
    let (_, stream) = server.get("/v1/streams/run:1").await;
    assert_eq!([&stream["head"], &stream["events"]], [1, 1], "it still reads, and kept nothing of the batch");

    fs::remove_file(filler).unwrap();
    assert_eq!(server.get("/health/ready").await.0, 200);
    let (status, after) = server.append(&event("after", 10)).await;
    assert_eq!((status.as_u16(), &after["events"][0]["seq"]), (201, &json!(2)), "no seq was used up");
    server.stop().await;

    let log = Arc::new(SqliteLog::open(&data, Retention::default()).unwrap());
    let server = Server::with_log(&["--dev"], log).await;
    let (_, page) = server.get("/v1/streams/run:1/events").await;
    let ids: Vec<_> = page["events"].as_array().unwrap().iter().map(|event| &event["id"]).collect();
    assert_eq!(ids, ["before", "after"]);
    server.stop().await;
}

#[tokio::test]
async fn a_full_disk_says_so_in_its_health() {
    let Some(disk) = Disk::mount() else { return };
    let log = Arc::new(SqliteLog::open(&disk.path().join("data"), Retention::default()).unwrap());
    let server = Server::with_log(&["--dev"], log).await;
    let filler = disk.fill();
    // The log may have some pages of its own left.
    let data = "d".repeat(3000);
    while server.append(&json!({ "type": "x", "data": data }).to_string()).await.0 != 503 {}
    while server.get("/health/ready").await.0 != 503 {}
    assert_eq!(server.get("/health/live").await.0, 200);
    fs::remove_file(filler).unwrap();
    assert_eq!(server.get("/health/ready").await.0, 200);
    server.stop().await;
}

#[test]
fn a_folder_that_may_not_be_written_is_named() {
    let Some(disk) = Disk::mount() else { return };
    let data = disk.path().join("data");
    fs::create_dir(&data).unwrap();
    assert!(disk.remount("ro"));
    let refused = SqliteLog::open(&data, Retention::default()).map(drop).unwrap_err();
    assert!(matches!(&refused, OpenError::Unusable { folder, .. } if *folder == data), "{refused}");
    assert!(refused.to_string().contains("Read-only") && refused.to_string().contains("--data"), "{refused}");
    assert!(disk.remount("rw"));
    SqliteLog::open(&data, Retention::default()).unwrap();
}

#[test]
fn a_log_of_a_newer_server_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(SqliteLog::open(folder.path(), Retention::default()).unwrap());
    let database = rusqlite::Connection::open(folder.path().join("ackwire.db")).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    drop(database);
    let refused = SqliteLog::open(folder.path(), Retention::default()).map(drop).unwrap_err();
    assert!(matches!(refused, OpenError::TooNew { found: 99, .. }), "{refused}");
}
