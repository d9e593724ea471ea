//! How a hub ends: what was accepted is delivered, the members are told, and nobody can hold it up.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use crate::hub::Hub;
use crate::json_peer::{JsonPeer, Via};
use crate::peer::Peer;

/// DESIGN.md, "Ends": the whole of it takes at most this long.
const AT_MOST: Duration = Duration::from_secs(5);

#[test]
fn either_signal_says_goodbye_to_the_members_and_ends_with_0() {
    for signal in ["TERM", "INT"] {
        let mut hub = Hub::start(&[]);
        let (mut alice, mut listener) = (hub.connect(), hub.silent_listener());
        alice.ask("/nick alice");
        hub.signal(signal);
        for peer in [&mut alice, &mut listener] {
            let goodbye = peer.last_lines();
            let last = goodbye.last().expect("a goodbye");
            assert!(last.starts_with("* ") && last.contains("arrête"), "{signal}: {goodbye:?}");
        }
        let ended = hub.ended_within(AT_MOST);
        assert_eq!(ended.code, Some(0), "{signal}: {ended:?}");
    }
}

#[test]
fn a_raw_member_gets_bodies_alone_to_the_end() {
    let mut hub = Hub::start(&["--format", "raw"]);
    let (mut talker, mut listener) = (hub.member(), hub.silent_listener());
    talker.say("le dernier mot");
    talker.ask("");
    hub.signal("TERM");
    assert_eq!(listener.rest(), b"le dernier mot\n");
    assert_eq!(hub.ended_within(AT_MOST).code, Some(0));
}

#[test]
fn what_was_sent_before_the_signal_is_delivered_also_an_unfinished_line() {
    let mut hub = Hub::start(&["--quiet"]);
    let (mut talker, mut listener) = (hub.named("alice"), hub.member());
    let many: String =
        (0..2000).fold(String::new(), |all, number| all + &format!("ligne {number}\n"));
    talker.send(many + "le dernier mot");
    hub.signal("TERM");
    for number in 0..2000 {
        assert_eq!(listener.line(), format!("<alice> ligne {number}"));
    }
    assert_eq!(listener.line(), "<alice> le dernier mot");
    assert_eq!(hub.ended_within(AT_MOST).code, Some(0));
}

#[test]
fn half_an_object_is_answered_by_nothing_but_the_goodbye() {
    let mut hub = Hub::start(&["--quiet"]);
    let mut alice = JsonPeer::named(&hub, Via::Lines, "alice");
    let ops = b"{\"op\":\"ping\",\"id\":7}\n{\"op\":\"send\",\"id\":8,\"bo";
    alice.writer().write_all(ops).expect("the hub reads");
    hub.signal("TERM");
    let events: Vec<_> = alice.rest().iter().map(|event| event["ev"].clone()).collect();
    assert_eq!(events, ["pong", "bye"]);
    assert_eq!(hub.ended_within(AT_MOST).code, Some(0));
}

/// A hub with a member that never reads and that much is due to, beside a healthy one and the one that spoke.
fn with_a_stalled_reader() -> (Hub, Peer, Peer) {
    let hub = Hub::start(&["--quiet"]);
    let mut stalled = Peer::narrow(hub.port());
    stalled.send("/ping\n");
    stalled.wait_unread();
    let (mut talker, mut healthy) = (hub.named("alice"), hub.connect());
    healthy.ask("/ping");
    let padding = "x".repeat(1000);
    let mut writer = talker.writer();
    let writing = thread::spawn(move || {
        for number in 0..6000 {
            writer.write_all(format!("{number} {padding}\n").as_bytes()).expect("the hub reads");
        }
    });
    healthy.until(|line| line.starts_with("<alice> 5999 "));
    writing.join().expect("it wrote everything");
    talker.ask("/ping");
    // It must stay open, unread: the thread holds it until the hub closes, and never reads.
    thread::spawn(move || {
        let hold = stalled;
        thread::park();
        drop(hold);
    });
    (hub, talker, healthy)
}

#[test]
fn a_stalled_reader_does_not_hold_up_the_end() {
    let (mut hub, _talker, mut healthy) = with_a_stalled_reader();
    let since = Instant::now();
    hub.signal("TERM");
    let goodbye = healthy.last_lines();
    assert!(goodbye.last().is_some_and(|line| line.contains("arrête")), "{goodbye:?}");
    let ended = hub.ended_within(AT_MOST);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(since.elapsed() < AT_MOST, "{:?}", since.elapsed());
}

#[test]
fn a_second_signal_ends_at_once() {
    let (mut hub, _talker, mut healthy) = with_a_stalled_reader();
    hub.signal("TERM");
    // The first one has been taken: the end has begun for those who read.
    healthy.until(|line| line.starts_with("* ") && line.contains("arrête"));
    hub.signal("TERM");
    hub.ended_within(Duration::from_secs(1));
}

#[test]
fn who_connects_after_the_signal_is_not_taken_in() {
    let (mut hub, _talker, mut healthy) = with_a_stalled_reader();
    hub.signal("TERM");
    healthy.until(|line| line.starts_with("* ") && line.contains("arrête"));
    if let Ok(late) = std::net::TcpStream::connect(("127.0.0.1", hub.port())) {
        let words = Peer::over(late).last_lines();
        assert!(words.iter().all(|line| line.starts_with("! ")), "{words:?}");
    }
    assert_eq!(hub.ended_within(AT_MOST).code, Some(0));
}

#[test]
fn more_commands_than_one_turn_takes_are_carried_out_before_what_comes_after_them() {
    let hub = Hub::start(&["--quiet"]);
    let (mut witness, mut talker) = (hub.member(), hub.member());
    let commands = "/ping\n".repeat(200);
    let all: Vec<String> = (0..60).map(|n| format!("{commands}mot {n}\n")).collect();
    talker.send(all.concat());
    hub.signal("TERM");
    let said: Vec<String> =
        witness.last_lines().into_iter().filter(|line| line.starts_with('<')).collect();
    let wanted: Vec<String> = (0..60).map(|n| format!("<client-2> mot {n}")).collect();
    assert_eq!(said, wanted, "what had arrived was accepted, and is said in order");
}
