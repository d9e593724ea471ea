//! Members by datagrams on this machine, where no proof is asked: who speaks, who hears, and what a datagram is.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::hub::{ARRIVES, Hub};
use crate::json_peer::{BOTH, JsonPeer, Via};
use crate::peer::{Peer, position_in};
use crate::udp_peer::{UdpPeer, says_in};

/// The longest datagram of IPv4: 65 535 bytes with its two heads.
const LONGEST: usize = 65_507;

#[test]
fn an_unknown_address_speaks_at_once_and_is_shown_by_its_address_without_a_number() {
    let hub = Hub::start(&[]);
    let mut alice = hub.named("alice");
    let mut programs = BOTH.map(|via| JsonPeer::member(&hub, via));
    let mut stranger = UdpPeer::stranger(&hub);
    let address = stranger.address().to_string();
    stranger.send("bonjour");
    assert_eq!(alice.line(), format!("<{address}> bonjour"));
    for program in &mut programs {
        let event = program.event();
        assert_eq!((&event["ev"], &event["from"]), (&json!("msg"), &json!(address)), "{event}");
        assert!(event.get("sid").is_none() && event["text"] == "bonjour", "{event}");
    }
    hub.wait_console(|line| line == format!("<{address}> bonjour"));
    let console = hub.console();
    let arrivals = console.iter().filter(|line| line.starts_with(ARRIVES));
    assert_eq!(arrivals.count(), 3, "who only speaks has not arrived: {console:#?}");
    let who = alice.ask("/who").concat();
    assert!(who.starts_with("* 3 membres ") && !who.contains(&address), "{who}");
    // Nothing was answered: what comes first is the answer to this.
    stranger.send("/join lobby");
    assert!(says_in(&stranger.line(), "lobby"));
}

#[test]
fn an_unknown_address_is_answered_by_silence_and_its_commands_are_not_said() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut stranger) = (hub.named("alice"), UdpPeer::stranger(&hub));
    let commands = [
        "/nick zoé",
        "/msg alice psst",
        "/mgs alice psst",
        "/who",
        "/rooms",
        "/history",
        "/ping",
        "/why alice",
        "/help",
        "/quit",
        "/leave",
        "/format json",
        "/udp",
        "/auth abc",
        "/me danse",
        "/set a 1",
        "/get",
        "/join",
        "/join a/b",
        "/join client-9 1 2 3",
        "/salon",
        "/QUIT",
        "",
    ];
    for command in commands {
        stranger.send(command);
    }
    // Not a command as a whole: speech.
    stranger.send("/usr/bin/x");
    stranger.send("//ping");
    let address = stranger.address();
    assert_eq!(alice.line(), format!("<{address}> /usr/bin/x"));
    assert_eq!(alice.line(), format!("<{address}> /ping"));
    let notice = stranger.join("lobby");
    assert!(notice.contains("2 membres"), "{notice}");
}

#[test]
fn a_join_from_loopback_makes_a_member_at_once() {
    let hub = Hub::start(&[]);
    let mut alice = hub.connect();
    alice.ask("/nick alice");
    let mut peer = UdpPeer::stranger(&hub);
    peer.send("/join lobby");
    let notice = peer.line();
    assert!(says_in(&notice, "lobby") && notice.contains("2 membres"), "{notice}");
    position_in(&notice);
    // The welcome comes next, and tells it its name.
    let welcome = peer.line();
    assert!(welcome.starts_with("* vous êtes client-2, dans lobby, "), "{welcome}");
    let port = peer.address().port().to_string();
    hub.wait_console(|line| line.starts_with(ARRIVES) && line.contains(&port));
    alice.until(|line| line.starts_with("* client-2 ") && line.contains("arriver"));
    peer.send("bonjour");
    alice.until(|line| line == "<client-2> bonjour");
    alice.say("bonsoir");
    peer.until(|line| line == "<alice> bonsoir");
}

#[test]
fn a_join_enters_another_room_and_from_a_position_if_one_is_given() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut peer) = (hub.named("alice"), UdpPeer::stranger(&hub));
    alice.ask("/join café");
    for text in ["un", "deux", "trois"] {
        alice.say(text);
    }
    let position = position_in(&alice.ask("/why").concat());
    let epoch = position.split('@').next().expect("EPOCH@SEQ");
    peer.send(format!("/salon café {epoch}@1"));
    let mut heard = Vec::new();
    while heard.last().is_none_or(|line| line != "<alice> trois") {
        heard.push(peer.until(|line| line.starts_with('<')));
    }
    assert_eq!(heard, ["<alice> deux", "<alice> trois"]);
    // As for every member, the next join goes on to another room, and leave leads back.
    peer.join("jeu");
    assert!(peer.ask("/leave").iter().any(|line| says_in(line, "lobby")));
    peer.send("au lobby");
    let mut bob = hub.member();
    assert_eq!(bob.ask("/history").get(1).map(String::as_str), Some("<client-2> au lobby"));
}

#[test]
fn a_doubled_join_does_no_harm() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut peer) = (hub.named("alice"), UdpPeer::stranger(&hub));
    alice.ask("/join salon");
    for datagram in ["/join salon", "/join salon", "/join salon aaaaaaaaaaaaa"] {
        peer.send(datagram);
        peer.until(|line| says_in(line, "salon"));
    }
    assert!(alice.ask("/who").concat().starts_with("* 2 membres "));
    peer.send("une fois");
    assert_eq!(alice.line(), "<client-2> une fois");
    alice.say("une fois aussi");
    peer.until(|line| line == "<alice> une fois aussi");
    let more = peer.ask("");
    assert!(more.is_empty(), "{more:?}");
}

#[test]
fn members_by_tcp_by_websocket_and_by_datagrams_hear_all_of_them_in_one_order() {
    const EACH: usize = 25;
    let hub = Hub::start(&["--quiet"]);
    let (mut by_lines, mut datagrams) = (hub.named("lise"), UdpPeer::named(&hub, "denis"));
    let mut programs = [JsonPeer::named(&hub, Via::WebSocket, "prune"), JsonPeer::lines(&hub)];
    programs[1].ask(&json!({"op": "quiet", "on": true}));
    let mut json_datagrams = UdpPeer::json(&hub, "jade");

    let (mut tcp, udp) = (hub.named("thierry"), UdpPeer::named(&hub, "ursule"));
    let (mut websocket, stranger) =
        (JsonPeer::named(&hub, Via::WebSocket, "wanda"), UdpPeer::stranger(&hub));
    thread::scope(|scope| {
        scope.spawn(|| (0..EACH).for_each(|n| tcp.say(&format!("t{n}"))));
        scope.spawn(|| (0..EACH).for_each(|n| udp.send(format!("u{n}"))));
        scope.spawn(|| (0..EACH).for_each(|n| stranger.send(format!("s{n}"))));
        scope.spawn(|| {
            (0..EACH).for_each(|n| websocket.op(&json!({"op": "send", "text": format!("w{n}")})));
        });
    });
    let wanted: Vec<String> = (0..4 * EACH).map(|_| by_lines.line()).collect();
    for begin in ["<thierry> t", "<ursule> u", &format!("<{}> s", stranger.address()), "<wanda> w"]
    {
        let said: Vec<_> = wanted.iter().filter_map(|line| line.strip_prefix(begin)).collect();
        let in_order: Vec<String> = (0..EACH).map(|n| n.to_string()).collect();
        assert_eq!(said, in_order, "{begin}");
    }
    let heard: Vec<String> = (0..4 * EACH).map(|_| datagrams.line()).collect();
    assert_eq!(heard, wanted);
    let shown = |event: &Value| {
        let word = |key: &str| event[key].as_str().expect("it is a message").to_owned();
        (event["seq"].as_u64(), format!("<{}> {}", word("from"), word("text")))
    };
    let first = programs.each_mut().map(|program| program.until(|event| event["ev"] == "msg"));
    let first_seq = first[0]["seq"].as_u64().expect("each has one");
    let numbered: Vec<_> = (first_seq..).map(Some).zip(wanted).collect();
    for (program, first) in programs.iter_mut().zip(first) {
        let rest = (1..4 * EACH).map(|_| program.event());
        let heard: Vec<_> = [first].into_iter().chain(rest).map(|event| shown(&event)).collect();
        assert_eq!(heard, numbered);
    }
    let heard: Vec<_> = (0..4 * EACH).map(|_| shown(&json_datagrams.event())).collect();
    assert_eq!(heard, numbered);
}

#[test]
fn a_message_is_one_datagram_exact_in_raw_and_ended_by_a_newline_otherwise() {
    let hub = Hub::start(&["--quiet"]);
    let mut raw = UdpPeer::raw(&hub);
    let (mut text, mut json) = (UdpPeer::member(&hub), UdpPeer::json(&hub, "jade"));
    let stranger = UdpPeer::stranger(&hub);
    let from = stranger.address();
    let bodies: [(&[u8], String); 5] = [
        (b"un", format!("<{from}> un\n")),
        (b" deux\tmots ", format!("<{from}>  deux\tmots \n")),
        (b"sur\ndeux lignes", format!("<{from}> sur\n<{from}> deux lignes\n")),
        (b"\xff\x00\xe9t\xe9", format!("<{from}> \\xff\\x00\\xe9t\\xe9\n")),
        ("déjà\r\nvu".as_bytes(), format!("<{from}> déjà\\x0d\n<{from}> vu\n")),
    ];
    for (body, shown) in bodies {
        stranger.send(body);
        assert_eq!(raw.datagram(), body);
        let datagram = String::from_utf8(text.datagram()).expect("text is UTF-8");
        assert_eq!(datagram, shown);
        let datagram = String::from_utf8(json.datagram()).expect("JSON is UTF-8");
        let event = crate::json_check::checked(datagram.strip_suffix('\n').expect("a newline"));
        match str::from_utf8(body) {
            Ok(body) => assert_eq!(event["text"], body),
            Err(_) => assert_eq!(event["b64"], "/wDpdOk=", "{event}"),
        }
    }
}

#[test]
fn one_newline_at_the_end_of_a_datagram_is_dropped_and_an_empty_one_says_nothing() {
    let hub = Hub::start(&["--quiet"]);
    let mut program = JsonPeer::member(&hub, Via::Lines);
    let (member, stranger) = (UdpPeer::named(&hub, "denis"), UdpPeer::stranger(&hub));
    let texts = [
        ("un\n", "un"),
        ("deux\r\n", "deux"),
        ("trois\n\n", "trois\n"),
        ("\n\nquatre", "\n\nquatre"),
        ("cinq\r", "cinq\r"),
        ("six", "six"),
    ];
    for peer in [&stranger, &member] {
        for (sent, said) in texts {
            for datagram in ["", "\n", "\r\n", sent] {
                peer.send(datagram);
            }
            assert_eq!(program.event()["text"], said, "{sent:?}");
        }
    }
}

#[test]
fn the_longest_datagram_is_one_message_and_harms_nothing() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut program) = (hub.named("alice"), JsonPeer::member(&hub, Via::WebSocket));
    let (member, stranger) = (UdpPeer::named(&hub, "denis"), UdpPeer::stranger(&hub));
    let long = "é".repeat(LONGEST / 2) + "x";
    for (peer, name) in [(&member, "denis".to_owned()), (&stranger, stranger.address().to_string())]
    {
        peer.send(&long);
        assert_eq!(alice.line(), format!("<{name}> {long}"));
        assert_eq!(program.event()["text"], long);
        peer.send("court");
        assert_eq!(alice.line(), format!("<{name}> court"));
        program.event();
    }
}

#[test]
fn commands_work_over_datagrams() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut denis) = (hub.named("alice"), UdpPeer::named(&hub, "denis"));
    alice.ask("/quiet off");
    denis.ask("/nick dédé");
    alice.until(|line| line.starts_with("* denis ") && line.contains("dédé"));
    denis.send("/msg alice entre nous");
    assert_eq!(alice.line(), "-dédé- entre nous");
    alice.say("/msg dédé bien reçu");
    assert_eq!(denis.line(), "-alice- bien reçu");
    assert!(alice.ask("/who").concat().contains("dédé"));
    assert!(denis.ask("/who").concat().contains("alice"));
    for why in [alice.ask("/why dédé").concat(), denis.ask("/why").concat()] {
        assert!(why.contains(&format!(" udp {}", denis.address())), "{why}");
    }
    alice.say("un");
    denis.until(|line| line == "<alice> un");
    assert_eq!(denis.ask("/history")[..3], ["* historique (1)", "<alice> un", "* fin"]);
    assert_eq!(denis.ask("/ping à toi"), ["* pong à toi"]);
    let errors = [
        ("/mgs alice non", "unknown-command"),
        ("/framing nul", "framing-fixed"),
        ("/nick alice", "name-taken"),
    ];
    for (command, code) in errors {
        let answer = denis.ask(command);
        assert!(answer.len() == 1 && answer[0].starts_with(&format!("! {code} ")), "{answer:?}");
    }
    denis.send("/quit à demain");
    let goodbye = denis.line();
    assert!(
        goodbye.starts_with("* au revoir") && position_in(&goodbye).ends_with("@1"),
        "{goodbye}"
    );
    alice.until(|line| line.starts_with("* dédé ") && line.ends_with("à demain"));
    // What it says from now on is said by an address again.
    denis.send("encore moi");
    assert_eq!(alice.line(), format!("<{}> encore moi", denis.address()));
}

#[test]
fn ops_work_over_datagrams() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut jade) = (hub.named("alice"), UdpPeer::json(&hub, "jade"));
    jade.op(&json!({"op": "send", "room": "lobby", "text": "de JSON", "id": 7}));
    assert_eq!(alice.line(), "<jade> de JSON");
    let ack = jade.event_until(|event| event["ev"] == "ack" && event.get("op").is_none());
    assert_eq!((&ack["seq"], &ack["id"]), (&json!(1), &json!(7)), "{ack}");
    // The same again, as a network may double it, is acknowledged again and not said again.
    jade.op(&json!({"op": "send", "room": "lobby", "text": "de JSON", "id": 7}));
    let again = jade.event();
    assert_eq!((&again["seq"], &again["id"]), (&json!(1), &json!(7)), "{again}");
    jade.op(&json!({"op": "msg", "to": "alice", "text": "à toi"}));
    assert_eq!(alice.line(), "-jade- à toi");
    alice.say("/msg jade merci");
    let direct = jade.event_until(|event| event["ev"] == "direct");
    assert_eq!((&direct["from"], &direct["text"]), (&json!("alice"), &json!("merci")));
    jade.send("ni op ni commande");
    assert_eq!(jade.event_until(|event| event["ev"] == "error")["code"], "not-an-op");
    jade.op(&json!({"op": "quit"}));
    assert_eq!(jade.event_until(|event| event["ev"] == "bye")["ev"], "bye");
    alice.say("fin");
    assert_eq!(alice.ask("/who").concat().matches("jade").count(), 0);
}

#[test]
fn by_ipv6_it_is_the_same() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    let mut peer = UdpPeer::between("[::1]:0", ("::1", hub.port()));
    peer.send("bonjour");
    assert_eq!(alice.line(), format!("<[::1]:{}> bonjour", peer.address().port()));
    peer.join("lobby");
    peer.send("membre");
    assert_eq!(alice.line(), "<client-2> membre");
    assert!(alice.ask("/why client-2").concat().contains(&format!(" udp {}", peer.address())));
    alice.say("bonsoir");
    peer.until(|line| line == "<alice> bonsoir");
}

#[test]
fn udp_is_on_the_same_number_and_only_where_it_is_wanted() {
    for (args, wanted) in [
        (&[][..], true),
        (&["--only", "lines"], false),
        (&["--only", "lines,http,ws"], false),
        (&["--only", "lines,udp"], true),
        (&["--host", "127.0.0.1"], true),
    ] {
        let hub = Hub::start(&[&["--quiet"], args].concat());
        let free = UdpSocket::bind(("127.0.0.1", hub.port())).is_ok();
        assert_eq!(free, !wanted, "{args:?}");
        let mut alice = hub.named("alice");
        if wanted {
            UdpPeer::stranger(&hub).send("bonjour");
            assert!(alice.line().ends_with("> bonjour"), "{args:?}");
        }
    }
}

#[test]
fn a_server_that_stops_says_goodbye_by_datagrams_too_and_ends_in_time() {
    let mut hub = Hub::start(&["--quiet"]);
    let (mut text, mut json) = (UdpPeer::named(&hub, "denis"), UdpPeer::json(&hub, "jade"));
    let mut raw = UdpPeer::raw(&hub);
    let mut alice = hub.named("alice");
    // Who wants no notices isn't told of this one either.
    text.ask("/quiet off");
    alice.say("le dernier mot");
    alice.ask("");
    hub.signal("TERM");
    text.until(|line| line == "<alice> le dernier mot");
    let goodbye = text.line();
    assert!(goodbye.starts_with("* ") && goodbye.contains("arrête"), "{goodbye}");
    assert_eq!(json.event_until(|event| event["ev"] == "msg")["text"], "le dernier mot");
    assert_eq!(json.event()["ev"], "bye");
    assert_eq!(raw.datagram(), b"le dernier mot");
    assert_eq!(hub.ended_within(Duration::from_secs(5)).code, Some(0));
}

#[test]
fn members_by_datagrams_are_counted_as_such() {
    let hub = Hub::start(&["--quiet"]);
    let _members = [UdpPeer::member(&hub), UdpPeer::member(&hub)];
    let mut asker = Peer::connect(hub.port());
    asker.send("GET /metrics HTTP/1.0\r\n\r\n");
    let page = asker.last_lines();
    let counts: BTreeMap<_, _> = page.iter().filter_map(|line| line.rsplit_once(' ')).collect();
    assert_eq!(counts.get("trappe_members{transport=\"udp\"}"), Some(&"2"), "{page:#?}");
}
