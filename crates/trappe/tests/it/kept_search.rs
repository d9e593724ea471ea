//! To search what was said (PROTOCOL §3, `docs/protocol.md` §6): words, never a query language, over every wire.

use std::time::Instant;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::hub::Hub;
use crate::json_check::checked;
use crate::json_peer::{BOTH, JsonPeer, Via};
use crate::kept_hub::{ENDS, Folder, Kept, shown};
use crate::peer::Peer;
use crate::process::PATIENCE;
use crate::udp_peer::UdpPeer;
use crate::web::{Answer, Socket, get, post};

/// What was said, from number 1 on.
const SAID: [&str; 14] = [
    "vivement l'été",
    "à l'Été prochain",
    "ete comme avant",
    "ils disent NOT AND OR NEAR",
    "prix : 100% \"cité\" (sic)",
    "a-b_c col:umn ^début",
    "éclair au chocolat",
    "chocolat noir et pas d'autre",
    "Größe naïve façade",
    "пример текста",
    "写在这里 的 文字",
    "user_name@example.org",
    "deux\nlignes de plus",
    "zyzzyva",
];

/// Words, and the numbers of what has them.
const SEARCHES: [(&str, &[u64]); 35] = [
    ("ete", &[1, 2, 3]),
    ("été", &[1, 2, 3]),
    ("ÉTÉ", &[1, 2, 3]),
    ("l'ete", &[1, 2]),
    ("chocolat", &[7, 8]),
    ("chocolat noir", &[8]),
    ("noir chocolat", &[8]),
    ("noir   chocolat ", &[8]),
    // The last one may be only begun, and no other.
    ("choc", &[7, 8]),
    ("noir choc", &[8]),
    ("choc noir", &[]),
    ("ocolat", &[]),
    // What would be operators.
    ("NOT", &[4]),
    ("near or", &[4]),
    ("chocolat NOT noir", &[]),
    ("chocolat OR noir", &[]),
    ("ete OR chocolat", &[]),
    ("NEAR(chocolat noir)", &[]),
    ("NEAR(chocolat noir, 5)", &[]),
    ("-chocolat", &[7, 8]),
    ("chocolat + noir", &[8]),
    ("^début", &[6]),
    ("col:umn", &[6]),
    ("body:chocolat", &[]),
    ("{a b}: c", &[6]),
    ("choc*", &[7, 8]),
    ("\"chocolat noir\"", &[8]),
    ("\"cité", &[5]),
    ("cité\"\"\"", &[5]),
    ("'; DROP TABLE message; --", &[]),
    ("naive facade", &[9]),
    ("прим", &[10]),
    ("文字", &[11]),
    ("user_name@example.org", &[12]),
    ("lignes", &[13]),
];

/// A hub in which all of it was said, in `jeu`, and something else in other rooms; and all of it can be found.
#[track_caller]
fn hub_of(args: &[&str]) -> Kept {
    let kept = Kept::start(args);
    for text in SAID {
        assert_eq!(post(kept.hub(), "jeu", "", text).status, 201);
        assert_eq!(post(kept.hub(), "cave", "", format!("ailleurs {text}")).status, 201);
    }
    wait_found(kept.hub());
    kept
}

/// Waits until the last of it is found: what was said just now may take a moment.
#[track_caller]
fn wait_found(hub: &Hub) {
    let until = Instant::now() + PATIENCE;
    while found(&over_http(hub, "jeu", "zyzzyva", "")).is_empty() {
        assert!(Instant::now() < until, "it is never found");
    }
}

/// `?q=`.
#[track_caller]
fn over_http(hub: &Hub, room: &str, words: &str, more: &str) -> Answer {
    let words = utf8_percent_encode(words, NON_ALPHANUMERIC);
    get(hub, &format!("/rooms/{room}/messages?q={words}{more}"))
}

/// The numbers of what was found.
#[track_caller]
fn found(answer: &Answer) -> Vec<u64> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let events: Vec<Value> = answer.text().lines().map(checked).collect();
    events.iter().map(|it| it["seq"].as_u64().unwrap_or_else(|| panic!("{it}"))).collect()
}

/// What was said under these numbers, as lines of text.
fn lines(numbers: &[u64]) -> Vec<String> {
    let said = |n: &u64| SAID[usize::try_from(*n).expect("it is small") - 1];
    let lines = numbers.iter().flat_map(|n| said(n).lines());
    lines.map(|line| format!("<http> {line}")).collect()
}

/// Searches, and reads up to `* fin`: what is looked for on disk.
#[track_caller]
fn search(peer: &mut Peer, words: &str) -> Vec<String> {
    peer.say(&format!("/search {words}"));
    let mut answer = peer.before("* fin");
    answer.push("* fin".to_owned());
    answer
}

/// Searches by an op, and reads up to the event that ends the answer.
#[track_caller]
fn search_op(peer: &mut JsonPeer, op: &Value) -> Vec<Value> {
    peer.op(op);
    peer.through(|event| event["ev"] == "search")
}

/// What stands between `* recherche …` and `* fin`, in raw and text alike; the first says how many.
#[track_caller]
fn between(answer: &[String], count: usize) -> Vec<String> {
    let begin = answer.iter().position(|it| it.starts_with("* recherche « "));
    let begin = begin.unwrap_or_else(|| panic!("no beginning: {answer:?}"));
    let end = answer.iter().position(|it| it == "* fin").expect("an end");
    let told = &answer[begin];
    match count {
        0 => assert!(told.contains("aucun"), "{told}"),
        _ => assert!(told.contains(&format!(": {count} message")), "{told}"),
    }
    answer[begin + 1..end].iter().flat_map(|it| it.lines()).map(str::to_owned).collect()
}

#[test]
fn words_find_what_has_all_of_them_over_http() {
    for end in ENDS {
        let mut kept = hub_of(&[]);
        for _ in 0..2 {
            for (words, wanted) in SEARCHES {
                let answer = over_http(kept.hub(), "jeu", words, "");
                assert_eq!(found(&answer), wanted, "{words}");
                assert_eq!(answer.field("link"), None, "one page: {answer:?}");
                assert_eq!(answer.field("content-type"), Some("application/x-ndjson"));
            }
            kept.again(end);
            wait_found(kept.hub());
        }
    }
}

#[test]
fn words_find_the_same_over_lines_and_frames_and_datagrams() {
    let kept = hub_of(&["--retain", "10msg"]);
    let mut text = kept.hub().member();
    let mut raw = kept.hub().member();
    let mut frames = Socket::member(kept.hub(), "/ws?room=jeu", "text");
    let mut udp = UdpPeer::member(kept.hub());
    text.ask("/join jeu");
    raw.ask("/join jeu");
    raw.ask("/format raw");
    udp.join("jeu");
    for (words, wanted) in SEARCHES {
        let command = format!("/search {words}");
        let (lines, count) = (lines(wanted), wanted.len());
        assert_eq!(between(&search(&mut text, words), count), lines, "{words}");
        let bodies: Vec<&str> = lines.iter().map(|line| &line["<http> ".len()..]).collect();
        assert_eq!(between(&search(&mut raw, words), count), bodies, "raw: {words}");
        frames.say(&command);
        let mut answer = Vec::new();
        while answer.last().is_none_or(|line| line != "* fin") {
            answer.push(frames.text());
        }
        assert_eq!(between(&answer, count), lines, "frames: {words}");
        udp.send(&command);
        answer.clear();
        while answer.last().is_none_or(|line| line != "* fin") {
            answer.push(udp.line());
        }
        assert_eq!(between(&answer, count), lines, "udp: {words}");
    }
    text.say("/chercher ete");
    let again = [text.before("* fin"), vec!["* fin".to_owned()]].concat();
    assert_eq!(between(&again, 3), lines(&[1, 2, 3]), "the French alias");
    // It only looks: what is said next is heard as before.
    post(kept.hub(), "jeu", "", "encore");
    assert_eq!(text.line(), "<http> encore");
}

#[test]
fn programs_find_the_same_and_are_told_the_end() {
    let kept = hub_of(&["--retain", "10msg"]);
    for via in BOTH {
        let mut carol = JsonPeer::member(kept.hub(), via);
        carol.ask(&json!({"op": "join", "room": "jeu"}));
        for (words, wanted) in SEARCHES {
            let op = json!({"op": "search", "room": "jeu", "words": words, "id": 4});
            let answer = search_op(&mut carol, &op);
            let (last, said) = answer.split_last().expect("an end");
            let seqs: Vec<&Value> = said.iter().map(|it| &it["seq"]).collect();
            let wanted: Vec<Value> = wanted.iter().map(|seq| json!(seq)).collect();
            assert_eq!(seqs, wanted.iter().collect::<Vec<_>>(), "{words}");
            assert!(said.iter().all(|it| it["old"] == true && it["room"] == "jeu"), "{said:#?}");
            let (count, id) = (&last["count"], &last["id"]);
            assert_eq!((&last["ev"], &last["words"]), (&json!("search"), &json!(words)));
            assert_eq!((count, id, last.get("more")), (&json!(wanted.len()), &json!(4), None));
        }
    }
}

#[test]
fn replies_come_in_the_order_of_the_commands_also_where_the_disk_is_asked() {
    let kept = hub_of(&["--retain", "10msg"]);
    let mut bob = kept.hub().member();
    bob.ask("/join jeu");
    let answer = bob.ask("/search chocolat\n/history 1\n/search lignes\n/who");
    let heads: Vec<&str> = answer
        .iter()
        .filter(|line| line.starts_with("* ") && *line != "* fin")
        .map(|line| line.split(' ').nth(1).expect("a word"))
        .collect();
    assert_eq!(heads, ["recherche", "historique", "position", "recherche", "1"], "{answer:?}");
    let mut carol = JsonPeer::member(kept.hub(), Via::Lines);
    carol.ask(&json!({"op": "join", "room": "jeu"}));
    let op = json!({"op": "search", "room": "jeu", "words": "chocolat"});
    let answer = carol.ask(&op);
    assert_eq!(answer.last().map(|it| &it["ev"]), Some(&json!("search")), "{answer:#?}");
}

#[test]
fn what_other_rooms_have_is_not_found_here() {
    let kept = hub_of(&[]);
    assert_eq!(found(&over_http(kept.hub(), "jeu", "ailleurs", "")), [0; 0]);
    assert_eq!(found(&over_http(kept.hub(), "cave", "ailleurs chocolat", "")), [7, 8]);
    let mut bob = kept.hub().member();
    let answer = search(&mut bob, "chocolat");
    assert!(between(&answer, 0).is_empty(), "the lobby is a room, too");
    let mut carol = JsonPeer::member(kept.hub(), Via::Lines);
    let answer = carol.ask(&json!({"op": "search", "room": "jeu", "words": "chocolat"}));
    assert_eq!(answer.last().map(|it| &it["code"]), Some(&json!("not-in-room")), "{answer:#?}");
}

#[test]
fn the_newest_twenty_are_given_in_the_order_of_the_room_and_more_is_told() {
    let kept = Kept::start(&["--retain", "10msg"]);
    let mut alice = kept.hub().named("alice");
    alice.ask("/join jeu");
    alice
        .send((1..=150).map(|n| format!("pomme {n}\n")).collect::<Vec<_>>().concat() + "zyzzyva\n");
    wait_until(kept.hub(), "zyzzyva");
    let apples = |first: u64, last: u64| -> Vec<u64> { (first..=last).collect() };
    assert_eq!(found(&over_http(kept.hub(), "jeu", "pomme", "")), apples(131, 150));
    assert_eq!(found(&over_http(kept.hub(), "jeu", "pomme", "&limit=3")), apples(148, 150));
    assert_eq!(found(&over_http(kept.hub(), "jeu", "pomme", "&limit=100")), apples(51, 150));
    let answer = search(&mut alice, "pomme");
    assert!(answer[0].contains("20 derniers") && answer[0].contains("plus anciens"), "{answer:?}");
    let wanted: Vec<String> = (131..=150).map(|n| format!("<alice> pomme {n}")).collect();
    assert_eq!(answer[1..21], wanted);
    let mut carol = JsonPeer::member(kept.hub(), Via::WebSocket);
    carol.ask(&json!({"op": "join", "room": "jeu"}));
    for (count, first, more) in [(100, 51, true), (1, 150, true)] {
        let op = json!({"op": "search", "room": "jeu", "words": "pomme", "count": count});
        let answer = search_op(&mut carol, &op);
        let (end, said) = answer.split_last().expect("an end");
        let seqs: Vec<u64> = said.iter().filter_map(|it| it["seq"].as_u64()).collect();
        assert_eq!(seqs, apples(first, 150));
        assert_eq!(end.get("more").is_some(), more, "{end}");
    }
    // Her own are marked.
    carol.ask(&json!({"op": "send", "room": "jeu", "text": "une poire à moi"}));
    wait_until(kept.hub(), "poire");
    let op = json!({"op": "search", "room": "jeu", "words": "poire"});
    let answer = search_op(&mut carol, &op);
    let said = answer.iter().find(|it| it["ev"] == "msg").expect("it is found");
    assert_eq!((&said["own"], &said["old"]), (&json!(true), &json!(true)));
}

/// Waits until `words` are found in `jeu`.
#[track_caller]
pub(crate) fn wait_until(hub: &Hub, words: &str) {
    let until = Instant::now() + PATIENCE;
    while found(&over_http(hub, "jeu", words, "")).is_empty() {
        assert!(Instant::now() < until, "{words} is never found");
    }
}

#[test]
fn bytes_that_are_no_text_are_found_by_the_words_among_them() {
    let kept = Kept::start(&[]);
    assert_eq!(
        post(kept.hub(), "jeu", "", b"caf\xe9 \0 cr\xc3\xa8me \xff br\xc3\xbbl\xc3\xa9e").status,
        201
    );
    wait_until(kept.hub(), "creme");
    assert_eq!(found(&over_http(kept.hub(), "jeu", "creme brulee", "")), [1]);
}

#[test]
fn what_is_kept_no_more_is_not_found() {
    let kept = Kept::start(&["--retain", "10msg", "--keep", "20msg"]);
    let mut alice = kept.hub().named("alice");
    alice.ask("/join jeu");
    alice.send("rareté\n".to_owned() + &"pomme\n".repeat(1000) + "zyzzyva\n");
    wait_until(kept.hub(), "zyzzyva");
    let until = Instant::now() + PATIENCE;
    while !found(&over_http(kept.hub(), "jeu", "rarete", "")).is_empty() {
        assert!(Instant::now() < until, "it is found though it is kept no more");
    }
}

#[test]
fn words_that_are_none_or_too_many_are_refused() {
    let kept = hub_of(&[]);
    let mut bob = kept.hub().member();
    bob.ask("/join jeu");
    assert!(bob.error("/search").starts_with("! missing-argument "));
    let long = "x ".repeat(129);
    let error = bob.error(&format!("/search {long}y"));
    assert!(error.starts_with("! bad-argument "), "{error}");
    let mut carol = JsonPeer::member(kept.hub(), Via::Lines);
    carol.ask(&json!({"op": "join", "room": "jeu"}));
    for (op, code) in [
        (json!({"op": "search", "room": "jeu"}), "missing-field"),
        (json!({"op": "search", "room": "jeu", "words": 5}), "bad-field"),
        (json!({"op": "search", "room": "jeu", "words": long}), "bad-field"),
        (json!({"op": "search", "room": "jeu", "words": "x", "count": 0}), "bad-field"),
    ] {
        let answer = carol.answer(&op);
        assert_eq!((&answer["ev"], &answer["code"]), (&json!("error"), &json!(code)), "{op}");
    }
    for query in ["q=", "q=+", "q=%00%ff", "q=a&q=b", "q=a&limit=0"] {
        let answer = get(kept.hub(), &format!("/rooms/jeu/messages?{query}"));
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
    }
    assert_eq!(over_http(kept.hub(), "jeu", &long, "").status, 400);
    assert_eq!(over_http(kept.hub(), "jamais", "x", "").status, 404);
    // Marks alone are no words: nothing has them, and nothing breaks.
    for marks in ["\"", "\"\"", "*", "()", "^", "'", "-- ;", "« »"] {
        bob.say(&format!("/search {marks}"));
        let told = bob.until(|line| line.contains("recherche") || line.starts_with("! "));
        assert!(told.contains("aucun") || told.starts_with("! "), "{marks}: {told}");
        let status = over_http(kept.hub(), "jeu", marks, "").status;
        assert!(matches!(status, 200 | 400), "{marks}: {status}");
    }
}

#[test]
fn without_history_there_is_no_search() {
    let folder = Folder::new();
    let data = shown(&folder.path("data"));
    for args in [&["--quiet"][..], &["--quiet", "--data", &data, "--no-history"]] {
        let hub = Hub::start(args);
        post(&hub, "jeu", "", "chocolat");
        let mut bob = hub.member();
        bob.ask("/join jeu");
        assert!(bob.error("/search chocolat").starts_with("! no-search "), "{args:?}");
        for via in BOTH {
            let mut carol = JsonPeer::member(&hub, via);
            let answer = carol.answer(&json!({"op": "search", "words": "chocolat", "id": 3}));
            let known = (&answer["ev"], &answer["code"], &answer["id"]);
            assert_eq!(known, (&json!("error"), &json!("no-search"), &json!(3)), "{args:?}");
        }
        let answer = over_http(&hub, "jeu", "chocolat", "");
        assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("no-search")));
    }
}
