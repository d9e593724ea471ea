//! `/metrics`: what is counted is what happened, and the programs that read such pages accept it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;
use std::{env, fs, process};

use crate::hub::Hub;
use crate::peer::Peer;
use crate::process::{PATIENCE, Process};
use crate::tools::tool;

/// What Prometheus 2.42 asks for.
const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0,\
    application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// One answer to `GET /metrics`.
struct Page {
    head: String,
    body: String,
}

impl Page {
    /// What `hub` answers; as curl asks, or with an `Accept` of one's own.
    #[track_caller]
    fn get(hub: &Hub, accept: Option<&str>) -> Page {
        let page = answer(hub, "/metrics", accept);
        assert!(page.head.starts_with("HTTP/1.1 200 "), "{}", page.head);
        page
    }

    /// A field of its head, which must be there once.
    #[track_caller]
    fn field(&self, name: &str) -> &str {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        match (found.next(), found.next()) {
            (Some((_, value)), None) => value,
            _ => panic!("{name} must be there once: {}", self.head),
        }
    }

    /// The number of a sample, by its name and labels as they stand there.
    #[track_caller]
    fn count(&self, sample: &str) -> u64 {
        let found = self.body.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        let value = found.unwrap_or_else(|| panic!("no {sample} in {}", self.body));
        value.parse().unwrap_or_else(|_| panic!("{sample} isn't a count: {value:?}"))
    }

    /// All its samples' names and labels, in their order.
    fn samples(&self) -> Vec<&str> {
        let samples = self.body.lines().filter(|line| !line.starts_with('#'));
        samples.filter_map(|line| line.rsplit_once(' ')).map(|(sample, _)| sample).collect()
    }
}

/// What `hub` answers to a GET of `path`, on a connection of its own.
#[track_caller]
fn answer(hub: &Hub, path: &str, accept: Option<&str>) -> Page {
    let mut peer = hub.connect();
    let accept = accept.map(|it| format!("Accept: {it}\r\n")).unwrap_or_default();
    let port = hub.port();
    let lines = format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n");
    peer.send(format!("{lines}{accept}\r\n"));
    let all = String::from_utf8(peer.rest()).expect("the page is UTF-8");
    let (head, body) = all.split_once("\r\n\r\n").expect("an answer has a head");
    Page { head: head.to_owned(), body: body.to_owned() }
}

/// Reads the page until `sample` is `wanted`: what was delivered is counted when the pump's turn is over, not before.
#[track_caller]
fn comes_to(hub: &Hub, sample: &str, wanted: u64) -> Page {
    let since = Instant::now();
    loop {
        let page = Page::get(hub, None);
        let is = page.count(sample);
        if is == wanted {
            return page;
        }
        assert!(since.elapsed() < PATIENCE, "{sample} is {is}, not {wanted}");
    }
}

#[test]
fn promtool_has_nothing_to_say_about_what_curl_gets() {
    let Some(promtool) = tool("promtool") else { return };
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.member());
    alice.say("bonjour");
    bob.line();
    let page = Page::get(&hub, None);
    assert_eq!(page.field("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(page.field("content-length"), page.body.len().to_string());
    let mut check = Process::run(promtool, &["check", "metrics"]);
    check.write(&page.body);
    let ended = check.end();
    assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (Some(0), "", ""));
}

#[test]
fn prometheus_gets_the_openmetrics_that_it_asks_for() {
    let hub = Hub::start(&["--quiet"]);
    let open = Page::get(&hub, Some(PROMETHEUS));
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(open.field("content-type"), kind);
    assert!(open.body.ends_with("\n# EOF\n"), "{}", open.body);
    assert!(open.body.contains("\n# TYPE trappe_messages counter\n"), "{}", open.body);
    assert_eq!(open.samples(), Page::get(&hub, Some("*/*")).samples());
}

#[test]
fn five_messages_to_three_members_are_fifteen_deliveries() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.member();
    let mut others = [hub.member(), hub.member(), hub.member()];
    let before = Page::get(&hub, None);
    for number in 1..=5 {
        alice.say(&format!("message {number}"));
    }
    for other in &mut others {
        other.until(|line| line.ends_with("> message 5"));
    }
    let (messages, deliveries) = ("trappe_messages_total", "trappe_deliveries_total");
    let after = comes_to(&hub, deliveries, before.count(deliveries) + 15);
    assert_eq!(after.count(messages), before.count(messages) + 5);
    assert_eq!(after.count("trappe_delivery_seconds_count"), after.count(deliveries));
    let whole = "trappe_delivery_seconds_bucket{le=\"+Inf\"}";
    assert_eq!(after.count(whole), after.count(deliveries));
    for (bytes, least) in [("trappe_received_bytes_total", 50), ("trappe_sent_bytes_total", 150)] {
        let grown = after.count(bytes) - before.count(bytes);
        assert!(grown >= least, "{bytes} grew by {grown}");
    }
    assert!(after.count("trappe_kept_bytes") > 0);
}

#[test]
fn members_are_counted_by_how_they_came_until_they_go() {
    let path = env::temp_dir().join(format!("trappe-metrics-{}.sock", process::id()));
    let unix = path.to_str().expect("the folder's name is text").to_owned();
    let hub = Hub::start(&["--quiet", "--listen", &format!("unix:{unix}")]);
    follows(&hub, "tcp", Hub::member);
    follows(&hub, "unix", |_| {
        let mut stream = UnixStream::connect(&unix).expect("the hub listens there");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
        stream.write_all(b"/ping mark\n").expect("the hub reads");
        let mut lines = BufReader::new(stream);
        let mut line = String::new();
        while line != "* pong mark\n" {
            line.clear();
            assert!(lines.read_line(&mut line).expect("it answers") > 0, "it answers");
        }
        lines
    });
    follows(&hub, "ws", |hub| {
        let upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        asks_and_stays(hub, "/ws", &format!("Connection: Upgrade\r\n{upgrade}"), 101)
    });
    follows(&hub, "sse", |hub| asks_and_stays(hub, "/rooms/lobby/events", "", 200));
    drop(hub);
    // A hub that is killed leaves it behind.
    drop(fs::remove_file(path));
}

/// Sends a GET whose answer has a head and no end.
#[track_caller]
fn asks_and_stays(hub: &Hub, path: &str, fields: &str, status: u16) -> Peer {
    let mut peer = hub.connect();
    let port = hub.port();
    peer.send(format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\n{fields}\r\n"));
    let head = String::from_utf8(peer.through(b"\r\n\r\n")).expect("a head is ASCII");
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    peer
}

/// Whoever `join`s by `transport` is counted there, and nowhere else, until it goes.
#[track_caller]
fn follows<T>(hub: &Hub, transport: &str, join: impl FnOnce(&Hub) -> T) {
    let members = |of: &str| format!("trappe_members{{transport=\"{of}\"}}");
    let connections = format!("trappe_connections_total{{transport=\"{transport}\"}}");
    let before = Page::get(hub, None).count(&connections);
    let member = join(hub);
    let page = comes_to(hub, &members(transport), 1);
    let all: u64 = ["tcp", "unix", "ws", "sse"].iter().map(|of| page.count(&members(of))).sum();
    assert_eq!(all, 1, "{transport}: {}", page.body);
    assert_eq!(page.count(&connections), before + 1);
    drop(member);
    comes_to(hub, &members(transport), 0);
}

#[test]
fn what_a_slow_member_missed_is_counted_as_it_was_told() {
    const STEP: usize = 60;
    let hub = Hub::start(&["--quiet", "--lag", "512KiB,8MiB"]);
    let (mut alice, mut healthy) = (hub.named("alice"), hub.member());
    let mut slow = Peer::narrow(hub.port());
    slow.ready();
    let padding = "x".repeat(1000);
    for _ in 0..200 {
        alice.send(format!("{padding}\n").repeat(STEP));
        for _ in 0..STEP {
            healthy.line();
        }
    }
    let mut missed = 0;
    loop {
        let line = slow.line();
        if let Some((_, told)) = line.strip_prefix("* gap ").and_then(|gap| gap.split_once(" (")) {
            if missed == 0 {
                // It has caught up with what is kept: what is said from here on must come.
                alice.say("fin");
            }
            let count = told.split(' ').next().and_then(|count| count.parse::<u64>().ok());
            missed += count.expect("FROM..TO (N messages)");
        } else if line == "<alice> fin" {
            break;
        }
    }
    assert!(missed > 0, "it was never slow");
    comes_to(&hub, "trappe_missed_messages_total{cause=\"slow\"}", missed);
}

#[test]
fn refusals_and_answers_are_counted() {
    let hub = Hub::start(&["--quiet"]);
    let before = Page::get(&hub, None);
    for (reason, speech) in [
        ("protocol", &b"SSH-2.0-OpenSSH_9.2p1\r\n"[..]),
        ("tls", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"),
    ] {
        let mut peer = hub.connect();
        peer.send(speech);
        peer.rest();
        comes_to(&hub, &format!("trappe_refused_total{{reason=\"{reason}\"}}"), 1);
    }
    let missing = answer(&hub, "/nowhere", None);
    assert!(missing.head.starts_with("HTTP/1.1 404 "), "{}", missing.head);
    let bad = "trappe_http_requests_total{code=\"4xx\"}";
    comes_to(&hub, bad, before.count(bad) + 1);
}

#[test]
fn too_long_a_message_is_counted_as_rejected() {
    let hub = Hub::start(&["--quiet", "--max-message", "1KiB"]);
    let mut alice = hub.member();
    let error = alice.error(&"x".repeat(2000));
    assert!(error.starts_with("! too-long "), "{error}");
    comes_to(&hub, "trappe_rejected_messages_total", 1);
}

#[test]
fn no_room_and_no_name_is_on_the_page() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("mathilde");
    alice.ask("/join cachette");
    let page = comes_to(&hub, "trappe_rooms", 2);
    for secret in ["mathilde", "cachette", "lobby"] {
        assert!(!page.body.contains(secret), "{}", page.body);
    }
}
