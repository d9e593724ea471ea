//! How bytes become messages: by newlines, by pauses, by reads, by lengths, by NULs.

use crate::hub::Hub;

const HELLO: &str = "Bonjour à toi, je suis le client ! :)";

#[test]
fn without_any_newline_a_pause_or_the_end_ends_a_message() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    let mut staying = hub.connect();
    staying.send(HELLO);
    assert_eq!(witness.line(), format!("<client-2> {HELLO}"));
    staying.send("et encore");
    assert_eq!(witness.line(), "<client-2> et encore");
    let mut leaving = hub.connect();
    leaving.send(HELLO);
    drop(leaving);
    assert_eq!(witness.line(), format!("<client-3> {HELLO}"));
}

#[test]
fn who_is_cut_by_a_pause_is_told_once_how_to_choose_otherwise() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    let mut peer = hub.connect();
    peer.send("un");
    witness.until(|line| line == "<client-2> un");
    peer.send("deux");
    witness.until(|line| line == "<client-2> deux");
    peer.send("\n/ping fin\n");
    let told = peer.before("* pong fin");
    let hints: Vec<&String> = told.iter().filter(|line| line.contains("/framing")).collect();
    assert!(hints.len() == 1 && hints[0].starts_with("* "), "{told:?}");
}

#[test]
fn once_a_newline_was_seen_no_pause_ends_a_message() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    let mut peer = hub.member();
    peer.send("la moitié ");
    // The pause that would end it is 20 ms, 50 ms at most: this clock is that of another member, whose own pause comes later.
    for round in 0..4 {
        let mut clock = hub.connect();
        clock.send(format!("tic {round}"));
        assert_eq!(witness.line(), format!("<client-{}> tic {round}", 3 + round));
    }
    peer.send("et l'autre\n");
    assert_eq!(witness.line(), "<client-2> la moitié et l'autre");
}

#[test]
fn a_large_send_without_newline_is_one_message() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    for size in [1200, 1460, 9000, 65_536] {
        let mut peer = hub.connect();
        let body = "é".repeat(size / 2);
        peer.send(&body);
        let line = witness.line();
        assert_eq!(line.split_once(' ').map(|(_, heard)| heard == body), Some(true), "{size}");
    }
}

#[test]
fn letters_typed_one_by_one_become_one_message() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    let mut typist = hub.connect();
    let mut clock = hub.member();
    for letter in "où ça ?".chars() {
        typist.send(letter.to_string());
        // The hub has answered another one meanwhile: it most likely read this letter alone.
        clock.ask("");
    }
    let heard = witness.line();
    assert!(heard.ends_with("> où ça ?"), "{heard}");
}

#[test]
fn both_kinds_of_line_end_are_understood_and_empty_lines_are_nothing() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    alice.send("un\r\n\n\r\n\ndeux\n\r\r\ntrois\n");
    assert_eq!(bob.line(), "<alice> un");
    assert_eq!(bob.line(), "<alice> deux");
    assert_eq!(bob.line(), r"<alice> \x0d");
    assert_eq!(bob.line(), "<alice> trois");
}

#[test]
fn nul_ends_messages_both_ways() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut nul) = (hub.named("alice"), hub.member());
    nul.ask("/format raw");
    nul.send("/framing nul\n");
    nul.send("avec\nun saut\0et un autre\0");
    for part in ["avec", "un saut", "et un autre"] {
        assert_eq!(alice.line(), format!("<client-2> {part}"));
    }
    alice.say("pour toi");
    nul.through(b"pour toi\0");
    nul.send("/ping dedans\0");
    nul.through(b"* pong dedans\0");
    nul.send("la fin finit aussi");
    nul.finish();
    assert_eq!(alice.line(), "<client-2> la fin finit aussi");
}

#[test]
fn len32_is_a_length_and_a_body_both_ways() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut len) = (hub.named("alice"), hub.member());
    len.ask("/format raw");
    len.send("/framing len32\n");
    len.send(b"\0\0\0\x05salut\0\0\0\0\0\0\0\x04a\nb\xff");
    assert_eq!(alice.line(), "<client-2> salut");
    assert_eq!(alice.line(), "<client-2> a");
    assert_eq!(alice.line(), r"<client-2> b\xff");
    alice.say("pour toi");
    len.through(b"\0\0\0\x08pour toi");
    // A command is a body like any other here.
    len.send(b"\0\0\0\x06/ping!");
    assert_eq!(alice.line(), "<client-2> /ping!");
    len.send(b"\0\0\0\x05/ping");
    assert_eq!(alice.line(), "<client-2> /ping");
    len.send(b"\0\0\0\x09incomplet\0\0\0\x09incomp");
    len.finish();
    assert_eq!(alice.line(), "<client-2> incomplet");
    let mut marker = hub.named("marker");
    marker.say("fin");
    assert_eq!(alice.line(), "<marker> fin", "an incomplete body was delivered");
}

#[test]
fn a_length_of_four_gigabytes_costs_no_memory_and_is_too_long() {
    let hub = Hub::start(&["--quiet", "--framing", "len32"]);
    let mut witness = hub.connect();
    witness.send(b"\0\0\0\x07pr\xc3\xaat !");
    let before = hub.resident_kib();
    let mut peers = Vec::new();
    for _ in 0..50 {
        let mut peer = hub.connect();
        peer.send(b"\xff\xff\xff\xff et rien de plus");
        peer.until(|line| line.starts_with("! too-long "));
        peers.push(peer);
    }
    assert!(hub.resident_kib() < before + (16 << 10), "{before} → {} KiB", hub.resident_kib());
    let mut other = hub.connect();
    other.send(b"\0\0\0\x03fin");
    witness.through(b"> fin");
}

#[test]
fn chunk_makes_each_read_a_message() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut chunk) = (hub.named("alice"), hub.member());
    chunk.ask("/format raw");
    chunk.send("/framing chunk\n");
    chunk.through("chunk".as_bytes());
    for body in ["un", "deux\net demi", "/ping"] {
        chunk.send(body);
        for part in body.split('\n') {
            assert_eq!(alice.line(), format!("<client-2> {part}"));
        }
    }
    alice.say("un");
    alice.say("deux");
    chunk.through(b"undeux");
}

#[test]
fn a_listeners_framing_holds_for_all_who_connect() {
    let hub = Hub::start(&["--quiet", "--framing", "nul", "--format", "raw"]);
    let mut one = hub.connect();
    one.send("/ping x\0");
    one.through(b"* pong x\0");
    let mut two = hub.connect();
    two.send("un\nmot\0");
    one.through(b"un\nmot\0");
}

#[test]
fn telnets_negotiations_are_swallowed() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.connect());
    bob.send(b"\xff\xfb\x1f\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0bon\xff\xf1jour\r\n");
    assert_eq!(alice.line(), "<client-2> bonjour");
    // An 0xFF that begins nothing of telnet's is a byte.
    bob.send(b"caf\xff\n");
    assert_eq!(alice.line(), r"<client-2> caf\xff");
}

#[test]
fn a_half_close_is_goodbye_but_what_was_asked_for_still_comes() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    alice.say("un");
    alice.say("deux");
    alice.ask("");
    let mut peer = hub.connect();
    peer.send("/quiet on\n/history 2\n/ping fin\nmon dernier mot");
    peer.finish();
    let heard = peer.last_lines();
    assert!(heard.contains(&"<alice> deux".to_owned()), "{heard:?}");
    assert!(heard.contains(&"* pong fin".to_owned()), "{heard:?}");
    assert_eq!(alice.line(), "<client-2> mon dernier mot");
    assert!(!alice.ask("/who").concat().contains("client-2"));
}
