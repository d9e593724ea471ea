//! HTTP answers as a whole: heads without bodies, what browsers ask first, history in pages, and what only this machine is told.

use std::process::Command;

use serde_json::Value;

use crate::hub::{ARRIVES, Hub, TRAPPE};
use crate::peer::Peer;
use crate::process::Process;
use crate::tools::{skipped, tool};
use crate::web::{Answer, ask, get, post, request};

const TARGETS: [&str; 8] = [
    "/",
    "/connect",
    "/connect/python",
    "/rooms/lobby/messages",
    "/metrics",
    "/healthz",
    "/readyz",
    "/nowhere",
];

#[test]
fn a_head_is_the_same_without_the_body() {
    let hub = Hub::start(&["--quiet"]);
    post(&hub, "lobby", "", "bonjour");
    for target in TARGETS {
        let (whole, head) = (get(&hub, target), request(&hub, "HEAD", target, ""));
        assert_eq!((head.status, head.body.len()), (whole.status, 0), "{target}: {head:?}");
        assert_eq!(head.field("content-type"), whole.field("content-type"), "{target}");
        // The metrics count the request itself; all else is as long.
        if target != "/metrics" {
            assert_eq!(head.field("content-length"), whole.field("content-length"), "{target}");
        }
        let length = whole.field("content-length").and_then(|length| length.parse().ok());
        assert_eq!(length, Some(whole.body.len()), "{target}");
    }
    let events = request(&hub, "HEAD", "/rooms/lobby/events", "");
    assert_eq!((events.status, events.body.len()), (200, 0), "{events:?}");
    assert_eq!(events.field("content-type"), Some("text/event-stream"));
}

#[test]
fn no_answer_is_guessed_at_kept_or_run_by_a_browser() {
    let hub = Hub::start(&["--quiet"]);
    for target in TARGETS.into_iter().chain(["/rooms/../messages", "/ws"]) {
        let answer = get(&hub, target);
        assert_eq!(answer.field("x-content-type-options"), Some("nosniff"), "{target}: {answer:?}");
        let kept = answer.field("cache-control").unwrap_or_default();
        assert!(kept.contains("no-store") || kept.contains("no-cache"), "{target}: {answer:?}");
        let policy = answer.field("content-security-policy").unwrap_or_default();
        assert!(policy.contains("default-src 'none'"), "{target}: {answer:?}");
        assert!(!answer.head.contains("access-control-allow-origin"), "{target}: {answer:?}");
    }
}

#[test]
fn a_page_that_may_is_told_so_before_it_posts_and_another_is_not() {
    let hub = Hub::start(&["--quiet"]);
    let preflight = |origin: &str| {
        let fields = format!(
            "Origin: {origin}\r\nAccess-Control-Request-Method: POST\r\n\
             Access-Control-Request-Headers: x-trappe,idempotency-key\r\n"
        );
        request(&hub, "OPTIONS", "/rooms/lobby/messages", &fields)
    };
    let origin = "http://localhost:8000";
    let answer = preflight(origin);
    assert!(matches!(answer.status, 200 | 204), "{answer:?}");
    assert_eq!(answer.field("access-control-allow-origin"), Some(origin));
    let listed = |field| answer.field(field).unwrap_or_default().to_ascii_lowercase();
    assert!(listed("access-control-allow-methods").contains("post"), "{answer:?}");
    for name in ["x-trappe", "x-trappe-name", "idempotency-key", "content-type"] {
        let headers = listed("access-control-allow-headers");
        assert!(headers.split(',').any(|it| it.trim() == name), "{name}: {headers}");
    }
    assert!(answer.field("vary").is_some_and(|vary| vary.contains("Origin")), "{answer:?}");
    let said = post(&hub, "lobby", &format!("Origin: {origin}\r\n"), "x");
    assert_eq!((said.status, said.field("access-control-allow-origin")), (201, Some(origin)));
    for foreign in ["http://evil.example", "null"] {
        let answer = preflight(foreign);
        assert_eq!(answer.status, 403, "{answer:?}");
        assert_eq!(answer.field("access-control-allow-origin"), None, "{answer:?}");
    }
    let plain = request(&hub, "OPTIONS", "/rooms/lobby/messages", "");
    assert!(matches!(plain.status, 200 | 204), "{plain:?}");
    let allow = plain.field("allow").unwrap_or_default();
    assert!(["GET", "HEAD", "POST", "OPTIONS"].iter().all(|it| allow.contains(it)), "{allow}");
    assert!(matches!(request(&hub, "OPTIONS", "*", "").status, 200 | 204));
}

/// The numbers of the messages in a page.
fn seqs(answer: &Answer) -> Vec<u64> {
    let events =
        answer.text().lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let messages = events.filter(|event| event["ev"] == "msg");
    messages.map(|event| event["seq"].as_u64().expect("a number")).collect()
}

/// Where the next page is, as it stands in the field Link (RFC 8288).
fn next(answer: &Answer) -> Option<String> {
    let link = answer.field("link")?;
    let (target, rest) = link.strip_prefix('<')?.split_once('>')?;
    assert!(rest.contains("rel=\"next\"") || rest.contains("rel=next"), "{link}");
    Some(target.to_owned())
}

#[test]
fn history_comes_in_pages_each_message_once() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    alice.ask("/join café");
    alice.send((1..=250).map(|n| format!("mot {n}\n")).collect::<Vec<_>>().concat());
    alice.ask("");
    let whole = get(&hub, "/rooms/caf%C3%A9/messages");
    assert_eq!(whole.status, 200, "{whole:?}");
    assert_eq!(whole.field("content-type"), Some("application/x-ndjson"));
    assert_eq!(seqs(&whole), (1..=250).collect::<Vec<_>>());
    assert_eq!(next(&whole), None);
    assert!(whole.text().ends_with('\n'));
    for limit in [1, 7, 50, 249, 250, 251, 1_000_000] {
        let mut target = format!("/rooms/caf%C3%A9/messages?limit={limit}&after=200");
        let mut found = Vec::new();
        loop {
            let page = get(&hub, &target);
            assert_eq!(page.status, 200, "{target}: {page:?}");
            assert!(seqs(&page).len() <= limit, "{target}");
            found.extend(seqs(&page));
            let Some(after) = next(&page) else { break };
            assert!(after.starts_with("/rooms/caf"), "{after}");
            target = after;
        }
        assert_eq!(found, (201..=250).collect::<Vec<_>>(), "limit {limit}");
    }
    let line: Value =
        serde_json::from_str(whole.text().lines().nth(6).expect("250 lines")).expect("JSON");
    assert_eq!(
        (&line["room"], &line["from"], &line["text"]),
        (&"café".into(), &"alice".into(), &"mot 7".into())
    );
}

#[test]
fn no_page_is_longer_than_its_cap_and_what_is_gone_is_told() {
    let hub = Hub::start(&["--quiet", "--retain", "3000msg,8MiB"]);
    let mut alice = hub.named("alice");
    let padding = "x".repeat(1000);
    alice.send((1..=4000).map(|n| format!("{n} {padding}\n")).collect::<Vec<_>>().concat());
    alice.ask("");
    let mut target = "/rooms/lobby/messages?limit=9999999".to_owned();
    let (mut found, mut pages) = (Vec::new(), 0);
    loop {
        let page = get(&hub, &target);
        assert!(page.body.len() < 2 << 20, "{} bytes in one page", page.body.len());
        found.extend(seqs(&page));
        pages += 1;
        let Some(after) = next(&page) else { break };
        target = after;
    }
    assert!(pages > 1, "all in one page");
    let first = found[0];
    assert_eq!(found, (first..=4000).collect::<Vec<_>>());
    assert!(first > 1 && first <= 1001, "{first} is the first that is kept");
    let epoch = post(&hub, "lobby", "", "x").json()["epoch"].as_str().expect("an epoch").to_owned();
    for position in ["0".to_owned(), "aaaaaaaaaa@17".to_owned(), format!("{epoch}@1")] {
        let page = get(&hub, &format!("/rooms/lobby/messages?limit=1&after={position}"));
        let gap: Value =
            serde_json::from_str(page.text().lines().next().expect("a line")).expect("JSON");
        assert_eq!(gap["ev"], "gap", "after={position}: {gap}");
        let oldest = gap["oldest"].as_str().expect("a position").to_owned();
        let now_first = seqs(&page)[0];
        assert_eq!(oldest, format!("{epoch}@{now_first}"), "{gap}");
    }
    let bad = [
        "after=x",
        "after=-1",
        "after=aaaa@1",
        "limit=0",
        "limit=-1",
        "limit=x",
        "limit=",
        "after=%zz",
    ];
    for query in bad {
        let answer = get(&hub, &format!("/rooms/lobby/messages?{query}"));
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
    }
    // A number that was never given is of a life of the room that nobody knows any more: whoever has it is told so.
    let page = get(&hub, "/rooms/lobby/messages?limit=1&after=99999999");
    let gap: Value =
        serde_json::from_str(page.text().lines().next().expect("a line")).expect("JSON");
    assert_eq!((page.status, gap["cause"].as_str(), seqs(&page).len()), (200, Some("epoch"), 1));
}

#[test]
fn who_watches_over_the_hub_is_told_that_it_lives_and_takes_clients() {
    let hub = Hub::start(&["--quiet"]);
    for target in ["/healthz", "/readyz"] {
        let answer = get(&hub, target);
        assert_eq!((answer.status, answer.text().trim_end()), (200, "ok"), "{target}: {answer:?}");
    }
    // In the absolute form, too, and with an upgrade offered that nobody takes (RFC 9110 §7.8).
    let port = hub.port();
    let absolute = format!("http://localhost:{port}/healthz");
    assert_eq!(request(&hub, "GET", &absolute, "").status, 200);
    let offered =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    assert_eq!(request(&hub, "GET", "/healthz", offered).status, 200);
}

#[test]
fn a_request_is_no_member_and_takes_no_number() {
    let hub = Hub::start(&[]);
    for target in TARGETS {
        get(&hub, target);
    }
    post(&hub, "lobby", "", "bonjour");
    let mut first = hub.connect();
    let answer = first.ask("/who").concat();
    assert!(answer.contains("client-1") && answer.contains("1 membre"), "{answer}");
    hub.wait_console(|line| line.starts_with(ARRIVES));
    let console = hub.console();
    let came = console.iter().filter(|line| line.starts_with(ARRIVES)).count();
    assert_eq!(came, 1, "{console:#?}");
    hub.wait_console(|line| line == "<http> bonjour");
}

#[test]
fn a_long_page_reaches_a_narrow_reader_whole() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    let padding = "x".repeat(1000);
    alice.send((1..=600).map(|n| format!("{n} {padding}\n")).collect::<Vec<_>>().concat());
    alice.ask("");
    let wide = get(&hub, "/rooms/lobby/messages");
    assert!(wide.body.len() > 300 << 10, "{}", wide.body.len());
    let mut narrow = Peer::narrow(hub.port());
    narrow.send("GET /rooms/lobby/messages HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(Answer::read(&narrow.rest()).body == wide.body, "it isn't the same page");
}

const PRIVATE: [&str; 3] = ["/metrics", "/healthz", "/readyz"];

#[test]
fn a_request_that_a_proxy_passed_on_counts_as_one_from_elsewhere() {
    let traces = [
        "X-Forwarded-For: 192.0.2.7\r\n",
        "X-Forwarded-For: 127.0.0.1\r\n",
        "Forwarded: for=192.0.2.7\r\n",
        "forwarded: for=\"[::1]\"\r\n",
    ];
    let (shut, open) = (Hub::start(&["--quiet"]), Hub::start(&["--quiet", "--open"]));
    for trace in traces {
        for target in PRIVATE.into_iter().chain(["/", "/rooms/lobby/messages"]) {
            assert_eq!(request(&shut, "GET", target, trace).status, 403, "{trace}{target}");
        }
        assert_eq!(post(&shut, "lobby", trace, "x").status, 403, "{trace}");
        assert_eq!(ask(&shut, crate::web::handshake("/ws", trace)).status, 403, "{trace}");
        for target in PRIVATE {
            assert_eq!(request(&open, "GET", target, trace).status, 403, "{trace}{target}");
        }
        assert_eq!(post(&open, "lobby", trace, "x").status, 201, "{trace}");
    }
    for target in PRIVATE {
        assert_eq!(get(&open, target).status, 200, "{target}");
    }
}

/// An address of the documentation (RFC 5737): no machine has it.
const ADDRESS: &str = "192.0.2.7";

#[test]
fn what_the_hub_tells_about_itself_it_tells_this_machine_only() {
    let (Some(unshare), Some(curl)) = (tool("unshare"), tool("curl")) else { return };
    let (Some(_ip), Some(_nsenter)) = (tool("ip"), tool("nsenter")) else { return };
    let root = Command::new(&unshare).args(["--net", "true"]).output();
    if !root.is_ok_and(|output| output.status.success()) {
        return skipped("root (a network namespace of its own)");
    }
    let setup = format!("ip link set lo up && ip address add {ADDRESS}/32 dev lo");
    let script = format!("{setup} && exec \"$0\" server --port 0 --quiet --open");
    let mut command = Command::new(unshare);
    command.args(["--net", "sh", "-c", &script, TRAPPE]).env_remove("TRAPPE_LANG");
    let hub = Hub::launch(&mut command);
    let (id, port) = (hub.id().to_string(), hub.port());
    let status = |host: &str, target: &str| {
        let url = format!("http://{host}:{port}{target}");
        let mut command = Command::new("nsenter");
        command.args(["--target", &id, "--net"]).arg(&curl);
        command.args([
            "-sS",
            "-g",
            "--noproxy",
            "*",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}\\n",
            &url,
        ]);
        Process::spawn(&mut command).end().out.trim_end().to_owned()
    };
    for target in PRIVATE {
        assert_eq!(status(ADDRESS, target), "403", "{target}");
        assert_eq!(status("127.0.0.1", target), "200", "{target}");
        assert_eq!(status("[::1]", target), "200", "{target}");
    }
    assert_eq!(status(ADDRESS, "/rooms/lobby/messages"), "200");
}
