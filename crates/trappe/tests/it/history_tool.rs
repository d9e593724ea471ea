//! `trappe history list|show|search|check`: beside a running hub, after it has stopped, and where there is nothing to read.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::hub::{TRAPPE, trappe};
use crate::json_check::checked;
use crate::kept_hub::{End, Folder, Kept, Talker, shown};
use crate::process::{Ended, Process};

/// `trappe history`, in English, on the folder of a test.
#[track_caller]
pub(crate) fn history(data: &Path, args: &[&str]) -> Ended {
    let data = shown(data);
    let mut command = trappe(&["history", "--lang", "en", "--data", &data]);
    Process::spawn(command.args(args)).end()
}

/// The same where it ends well, and has nothing to say beside its data.
#[track_caller]
pub(crate) fn told(data: &Path, args: &[&str]) -> String {
    let ended = history(data, args);
    assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{args:?}: {ended:?}");
    ended.out
}

/// All files of a folder, and what is in them.
pub(crate) fn contents(data: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(data).expect("the folder is there");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("it is there"))
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).expect("it is a file"))
        })
        .collect();
    files.sort();
    files
}

/// A hub in whose lobby alice has said `mot 1` … `mot 9`, and somebody something in another room.
#[track_caller]
fn spoken() -> (Kept, String) {
    let kept = Kept::start(&[]);
    let mut alice = Talker::enter(kept.hub(), "alice", "lobby", 0);
    alice.say(9);
    Talker::enter(kept.hub(), "bob", "Été", 0).say(1);
    (kept, alice.epoch())
}

/// The text of a message in each line of JSON; of a gap its cause.
fn texts(lines: &str) -> Vec<String> {
    let of = |line: &str| {
        let event = checked(line);
        let text = if event["ev"] == "gap" { &event["cause"] } else { &event["text"] };
        text.as_str().expect("a text").to_owned()
    };
    lines.lines().map(of).collect()
}

#[test]
fn rooms_are_listed_beside_the_hub_and_without_it_and_nothing_is_touched() {
    let (mut kept, epoch) = spoken();
    let data = kept.folder.path("data");
    for end in [None, Some(End::Killed), Some(End::Stopped)] {
        if let Some(end) = end {
            kept.end(end);
        }
        let before = contents(&data);
        let table = told(&data, &["list"]);
        let rows: Vec<Vec<&str>> =
            table.lines().map(|line| line.split_whitespace().collect()).collect();
        let heads =
            ["room", "messages", "bytes", "oldest", "position", "newest", "position", "gaps"];
        assert_eq!(rows[0], heads);
        assert_eq!(rows.len(), 3, "{table}");
        assert_eq!((rows[1][0], rows[1][1]), ("lobby", "9"));
        assert_eq!(rows[1][2], "945", "nine bodies of 5, and 100 each");
        // What the crash left unused.
        assert_eq!(rows[1][7], if end == Some(End::Stopped) { "1" } else { "0" });
        assert_eq!(rows[1][4], format!("{epoch}@1"));
        assert_eq!(rows[1][6], format!("{epoch}@9"));
        assert!(rows[1][3].ends_with('Z') && rows[1][3] <= rows[1][5], "{table}");
        assert_eq!((rows[2][0], rows[2][1]), ("Été", "1"));
        let json = told(&data, &["list", "--json"]);
        let lobby: Value =
            serde_json::from_str(json.lines().next().expect("a room")).expect("JSON");
        assert_eq!((&lobby["room"], &lobby["messages"]), (&"lobby".into(), &9.into()), "{json}");
        assert_eq!(lobby["newest"]["pos"], format!("{epoch}@9"));
        if end == Some(End::Stopped) {
            assert!(contents(&data) == before, "what is read was changed, or something made");
        }
        if end == Some(End::Killed) {
            // What it has committed is in its log alone, and stays there.
            let log = |files: &[(String, Vec<u8>)]| {
                files
                    .iter()
                    .filter(|(name, _)| !name.ends_with("-shm"))
                    .cloned()
                    .collect::<Vec<_>>()
            };
            assert!(log(&contents(&data)) == log(&before), "what is read was changed");
            kept.begin();
        }
    }
}

#[test]
fn a_room_is_shown_with_its_times_and_to_programs_as_the_events_of_the_wire() {
    let (mut kept, epoch) = spoken();
    let data = kept.folder.path("data");
    for running in [true, false] {
        if !running {
            kept.end(End::Stopped);
        }
        let shown = told(&data, &["show", "lobby"]);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 9);
        for (n, line) in (1..).zip(lines) {
            let (time, rest) = line.split_once(' ').expect("a time");
            assert!(time.len() == 24 && time.ends_with('Z'), "{line}");
            assert_eq!(rest, format!("<alice> mot {n}"));
        }
        let json = |args: &[&str]| {
            texts(&told(&data, &[&["show", "LOBBY", "--json"], args].concat())).join(",")
        };
        assert_eq!(json(&["--limit", "2"]), "mot 8,mot 9");
        assert_eq!(json(&["--after", "7"]), "mot 8,mot 9");
        assert_eq!(json(&["--after", &format!("{epoch}@5"), "--limit", "2"]), "mot 6,mot 7");
        assert_eq!(json(&["--after", "9"]), "");
        assert_eq!(json(&["--after", "aaaaaaaaaa@7", "--limit", "1"]), "epoch,mot 1");
        let gap = told(&data, &["show", "lobby", "--after", "aaaaaaaaaa@7", "--limit", "1"]);
        assert_eq!(gap.lines().next(), Some(&*format!("! gap oldest={epoch}@1")));
        let unknown = history(&data, &["show", "nulle-part"]);
        assert_eq!((unknown.code, &*unknown.out), (Some(1), ""));
        assert!(unknown.err.starts_with("nulle-part: there is no such room"), "{unknown:?}");
    }
}

#[test]
fn what_is_acknowledged_is_shown_at_once_and_gaps_where_they_are() {
    let mut kept = Kept::start(&[]);
    let data = kept.folder.path("data");
    let mut alice = Talker::enter(kept.hub(), "alice", "lobby", 0);
    for _ in 0..5 {
        alice.say(1);
        let text = told(&data, &["show", "lobby", "--limit", "1"]);
        assert!(text.ends_with(&format!("<alice> mot {}\n", alice.said)), "{text}");
    }
    kept.again(End::Killed);
    Talker::enter(kept.hub(), "alice", "lobby", 5).say(1);
    let json = told(&data, &["show", "lobby", "--json", "--limit", "2"]);
    assert_eq!(texts(&json), ["mot 5", "unused", "mot 6"]);
    let text = told(&data, &["show", "lobby"]);
    let gap = text.lines().nth(5).expect("five messages, and a gap");
    assert!(gap.starts_with("* gap 6.."), "{text}");
    assert!(told(&data, &["list"]).lines().nth(1).is_some_and(|row| row.ends_with(" 1")));
}

#[test]
fn hostile_bytes_reach_no_terminal() {
    let kept = Kept::start(&[]);
    let data = kept.folder.path("data");
    let mut peer = kept.hub().named("alice");
    peer.ask("/ack on");
    peer.say("/framing len32");
    let mut say = |body: &[u8]| {
        let len = u32::try_from(body.len()).expect("short").to_be_bytes();
        peer.send([&len[..], body].concat());
    };
    say(b"\x1b[2J\x07 \xff\x9b \xc2\x9b31m \xe2\x80\xae\n<bob> forged\r");
    peer.until(|line| line.starts_with("+ack "));
    for args in [
        &["show", "lobby"][..],
        &["show", "lobby", "--json"],
        &["search", "forged"],
        &["search", "forged", "--json"],
        &["export"],
        &["list"],
        &["list", "--json"],
        &["check"],
    ] {
        // What isn't indexed yet is told on standard error.
        let out = history(&data, args).out;
        let is_bad =
            |c: char| c != '\n' && (c.is_control() || matches!(c, '\u{202e}' | '\u{fffd}'));
        assert!(!out.contains(is_bad), "{args:?}: {out:?}");
        assert!(!out.lines().any(|line| line.starts_with("<bob>")), "{args:?}: {out:?}");
    }
    let shown = told(&data, &["show", "lobby"]);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 2, "{shown}");
    assert!(lines.iter().all(|line| line.contains("Z <alice> ")), "{shown}");
    assert!(lines[0].ends_with(r"\x1b[2J\x07 \xff\x9b \x9b31m \u{202e}"), "{shown}");
}

#[test]
fn the_newest_messages_with_all_words_are_found_in_one_room_or_in_all() {
    let mut kept = Kept::start(&[]);
    let data = kept.folder.path("data");
    for (name, room) in [("alice", "lobby"), ("bob", "plage")] {
        let mut peer = kept.hub().named(name);
        peer.ask(&format!("/join {room}"));
        peer.ask("/ack on");
        for text in ["l'été à la mer", "l'hiver", "un autre été"] {
            peer.say(text);
            peer.until(|line| line.starts_with("+ack "));
        }
    }
    // A clean stop leaves nothing out of the index; until then it is told what isn't there.
    kept.again(End::Stopped);
    let found = |args: &[&str]| {
        let ended = history(&data, &[&["search", "--json"], args].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let lines = ended.out.lines().map(checked);
        let place =
            |event: Value| format!("{} {}", event["room"].as_str().unwrap_or(""), event["seq"]);
        (lines.map(place).collect::<Vec<_>>().join(", "), ended.err)
    };
    let indexed = |args: &[&str]| loop {
        let (places, err) = found(args);
        if !err.contains(" in the index yet") {
            break (places, err);
        }
    };
    assert_eq!(indexed(&["ETE"]).0, "lobby 1, lobby 3, plage 1, plage 3");
    assert_eq!(indexed(&["ete", "mer"]).0, "lobby 1, plage 1");
    assert_eq!(indexed(&["ete mer", "--room", "plage"]).0, "plage 1");
    assert_eq!(indexed(&["hiv"]).0, "lobby 2, plage 2");
    let (places, err) = indexed(&["été", "--limit", "3"]);
    assert_eq!(places, "lobby 3, plage 1, plage 3");
    assert!(err.contains("older messages"), "{err}");
    let (places, err) = indexed(&["montagne"]);
    assert_eq!((&*places, &*err), ("", "search \"montagne\": no message\n"));
    let text = told(&data, &["search", "hiver"]);
    assert!(text.lines().next().is_some_and(|line| line.ends_with("Z [lobby] <alice> l'hiver")));
    let text = told(&data, &["search", "hiver", "--room", "plage"]);
    assert!(text.ends_with("Z <bob> l'hiver\n"), "{text}");
}

/// What each command is given where it is to fail for its folder.
const COMMANDS: [&[&str]; 6] = [
    &["list"],
    &["show", "lobby"],
    &["search", "mot"],
    &["export"],
    &["check"],
    &["prune", "--keep", "1msg"],
];

#[test]
fn where_there_is_nothing_it_is_said_and_nothing_is_made() {
    let folder = Folder::new();
    fs::create_dir(folder.path("empty")).expect("the folder is ours");
    fs::write(folder.path("file"), "").expect("the folder is ours");
    for command in COMMANDS {
        for (name, says) in [
            ("missing", "there is no such folder"),
            ("file", "is no folder"),
            ("empty", "no history is kept there yet"),
        ] {
            let ended = history(&folder.path(name), command);
            assert_eq!((ended.code, &*ended.out), (Some(1), ""), "{command:?}: {ended:?}");
            assert!(ended.err.contains(says), "{command:?}: {ended:?}");
        }
    }
    assert_eq!(folder.names(), ["empty", "file"]);
    assert_eq!(contents(&folder.path("empty")), []);
}

#[test]
fn a_file_of_another_program_or_of_a_newer_version_is_refused_and_left_as_it_is() {
    let (mut kept, _) = spoken();
    kept.end(End::Stopped);
    let data = kept.folder.path("data");
    let file = fs::File::options().write(true).open(data.join("history.db")).expect("it is there");
    for (at, byte, says) in [
        (63, 9, "comes from a newer version of trappe"),
        (68, b'x', "is no database of trappe"),
        (0, b'x', "is no database of trappe"),
    ] {
        file.write_all_at(&[byte], at).expect("it can be written");
        let before = contents(&data);
        for command in COMMANDS {
            let ended = history(&data, command);
            assert_eq!((ended.code, &*ended.out), (Some(1), ""), "{command:?}: {ended:?}");
            assert!(ended.err.contains(says), "{command:?}: {ended:?}");
        }
        assert!(contents(&data) == before);
    }
}

#[test]
fn a_bit_that_was_flipped_is_found_and_told_in_words() {
    let (mut kept, _) = spoken();
    let data = kept.folder.path("data");
    let sound = told(&data, &["check"]);
    assert!(sound.ends_with("history.db is sound: 2 rooms, 10 messages\n"), "{sound}");
    kept.end(End::Stopped);
    assert_eq!(told(&data, &["check"]).lines().last(), sound.lines().last());
    let path = data.join("history.db");
    let mut bytes = fs::read(&path).expect("it is there");
    let at = bytes.windows(5).position(|it| it == b"mot 7").expect("it is in the file");
    bytes[at] ^= 1;
    fs::write(&path, bytes).expect("it can be written");
    let before = contents(&data);
    let ended = history(&data, &["check"]);
    assert_eq!((ended.code, &*ended.err), (Some(1), ""), "{ended:?}");
    assert!(ended.out.starts_with("lobby 7..7: not as it was stored"), "{ended:?}");
    assert!(ended.out.contains("history.db is damaged: 1 thing "), "{ended:?}");
    assert!(contents(&data) == before);
    let french = Process::spawn(&mut trappe(&["history", "check", "--data", &shown(&data)])).end();
    assert!(french.out.contains("history.db est abîmé : 1 chose "), "{french:?}");
    let json = told(&data, &["show", "lobby", "--json", "--after", "5"]);
    assert_eq!(texts(&json), ["mot 6", "damaged", "mot 8", "mot 9"]);
}

#[test]
fn the_folder_may_be_the_one_that_systemd_names() {
    let (kept, _) = spoken();
    let data = shown(&kept.folder.path("data"));
    let mut command = trappe(&["history", "list"]);
    let ended = Process::spawn(command.env("STATE_DIRECTORY", format!("{data}:/nowhere"))).end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("lobby"), "{ended:?}");
}

#[test]
fn what_makes_no_sense_is_refused_and_help_begins_with_examples() {
    for args in [
        &["list"][..],
        &["show", "--data", "d"],
        &["show", "a b", "--data", "d"],
        &["show", "a", "--after", "x", "--data", "d"],
        &["show", "a", "--limit", "0", "--data", "d"],
        &["search", "--data", "d"],
        &["export", "--after", "5", "--data", "d"],
        &["prune", "--data", "d"],
        &["prune", "--keep", "30m", "--data", "d"],
        &["prune", "--keep-total", "1msg", "--room", "a", "--data", "d"],
        &["erase", "--data", "d"],
        &[],
    ] {
        let mut command = trappe(&["history"]);
        let ended = Process::spawn(command.args(args).env_remove("STATE_DIRECTORY")).end();
        assert_eq!((ended.code, &*ended.out), (Some(2), ""), "{args:?}: {ended:?}");
    }
    let commands = ["list", "show", "search", "export", "import", "check", "prune"];
    for command in [None].into_iter().chain(commands.map(Some)) {
        let mut line = trappe(&["history"]);
        let help = Process::spawn(line.args(command).arg("--help")).end();
        assert_eq!(help.code, Some(0), "{help:?}");
        let begin = format!("Examples:\n  trappe history {}", command.unwrap_or(""));
        assert!(help.out.starts_with(&begin), "{command:?}: {}", help.out);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let kept = Kept::start(&[]);
    Talker::enter(kept.hub(), "alice", "lobby", 0).say(3000);
    let data = shown(&kept.folder.path("data"));
    for what in ["show lobby", "show lobby --json", "export"] {
        // The pipe holds 64 KiB of the 100 and more; then its reader is gone.
        let script =
            format!("\"$0\" history --data \"$1\" {what} | head -n 1; echo \"${{PIPESTATUS[0]}}\"");
        let Some(bash) = crate::tools::tool("bash") else { return };
        let ended = Process::spawn(Command::new(bash).args(["-c", &script, TRAPPE, &data])).end();
        assert_eq!((ended.out.lines().nth(1), &*ended.err), (Some("0"), ""), "{what}: {ended:?}");
    }
}
