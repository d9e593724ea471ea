//! What pages of other sites don't get of a hub, in a real browser; and what a room can't do to its browsers.

use crate::browser::{neighbour, open, says};
use crate::chromium::{Chromium, REBOUND, empty_page};
use crate::hub::{ARRIVES, Hub};
use crate::peer::Peer;

/// Everything that a page can try, whatever it bears: true for what got through.
const ATTEMPTS: &str = r#"({
  websocket: await socket("json", "lobby") !== null,
  text: await socket("text", "lobby") !== null,
  events: await events("lobby") !== null,
  fetch: await post("lobby", { headers: { "X-Trappe": "1" }, body: "mallory" }) !== null,
  json: await post("lobby", { headers: { "Content-Type": "application/json" }, body: "mallory" }) !== null,
  plain: await post("lobby", { body: "mallory" }) !== null,
  read: await fetch(`http://${at}/rooms/lobby/messages`).then(() => true, () => false),
})"#;

/// What a page can send without asking, and without reading the answer: none of it may be said.
const BLIND: &str = r#"
  await post("lobby", { mode: "no-cors", body: "mallory" });
  await post("lobby", { mode: "no-cors", headers: { "Content-Type": "text/plain" }, body: "/nick mallory\nmallory\n" });
  await fetch(`http://${at}/`, { method: "POST", mode: "no-cors", body: "\n/nick mallory\nmallory\n" }).catch(() => null);
  var form = document.createElement("form");
  Object.assign(form, { action: `http://${at}/rooms/lobby/messages`, method: "POST", enctype: "text/plain" });
  form.append(Object.assign(document.createElement("input"), { name: "mallory", value: "mallory" }));
  document.body.append(form);
  form.submit();
"#;

/// Tries everything from the page that is open; nothing gets through, and nobody hears a word.
#[track_caller]
fn nothing_gets_through(browser: &Chromium, hub: &Hub, witness: &mut Peer, origin: &str) {
    let through = browser.run(ATTEMPTS);
    let attempts = through.as_object().expect("a table of attempts");
    assert_eq!(attempts.len(), 7);
    let got: Vec<&String> = attempts.iter().filter(|it| it.1 != false).map(|it| it.0).collect();
    assert!(got.is_empty(), "from {origin}, these got through: {got:?}");
    browser.run(BLIND);
    browser.arrived("/rooms/lobby/messages");
    let mut marker = hub.named("marker");
    marker.say(origin);
    assert_eq!(witness.line(), format!("<marker> {origin}"));
    marker.say("/quit");
    marker.rest();
}

#[test]
fn a_page_of_another_host_gets_no_websocket_no_events_and_says_nothing() {
    let hub = Hub::start(&[]);
    let Some(browser) = Chromium::start() else { return };
    let mut witness = hub.member();
    let (page, port) = (empty_page(), hub.port());
    let (name, address) = (format!("localhost:{port}"), format!("127.0.0.1:{port}"));
    for (origin, host) in [
        (format!("http://127.0.0.1:{page}/"), &name),
        (format!("http://foreign.localhost:{page}/"), &name),
        (format!("http://localhost:{page}/"), &address),
        // A page without a host has the origin `null`.
        ("data:text/html,<body>".to_owned(), &name),
    ] {
        open(&browser, &origin, host);
        nothing_gets_through(&browser, &hub, &mut witness, &origin);
    }
    let mallory = |line: &&String| line.contains("mallory");
    assert_eq!(hub.console().iter().find(mallory), None);
}

#[test]
fn a_name_that_was_bent_to_this_machine_reaches_nothing_though_its_origin_is_the_same_host() {
    let hub = Hub::start(&[]);
    let Some(browser) = Chromium::start() else { return };
    let mut witness = hub.member();
    let origin = format!("http://{REBOUND}:{}/", empty_page());
    open(&browser, &origin, &format!("{REBOUND}:{}", hub.port()));
    nothing_gets_through(&browser, &hub, &mut witness, &origin);
}

#[test]
fn a_host_and_an_origin_that_were_allowed_get_through() {
    let page = empty_page();
    let origin = format!("http://127.0.0.1:{page}");
    let hub = Hub::start(&["--quiet", "--allow-origin", &origin, "--allow-host", REBOUND]);
    let Some(browser) = Chromium::start() else { return };
    let mut alice = hub.named("alice");
    let port = hub.port();
    for (origin, host) in [
        (origin, format!("localhost:{port}")),
        (format!("http://{REBOUND}:{page}"), format!("{REBOUND}:{port}")),
    ] {
        open(&browser, &origin, &host);
        browser.run("var ws = await socket('json', 'lobby'); var source = await events('lobby')");
        alice.say(&origin);
        says(&browser, "json", &origin);
        says(&browser, "sse", &origin);
        browser.run("ws.send(JSON.stringify({ op: 'send', text: 'par ws' }))");
        assert!(alice.line().ends_with("> par ws"));
        let posted = r#"await post("lobby", { headers: { "X-Trappe": "1" }, body: "par fetch" })"#;
        assert_eq!(browser.run(posted)["status"], 201);
        assert_eq!(alice.line(), "<http> par fetch");
    }
}

/// Has the page open a connection to the hub ahead of time, which stays silent for so long that it becomes a member.
#[track_caller]
fn opens_ahead(browser: &Chromium, hub: &Hub, kind: &str) -> String {
    let came = || hub.console().iter().filter(|line| line.starts_with(ARRIVES)).count();
    let name = format!("client-{}", came() + 1);
    browser.run(&format!("link({kind})"));
    let is_it = |line: &str| line.starts_with(ARRIVES) && line.contains(&format!(" {name} "));
    hub.wait_console(is_it);
    name
}

/// Waits until the hub has written the first message of the lobby to the member called `name`, if it ever does.
#[track_caller]
fn may_be_written_to(hub: &Hub, name: &str) {
    let mut other = hub.member();
    let is_written = |_| {
        let answer = other.ask(&format!("/why {name}"));
        answer.iter().any(|line| line.contains("@1 "))
    };
    (0..1000).any(is_written);
}

#[test]
fn a_connection_that_a_browser_opened_ahead_and_that_was_written_to_says_nothing_and_the_next_request_is_served()
 {
    let hub = Hub::start(&[]);
    let Some(browser) = neighbour(&hub) else { return };
    let mut alice = hub.named("alice");
    opens_ahead(&browser, &hub, "'anonymous'");
    alice.ask("bonjour");
    let post = r#"await post("lobby", { headers: { "X-Trappe": "1" }, body: "par la page" })"#;
    // Chromium doesn't ask again by itself once it has read something that is no answer.
    let _lost = browser.run(post);
    assert_eq!(browser.run(post)["status"], 201, "{:#?}", browser.console());
    assert_eq!(alice.line(), "<http> par la page", "once, not twice");
    alice.ask("/ping");
}

#[test]
fn nobody_in_a_room_answers_a_browser_in_the_hubs_place() {
    // With the shortest name that there is: before `HTTP`, Chromium overlooks up to four bytes, as `<b> `.
    let forged = "HTTP/1.1 218 forged\r\nContent-Type: text/html\r\n\r\n<script>forged()</script>";
    for format in ["text", "raw"] {
        let hub = Hub::start(&["--format", format]);
        let Some(browser) = neighbour(&hub) else { return };
        let ahead = opens_ahead(&browser, &hub, "null");
        let mut poster = hub.connect();
        poster.send(format!(
            "POST /rooms/lobby/messages HTTP/1.1\r\nHost: localhost\r\nX-Trappe: 1\r\n\
             X-Trappe-Name: b\r\nContent-Length: {}\r\n\r\n{forged}",
            forged.len()
        ));
        assert!(poster.line().starts_with("HTTP/1.1 201 "));
        may_be_written_to(&hub, &ahead);
        browser.run("location.href = `http://${at}/connect`");
        browser.arrived("/connect");
        let status = "performance.getEntriesByType('navigation')[0]?.responseStatus";
        assert_ne!(browser.run(status), 218, "a member of a {format} room answers for the hub");
    }
}
