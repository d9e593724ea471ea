//! How a server starts on what is there: quickly, on another day, and never in a life that isn't its own.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use serde_json::json;

use crate::disk_damage::{Told, first_lines};
use crate::disk_full::fate;
use crate::disk_lab::{Disk, Word, kill, stop};
use crate::disk_log::read;
use crate::json_peer::{JsonPeer, Via};
use crate::peer::Peer;

/// How long a start may take with a million messages. The goal is a second; a machine that is busy with other tests takes
/// longer.
const SOON: Duration = Duration::from_secs(5);

/// Fills the only room of a history that is there, as `docs/storage.md` describes it.
fn fill(disk: &Disk, count: i64) {
    let mut base = Connection::open(disk.file("history.db")).expect("it is there");
    let room: i64 = base.query_row("SELECT no FROM room", [], |row| row.get(0)).expect("the lobby");
    let all = base.transaction().expect("nobody else has it");
    {
        let mut insert = all
            .prepare("INSERT INTO message (id, time_us, sid, body, sum) VALUES (?, ?, 1, ?, ?)")
            .expect("the table is as it is described");
        for seq in 2..=count {
            let (id, time_us) = (room << 40 | seq, 1_790_000_000_000_000 + seq);
            let body = format!("le message {seq}, de la longueur habituelle d'un mot");
            let parts = [
                &id.to_le_bytes()[..],
                &time_us.to_le_bytes(),
                &1_i64.to_le_bytes(),
                &(-1_i64).to_le_bytes(),
            ];
            let sum =
                crc32fast::hash(&[&parts.concat(), &b"\xfe\xff"[..], body.as_bytes()].concat());
            insert.execute(params![id, time_us, body.as_bytes(), sum]).expect("there is room");
        }
    }
    all.execute("UPDATE room SET next_seq = ?1 + 1, counted_to = ?1, messages = ?1", [count])
        .expect("it is there");
    all.commit().expect("there is room");
}

#[test]
fn with_a_million_messages_a_server_is_ready_within_a_moment() {
    const COUNT: i64 = 1_000_000;
    let disk = Disk::plain();
    let hub = disk.start(&["--quiet"]);
    let mut alice = JsonPeer::member(&hub, Via::Lines);
    assert_eq!(fate(&mut alice, 1, "le premier")["ev"], "ack");
    stop(hub);
    fill(&disk, COUNT);
    for how in ["closed", "killed"] {
        let began = Instant::now();
        let hub = disk.start(&["--quiet"]);
        let started = began.elapsed();
        let mut ask =
            Peer::over(TcpStream::connect(("127.0.0.1", hub.port())).expect("it listens"));
        ask.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = String::from_utf8_lossy(&ask.rest()).into_owned();
        let ready = began.elapsed();
        println!("{COUNT} messages, {how}: started after {started:?}, ready after {ready:?}");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(ready < SOON, "{how}: {ready:?}");
        assert!(first_lines(&hub).contains("1000000"), "{:?}", hub.console());
        // It serves what is there, from anywhere.
        let log = read(hub.port(), "lobby", &json!(COUNT - 3));
        let seqs: Vec<u64> = log.heard.iter().map(|it| it.seq).collect();
        assert_eq!(seqs, [999_998, 999_999, 1_000_000]);
        assert!(log.heard[0].text.starts_with("le message 999998,"), "{:?}", log.heard[0]);
        kill(hub);
    }
}

#[test]
fn a_clock_that_is_set_back_a_day_changes_no_order_and_no_position() {
    let Some(disk) = Disk::faulty() else { return };
    let mut texts = Vec::new();
    let mut says = |hub: &crate::hub::Hub, words: &[&str]| {
        let mut alice = JsonPeer::member(hub, Via::Lines);
        for (id, text) in (1..).zip(words) {
            assert_eq!(fate(&mut alice, id, text)["ev"], "ack");
            texts.push((*text).to_owned());
        }
    };
    let hub = disk.start(&["--quiet"]);
    says(&hub, &["un", "deux"]);
    let middle = read(hub.port(), "lobby", &json!(0));
    let position = format!("{}@{}", middle.epoch, middle.end);
    // While it runs …
    disk.set(Word::ClockS, -86_400);
    says(&hub, &["trois", "quatre"]);
    stop(hub);
    // … and between two starts, in the other direction, too.
    disk.set(Word::ClockS, -2 * 86_400);
    let hub = disk.start(&["--quiet"]);
    says(&hub, &["cinq"]);
    kill(hub);
    disk.set(Word::ClockS, 3 * 86_400);
    let hub = disk.start(&["--quiet"]);
    says(&hub, &["six"]);
    kill(hub);
    disk.set(Word::ClockS, 0);
    let hub = disk.start(&["--quiet"]);
    let log = read(hub.port(), "lobby", &json!(0));
    log.assert_whole(&["unused"]);
    let heard: Vec<&str> = log.heard.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(heard, texts);
    assert!(
        !log.heard.is_sorted_by_key(|it| it.time.clone()),
        "its clock was set: {:?}",
        log.heard
    );
    let later = read(hub.port(), "lobby", &json!(position));
    assert_eq!(later.heard, log.heard[2..], "a position is a number, not a time");
    assert_eq!(later.epoch, middle.epoch);
    stop(hub);
}

#[test]
fn an_older_backup_that_was_put_back_begins_another_life() {
    for by_copy in [true, false] {
        let told = Told::new(20, |hub| drop(stop(hub)));
        let backup = told.disk.beside("backup");
        fs::copy(told.base(), &backup).expect("there is room");
        let hub = told.disk.start(&["--quiet"]);
        let mut alice = JsonPeer::member(&hub, Via::Lines);
        for id in 1..=10 {
            assert_eq!(fate(&mut alice, id, "après la sauvegarde")["ev"], "ack");
        }
        stop(hub);
        if by_copy {
            // The same file, with older bytes in it.
            let bytes = fs::read(&backup).expect("it is there");
            fs::write(told.base(), bytes).expect("it is ours");
        } else {
            fs::rename(&backup, told.base()).expect("it is ours");
        }
        let served = told.served("a backup");
        assert_eq!(served.count(), 40);
        assert_ne!(served.rooms["lobby"].epoch, told.rooms["lobby"].epoch, "{}", served.said);
        assert!(served.said.contains("new life"), "{}", served.said);
    }
}

#[test]
fn a_position_of_another_life_is_an_honest_gap_and_then_everything_that_is_kept() {
    let told = Told::new(20, |hub| drop(stop(hub)));
    fs::remove_file(told.disk.file("life")).expect("it was there");
    let before = &told.rooms["lobby"];
    let hub = told.disk.start(&["--quiet"]);
    let log = read(hub.port(), "lobby", &json!(format!("{}@15", before.epoch)));
    assert_ne!(log.epoch, before.epoch);
    assert_eq!(log.gaps, [(0, 0, "epoch".to_owned())]);
    assert_eq!(log.heard, before.heard);
    stop(hub);
}

#[test]
fn a_file_beside_the_database_that_makes_no_sense_loses_no_message() {
    for text in
        ["", "starts", "starts=-1 clean=7 inode=x\n", "\0\0\0\0", "starts=99 clean=1 inode=1\n"]
    {
        let told = Told::new(20, |hub| drop(stop(hub)));
        fs::File::create(told.disk.file("life"))
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .expect("it is ours");
        let served = told.served(text);
        assert_eq!(served.count(), 40, "{text:?}");
        assert_ne!(served.rooms["lobby"].epoch, told.rooms["lobby"].epoch, "{text:?}");
    }
}
