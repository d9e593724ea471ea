//! Server-Sent Events: a room as a stream for browsers and `curl -N`, resumed without hole or repeat (PROTOCOL §8, WHATWG HTML §9.2).

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::hub::Hub;
use crate::peer::Peer;
use crate::process::Process;
use crate::tools::tool;
use crate::web::{Answer, get, post, request};

/// One event, as a browser would dispatch it.
#[derive(Debug)]
struct Event {
    id: Option<String>,
    data: Value,
}

/// A stream of events.
struct Stream {
    peer: Peer,
    head: Answer,
}

impl Stream {
    #[track_caller]
    fn open(hub: &Hub, target: &str, fields: &str) -> Stream {
        Stream::over(hub.connect(), target, fields)
    }

    #[track_caller]
    fn over(mut peer: Peer, target: &str, fields: &str) -> Stream {
        let accept = "Host: localhost\r\nAccept: text/event-stream\r\n";
        peer.send(format!("GET {target} HTTP/1.1\r\n{accept}{fields}\r\n"));
        let head = Answer::read(&peer.through(b"\r\n\r\n"));
        assert_eq!(head.status, 200, "{head:?}");
        assert_eq!(head.field("transfer-encoding"), None, "this reader takes no chunks");
        Stream { peer, head }
    }

    /// The next event; comments before it are passed over. Each line is one that the format knows.
    #[track_caller]
    fn next(&mut self) -> Event {
        let (mut id, mut data) = (None, Vec::<String>::new());
        loop {
            let line = self.peer.line();
            assert!(!line.contains('\r'), "{line:?} would be two lines");
            match line.split_once(':') {
                None if line.is_empty() && data.is_empty() => {}
                None if line.is_empty() => {
                    assert_eq!(data.len(), 1, "one event is one line of data: {data:?}");
                    let data =
                        serde_json::from_str(&data[0]).unwrap_or_else(|e| panic!("{e}: {data:?}"));
                    return Event { id, data };
                }
                Some(("id", value)) => id = Some(value.trim_start_matches(' ').to_owned()),
                Some(("data", value)) => data.push(value.trim_start_matches(' ').to_owned()),
                // A comment, and what no client of ours looks at.
                Some(("" | "event" | "retry", _)) => {}
                _ => panic!("{line:?} is no line of a stream of events"),
            }
        }
    }

    /// The next event that is `ev`.
    #[track_caller]
    fn next_of(&mut self, ev: &str) -> Event {
        loop {
            let event = self.next();
            if event.data["ev"] == ev {
                return event;
            }
        }
    }
}

fn number(event: &Event) -> u64 {
    event.data["seq"].as_u64().unwrap_or_else(|| panic!("no message: {event:?}"))
}

#[test]
fn a_message_is_one_event_with_its_position_as_its_id() {
    let hub = Hub::start(&["--quiet"]);
    let mut stream = Stream::open(&hub, "/rooms/lobby/events", "");
    let kind = stream.head.field("content-type").expect("a content type");
    assert!(kind == "text/event-stream" || kind.starts_with("text/event-stream;"), "{kind}");
    assert_eq!(stream.head.field("x-accel-buffering"), Some("no"));
    let kept = stream.head.field("cache-control").unwrap_or_default();
    assert!(kept.contains("no-store") || kept.contains("no-cache"), "{:?}", stream.head);
    let mut alice = hub.named("alice");
    let bodies = [
        "bonjour",
        "été 😀",
        "data: x",
        "id: aaaaaaaaaa@9",
        ": rien",
        "a\rdata: b\r",
        "\u{2028}\u{85}",
        "{\"ev\":\"gap\"}",
    ];
    for (body, seq) in bodies.into_iter().zip(1..) {
        alice.say(body);
        let event = stream.next();
        assert_eq!(event.data["ev"], "msg", "{event:?}");
        assert_eq!((number(&event), &event.data["from"]), (seq, &"alice".into()), "{event:?}");
        // One carriage return before the newline isn't part of the message.
        assert_eq!(event.data["text"], body.strip_suffix('\r').unwrap_or(body), "{event:?}");
        let id = event.id.expect("its position");
        let (epoch, at) = id.split_once('@').expect("EPOCH@SEQ");
        assert_eq!((epoch.len(), at), (10, &*seq.to_string()), "{id}");
    }
    let several: [&[u8]; 5] = [
        b"deux\nlignes",
        b"\n\n\n",
        b"x\r\n\r\ndata: {}\r\n\r\n",
        b"\ndata: y\n\nid: z",
        b"\xe9\0\n",
    ];
    for body in several {
        let posted = post(&hub, "lobby", "", body);
        assert_eq!(posted.status, 201, "{posted:?}");
        let event = stream.next();
        assert_eq!(number(&event), posted.json()["seq"].as_u64().expect("a number"));
        match str::from_utf8(body) {
            Ok(text) => assert_eq!(event.data["text"], text),
            Err(_) => assert_eq!(event.data["b64"], "6QAK", "{event:?}"),
        }
    }
}

#[test]
fn a_stream_that_was_lost_is_taken_up_without_hole_or_repeat() {
    const LAST: u64 = 1000;
    let hub = Hub::start(&["--quiet", "--retain", "2000msg,4MiB"]);
    let mut alice = hub.named("alice");
    let mut stream = Stream::open(&hub, "/rooms/lobby/events", "");
    let (mut heard, mut last) = (Vec::new(), None);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1..=LAST {
                alice.say(&format!("mot {n}"));
            }
            alice.ask("");
        });
        while heard.len() < usize::try_from(LAST).expect("it is small") {
            let event = stream.next();
            assert_eq!(event.data["ev"], "msg", "{event:?}");
            assert_eq!(event.data["text"], format!("mot {}", number(&event)));
            heard.push(number(&event));
            last = event.id;
            if matches!(heard.len(), 300 | 700) {
                // Cut in the middle: what is on its way to it is lost, and comes again.
                let id = last.as_deref().expect("a position");
                let again = Stream::open(
                    &hub,
                    "/rooms/lobby/events?after=0",
                    &format!("Last-Event-ID: {id}\r\n"),
                );
                std::mem::replace(&mut stream, again).peer.reset();
            }
        }
    });
    assert_eq!(heard, (1..=LAST).collect::<Vec<_>>());
    // Taken up at its end, there is nothing to be given again.
    let fields = format!("Last-Event-ID: {}\r\n", last.expect("a position"));
    let mut stream = Stream::open(&hub, "/rooms/lobby/events", &fields);
    hub.member().say("fin");
    let event = stream.next_of("msg");
    assert_eq!((number(&event), &event.data["text"]), (LAST + 1, &"fin".into()), "{event:?}");
}

#[test]
fn a_position_in_the_address_is_where_it_begins() {
    let hub = Hub::start(&["--quiet"]);
    let answers: Vec<Value> =
        (1..=5).map(|n| post(&hub, "caf%C3%A9", "", format!("mot {n}")).json()).collect();
    let epoch = answers[0]["epoch"].as_str().expect("an epoch");
    for (after, first) in [("0".to_owned(), 1), (format!("{epoch}@3"), 4), ("5".to_owned(), 6)] {
        let mut stream = Stream::open(&hub, &format!("/rooms/caf%C3%A9/events?after={after}"), "");
        for seq in first..=5 {
            let event = stream.next_of("msg");
            assert_eq!((number(&event), &event.data["room"]), (seq, &"café".into()), "{event:?}");
            assert_eq!(event.id, Some(format!("{epoch}@{seq}")));
        }
    }
    // Without one it begins now.
    let mut stream = Stream::open(&hub, "/rooms/caf%C3%A9/events", "");
    post(&hub, "caf%C3%A9", "", "mot 6");
    assert_eq!(number(&stream.next_of("msg")), 6);
}

#[test]
fn an_unknown_position_is_a_gap_and_then_what_there_is() {
    let hub = Hub::start(&["--quiet"]);
    let answers: Vec<Value> =
        (1..=3).map(|n| post(&hub, "r", "", format!("mot {n}")).json()).collect();
    let epoch = answers[0]["epoch"].as_str().expect("an epoch");
    let fields = "Last-Event-ID: aaaaaaaaaa@2\r\n";
    for (target, fields) in
        [("/rooms/r/events", fields), ("/rooms/r/events?after=aaaaaaaaaa@2", "")]
    {
        let mut stream = Stream::open(&hub, target, fields);
        let gap = stream.next();
        assert_eq!(gap.data["ev"], "gap", "{gap:?}");
        assert_eq!(gap.data["oldest"], format!("{epoch}@1"), "{gap:?}");
        for seq in 1..=3 {
            assert_eq!(number(&stream.next()), seq);
        }
    }
    for bad in ["/rooms/r/events?after=demain", "/rooms/r/events?after=aaaa@1"] {
        assert_eq!(get(&hub, bad).status, 400, "{bad}");
    }
}

#[test]
fn several_rooms_are_several_streams_and_none_hears_the_others() {
    let hub = Hub::start(&["--quiet"]);
    let rooms = ["jardin", "caf%C3%A9", "lobby"];
    let mut streams: Vec<Stream> =
        rooms.iter().map(|room| Stream::open(&hub, &format!("/rooms/{room}/events"), "")).collect();
    for round in 1..=3 {
        for room in rooms {
            assert_eq!(post(&hub, room, "", format!("{room} {round}")).status, 201);
        }
    }
    for (stream, room) in streams.iter_mut().zip(rooms) {
        for round in 1..=3 {
            let event = stream.next_of("msg");
            assert_eq!(
                (number(&event), &event.data["text"]),
                (round, &format!("{room} {round}").into())
            );
        }
    }
    // Whatever a listener sends after its request is nothing.
    streams[0].peer.send("/nick mallory\nje parle\n");
    post(&hub, "jardin", "", "fin");
    assert_eq!(streams[0].next_of("msg").data["text"], "fin");
}

#[test]
fn curl_follows_a_room() {
    let Some(curl) = tool("curl") else { return };
    let hub = Hub::start(&["--quiet"]);
    post(&hub, "lobby", "", "avant");
    let address = format!("http://localhost:{}/rooms/lobby/events?after=0", hub.port());
    let curl = Process::run(&curl, &["-sS", "-N", &address]);
    curl.out.line(|line| line.starts_with("data: ") && line.contains("\"avant\""));
    let mut alice = hub.named("alice");
    alice.say("bonjour à curl");
    let data = curl.out.line(|line| line.starts_with("data: ") && line.contains("bonjour à curl"));
    let event: Value = serde_json::from_str(&data["data: ".len()..]).expect("an object");
    assert_eq!((&event["from"], &event["seq"]), (&"alice".into(), &2.into()), "{event}");
}

#[test]
fn a_slow_stream_delays_nobody_and_is_told_its_gap() {
    const LINES: u64 = 8000;
    const STEP: usize = 50;
    let hub = Hub::start(&["--quiet", "--lag", "512KiB,8MiB"]);
    let (mut alice, mut healthy) = (hub.named("alice"), hub.member());
    let mut slow = Stream::over(Peer::narrow(hub.port()), "/rooms/lobby/events", "");
    let padding = "x".repeat(1000);
    for first in (1..=LINES).step_by(STEP) {
        let step = first..first + STEP as u64;
        alice.send(step.clone().map(|n| format!("{n} {padding}\n")).collect::<Vec<_>>().concat());
        for n in step {
            assert!(healthy.line().starts_with(&format!("<alice> {n} ")), "{n}");
        }
    }
    let (mut next, mut gaps) = (1, 0);
    let last = loop {
        let event = slow.next();
        if event.data["ev"] == "gap" {
            assert_eq!(event.data["from"], next, "{event:?}");
            next = event.data["to"].as_u64().expect("the end of a gap") + 1;
            if gaps == 0 {
                alice.say("fin");
            }
            gaps += 1;
            continue;
        }
        assert_eq!(number(&event), next, "{next} is missing without a word");
        if event.data["text"] == "fin" {
            break event.id;
        }
        assert!(gaps > 0 || next < LINES, "it was never slow");
        next += 1;
    };
    assert_eq!(next, LINES + 1);
    assert!(last.is_some_and(|id| id.ends_with(&format!("@{next}"))));
}

#[test]
fn a_silent_stream_is_sent_a_comment_within_twenty_seconds() {
    let hub = Hub::start(&["--quiet"]);
    let since = Instant::now();
    let mut stream = Stream::open(&hub, "/rooms/silence/events", "");
    let patience = Duration::from_secs(20);
    stream.peer.writer().set_read_timeout(Some(patience)).expect("it can be set");
    let comment = |stream: &mut Stream| {
        let (line, end) = (stream.peer.line(), stream.peer.line());
        assert!(line.starts_with(':') && end.is_empty(), "{line:?} {end:?}");
    };
    // One at once, so that whoever waits for a first byte sees that it works; the next after a silence.
    comment(&mut stream);
    comment(&mut stream);
    assert!(since.elapsed() > Duration::from_secs(10), "after {:?} already", since.elapsed());
    // And it goes on as before.
    post(&hub, "silence", "", "bonjour");
    assert_eq!(stream.next_of("msg").data["text"], "bonjour");
}

#[test]
fn at_shutdown_what_was_said_comes_and_the_stream_ends() {
    let mut hub = Hub::start(&["--quiet"]);
    let mut stream = Stream::open(&hub, "/rooms/lobby/events", "");
    let mut alice = hub.named("alice");
    alice.say("le dernier mot");
    alice.ask("");
    hub.signal("TERM");
    assert_eq!(stream.next_of("msg").data["text"], "le dernier mot");
    let rest = String::from_utf8(stream.peer.rest()).expect("it is text");
    for line in rest.lines() {
        let known = line.is_empty() || line.starts_with("data: {\"ev\":\"bye\"");
        assert!(known, "{line:?} in {rest:?}");
    }
    assert_eq!(hub.ended_within(Duration::from_secs(5)).code, Some(0));
}

#[test]
fn pages_of_this_host_may_listen_and_others_may_not() {
    let hub = Hub::start(&["--quiet"]);
    let origin = "http://localhost:8000";
    let stream = Stream::open(&hub, "/rooms/lobby/events", &format!("Origin: {origin}\r\n"));
    assert_eq!(stream.head.field("access-control-allow-origin"), Some(origin));
    for foreign in ["http://evil.example", "null"] {
        let answer = request(&hub, "GET", "/rooms/lobby/events", &format!("Origin: {foreign}\r\n"));
        assert_eq!(answer.status, 403, "{foreign}: {answer:?}");
        assert_eq!(answer.field("access-control-allow-origin"), None, "{answer:?}");
    }
}
