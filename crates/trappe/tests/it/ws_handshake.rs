//! The opening of a WebSocket: what makes one, and who may (RFC 6455 §4, PROTOCOL §8).

use crate::hub::Hub;
use crate::web::{ACCEPT, Answer, PING, PONG, TEXT, Witness, ask, frame, handshake, request};

/// The head that answers an upgrade.
#[track_caller]
fn upgrade(hub: &Hub, handshake: &str) -> Answer {
    let mut peer = hub.connect();
    peer.send(handshake);
    Answer::read(&peer.through(b"\r\n\r\n"))
}

#[test]
fn the_answer_is_the_one_of_the_rfc() {
    let hub = Hub::start(&["--quiet"]);
    let answer = upgrade(&hub, &handshake("/ws", ""));
    assert_eq!(answer.status, 101, "{answer:?}");
    assert_eq!(answer.field("sec-websocket-accept"), Some(ACCEPT));
    let is =
        |field, value: &str| answer.field(field).is_some_and(|v| v.eq_ignore_ascii_case(value));
    assert!(is("upgrade", "websocket") && is("connection", "upgrade"), "{answer:?}");
    // None was offered, so none may be chosen (RFC 6455 §4.2.2); and extensions there are none.
    assert_eq!(answer.field("sec-websocket-protocol"), None);
    let deflate = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let answer = upgrade(&hub, &handshake("/ws", deflate));
    assert_eq!((answer.status, answer.field("sec-websocket-extensions")), (101, None));
}

#[test]
fn without_a_subprotocol_it_is_json() {
    let hub = Hub::start(&["--quiet"]);
    let mut peer = hub.connect();
    peer.send(handshake("/ws", ""));
    peer.through(b"\r\n\r\n");
    assert!(peer.through(b"}").windows(13).any(|it| it == br#"{"ev":"hello""#.as_slice()));
}

#[test]
fn the_fields_are_read_as_the_lists_and_words_that_they_are() {
    let hub = Hub::start(&["--quiet"]);
    let plain = handshake("/ws", "");
    let table = [
        ("Upgrade: websocket", "upgrade: WebSocket"),
        ("Connection: Upgrade", "Connection: keep-alive, upgrade"),
        ("Connection: Upgrade", "Connection: keep-alive\r\nConnection: Upgrade"),
        ("Upgrade: websocket", "Upgrade: h2c, websocket"),
        ("Sec-WebSocket-Key: ", "sec-websocket-key:\t "),
    ];
    for (one, other) in table {
        let changed = plain.replacen(one, other, 1);
        assert_ne!(plain, changed);
        assert_eq!(upgrade(&hub, &changed).status, 101, "{other}");
    }
}

#[test]
fn an_upgrade_that_lacks_something_is_refused_with_what_is_missing() {
    let hub = Hub::start(&["--quiet"]);
    let plain = handshake("/ws", "");
    let key = format!("Sec-WebSocket-Key: {}\r\n", crate::web::KEY);
    let twice = key.repeat(2);
    let table = [
        ("Upgrade: websocket\r\n", "", 426),
        ("Upgrade: websocket", "Upgrade: h2c", 426),
        ("Connection: Upgrade\r\n", "", 426),
        ("Connection: Upgrade", "Connection: close", 426),
        ("Sec-WebSocket-Version: 13\r\n", "", 426),
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8", 426),
        ("HTTP/1.1", "HTTP/1.0", 426),
        (&key, "", 400),
        (&key, &twice, 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ==", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "*GhlIHNhbXBsZSBub25jZQ==", 400),
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 8", 400),
        ("Host: localhost\r\n", "", 400),
    ];
    for (one, other, wanted) in table {
        let changed = plain.replacen(one, other, 1);
        assert_ne!(plain, changed);
        let answer = ask(&hub, &changed);
        assert_eq!(answer.status, wanted, "{one:?} → {other:?}: {answer:?}");
        if wanted == 426 {
            // RFC 9110 §15.5.22: what to upgrade to; RFC 6455 §4.4: which version.
            let upgrade = answer.field("upgrade").unwrap_or_default();
            assert!(upgrade.eq_ignore_ascii_case("websocket"), "{answer:?}");
        }
        if one.starts_with("Sec-WebSocket-Version") && wanted == 426 {
            assert_eq!(answer.field("sec-websocket-version"), Some("13"), "{answer:?}");
        }
    }
    let answer = request(&hub, "POST", "/ws", "X-Trappe: 1\r\n");
    assert_eq!(answer.status, 405, "{answer:?}");
    assert!(answer.field("allow").is_some_and(|allow| allow.contains("GET")), "{answer:?}");
}

#[test]
fn an_upgrade_with_a_body_is_refused_or_its_body_is_no_frame() {
    let hub = Hub::start(&["--quiet"]);
    let mut room = Witness::of(&hub);
    let said = frame(TEXT, r#"{"op":"send","text":"un corps, pas une trame"}"#);
    let chunk = [format!("{:x}\r\n", said.len()).as_bytes(), &said, b"\r\n0\r\n\r\n"].concat();
    let length = format!("Content-Length: {}\r\n", said.len());
    for (fields, body) in [(length.as_str(), said), ("Transfer-Encoding: chunked\r\n", chunk)] {
        let mut peer = hub.connect();
        peer.send([handshake("/ws", fields).as_bytes(), &body].concat());
        let answer = Answer::read(&peer.through(b"\r\n\r\n"));
        if answer.status == 101 {
            // It has read the body, then (RFC 9110 §7.8): the first frame is what follows it.
            peer.send(frame(PING, "?"));
            peer.through(&[&[PONG, 1][..], b"?"].concat());
        } else {
            assert!((400..500).contains(&answer.status), "{answer:?}");
        }
        room.heard_nothing(fields);
    }
}

#[test]
fn a_known_subprotocol_is_chosen_and_an_unknown_one_refused() {
    let hub = Hub::start(&["--quiet"]);
    let chosen = [
        ("trappe.json.v1", "trappe.json.v1"),
        ("trappe.text.v1", "trappe.text.v1"),
        ("trappe.raw.v1", "trappe.raw.v1"),
        ("mqtt, trappe.raw.v1", "trappe.raw.v1"),
        ("trappe.raw.v2,trappe.text.v1 , x", "trappe.text.v1"),
    ];
    for (offered, wanted) in chosen {
        let answer =
            upgrade(&hub, &handshake("/ws", &format!("Sec-WebSocket-Protocol: {offered}\r\n")));
        assert_eq!(answer.status, 101, "{offered}: {answer:?}");
        assert_eq!(answer.field("sec-websocket-protocol"), Some(wanted), "{offered}");
    }
    for offered in ["mqtt", "trappe.json.v2", "trappe.json.v1x, TRAPPE"] {
        let answer = ask(&hub, handshake("/ws", &format!("Sec-WebSocket-Protocol: {offered}\r\n")));
        assert_eq!(answer.status, 400, "{offered}: {answer:?}");
    }
}

/// What an upgrade with this host (nothing: none) and these other fields is answered with.
#[track_caller]
fn status(hub: &Hub, host: &str, fields: &str) -> u16 {
    let plain = handshake("/ws", fields);
    upgrade(hub, &plain.replacen("Host: localhost\r\n", host, 1)).status
}

#[test]
fn pages_of_this_host_may_others_may_not() {
    let hub = Hub::start(&["--quiet"]);
    let mut room = Witness::of(&hub);
    let port = hub.port();
    let same = |origin: &str| origin.replace("PORT", &port.to_string());
    let table = [
        ("localhost", "http://localhost:PORT", 101),
        ("localhost", "http://localhost:8000", 101),
        ("localhost", "https://localhost", 101),
        ("LOCALHOST", "http://localhost", 101),
        ("127.0.0.1", "http://127.0.0.1:PORT", 101),
        ("[::1]:PORT", "http://[::1]:3000", 101),
        ("localhost", "http://evil.example", 403),
        ("localhost", "https://localhost.evil.example", 403),
        ("localhost", "http://evil.example:PORT", 403),
        ("localhost", "http://evil.localhost", 403),
        ("127.0.0.1", "http://localhost", 403),
        ("127.0.0.1", "http://127.0.0.2", 403),
        ("localhost", "null", 403),
        ("localhost", "", 403),
        ("localhost", "localhost", 403),
        ("localhost", "file://", 403),
        ("localhost", "http://localhost http://evil.example", 403),
        ("localhost", "http://localhost@evil.example", 403),
    ];
    for (host, origin, wanted) in table {
        let (host, origin) = (same(host), same(origin));
        let status = status(&hub, &format!("Host: {host}\r\n"), &format!("Origin: {origin}\r\n"));
        assert_eq!(status, wanted, "Host: {host}, Origin: {origin}");
    }
    let twice = "Origin: http://localhost\r\nOrigin: http://evil.example\r\n";
    let status = status(&hub, "Host: localhost\r\n", twice);
    assert!((400..500).contains(&status), "two origins: {status}");
    room.heard_nothing("refused pages");
}

#[test]
fn a_name_that_could_be_an_attackers_is_no_host_of_ours() {
    let hub = Hub::start(&["--quiet"]);
    let table = [
        ("Host: localhost:80", 101),
        ("Host: 127.0.0.1", 101),
        ("Host: 192.0.2.7:5566", 101),
        ("Host: [::1]", 101),
        ("Host: evil.example", 403),
        ("Host: evil.example:5566", 403),
        ("Host: localhost.evil.example", 403),
        ("Host: 127.0.0.1.evil.example", 403),
    ];
    for (host, wanted) in table {
        assert_eq!(status(&hub, &format!("{host}\r\n"), ""), wanted, "{host}");
        // A page that came from there is as little ours, though it is of the same host.
        let name = host.trim_start_matches("Host: ");
        let origin = format!("Origin: http://{name}\r\n");
        assert_eq!(status(&hub, &format!("{host}\r\n"), &origin), wanted, "{host} {origin}");
    }
    for bad in ["", "Host: localhost\r\nHost: localhost\r\n", "Host: a b\r\n", "Host: \r\n"] {
        let status = status(&hub, bad, "");
        assert!(matches!(status, 400 | 403), "{bad:?}: {status}");
    }
    assert_eq!(status(&hub, "", ""), 400);
}

#[test]
fn what_the_command_line_allows_may_too() {
    let hub = Hub::start(&[
        "--quiet",
        "--allow-host",
        "hub.example.org",
        "--allow-origin",
        "https://chat.example.org",
    ]);
    let table = [
        ("hub.example.org", "", 101),
        ("HUB.example.org:5566", "", 101),
        ("other.example.org", "", 403),
        ("hub.example.org", "http://hub.example.org:5566", 101),
        ("hub.example.org", "https://chat.example.org", 101),
        ("localhost", "https://chat.example.org", 101),
        ("localhost", "https://chat.example.org:443", 101),
        ("localhost", "http://chat.example.org", 403),
        ("localhost", "https://chat.example.org:8443", 403),
        ("localhost", "https://evil.example.org", 403),
        ("localhost", "null", 403),
    ];
    for (host, origin, wanted) in table {
        let fields =
            if origin.is_empty() { String::new() } else { format!("Origin: {origin}\r\n") };
        let status = status(&hub, &format!("Host: {host}\r\n"), &fields);
        assert_eq!(status, wanted, "Host: {host}, Origin: {origin}");
    }
}
