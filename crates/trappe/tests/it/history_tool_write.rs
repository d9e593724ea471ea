//! `trappe history export|import|prune` on what a real hub has kept.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::history_tool::{history, told};
use crate::hub::{Hub, trappe};
use crate::kept_hub::{End, Folder, Kept, Talker, join, shown};
use crate::process::Process;

/// Imports a text by standard input.
#[track_caller]
fn import(data: &Path, text: &str) -> crate::process::Ended {
    let data = shown(data);
    let mut process =
        Process::spawn(&mut trappe(&["history", "import", "--lang", "en", "--data", &data]));
    process.write(text);
    process.end()
}

#[test]
fn a_history_goes_to_another_folder_and_a_hub_goes_on_with_it_there() {
    let mut kept = Kept::start(&[]);
    let mut alice = Talker::enter(kept.hub(), "alice", "lobby", 0);
    alice.say(5);
    kept.again(End::Killed);
    let mut alice = Talker::enter(kept.hub(), "alice", "lobby", 5);
    alice.say(5);
    let (position, epoch) = (alice.position.clone(), alice.epoch());
    let mut bytes = kept.hub().named("bob");
    bytes.ask("/join octets");
    bytes.ask("/ack on");
    bytes.send(b"\xff\x00\x1b \xe2\x80\xae \"\\\n");
    bytes.until(|line| line.starts_with("+ack "));
    kept.end(End::Stopped);
    let data = kept.folder.path("data");
    let (copy, file) = (kept.folder.path("copy"), kept.folder.path("copy.ndjson"));
    let text = told(&data, &["export"]);
    fs::write(&file, &text).expect("the folder is ours");
    let rooms: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(rooms[0]["version"], 1);
    assert_eq!(rooms.iter().filter(|line| line["seq"].is_u64()).count(), 11);
    assert_eq!(rooms.iter().filter(|line| line["cause"] == "unused").count(), 1);
    let said = told(&copy, &["import", &shown(&file)]);
    assert_eq!(said, "11 messages imported, 2 rooms\n");
    assert_eq!(told(&copy, &["export"]), text);
    assert!(told(&copy, &["check"]).contains(" is sound: 2 rooms, 11 messages\n"));
    assert_eq!(told(&copy, &["list"]), told(&data, &["list"]));
    assert!(told(&copy, &["search", "mot 10"]).contains("<alice> mot 10"));
    // Positions mean what they meant, numbers go on, and members' numbers aren't given again.
    let hub = Hub::start(&["--quiet", "--data", &shown(&copy)]);
    let mut carol = hub.member();
    assert_eq!(join(&mut carol, "lobby").0, epoch);
    let resumed = carol.ask(&format!("/resume {position}"));
    assert!(
        !resumed.iter().any(|line| line.starts_with('!') || line.contains("mot")),
        "{resumed:?}"
    );
    let last: u64 = position.split_once('@').expect("EPOCH@SEQ").1.parse().expect("a number");
    let mut dave = Talker::enter(&hub, "dave", "lobby", 10);
    dave.say(1);
    assert_eq!(dave.position, format!("{epoch}@{}", last + 1));
    let shown = told(&copy, &["show", "lobby", "--json", "--limit", "1"]);
    let message: Value = serde_json::from_str(&shown).expect("JSON");
    let most = rooms.iter().filter_map(|line| line["sid"].as_u64()).max();
    assert!(message["sid"].as_u64() > most, "{message} is by somebody who spoke before");
}

#[test]
fn a_wrong_line_is_told_by_its_number_and_leaves_nothing() {
    let mut kept = Kept::start(&[]);
    Talker::enter(kept.hub(), "alice", "lobby", 0).say(3);
    kept.end(End::Stopped);
    let text = told(&kept.folder.path("data"), &["export"]);
    let copy = kept.folder.path("copy");
    for (bad, line, says) in [
        (text.replace("\"mot 2\"", "mot 2"), 4, "isn't JSON"),
        (text.replace("\"seq\":2", "\"seq\":3"), 4, "number 2 was to come next, not 3"),
        (text.lines().take(3).collect::<Vec<_>>().join("\n"), 4, "the room ends too early"),
        (text.replace("\"version\":1", "\"version\":7"), 1, "of a newer version (7)"),
        (String::new(), 1, "an export begins with one line that says so"),
    ] {
        let ended = import(&copy, &bad);
        assert_eq!((ended.code, &*ended.out), (Some(1), ""), "{ended:?}");
        assert!(ended.err.starts_with(&format!("line {line}: ")), "{ended:?}");
        assert!(ended.err.contains(says), "{ended:?}");
        assert!(ended.err.ends_with("; nothing was imported\n"), "{ended:?}");
        let list = history(&copy, &["list"]);
        assert_eq!((list.code, &*list.out, &*list.err), (Some(0), "", "nothing was said yet\n"));
    }
    assert_eq!(import(&copy, &text).code, Some(0));
    let again = import(&copy, &text);
    assert_eq!(again.code, Some(1));
    assert!(again.err.contains("goes on with number 4, not 1"), "{again:?}");
    // A file that isn't there, before anything is made.
    let ended = history(&kept.folder.path("new"), &["import", "/nowhere/x"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.starts_with("/nowhere/x: "), "{ended:?}");
    assert!(!kept.folder.path("new").exists());
}

#[test]
fn a_part_is_exported_and_brings_a_copy_up_to_date() {
    let mut kept = Kept::start(&[]);
    let data = kept.folder.path("data");
    let mut alice = Talker::enter(kept.hub(), "alice", "lobby", 0);
    alice.say(3);
    let position = alice.position.clone();
    kept.end(End::Stopped);
    let copy = kept.folder.path("copy");
    assert_eq!(import(&copy, &told(&data, &["export", "--room", "lobby"])).code, Some(0));
    kept.begin();
    Talker::enter(kept.hub(), "alice", "lobby", 3).say(2);
    kept.end(End::Stopped);
    let since = told(&data, &["export", "--room", "lobby", "--after", &position]);
    assert_eq!(since.lines().count(), 4, "{since}");
    assert_eq!(import(&copy, &since).out, "2 messages imported, 1 room\n");
    assert_eq!(told(&copy, &["export"]), told(&data, &["export"]));
    for after in ["9", "aaaaaaaaaa@1"] {
        let ended = history(&data, &["export", "--room", "lobby", "--after", after]);
        assert_eq!((ended.code, &*ended.out), (Some(1), ""), "{ended:?}");
        assert!(ended.err.starts_with(&format!("{after} is no position of lobby")), "{ended:?}");
    }
}

#[test]
fn what_writes_is_refused_beside_a_hub_which_is_named_and_what_reads_is_not() {
    let kept = Kept::start(&[]);
    let data = kept.folder.path("data");
    Talker::enter(kept.hub(), "alice", "lobby", 0).say(3);
    let pid = format!(" is used by process {}; ", kept.hub().id());
    let export = told(&data, &["export"]);
    for ended in [history(&data, &["prune", "--keep", "1msg"]), import(&data, &export)] {
        assert_eq!((ended.code, &*ended.out), (Some(1), ""), "{ended:?}");
        assert!(ended.err.contains(&pid), "{ended:?}");
    }
    assert_eq!(told(&data, &["show", "lobby"]).lines().count(), 3);
    // A copy that is made meanwhile leaves out no number: those that were set aside are told as a gap.
    let copy = kept.folder.path("copy");
    assert_eq!(import(&copy, &export).code, Some(0));
    assert_eq!(told(&copy, &["export"]), export);
    assert!(export.contains("\"gap\":4,"), "{export}");
    assert!(told(&copy, &["check"]).contains(" is sound: "));
}

#[test]
fn the_oldest_messages_are_taken_away_and_their_space_comes_back() {
    let mut kept = Kept::start(&[]);
    let data = kept.folder.path("data");
    let mut alice = Talker::enter(kept.hub(), "alice", "lobby", 0);
    alice.say(5000);
    let mut bob = Talker::enter(kept.hub(), "bob", "plage", 0);
    bob.say(30);
    kept.end(End::Stopped);
    let size = || fs::metadata(data.join("history.db")).expect("it is there").len();
    let before = size();
    let said = told(&data, &["prune", "--keep", "10msg", "--room", "plage"]);
    assert!(said.starts_with("20 messages taken away; "), "{said}");
    let said = told(&data, &["prune", "--keep", "100msg,30d,1GiB"]);
    assert!(said.starts_with("4900 messages taken away; "), "{said}");
    assert!(said.contains(&format!("history.db has {} bytes", size())), "{said}");
    assert!(size() * 2 < before, "{} of {before} bytes are left", size());
    let said = told(&data, &["prune", "--keep", "100msg"]);
    assert!(said.starts_with("no message was too old or too much"), "{said}");
    assert!(told(&data, &["check"]).contains(" is sound: 2 rooms, 110 messages\n"));
    let shown = told(&data, &["show", "lobby", "--after", "4890"]);
    assert!(shown.starts_with("! gap oldest="), "{shown}");
    assert_eq!(shown.lines().count(), 101);
    let said = told(&data, &["prune", "--keep-total", "20msg"]);
    assert!(said.starts_with("90 messages taken away; "), "{said}");
    // A hub goes on: same life, same numbers.
    kept.begin();
    let mut alice = Talker::enter(kept.hub(), "alice", "lobby", 5000);
    alice.say(1);
    assert!(alice.position.ends_with("@5001"), "{}", alice.position);
    drop(kept);
}

#[test]
fn what_a_tool_has_written_is_no_surprise_to_the_next_start() {
    let mut kept = Kept::start(&[]);
    let data = kept.folder.path("data");
    let mut alice = Talker::enter(kept.hub(), "alice", "lobby", 0);
    alice.say(3);
    let epoch = alice.epoch();
    kept.end(End::Killed);
    let ended = history(&data, &["prune", "--keep", "1msg"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.err.contains("the last stop wasn't clean"), "{ended:?}");
    kept.begin();
    let mut alice = Talker::enter(kept.hub(), "alice", "lobby", 3);
    assert_eq!(alice.epoch(), epoch);
    alice.peer().ask("");
    let empty = Folder::new();
    let ended = import(&empty.path("no/such"), "");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(empty.names(), Vec::<String>::new());
}
