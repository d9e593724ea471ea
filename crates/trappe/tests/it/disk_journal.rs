//! A disk that fails while what was acknowledged stands in the journal alone, and isn't filed in its places yet.

use std::fs;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::Instant;

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::disk_lab::{Disk, Word, kill, stop};
use crate::disk_log::{Program, read};
use crate::hub::Hub;
use crate::json_peer::{JsonPeer, Via};
use crate::process::PATIENCE;

/// More places than are written to at once.
const ROOMS: usize = 12;
const PAGE: usize = 4096;

/// A message, and its number if it was acknowledged.
type Said = (u64, String, Option<u64>);

fn rooms() -> impl Iterator<Item = String> {
    (0..ROOMS).map(|n| format!("r{n}"))
}

fn in_rooms(hub: &Hub) -> JsonPeer {
    let mut alice = JsonPeer::named(hub, Via::Lines, "alice");
    for room in rooms() {
        alice.ask(&json!({"op": "join", "room": room}));
    }
    alice
}

/// Says one message in each room, at once: one piece of the journal.
#[track_caller]
fn round(alice: &mut JsonPeer, id: &mut u64) -> Vec<Said> {
    let mut said: Vec<Said> = Vec::new();
    let mut lines = Vec::new();
    for room in rooms() {
        *id += 1;
        lines.push(
            json!({"op": "send", "room": room, "text": format!("mot {id}"), "id": *id}).to_string(),
        );
        said.push((*id, room, None));
    }
    alice.send(lines.join("\n"));
    for _ in 0..ROOMS {
        let answer = alice.until(|event| event["ev"] == "ack" || event["ev"] == "error");
        let of = said.iter_mut().find(|(id, ..)| answer["id"] == *id).expect("one of these");
        of.2 = answer["seq"].as_u64().filter(|_| answer["ev"] == "ack");
    }
    said
}

#[track_caller]
fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::yield_now();
    }
}

/// Waits until all that is on disk stands in its place.
#[track_caller]
fn wait_filed(disk: &Disk) {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let base = Connection::open_with_flags(disk.file("history.db"), flags).expect("it is there");
    wait("the journal is empty", || {
        base.query_row("SELECT count(*) FROM journal", [], |row| row.get(0))
            .is_ok_and(|n: i64| n == 0)
    });
}

#[test]
fn ids_are_known_after_a_restart_though_the_disk_failed_while_they_were_unfiled() {
    let Some(disk) = Disk::faulty() else { return };
    let hub = disk.start(&["--quiet"]);
    let (mut alice, mut id) = (in_rooms(&hub), 0);
    assert!(round(&mut alice, &mut id).iter().all(|it| it.2.is_some()));
    wait_filed(&disk);
    disk.set(Word::SyncMs, 300);
    let said = round(&mut alice, &mut id);
    assert!(said.iter().all(|it| it.2.is_some()), "{said:?}");
    // It is on disk in one piece; filing it fails, and so does what is to be known of its sender.
    disk.set(Word::SyncFails, -1);
    wait("filing it fails", || disk.get(Word::SyncsRefused) > 0);
    disk.set(Word::SyncMs, 0);
    alice.ask(&json!({"op": "nick", "name": "alix"}));
    disk.set(Word::SyncFails, 0);
    wait("the disk is back", || round(&mut alice, &mut id).iter().all(|it| it.2.is_some()));
    wait_filed(&disk);
    let session = alice.session().to_owned();
    kill(hub);
    let hub = disk.start(&["--quiet"]);
    let mut program = Program::connect(hub.port());
    let rooms: Vec<Value> = rooms().map(|room| json!({"room": room})).collect();
    program.send(&format!("{}\n", json!({"op": "hello", "session": session, "rooms": rooms})));
    program.first("hello").expect("it is known");
    for (id, room, seq) in &said {
        let text = format!("mot {id}");
        let op = json!({"op": "send", "room": room, "text": text, "id": id});
        program.send(&format!("{op}\n"));
        let ack = program.first("ack").expect("it is acknowledged again");
        assert_eq!(ack["seq"].as_u64(), *seq, "said again under a new number: {ack}");
    }
    stop(hub);
}

#[test]
fn a_damaged_page_of_one_room_keeps_no_other_room_from_being_stored() {
    let Some(disk) = Disk::faulty() else { return };
    let hub = disk.start(&["--quiet"]);
    let (mut alice, mut id) = (in_rooms(&hub), 0);
    for _ in 0..120 {
        round(&mut alice, &mut id);
    }
    wait_filed(&disk);
    // So much that all of this is in the file, and none of its pages in the writer's memory any more.
    let mut bob = JsonPeer::named(&hub, Via::Lines, "bob");
    bob.ask(&json!({"op": "join", "room": "z"}));
    for n in 1..=1200 {
        bob.op(&json!({"op": "send", "room": "z", "text": "x".repeat(30_000), "id": n}));
        bob.until(|event| event["ev"] == "ack" && event["id"] == n);
    }
    // The page with the last message of the first room leads nowhere from now on.
    let base = disk.file("history.db");
    let last = format!("mot {}", 119 * ROOMS + 1).into_bytes();
    let bytes = fs::read(&base).expect("it can be read");
    let is_hit = |page: &[u8]| {
        page[0] == 0x0d && page[3..5] != [0, 0] && page.windows(last.len()).any(|it| it == last)
    };
    let hit: Vec<usize> =
        (1..bytes.len() / PAGE).filter(|at| is_hit(&bytes[at * PAGE..][..PAGE])).collect();
    assert!(!hit.is_empty(), "it is in the file");
    let file = fs::File::options().write(true).open(&base).expect("it can be written");
    for page in &hit {
        file.write_all_at(&[0xee; PAGE], (page * PAGE) as u64).expect("it can be written");
    }
    // What is said in all rooms while one commit takes its time is one piece of the journal.
    let syncs = disk.get(Word::Syncs);
    disk.set(Word::SyncMs, 300);
    bob.op(&json!({"op": "send", "room": "z", "text": "y", "id": 1999}));
    wait("it is on its way", || disk.get(Word::Syncs) > syncs);
    let said = round(&mut alice, &mut id);
    assert!(said.iter().all(|it| it.2.is_some()), "{:#?}", hub.log());
    disk.set(Word::SyncMs, 0);
    bob.until(|event| event["ev"] == "ack");
    wait("the damage is met", || {
        hub.log().into_iter().chain(hub.console()).any(|line| line.contains("damaged"))
    });
    let mut next = 2000;
    wait("others are stored", || {
        next += 1;
        bob.op(&json!({"op": "send", "room": "z", "text": "y", "id": next}));
        bob.until(|event| event["ev"] == "ack" || event["ev"] == "error")["ev"] == "ack"
    });
    kill(hub);
    // What was acknowledged is there after the salvage.
    let hub = disk.start(&["--quiet"]);
    for (id, room, _) in &said {
        let log = read(hub.port(), room, &json!(0));
        let wanted = format!("mot {id}");
        let times = log.texts().values().filter(|it| **it == wanted).count();
        assert_eq!(times, 1, "{wanted} in {room}: {:?}", log.gaps);
    }
    stop(hub);
}
