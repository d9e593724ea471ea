//! HTTP: what is posted is said, what is asked for is answered (PROTOCOL §8, §5).

use std::thread;

use crate::hub::Hub;
use crate::process::Process;
use crate::tools::tool;
use crate::web::{Answer, BINARY, Socket, Witness, ask, get, post, post_bytes, request};

#[test]
fn curl_says_something_as_the_documents_show_it() {
    let Some(curl) = tool("curl") else { return };
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    let address = format!("localhost:{}/rooms/lobby/messages", hub.port());
    let plain = ["-sS", "-d", "bonjour", "-H", "X-Trappe: 1", &address];
    let ended = Process::run(&curl, &plain).end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let answer: serde_json::Value = serde_json::from_str(&ended.out).expect("an object");
    assert_eq!(answer["seq"], 1, "{answer}");
    assert_eq!(witness.line(), "<http> bonjour");
    // As curl sends what is large: it asks first whether it may (Expect: 100-continue), or in chunks.
    let mut large = Process::run(
        &curl,
        &[
            "-sS",
            "-f",
            "--data-binary",
            "@-",
            "-H",
            "X-Trappe: 1",
            "-H",
            "Expect: 100-continue",
            &address,
        ],
    );
    large.write(vec![b'x'; 60 << 10]);
    assert_eq!(large.end().code, Some(0));
    assert_eq!(witness.line().len(), "<http> ".len() + (60 << 10));
    let mut chunked =
        Process::run(&curl, &["-sS", "-f", "-T", "-", "-X", "POST", "-H", "X-Trappe: 1", &address]);
    chunked.write("en morceaux");
    assert_eq!(chunked.end().code, Some(0));
    assert_eq!(witness.line(), "<http> en morceaux");
}

#[test]
fn what_was_said_is_answered_with_its_position_and_everyone_hears_it() {
    let hub = Hub::start(&["--quiet"]);
    let mut text = hub.member();
    let mut raw = Socket::member(&hub, "/ws", "raw");
    let mut json = Socket::open(&hub, "/ws?room=lobby", "json");
    json.event_of("join");
    let mut epochs = Vec::new();
    for seq in 1..=3 {
        let answer = post(&hub, "lobby", "", format!("mot {seq}"));
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.field("content-type"), Some("application/json"));
        let said = answer.json();
        assert_eq!(said["seq"], seq, "{said}");
        let epoch = said["epoch"].as_str().expect("an epoch").to_owned();
        assert_eq!(epoch.len(), 10, "{said}");
        epochs.push(epoch);
        assert_eq!(text.line(), format!("<http> mot {seq}"));
        assert_eq!(raw.text(), format!("mot {seq}"));
        let event = json.event();
        assert_eq!((&event["ev"], &event["seq"]), (&"msg".into(), &seq.into()), "{event}");
        assert_eq!((&event["from"], event.get("sid")), (&"http".into(), None), "{event}");
    }
    assert!(epochs.iter().all(|epoch| *epoch == epochs[0]), "{epochs:?}");
}

#[test]
fn a_body_is_a_message_as_it_is_and_never_a_command() {
    let hub = Hub::start(&["--quiet"]);
    let mut text = hub.member();
    let mut raw = Socket::member(&hub, "/ws", "raw");
    let bodies: [&[u8]; 8] = [
        b"/nick mallory",
        b"/quit",
        b"//x",
        b"\xe9\0\xff",
        b"deux\nlignes\n",
        b"{\"op\":\"quit\"}",
        b" ",
        b"GET / HTTP/1.1\r\n\r\n",
    ];
    for body in bodies {
        let answer = post(&hub, "lobby", "", body);
        assert_eq!(answer.status, 201, "{}: {answer:?}", body.escape_ascii());
        let (first, heard) = raw.next();
        assert_eq!(heard, body, "{}", body.escape_ascii());
        assert_eq!(first == BINARY, str::from_utf8(body).is_err());
    }
    assert_eq!(text.line(), "<http> /nick mallory");
    assert_eq!(text.line(), "<http> /quit");
    let empty = post(&hub, "lobby", "", "");
    assert!((400..500).contains(&empty.status), "{empty:?}");
    raw.say("encore là");
    text.until(|line| line.ends_with("> encore là"));
}

#[test]
fn a_name_is_taken_for_one_message_if_it_is_free() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    let _alice = hub.named("alice");
    let name = |name: &str| post(&hub, "lobby", &format!("X-Trappe-Name: {name}\r\n"), "moi");
    for given in ["capteur-7", "Zoé", "capteur-7"] {
        let answer = name(given);
        assert_eq!(answer.status, 201, "{given}: {answer:?}");
        assert_eq!(witness.line(), format!("<{given}> moi"));
    }
    for taken in ["alice", "ALICE"] {
        assert_eq!(name(taken).status, 409, "{taken}");
    }
    for bad in ["client-3", "server", "console", "a b", "..", &"x".repeat(33), "аlice", "\u{202e}x"]
    {
        let answer = name(bad);
        assert!(matches!(answer.status, 400 | 409), "{bad:?}: {answer:?}");
        assert!(answer.json()["code"].is_string(), "{answer:?}");
    }
    // A name said once over HTTP is nobody's: it may be taken.
    let mut bob = hub.member();
    bob.take_name("capteur-7");
    assert_eq!(name("capteur-7").status, 409);
    bob.say("fin");
    assert_eq!(witness.line(), "<capteur-7> fin");
}

#[test]
fn the_same_key_says_the_same_thing_once() {
    let hub = Hub::start(&["--quiet"]);
    let mut room = Witness::of(&hub);
    let with = |key: &str, body: &str| {
        let answer = post(&hub, "lobby", &format!("Idempotency-Key: {key}\r\n"), body);
        (answer.status, answer.json()["seq"].as_u64())
    };
    let first = with("k1", "une fois");
    assert_eq!(first, (201, Some(1)));
    assert_eq!(with("k1", "une fois"), first);
    assert_eq!(with("k1", "autre chose").0, 422);
    assert_eq!(with("k2", "une fois"), (201, Some(2)));
    assert_eq!(with("k1", "une fois"), first);
    assert_eq!(room.heard(), ["<http> une fois", "<http> une fois"]);
    // Also when they come at the same moment.
    let all: Vec<_> = thread::scope(|scope| {
        let posts: Vec<_> = (0..20).map(|_| scope.spawn(|| with("k3", "ensemble"))).collect();
        posts.into_iter().map(|post| post.join().expect("it is answered")).collect()
    });
    assert!(all.iter().all(|one| *one == all[0] && one.0 == 201), "{all:?}");
    assert_eq!(room.heard(), ["<http> ensemble"]);
}

#[test]
fn what_a_page_of_anybodys_could_send_unasked_is_not_said() {
    let hub = Hub::start(&["--quiet"]);
    let mut room = Witness::of(&hub);
    let bare = |fields: &str| ask(&hub, post_bytes("lobby", fields, "x")).status;
    let refused = [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: multipart/form-data; boundary=application/json\r\n",
        "Content-Type: text/plain; application/json\r\n",
        "Content-Type: application/jsonp\r\n",
        "X-Trappe:\r\n",
    ];
    for fields in refused {
        assert_eq!(bare(fields), 415, "{fields}");
    }
    room.heard_nothing("requests without a sign");
    let taken = [
        "X-Trappe: 1\r\n",
        "x-trappe:1\r\nContent-Type: text/plain\r\n",
        "Content-Type: application/json\r\n",
        "Content-Type: application/json; charset=utf-8\r\n",
        "content-type: Application/Octet-Stream\r\n",
    ];
    for fields in taken {
        assert_eq!(bare(fields), 201, "{fields}");
    }
    assert_eq!(room.heard().len(), taken.len());
    let foreign = "X-Trappe: 1\r\nOrigin: http://evil.example\r\n";
    assert_eq!(bare(foreign), 403);
    assert_eq!(bare("X-Trappe: 1\r\nOrigin: null\r\n"), 403);
    room.heard_nothing("requests of foreign pages");
    assert_eq!(bare("X-Trappe: 1\r\nOrigin: http://localhost:8000\r\n"), 201);
}

/// A chunked body.
fn chunked(fields: &str, chunks: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /rooms/lobby/messages HTTP/1.1\r\nHost: localhost\r\nX-Trappe: 1\r\n{fields}\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    [head.as_bytes(), chunks].concat()
}

/// What who announces so long a body, and sends none of it, is answered with.
#[track_caller]
fn announce(hub: &Hub, length: &str) -> u16 {
    let head = format!(
        "POST /rooms/lobby/messages HTTP/1.1\r\nHost: localhost\r\nX-Trappe: 1\r\n\
         Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
    );
    ask(hub, head).status
}

#[test]
fn the_largest_length_that_can_be_announced_is_too_long_like_all_others() {
    let hub = Hub::start(&["--quiet"]);
    assert_eq!(announce(&hub, &u64::MAX.to_string()), 413);
}

#[test]
fn a_body_may_come_in_chunks_up_to_the_limit_and_not_past_it() {
    let hub = Hub::start(&["--quiet"]);
    let mut room = Witness::of(&hub);
    assert_eq!(ask(&hub, chunked("", b"4\r\nbonj\r\n3;x=\"y\"\r\nour\r\n0\r\n\r\n")).status, 201);
    assert_eq!(ask(&hub, chunked("", b"00B\r\nbonjour toi\r\n0\r\nA: b\r\n\r\n")).status, 201);
    assert_eq!(room.heard(), ["<http> bonjour", "<http> bonjour toi"]);
    assert_eq!(post(&hub, "lobby", "", vec![b'x'; 64 << 10]).status, 201);
    assert_eq!(room.heard().len(), 1);
    let too_long = vec![b'x'; (64 << 10) + 1];
    assert_eq!(post(&hub, "lobby", "", &too_long).status, 413);
    let mut chunks = Vec::new();
    for piece in too_long.chunks(1000) {
        chunks.extend(format!("{:x}\r\n", piece.len()).as_bytes());
        chunks.extend(piece);
        chunks.extend(b"\r\n");
    }
    chunks.extend(b"0\r\n\r\n");
    assert_eq!(ask(&hub, chunked("", &chunks)).status, 413);
    // Announced, it is refused before any of it has come.
    for length in ["65537", "1099511627776", "18446744073709551613"] {
        assert_eq!(announce(&hub, length), 413, "{length}");
    }
    room.heard_nothing("bodies that are too long");
}

#[test]
fn who_asks_whether_to_go_on_is_told_so_and_then_answered() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    let mut peer = hub.connect();
    peer.send(chunked("Expect: 100-continue\r\n", b""));
    let go_on = Answer::read(&peer.through(b"\r\n\r\n"));
    assert_eq!(go_on.status, 100, "{go_on:?}");
    peer.send("7\r\nbonjour\r\n0\r\n\r\n");
    assert_eq!(Answer::read(&peer.rest()).status, 201);
    assert_eq!(witness.line(), "<http> bonjour");
    // Where the answer is no, it comes at once.
    let head = "POST /rooms/lobby/messages HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\
                Content-Length: 7\r\n\r\n";
    assert_eq!(ask(&hub, head).status, 415);
}

#[test]
fn a_request_that_comes_in_pieces_or_whose_sender_says_no_more_is_answered() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    let bytes = post_bytes("lobby", "X-Trappe: 1\r\n", "goutte à goutte");
    let mut peer = hub.connect();
    crate::web::drip(&peer, &bytes);
    assert_eq!(Answer::read(&peer.rest()).status, 201);
    assert_eq!(witness.line(), "<http> goutte à goutte");
    let mut peer = hub.connect();
    peer.send(&bytes);
    peer.finish();
    assert_eq!(Answer::read(&peer.rest()).status, 201);
    assert_eq!(witness.line(), "<http> goutte à goutte");
    let old =
        "POST /rooms/lobby/messages HTTP/1.0\r\nX-Trappe: 1\r\nContent-Length: 5\r\n\r\nvieux";
    assert_eq!(ask(&hub, old).status, 201);
    assert_eq!(witness.line(), "<http> vieux");
}

#[test]
fn a_post_makes_its_room_and_who_comes_later_can_ask_for_it() {
    let hub = Hub::start(&["--quiet"]);
    assert_eq!(get(&hub, "/rooms/caf%C3%A9/messages").status, 404);
    assert_eq!(post(&hub, "caf%C3%A9", "", "premier").status, 201);
    let mut alice = hub.named("alice");
    let answer = alice.ask("/join café 0");
    assert!(answer.contains(&"<http> premier".to_owned()), "{answer:?}");
    let answer = get(&hub, "/rooms/CAFÉ/messages".replace('É', "%C3%89").as_str());
    assert_eq!(answer.status, 200, "the name of a room is the same in any case");
    assert!(answer.text().contains("premier"), "{answer:?}");
}

#[test]
fn an_address_that_is_none_a_method_too_many_and_a_plain_visit_are_told_apart() {
    let hub = Hub::start(&["--quiet"]);
    let get_only =
        ["/", "/ws", "/metrics", "/healthz", "/readyz", "/connect", "/rooms/lobby/events"];
    let both = "/rooms/lobby/messages";
    for method in ["PUT", "DELETE", "PATCH", "TRACE"] {
        for target in get_only.into_iter().chain([both]) {
            let answer = request(&hub, method, target, "X-Trappe: 1\r\n");
            assert_eq!(answer.status, 405, "{method} {target}: {answer:?}");
            let allow = answer.field("allow").expect("RFC 9110 §15.5.6 wants it");
            assert!(allow.contains("GET") && !allow.contains(method), "{target}: {allow}");
            assert_eq!(allow.contains("POST"), target == both, "{target}: {allow}");
        }
    }
    for target in get_only {
        assert_eq!(request(&hub, "POST", target, "X-Trappe: 1\r\n").status, 405, "{target}");
    }
    let nowhere = [
        "/x",
        "/rooms",
        "/rooms/",
        "/rooms/lobby",
        "/rooms/lobby/messages/",
        "/rooms//messages",
        "//rooms/lobby/messages",
        "/etc/passwd",
        "/../../etc/passwd",
        "/ws/",
        "/%2e%2e/",
        "/favicon.ico",
    ];
    for target in nowhere {
        assert_eq!(get(&hub, target).status, 404, "{target}");
        assert_eq!(request(&hub, "POST", target, "X-Trappe: 1\r\n").status, 404, "{target}");
    }
    let visit = get(&hub, "/ws");
    assert_eq!(visit.status, 426, "{visit:?}");
    assert_eq!(visit.field("upgrade"), Some("websocket"));
}

#[test]
fn the_hidden_echo_is_nowhere_unless_it_was_asked_for() {
    let hub = Hub::start(&["--quiet"]);
    for method in ["GET", "HEAD", "POST", "OPTIONS"] {
        let answer = request(&hub, method, "/echo", "X-Trappe: 1\r\n");
        assert_eq!(answer.status, 404, "{method}: {answer:?}");
    }
    assert_eq!(ask(&hub, crate::web::handshake("/echo", "")).status, 404);
}

#[test]
fn a_room_in_an_address_is_never_a_path() {
    let hub = Hub::start(&["--quiet"]);
    for room in [
        "..",
        ".",
        "%2e%2e",
        "%2E.",
        "a%2Fb",
        "..%2f..%2fetc%2fpasswd",
        "%2Fetc%2Fpasswd",
        "%00",
        "a%00b",
        "%ff",
        "%",
        "%2",
        "a%5cb",
        "client-7",
        "server",
        "a+b",
        "a%20b",
        "%E2%80%AEx",
    ] {
        let answers = [
            get(&hub, &format!("/rooms/{room}/messages")),
            get(&hub, &format!("/rooms/{room}/events")),
            post(&hub, room, "", "x"),
        ];
        for answer in answers {
            assert!(matches!(answer.status, 400 | 404), "{room}: {answer:?}");
            assert!(!answer.text().contains("root:"), "{room}: {answer:?}");
        }
    }
    let mut alice = hub.named("alice");
    let rooms = alice.ask("/rooms").concat();
    assert!(rooms.contains("1 salon"), "a refused request made a room: {rooms}");
}
