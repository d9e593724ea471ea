//! The JSON format (PROTOCOL §4): every op, every event, on lines and over WebSocket.

use serde_json::{Value, json};

use crate::hub::Hub;
use crate::json_check::members;
use crate::json_peer::{BOTH, Frame, JsonPeer, Via, WebSocket};

/// What `client-1` asks, alone in the lobby with bob, and what it is answered.
const OPS: &str = r#"
> {"op":"hello","id":1}
< {"ev":"hello","session":"*","sid":1,"name":"client-1","rooms":[{"room":"lobby","pos":"*"}],"id":1}
> {"op":"send","room":"lobby","text":"un","id":12}
< {"ev":"ack","room":"lobby","seq":1,"id":12}
> {"op":"send","text":"deux"}
< {"ev":"ack","room":"lobby","seq":2}
> {"op":"send","b64":"dHJvaXM=","id":13}
< {"ev":"ack","room":"lobby","seq":3,"id":13}
> {"op":"who","id":2}
< {"ev":"who","room":"lobby","count":2,"members":[{"name":"client-1","sid":1},{"name":"bob","sid":2}],"id":2}
> {"op":"history","n":2,"id":3}
< {"ev":"msg","room":"lobby","seq":2,"from":"client-1","sid":1,"ts":"*","text":"deux","old":true,"own":true}
< {"ev":"msg","room":"lobby","seq":3,"from":"client-1","sid":1,"ts":"*","text":"trois","id":13,"old":true,"own":true}
< {"ev":"history","room":"lobby","count":2,"pos":"*","id":3}
> {"op":"resume","room":"lobby","after":2,"id":4}
< {"ev":"msg","room":"lobby","seq":3,"from":"client-1","sid":1,"ts":"*","text":"trois","id":13,"old":true,"own":true}
< {"ev":"live","room":"lobby","pos":"*","id":4}
> {"op":"join","room":"jardin","id":5}
< {"ev":"join","room":"jardin","from":"client-1","sid":1,"pos":"*","members":1,"id":5,"own":true}
> {"op":"nick","name":"alice","id":6}
< {"ev":"nick","from":"client-1","sid":1,"name":"alice","id":6,"own":true}
> {"op":"who","room":"jardin","id":7}
< {"ev":"who","room":"jardin","count":1,"members":[{"name":"alice","sid":1}],"id":7}
> {"op":"rooms","id":8}
< {"ev":"rooms","count":2,"rooms":[{"room":"jardin","members":1},{"room":"lobby","members":2}],"id":8}
> {"op":"send","room":"jardin","text":"un","id":14}
< {"ev":"ack","room":"jardin","seq":1,"id":14}
> {"op":"leave","room":"jardin","id":9}
< {"ev":"leave","room":"jardin","from":"alice","sid":1,"id":9,"own":true}
> {"op":"msg","to":"bob","text":"à toi","id":15}
< {"ev":"ack","op":"msg","id":15}
> {"op":"msg","to":"personne","text":"à toi","id":16}
< {"ev":"error","code":"no-such-member","text":"*","op":"msg","id":16}
> {"op":"ping","text":"là ?","id":10}
< {"ev":"pong","text":"là ?","id":10}
> {"op":"lang","lang":"en","id":17}
< {"ev":"ack","op":"lang","id":17}
> {"op":"echo","on":false,"id":18}
< {"ev":"ack","op":"echo","id":18}
> {"op":"quiet","on":true,"id":19}
< {"ev":"ack","op":"quiet","id":19}
> {"op":"format","format":"json","id":20}
< {"ev":"ack","op":"format","id":20}
> {"op":"why","id":21}
< {"ev":"why","name":"alice","sid":1,"transport":"*","address":"*","since_s":"*","rooms":[{"room":"lobby","pos":"*","lag":0}],"missed":0,"refused":0,"id":21}
> {"op":"why","name":"bob","id":22}
< {"ev":"why","name":"bob","sid":2,"transport":"tcp","address":"*","since_s":"*","rooms":[{"room":"lobby","pos":"*","lag":"*"}],"missed":0,"refused":0,"id":22}
> {"op":"set","key":"k","v":7,"text":"v","id":23}
< {"ev":"ack","op":"set","id":23}
> {"op":"get","key":"k","id":24}
< {"ev":"state","room":"lobby","seq":1,"key":"k","v":7,"from":"alice","sid":1,"ts":"*","text":"v","id":24}
> {"op":"udp","id":26}
< {"ev":"udp","key":"*","seconds":60,"id":26}
> {"op":"auth","token":"t","id":25}
< {"ev":"error","code":"not-yet","text":"*","op":"auth","id":25}
"#;

/// The same as commands.
const COMMANDS: &str = r#"
> /nick alice
< {"ev":"nick","from":"client-1","sid":1,"name":"alice","own":true}
> /PING là ?
< {"ev":"pong","text":"là ?"}
> /rooms
< {"ev":"rooms","count":1,"rooms":"*"}
> /echo off
< {"ev":"ack","op":"echo"}
> /me salue
< {"ev":"ack","room":"lobby","seq":1}
> /join jardin
< {"ev":"join","room":"jardin","from":"alice","sid":1,"pos":"*","members":1,"own":true}
> /nope
< {"ev":"error","code":"unknown-command","text":"*"}
> /nick
< {"ev":"error","code":"missing-argument","text":"*"}
# It is in two rooms now: its join added one.
> {"op":"send","text":"x"}
< {"ev":"error","code":"which-room","text":"*","op":"send"}
"#;

/// What alice hears of bob and carol.
const HEARD: &str = r#"
< {"ev":"join","room":"lobby","from":"client-2","sid":2}
< {"ev":"nick","room":"lobby","from":"client-2","sid":2,"name":"bob"}
< {"ev":"msg","room":"lobby","seq":1,"from":"bob","sid":2,"ts":"*","text":"bonjour"}
< {"ev":"msg","room":"lobby","seq":2,"from":"bob","sid":2,"ts":"*","text":"* salue"}
< {"ev":"join","room":"lobby","from":"client-3","sid":3}
< {"ev":"nick","room":"lobby","from":"client-3","sid":3,"name":"carol"}
< {"ev":"msg","room":"lobby","seq":3,"from":"carol","sid":3,"ts":"*","text":"moi aussi","id":7}
< {"ev":"leave","room":"lobby","from":"bob","sid":2,"text":"à demain"}
< {"ev":"leave","room":"lobby","from":"carol","sid":3}
"#;

/// What they tell her alone.
const DIRECT: &str = r#"
< {"ev":"direct","from":"bob","sid":2,"ts":"*","text":"à toi"}
< {"ev":"direct","from":"carol","sid":3,"ts":"*","b64":"Y2Fm6Q=="}
"#;

/// Whether `event` is as `pattern` shows it: the same fields, and the same values but where the pattern says `"*"`.
pub(crate) fn is_like(event: &Value, pattern: &Value) -> bool {
    match (event, pattern) {
        (_, Value::String(any)) if any == "*" => true,
        (Value::Object(event), Value::Object(pattern)) => {
            event.len() == pattern.len()
                && pattern.iter().all(|(key, p)| event.get(key).is_some_and(|e| is_like(e, p)))
        }
        (Value::Array(events), Value::Array(patterns)) => {
            events.len() == patterns.len()
                && events.iter().zip(patterns).all(|(event, pattern)| is_like(event, pattern))
        }
        _ => event == pattern,
    }
}

#[track_caller]
pub(crate) fn assert_like(events: &[Value], patterns: &[Value], about: &str) {
    let alike = is_like(&Value::from(events), &Value::from(patterns));
    assert!(alike, "{about}: {events:#?}, and not {patterns:#?}");
}

/// The events that a script expects: its lines that begin with `<`.
fn patterns(script: &str) -> Vec<Value> {
    let lines = script.lines().filter_map(|line| line.strip_prefix("< "));
    lines.map(|line| serde_json::from_str(line).expect("a pattern is JSON")).collect()
}

/// Says each line of a script that begins with `>`; it must be answered by those with `<` that follow.
#[track_caller]
pub(crate) fn plays(peer: &mut JsonPeer, script: &str, about: &str) {
    for part in script.split("\n> ").skip(1) {
        let line = part.lines().next().expect("a part has a line");
        let answer = peer.ask_line(line);
        assert_like(&answer, &patterns(part), &format!("{line} {about}"));
    }
}

#[test]
fn hello_comes_at_once_on_websocket_and_in_reply_to_the_first_op_on_lines() {
    let hub = Hub::start(&["--quiet"]);
    let mut socket = JsonPeer::websocket(&hub, "/ws?room=lobby");
    let pattern =
        json!({"ev": "hello", "session": "*", "sid": 1, "name": "client-1", "rooms": "*"});
    assert_like(&[socket.hello().clone()], &[pattern], "on WebSocket");
    let join = json!({"ev": "join", "room": "lobby", "from": "client-1", "sid": 1, "pos": "*", "members": 1, "own": true});
    assert_like(&[socket.event()], &[join], "the room of the URL");

    let mut lines = JsonPeer::lines(&hub);
    lines.send("/ping une commande n'est pas une op");
    assert_eq!(lines.event()["ev"], "pong", "a hello came before the first op");
    let answer = lines.ask(&json!({"op": "ping", "id": 5}));
    let rooms = json!([{"room": "lobby", "pos": "*"}]);
    let hello =
        json!({"ev": "hello", "session": "*", "sid": 2, "name": "client-2", "rooms": rooms});
    assert_like(&answer, &[hello, json!({"ev": "pong", "text": "", "id": 5})], "on lines");
    let again = lines.ask(&json!({"op": "ping"}));
    assert_like(&again, &[json!({"ev": "pong", "text": ""})], "the second op");

    // 128 random bits are 22 characters at least.
    let other = answer[0]["session"].as_str().expect("a session");
    assert!(socket.session().len() >= 22 && other.len() >= 22 && socket.session() != other);
}

#[test]
fn json_is_the_subprotocol_where_none_is_asked_for() {
    let hub = Hub::start(&["--quiet"]);
    let mut socket = WebSocket::connect(hub.port(), "/ws", None);
    assert!(!socket.head().to_lowercase().contains("sec-websocket-protocol"), "{}", socket.head());
    let Frame::Text(hello) = socket.next() else { panic!("an event is a frame of text") };
    assert_eq!(members(&hello)[0], ("ev".to_owned(), "\"hello\""));
    socket.ping("là ?".as_bytes());
    assert_eq!(socket.next(), Frame::Pong("là ?".as_bytes().to_vec()));
    socket.close(1000, "fini");
    let end = std::iter::from_fn(|| Some(socket.next())).find(|it| !matches!(it, Frame::Text(_)));
    assert!(matches!(end, Some(Frame::Close(Some(1000), _))), "{end:?}");
    assert_eq!(socket.next(), Frame::End);
}

#[test]
fn every_op_is_answered_as_the_schema_says_with_its_id() {
    for via in BOTH {
        let hub = Hub::start(&["--quiet"]);
        let mut alice = JsonPeer::member(&hub, via);
        let mut bob = hub.named("bob");
        plays(&mut alice, OPS, &format!("by {via:?}"));
        for line in ["<client-1> un", "<client-1> deux", "<client-1> trois", "-alice- à toi"] {
            assert_eq!(bob.line(), line);
        }
    }
}

#[test]
fn quit_is_answered_by_bye_with_its_id_and_the_positions() {
    for via in BOTH {
        let hub = Hub::start(&["--quiet"]);
        let mut witness = JsonPeer::lines(&hub);
        witness.ask(&json!({"op": "ping"}));
        let mut alice = JsonPeer::named(&hub, via, "alice");
        alice.ask(&json!({"op": "send", "text": "bonjour"}));
        alice.op(&json!({"op": "quit", "text": "à demain", "id": 10}));
        let bye = alice.rest();
        let rooms = json!([{"room": "lobby", "pos": "*"}]);
        let pattern = json!({"ev": "bye", "reason": "quit", "text": "*", "rooms": rooms, "id": 10});
        assert_like(&bye, &[pattern], &format!("{via:?}"));
        let position = bye[0]["rooms"][0]["pos"].as_str().expect("a position");
        assert!(position.ends_with("@1"), "{position}");
        let close = alice.closed().map(|(code, _)| *code);
        assert_eq!(close, (via == Via::WebSocket).then_some(Some(1000)));
        let left = witness.until(|event| event["ev"] == "leave");
        let pattern =
            json!({"ev": "leave", "room": "lobby", "from": "alice", "sid": 2, "text": "à demain"});
        assert_like(&[left], &[pattern], "the room is told");
    }
}

#[test]
fn a_hub_that_stops_says_bye_with_the_positions() {
    for via in BOTH {
        let hub = Hub::start(&["--quiet"]);
        let mut alice = JsonPeer::member(&hub, via);
        hub.signal("TERM");
        let bye = alice.rest();
        let close = alice.closed().map(|(code, _)| *code);
        assert_eq!(close, (via == Via::WebSocket).then_some(Some(1001)));
        let rooms = json!([{"room": "lobby", "pos": "*"}]);
        let pattern = json!({"ev": "bye", "reason": "shutdown", "text": "*", "rooms": rooms});
        assert_like(&bye, &[pattern], &format!("{via:?}"));
    }
}

#[test]
fn what_others_do_arrives_as_events() {
    for via in BOTH {
        let hub = Hub::start(&["--quiet"]);
        let mut alice = JsonPeer::named(&hub, via, "alice");
        alice.ask(&json!({"op": "quiet", "on": false}));
        let mut bob = hub.member();
        bob.take_name("bob");
        bob.say("bonjour");
        bob.say("/me salue");
        bob.ask("/msg alice à toi");
        let mut carol = JsonPeer::named(&hub, Via::Lines, "carol");
        carol.ask(&json!({"op": "send", "text": "moi aussi", "id": 7}));
        carol.ask(&json!({"op": "msg", "to": "alice", "b64": "Y2Fm6Q=="}));
        bob.say("/quit à demain");
        bob.rest();
        carol.ask(&json!({"op": "leave"}));
        // A private message has no place in the order of the room.
        let heard = alice.through(|event| event["ev"] == "leave" && event["from"] == "carol");
        let (direct, heard): (Vec<Value>, Vec<Value>) =
            heard.into_iter().partition(|it| it["ev"] == "direct");
        assert_like(&heard, &patterns(HEARD), &format!("{via:?}"));
        assert_like(&direct, &patterns(DIRECT), &format!("{via:?}"));
    }
}

#[test]
fn a_line_that_begins_with_a_slash_is_a_command() {
    for via in BOTH {
        let hub = Hub::start(&["--quiet"]);
        let mut alice = JsonPeer::member(&hub, via);
        plays(&mut alice, COMMANDS, &format!("by {via:?}"));
    }
}

#[test]
fn own_messages_come_back_only_where_they_are_asked_for_and_say_so() {
    for via in BOTH {
        let hub = Hub::start(&["--quiet"]);
        let mut alice = JsonPeer::named(&hub, via, "alice");
        let mut bob = hub.named("bob");
        let ack = json!({"ev": "ack", "room": "lobby", "seq": 1, "id": 1});
        assert_like(&alice.ask(&json!({"op": "send", "text": "sans", "id": 1})), &[ack], "no echo");
        alice.ask(&json!({"op": "echo", "on": true}));
        alice.op(&json!({"op": "send", "text": "avec", "id": 2}));
        // Its own message is a record of the room, the ack a reply: they may come in either order.
        let mut both = [alice.event(), alice.event()];
        both.sort_by_key(|event| event["ev"].to_string());
        let echo = json!({"ev": "msg", "room": "lobby", "seq": 2, "from": "alice", "sid": 1, "ts": "*", "text": "avec", "id": 2, "own": true});
        assert_like(
            &both,
            &[json!({"ev": "ack", "room": "lobby", "seq": 2, "id": 2}), echo],
            "echo",
        );
        bob.say("et moi");
        let heard = json!({"ev": "msg", "room": "lobby", "seq": 3, "from": "bob", "sid": 2, "ts": "*", "text": "et moi"});
        assert_like(&[alice.event()], &[heard], "another's");
        let old = alice.ask(&json!({"op": "history", "n": 10}));
        let marks: Vec<_> = old[..3].iter().map(|it| (it.get("old"), it.get("own"))).collect();
        let yes = Some(&Value::Bool(true));
        assert_eq!(marks, [(yes, yes), (yes, yes), (yes, None)], "{old:#?}");
    }
}

#[test]
fn unknown_fields_are_ignored_and_line_ends_of_every_kind_are_fine() {
    for via in BOTH {
        let hub = Hub::start(&["--quiet"]);
        let mut alice = JsonPeer::member(&hub, via);
        let lines = [
            r#"{"op":"send","text":"x","urgent":true,"tags":["a",{"b":null}],"ev":"msg","seq":99}"#,
            " { \"text\" : \"x\" , \"op\" : \"send\" } ",
            "\t{\"op\":\"send\",\"text\":\"x\"}\r",
            r#"{"\u006fp":"send","text":"x"}"#,
        ];
        for (line, seq) in lines.iter().zip(1..) {
            let ack = json!({"ev": "ack", "room": "lobby", "seq": seq});
            assert_like(&alice.ask_line(line), &[ack], &format!("{line} by {via:?}"));
        }
    }
}
