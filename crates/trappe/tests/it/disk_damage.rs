//! A history that was damaged: the server starts with the sound part and says so, and what it serves was said, word for word.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use serde_json::json;

use crate::disk_full::fate;
use crate::disk_lab::{Disk, Random, Word, kill, stop};
use crate::disk_log::{Heard, Log, read};
use crate::hub::Hub;
use crate::json_peer::{JsonPeer, Via};
use crate::process::{PATIENCE, Process};

const PAGE: usize = 4096;

/// The rooms of these tests.
const ROOMS: [&str; 2] = ["lobby", "jardin"];

/// A history, and what was said in it.
pub(crate) struct Told {
    /// The folder of it.
    pub(crate) disk: Disk,
    /// All that was ever said, by room.
    pub(crate) rooms: BTreeMap<&'static str, Log>,
}

impl Told {
    /// So many messages in each room, some of them longer than a page; then the server ends as `end` says.
    #[track_caller]
    pub(crate) fn new(count: u64, end: impl FnOnce(Hub)) -> Told {
        let disk = Disk::plain();
        let hub = disk.start(&["--quiet"]);
        let mut alice = JsonPeer::named(&hub, Via::Lines, "alice");
        alice.ask(&json!({"op": "join", "room": "jardin"}));
        let mut id = 0;
        for n in 1..=count {
            for room in ROOMS {
                id += 1;
                let long = "long ".repeat(if n % 25 == 0 { 1500 } else { 0 });
                let text = format!("mot {n} à {room} : {long}le texte du message {id}");
                alice.op(&json!({"op": "send", "room": room, "text": text, "id": id}));
            }
        }
        alice.until(|event| event["ev"] == "ack" && event["id"] == id);
        let rooms = ROOMS.map(|room| (room, read(hub.port(), room, &json!(0)))).into();
        end(hub);
        Told { disk, rooms }
    }

    /// The database.
    pub(crate) fn base(&self) -> PathBuf {
        self.disk.file("history.db")
    }

    /// Changes the bytes of the database.
    fn damage(&self, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = fs::read(self.base()).expect("it is there");
        change(&mut bytes);
        fs::write(self.base(), &bytes).expect("it is ours");
        bytes
    }

    /// The damaged file that was put aside, if one was.
    fn aside(&self) -> Option<Vec<u8>> {
        let files = self.disk.files().into_iter();
        let mut aside = files
            .filter(|(name, _)| name.starts_with("history.db.damaged-") && !name.ends_with("-wal"));
        aside.next().map(|(_, bytes)| bytes)
    }

    /// Starts a server on what is left of it, asks for all, and checks that it is some of what was said and nothing else, that
    /// what is missing is announced, and that what is said from now on gets a number that was never given.
    #[track_caller]
    pub(crate) fn looked_at(&self, what: &str) -> Served {
        let hub = self.disk.start(&["--quiet"]);
        let said = first_lines(&hub);
        let rooms: BTreeMap<&str, Log> =
            ROOMS.map(|room| (room, read(hub.port(), room, &json!(0)))).into();
        for (room, log) in &rooms {
            self.check(room, log, what);
        }
        let mut bob = JsonPeer::member(&hub, Via::Lines);
        let answer = fate(&mut bob, 1, "encore là");
        assert_eq!(answer["ev"], "ack", "{what}: {answer}");
        let last = answer["seq"].as_u64().expect("a number");
        let before = &self.rooms["lobby"];
        if rooms["lobby"].epoch == before.epoch {
            assert!(last > before.end, "{what}: {last} was given before, in the same life");
        }
        stop(hub);
        Served { said, rooms, last }
    }

    /// The same; and the next start finds nothing to complain of, and serves the same.
    #[track_caller]
    pub(crate) fn served(&self, what: &str) -> Served {
        let served = self.looked_at(what);
        let hub = self.disk.start(&["--quiet"]);
        let again = first_lines(&hub);
        assert!(!again.contains("damaged") && !again.contains("new life"), "{what}: {again}");
        let mut log = read(hub.port(), "lobby", &json!(0));
        let last = log.heard.pop().map(|it| (it.seq, it.text));
        assert_eq!(last, Some((served.last, "encore là".to_owned())), "{what}");
        assert_eq!(log.heard, served.rooms["lobby"].heard, "{what}: and stays so");
        stop(hub);
        served
    }

    #[track_caller]
    fn check(&self, room: &str, log: &Log, what: &str) {
        let before: BTreeMap<u64, &Heard> =
            self.rooms[room].heard.iter().map(|it| (it.seq, it)).collect();
        for it in &log.heard {
            assert_eq!(before.get(&it.seq), Some(&it), "{what}: that was never said in {room}");
        }
        log.assert_whole(&["damaged", "unused", "forgotten"]);
    }
}

/// What a server made of it.
pub(crate) struct Served {
    /// Its first lines.
    pub(crate) said: String,
    /// What it gave.
    pub(crate) rooms: BTreeMap<&'static str, Log>,
    /// The number of what was said then.
    last: u64,
}

impl Served {
    /// How many messages of both rooms it gave.
    pub(crate) fn count(&self) -> usize {
        self.rooms.values().map(|log| log.heard.len()).sum()
    }
}

/// All that a server says when it starts.
pub(crate) fn first_lines(hub: &Hub) -> String {
    hub.wait_console(|line| line.starts_with("try: "));
    hub.console().join("\n")
}

/// Where a text is: where it is stored, and where a page that was split still has it.
fn find(bytes: &[u8], text: &str) -> Vec<usize> {
    let places = bytes.windows(text.len()).enumerate();
    let found: Vec<usize> =
        places.filter(|(_, window)| *window == text.as_bytes()).map(|(at, _)| at).collect();
    assert!(!found.is_empty(), "it is stored as it was said");
    found
}

#[test]
fn a_bit_that_was_flipped_in_a_message_takes_that_message_away_and_no_other() {
    for (text, bit) in [("mot 7 à lobby", 0), ("mot 50 à lobby : long", 5), ("mot 60 à lobby", 7)]
    {
        let told = Told::new(60, |hub| drop(stop(hub)));
        told.damage(|bytes| {
            for at in find(bytes, text) {
                bytes[at + 5] ^= 1 << bit;
            }
        });
        let served = told.served(text);
        assert_eq!(served.count(), 119, "{text}");
        let lobby = &served.rooms["lobby"];
        let seq: u64 =
            text[4..].split(' ').next().and_then(|it| it.parse().ok()).expect("a number");
        assert_eq!(lobby.gaps, [(seq, seq, "damaged".to_owned())]);
        assert_eq!(lobby.epoch, told.rooms["lobby"].epoch, "positions are still good");
    }
}

#[test]
fn a_page_that_was_zeroed_takes_away_what_was_on_it_and_no_more() {
    let told = Told::new(300, |hub| drop(stop(hub)));
    let mut gone = 0;
    told.damage(|bytes| {
        for at in find(bytes, "mot 140 à lobby") {
            let page = &mut bytes[at / PAGE * PAGE..][..PAGE];
            gone += page.windows(10).filter(|it| it.starts_with(b" du messag")).count();
            page.fill(0);
        }
    });
    let served = told.served("a page of zeros");
    assert!((600 - gone..600).contains(&served.count()), "{gone}, {}", served.count());
    let causes: Vec<&str> = served.rooms["lobby"].gaps.iter().map(|it| it.2.as_str()).collect();
    assert_eq!(causes, ["damaged"]);
}

#[test]
fn whatever_page_is_zeroed_the_server_starts_and_serves_nothing_that_was_not_said() {
    let told = Told::new(40, |hub| drop(stop(hub)));
    let sound = told.disk.files();
    let pages = sound["history.db"].len() / PAGE;
    let (mut kept, mut salvaged) = (0, 0);
    for page in 1..pages {
        restore(&told, &sound);
        let damaged = told.damage(|bytes| bytes[page * PAGE..][..PAGE].fill(0));
        let served = told.looked_at(&format!("page {} of {pages}", page + 1));
        kept += served.count();
        if served.said.contains("damaged") {
            salvaged += 1;
            assert!(told.aside() == Some(damaged), "the damaged file stays as it was");
        }
    }
    // Most pages hold no message, or few.
    assert!(kept > 80 * (pages - 1) / 2, "{kept} of {}", 80 * (pages - 1));
    assert!(salvaged > 0, "no page matters");
}

#[test]
fn whatever_bits_are_flipped_the_server_serves_nothing_that_was_not_said() {
    let told = Told::new(40, |hub| drop(stop(hub)));
    let sound = told.disk.files();
    for seed in 1..=16 {
        restore(&told, &sound);
        let mut random = Random::new(seed);
        told.damage(|bytes| {
            for _ in 0..=random.below(8) {
                // Not the header of the file: that makes it another program's, or a newer one's.
                let at = 100 + random.index(bytes.len() - 100);
                bytes[at] ^= 1 << random.below(8);
            }
        });
        told.looked_at(&format!("seed {seed}"));
    }
}

#[test]
fn a_file_that_was_cut_short_is_served_as_far_as_it_goes() {
    let told = Told::new(200, |hub| drop(stop(hub)));
    let sound = told.disk.files();
    let whole = sound["history.db"].len();
    for length in
        [whole - PAGE, whole - 1, whole / 2 + 77, whole / 2 / PAGE * PAGE, PAGE + 1, PAGE, 100]
    {
        restore(&told, &sound);
        let cut = told.damage(|bytes| bytes.truncate(length));
        let served = told.served(&format!("{length} of {whole} bytes"));
        assert!(served.said.contains("the file was damaged"), "{}", served.said);
        assert!(told.aside() == Some(cut), "the damaged file stays as it was");
        assert_ne!(served.rooms["lobby"].epoch, told.rooms["lobby"].epoch, "another life");
        // What it has of the file, it has of the messages, but for the tables that come before them.
        let least = (400 * length / whole / 2).saturating_sub(30);
        assert!(served.count() >= least, "{length} of {whole} bytes: {}", served.count());
    }
}

#[test]
fn a_server_that_is_killed_while_it_saves_what_is_sound_begins_again_the_next_time() {
    let Some(slow) = Disk::faulty() else { return };
    let told = Told::new(200, |hub| drop(stop(hub)));
    told.damage(|bytes| bytes.truncate(bytes.len() - PAGE));
    // The same folder on a slow disk: each sync is a moment at which it can be killed.
    for (name, bytes) in told.disk.files() {
        fs::write(slow.file(&name), bytes).expect("there is room");
    }
    let told = Told { disk: slow, rooms: told.rooms };
    let whole = told.disk.files();
    let mut syncs = 0;
    loop {
        restore(&told, &whole);
        told.disk.forget();
        let before = told.disk.get(Word::Syncs);
        told.disk.set(Word::SyncMs, 50);
        let mut process = Process::spawn(&mut told.disk.server(&["--quiet"]));
        let is_up = || process.out.all().len() > 1;
        while told.disk.get(Word::Syncs) < before + syncs && !is_up() {
            thread::yield_now();
        }
        let ready = is_up();
        Command::new("kill").args(["-KILL", &process.id().to_string()]).status().expect("a shell");
        process.ended_within(PATIENCE);
        told.disk.set(Word::SyncMs, 0);
        let served = told.looked_at(&format!("killed after {syncs} syncs"));
        assert!(served.count() > 200, "killed after {syncs} syncs: {}", served.said);
        if ready {
            break;
        }
        syncs += 1 + syncs / 3;
    }
    assert!(syncs > 3, "it was too quick to be killed");
}

#[test]
fn an_empty_file_is_a_new_history_and_said_to_be_one() {
    let told = Told::new(20, |hub| drop(stop(hub)));
    told.damage(Vec::clear);
    let served = told.served("an empty file");
    assert!(served.said.contains("was empty"), "{}", served.said);
    assert_eq!(served.count(), 0);
    assert_ne!(served.rooms["lobby"].epoch, told.rooms["lobby"].epoch, "another life");
}

#[test]
fn a_journal_that_was_damaged_loses_its_end_and_no_number_is_given_twice() {
    for seed in 1..=3 {
        let told = Told::new(60, kill);
        let mut random = Random::new(seed);
        let wal = told.disk.file("history.db-wal");
        let mut bytes = fs::read(&wal).expect("a killed server leaves it");
        let at = random.index(bytes.len());
        match seed % 3 {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes.truncate(at),
            _ => bytes[at / PAGE * PAGE..].iter_mut().take(PAGE).for_each(|byte| *byte = 0),
        }
        fs::write(&wal, bytes).expect("it is ours");
        told.served(&format!("seed {seed}"));
    }
}

#[test]
fn a_journal_that_is_gone_begins_another_life() {
    let told = Told::new(30, kill);
    for end in ["-wal", "-shm"] {
        fs::remove_file(told.disk.file(&format!("history.db{end}"))).expect("it was there");
    }
    let served = told.served("no journal");
    let (now, before) = (&served.rooms["lobby"], &told.rooms["lobby"]);
    assert!(now.heard.is_empty() || now.heard == before.heard);
    assert_ne!(now.epoch, before.epoch, "{}", served.said);
}

#[test]
fn an_index_of_the_journal_that_is_not_its_own_harms_nobody() {
    let told = Told::new(60, kill);
    let shm = told.disk.file("history.db-shm");
    let mut random = Random::new(3);
    let bytes = fs::read(&shm)
        .expect("it is there")
        .iter()
        .map(|_| random.below(256).to_le_bytes()[0])
        .collect::<Vec<_>>();
    fs::write(&shm, bytes).expect("it is ours");
    assert_eq!(told.served("another index").count(), 120);
}

/// Puts a folder back as it was. The database keeps its inode: it is the same file, damaged.
fn restore(told: &Told, files: &BTreeMap<String, Vec<u8>>) {
    for name in told.disk.files().into_keys().filter(|name| name != "history.db") {
        fs::remove_file(told.disk.file(&name)).expect("it is ours");
    }
    for (name, bytes) in files {
        fs::write(told.disk.file(name), bytes).expect("it is ours");
    }
}
