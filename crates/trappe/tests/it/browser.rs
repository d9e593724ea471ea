//! A real browser's pages as members: WebSocket, Server-Sent Events and `fetch`, and what pages of other sites don't get.

use std::fs;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use crate::chromium::{Chromium, empty_page};
use crate::hub::Hub;
use crate::peer::Peer;
use crate::process::{PATIENCE, Process};

/// What a page of these tests can do.
const DOORS: &str = include_str!("browser/doors.js");

/// Opens an empty page of `origin`, which calls the hub `hub`.
#[track_caller]
pub(crate) fn open(browser: &Chromium, origin: &str, hub: &str) {
    browser.open(origin);
    browser.run(DOORS);
    browser.run(&format!("at = {hub:?}"));
}

/// An empty page of this machine, on a port of its own.
#[track_caller]
pub(crate) fn neighbour(hub: &Hub) -> Option<Chromium> {
    let browser = Chromium::start()?;
    let host = format!("localhost:{}", hub.port());
    open(&browser, &format!("http://localhost:{}/", empty_page()), &host);
    Some(browser)
}

/// Waits for an event of the page that begins with `kind` and says `text`; the JSON of it.
#[track_caller]
pub(crate) fn says(browser: &Chromium, kind: &str, text: &str) -> Value {
    let wanted = format!("\"text\":{}", json!(text));
    let line = browser.line(|line| line.starts_with(kind) && line.contains(&wanted));
    event_of(&line)
}

/// The event in a line of a page's console.
#[track_caller]
fn event_of(line: &str) -> Value {
    let from = line.find('{').expect("an event is an object");
    serde_json::from_str(&line[from..]).expect("an event is JSON")
}

#[test]
fn a_page_talks_over_a_websocket_and_follows_by_server_sent_events() {
    let hub = Hub::start(&[]);
    let Some(browser) = neighbour(&hub) else { return };
    let mut alice = hub.named("alice");
    assert_ne!(
        browser.run("var ws = await socket('json', 'lobby'); ws && ws.protocol"),
        json!(null)
    );
    assert_eq!(browser.run("ws.protocol"), json!("trappe.json.v1"));
    assert_ne!(browser.run("var source = await events('lobby'); source && 1"), json!(null));
    alice.say("bonjour 🐟 « à tous »");
    let over_ws = says(&browser, "json", "bonjour 🐟 « à tous »");
    let over_sse = says(&browser, "sse", "bonjour 🐟 « à tous »");
    assert_eq!(over_ws, over_sse, "the same event on both");
    assert_eq!(over_ws["from"], "alice");

    browser.run(r#"ws.send(JSON.stringify({op: "nick", name: "brigitte"}))"#);
    browser.run(r#"ws.send(JSON.stringify({op: "send", text: "salut alice", id: 1}))"#);
    assert_eq!(alice.line(), "<brigitte> salut alice");
    let told = says(&browser, "sse", "salut alice");
    assert_eq!(told["from"], "brigitte");
    // Its own words don't come back: an acknowledgement does, with the number that the others see.
    let ack = browser.line(|line| line.starts_with("json {\"ev\":\"ack\""));
    assert!(ack.contains(&format!("\"seq\":{}", told["seq"])), "{ack} {told}");
    let own = |line: &String| line.starts_with("json") && line.contains("salut alice");
    assert_eq!(browser.console().iter().find(|line| own(line)), None);
}

#[test]
fn each_subprotocol_gives_a_page_its_own_format() {
    let hub = Hub::start(&["--quiet"]);
    let Some(browser) = neighbour(&hub) else { return };
    for format in ["json", "text", "raw"] {
        let opened =
            format!("var {format} = await socket('{format}', 'lobby'); {format}?.protocol");
        assert_eq!(browser.run(&opened), json!(format!("trappe.{format}.v1")));
    }
    let mut alice = hub.named("alice");
    alice.say("un mot");
    browser.line(|line| line == "text <alice> un mot");
    browser.line(|line| line == "raw un mot");
    assert_eq!(says(&browser, "json", "un mot")["from"], "alice");
    // What isn't UTF-8 is a binary frame in raw, and shown escaped where a person reads.
    alice.send(b"\xff\x00\n");
    browser.line(|line| line == "raw bytes 255,0");
    browser.line(|line| line == r"text <alice> \xff\x00");
    browser
        .line(|line| line.starts_with("json {\"ev\":\"msg\"") && line.contains("\"b64\":\"/wA=\""));
    browser.run("raw.send('du raw')");
    alice.until(|line| line.ends_with("> du raw"));
    browser.run("text.send('/nick tex'); text.send('du texte')");
    assert_eq!(alice.line(), "<tex> du texte");
    // A command is text: what is binary is the message as it is.
    browser.run("text.send(new TextEncoder().encode('/quit'))");
    assert_eq!(alice.line(), "<tex> /quit");
}

#[test]
fn a_page_posts_by_fetch_once_its_browser_has_asked() {
    let hub = Hub::start(&["--quiet"]);
    let Some(browser) = neighbour(&hub) else { return };
    let mut alice = hub.named("alice");
    let plain = r#"await post("lobby", { headers: { "X-Trappe": "1" }, body: "bonjour" })"#;
    let said = browser.run(plain);
    assert_eq!((&said["status"], &said["seq"]), (&json!(201), &json!(1)), "{said}");
    assert_eq!(said["epoch"].as_str().map(str::len), Some(10), "{said}");
    assert_eq!(alice.line(), "<http> bonjour");

    let named = r#"await post("lobby", {
        headers: { "X-Trappe": "1", "X-Trappe-Name": "brigitte", "Idempotency-Key": "k1" }, body: "encore" })"#;
    let first = browser.run(named);
    assert_eq!(first["seq"], 2, "{first}");
    assert_eq!(browser.run(named)["seq"], 2, "the same request again is the same message");
    assert_eq!(alice.line(), "<brigitte> encore");

    // Bytes by their type alone, and a JSON body is the message as it is.
    let bytes = r#"await post("lobby", {
        headers: { "Content-Type": "application/octet-stream" }, body: new Uint8Array([111, 107]) })"#;
    assert_eq!(browser.run(bytes)["status"], 201);
    assert_eq!(alice.line(), "<http> ok");
    let json = r#"await post("lobby", {
        headers: { "Content-Type": "application/json" }, body: JSON.stringify({ a: 1 }) })"#;
    assert_eq!(browser.run(json)["status"], 201);
    assert_eq!(alice.line(), "<http> {\"a\":1}");

    // What a form could send too needs more; a page may read why.
    let form = browser.run(r#"await post("lobby", { body: "formulaire" })"#);
    assert_eq!((&form["status"], &form["ev"]), (&json!(415), &json!("error")), "{form}");
    let taken = r#"await post("lobby", {
        headers: { "X-Trappe": "1", "X-Trappe-Name": "Alice" }, body: "c'est moi" })"#;
    assert_eq!(browser.run(taken)["status"], 409);

    let history = r#"
        var answer = await fetch(`http://${at}/rooms/lobby/messages?after=0&limit=2`);
        var page = [answer.status, (await answer.text()).trim().split("\n").map((line) => JSON.parse(line).text),
          answer.headers.get("Link")];
        page"#;
    let page = browser.run(history);
    assert_eq!(page[0], 200);
    assert_eq!(page[1], json!(["bonjour", "encore"]));
    let next = page[2].as_str().expect("a page may read the link to the next one");
    assert!(next.contains("rel=\"next\"") && next.contains("@2"), "{next}");
}

/// What the JavaScript client does in any browser, in the console of the page that is open.
#[track_caller]
fn the_client_talks_both_ways(browser: &Chromium, client: &str, alice: &mut Peer) {
    browser.run(client);
    let heard = alice.line();
    assert!(heard.ends_with("> bonjour"), "{heard}; {:#?}", browser.console());
    alice.say("très bien");
    browser.line(|line| line == "<alice> très bien");
    browser.run("say('à plus tard')");
    let heard = alice.line();
    assert!(heard.ends_with("> à plus tard"), "{heard}");
}

/// The JavaScript client of `hub`, as a browser gets it.
#[track_caller]
fn javascript(hub: &Hub, room: &str) -> String {
    let mut peer = hub.connect();
    let room = room.replace('é', "%C3%A9");
    let host = format!("localhost:{}", hub.port());
    peer.send(format!("GET /connect/javascript?room={room} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    let answer = String::from_utf8(peer.rest()).expect("heads and clients are UTF-8");
    let (head, client) = answer.split_once("\r\n\r\n").expect("a head ends with an empty line");
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
    client.to_owned()
}

#[test]
fn the_client_in_javascript_talks_both_ways_in_a_page() {
    let hub = Hub::start(&["--quiet"]);
    for room in ["lobby", "café"] {
        let Some(browser) = neighbour(&hub) else { return };
        let mut alice = hub.named("alice");
        alice.ask(&format!("/join {room}"));
        the_client_talks_both_ways(&browser, &javascript(&hub, room), &mut alice);
        alice.ask("/nick autre");
    }
}

#[test]
fn the_client_in_javascript_talks_both_ways_in_the_console_of_the_hubs_own_pages() {
    let hub = Hub::start(&["--quiet"]);
    let Some(browser) = Chromium::start() else { return };
    let mut alice = hub.named("alice");
    for path in ["/connect", "/", "/connect/javascript"] {
        browser.open(&format!("http://localhost:{}{path}", hub.port()));
        the_client_talks_both_ways(&browser, &javascript(&hub, "lobby"), &mut alice);
    }
}

#[test]
fn the_client_in_javascript_talks_both_ways_in_node() {
    // Before 22 it has no WebSocket of its own; Chromium proves the same, so that nothing is skipped.
    let Ok(version) = Command::new("node").arg("--version").output() else { return };
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let major = version.trim_start_matches('v').split('.').next().and_then(|it| it.parse().ok());
    if major.is_none_or(|major: u32| major < 22) {
        return;
    }
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("client.js");
    fs::write(&file, javascript(&hub, "lobby")).expect("the tests may write below target");
    let mut node = Process::run("node", &[file.as_os_str(), "bonjour".as_ref()]);
    let heard = alice.line();
    assert!(heard.ends_with("> bonjour"), "{heard}");
    alice.say("très bien");
    node.out.line(|line| line == "<alice> très bien");
    node.write("à plus tard\n");
    let heard = alice.line();
    assert!(heard.ends_with("> à plus tard"), "{heard}");
}

#[test]
fn a_page_that_is_left_leaves_the_room() {
    let hub = Hub::start(&[]);
    let Some(browser) = neighbour(&hub) else { return };
    let mut alice = hub.connect();
    alice.say("/nick alice");
    browser.run("var ws = await socket('json', 'lobby')");
    browser.run(r#"ws.send(JSON.stringify({ op: "nick", name: "brigitte" }))"#);
    browser.run(r#"ws.send(JSON.stringify({ op: "send", text: "je pars" }))"#);
    alice.until(|line| line == "<brigitte> je pars");
    browser.open(&format!("http://localhost:{}/ailleurs", empty_page()));
    alice.until(|line| line.starts_with("* ") && line.contains("brigitte"));
}

#[test]
fn a_hub_that_stops_closes_a_pages_websocket_with_1001_and_why() {
    let mut hub = Hub::start(&["--quiet"]);
    let Some(browser) = neighbour(&hub) else { return };
    browser.run("var ws = await socket('json', 'lobby'); var source = await events('lobby')");
    let mut alice = hub.named("alice");
    alice.say("encore là");
    says(&browser, "json", "encore là");
    hub.signal("TERM");
    let closed = browser.line(|line| line.starts_with("closed "));
    let closed: Value = serde_json::from_str(&closed["closed ".len()..]).expect("the page's JSON");
    assert_eq!((&closed["code"], &closed["wasClean"]), (&json!(1001), &json!(true)), "{closed}");
    assert_ne!(closed["reason"], "", "{closed}");
    hub.ended_within(PATIENCE);
}

/// A way to the hub that can be cut: each connection to its port is passed on, until then.
struct Relay {
    port: u16,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Relay {
    #[track_caller]
    fn to(hub: &Hub) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let (open, hub) = (Arc::<Mutex<Vec<TcpStream>>>::default(), hub.port());
        let mine = Arc::clone(&open);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(("127.0.0.1", hub)) else { break };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let clone = |it: &TcpStream| it.try_clone().expect("a descriptor is left");
                    let (mut from, mut to) = (clone(from), clone(to));
                    mine.lock().expect("nobody panics with it").push(clone(&to));
                    // One that was cut gives an error, which is what a cut is.
                    thread::spawn(move || {
                        drop(io::copy(&mut from, &mut to));
                        drop(to.shutdown(Shutdown::Write));
                    });
                }
            }
        });
        Relay { port, open }
    }

    /// Ends every connection that there is; later ones are passed on again.
    fn cut(&self) {
        for stream in self.open.lock().expect("nobody panics with it").drain(..) {
            // It may have ended by itself.
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

#[test]
fn a_page_that_lost_its_connection_follows_on_without_hole_or_repeat() {
    let hub = Hub::start(&["--quiet"]);
    let Some(browser) = neighbour(&hub) else { return };
    let relay = Relay::to(&hub);
    browser.run(&format!("at = 'localhost:{}'", relay.port));
    browser.run("var source = await events('lobby')");
    let mut alice = hub.named("alice");
    alice.say("un");
    says(&browser, "sse", "un");
    for words in [["deux", "trois", "quatre"], ["cinq", "six", "sept"]] {
        relay.cut();
        for word in &words[..2] {
            alice.say(word);
        }
        // It comes back by itself, after some seconds, with the position of the last that it had.
        says(&browser, "sse", words[1]);
        alice.say(words[2]);
        says(&browser, "sse", words[2]);
    }
    let shown = browser.console();
    let heard = shown.iter().filter(|line| line.contains("\"ev\":\"msg\""));
    let heard: Vec<Value> = heard.map(|line| event_of(line)["text"].clone()).collect();
    assert_eq!(heard, ["un", "deux", "trois", "quatre", "cinq", "six", "sept"]);
}
