//! Bad input, below the level of commands: bytes, lines and ends that no well-behaved client sends.

use crate::hub::Hub;
use crate::peer::Peer;

#[test]
fn nothing_that_a_message_holds_can_forge_a_line_or_reach_a_terminal() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    let cases: &[(&[u8], &str)] = &[
        (b"a\0b", r"a\x00b"),
        (b"\x1b[31mrouge\x1b[0m", r"\x1b[31mrouge\x1b[0m"),
        (b"\x1b]0;titre\x07", r"\x1b]0;titre\x07"),
        (b"a\rb", r"a\x0db"),
        (b"a\x7fb\x08", r"a\x7fb\x08"),
        (b"tab\tulation", "tab\tulation"),
        (b"\xc2\x9b31m", r"\x9b31m"),
        ("\u{202e}eti\u{202c}".as_bytes(), r"\u{202e}eti\u{202c}"),
        ("\u{2066}x\u{2069}\u{200f}\u{61c}".as_bytes(), r"\u{2066}x\u{2069}\u{200f}\u{61c}"),
        (b"<bob> c'est moi", "<bob> c'est moi"),
        (b"* alice vient de partir", "* alice vient de partir"),
        ("é€😀 👩‍👩‍👧 ça".as_bytes(), "é€😀 👩‍👩‍👧 ça"),
        (b"caf\xe9", r"caf\xe9"),
        (
            b"\xc3\x28 \xf0\x9f\x98 \xed\xa0\x80 \xc0\xaf",
            r"\xc3( \xf0\x9f\x98 \xed\xa0\x80 \xc0\xaf",
        ),
    ];
    for (sent, shown) in cases {
        alice.send([sent, &b"\n"[..]].concat());
        assert_eq!(bob.line(), format!("<alice> {shown}"), "{:?}", String::from_utf8_lossy(sent));
    }
}

#[test]
fn a_name_cannot_carry_what_a_message_cannot() {
    let hub = Hub::start(&["--quiet"]);
    let mut peer = hub.member();
    for name in ["a\x1b[31m", "a\u{202e}b", "a\u{200b}b", "a\0b", "a\rb", "a\u{9b}b"] {
        let error = peer.error(&format!("/nick {name}"));
        assert!(!error.chars().any(|c| c.is_control() || c == '\u{202e}'), "{error:?}");
    }
}

#[test]
fn who_sends_no_utf_8_is_told_once_what_its_bytes_look_like() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    for _ in 0..3 {
        alice.send(b"un caf\xe9 serr\xe9\n");
        assert_eq!(bob.line(), r"<alice> un caf\xe9 serr\xe9");
    }
    let told = alice.ask("");
    assert_eq!(told.len(), 1, "once, not more: {told:?}");
    assert!(told[0].starts_with("* ") && told[0].contains("Latin-1"), "{told:?}");
}

#[test]
fn a_line_of_twelve_megabytes_is_one_error_and_the_connection_lives() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    let before = hub.resident_kib();
    let block = vec![b'x'; 1 << 20];
    for _ in 0..12 {
        alice.send(&block);
    }
    let error = alice.line();
    assert!(error.starts_with("! too-long > 65536"), "{error}");
    assert!(hub.resident_kib() < before + (8 << 10), "{before} → {} KiB", hub.resident_kib());
    alice.send("la fin de cette ligne\nla suivante\n");
    assert_eq!(bob.line(), "<alice> la suivante");
    assert_eq!(alice.ask(""), Vec::<String>::new(), "one error, not more");
}

#[test]
fn the_longest_message_is_taken_and_one_byte_more_is_not() {
    let hub = Hub::start(&["--quiet", "--max-message", "1KiB"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    alice.say(&"x".repeat(1024));
    assert_eq!(bob.line().len(), "<alice> ".len() + 1024);
    assert!(alice.error(&"y".repeat(1025)).starts_with("! too-long > 1024"));
    alice.say("fin");
    assert_eq!(bob.line(), "<alice> fin");
}

#[test]
fn a_character_cut_anywhere_between_two_segments_arrives_whole() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    let text = "é€😀";
    for cut in 1..text.len() {
        alice.send(&text.as_bytes()[..cut]);
        // The hub has done other work meanwhile, so that it has read the first part.
        bob.ask("");
        alice.send(&text.as_bytes()[cut..]);
        alice.send("\n");
        assert_eq!(bob.line(), format!("<alice> {text}"), "cut at {cut}");
    }
}

#[test]
fn a_character_cut_by_the_network_is_whole_also_where_pauses_end_messages() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    let text = "é€😀";
    for cut in 1..text.len() {
        let mut peer = hub.connect();
        peer.send(&text.as_bytes()[..cut]);
        peer.send(&text.as_bytes()[cut..]);
        let heard = witness.line();
        assert!(heard.ends_with(&format!("> {text}")), "cut at {cut}: {heard}");
    }
}

#[test]
fn half_a_character_that_nothing_follows_is_delivered_as_it_is() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    let mut peer = hub.connect();
    peer.send(b"ici: \xf0\x9f\x98");
    assert_eq!(witness.line(), r"<client-2> ici: \xf0\x9f\x98");
    peer.send("la suite");
    assert_eq!(witness.line(), "<client-2> la suite");
}

#[test]
fn a_reset_in_the_middle_of_a_line_loses_nothing_of_what_was_sent() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    for round in 0..100 {
        let mut peer = hub.connect();
        peer.send(format!("tour {round}\nla moit"));
        peer.reset();
        let (first, second) = (witness.line(), witness.line());
        assert!(first.ends_with(&format!("> tour {round}")), "{first}");
        assert!(second.ends_with("> la moit"), "{second}");
    }
    // None of them is still there.
    let mut alone = false;
    for _ in 0..1000 {
        alone |= witness.ask("/who").concat().contains("1 membre ");
        if alone {
            break;
        }
    }
    assert!(alone, "{:?}", witness.ask("/who"));
}

#[test]
fn who_closes_with_unread_data_is_heard_to_its_last_word_a_hundred_times_of_a_hundred() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    for round in 0..100 {
        let mut peer = hub.connect();
        peer.send("/ping\n");
        // Its close becomes a reset: something was written to it that it never reads.
        peer.wait_unread();
        peer.send(format!("le dernier mot {round}"));
        drop(peer);
        let heard = witness.line();
        assert!(heard.ends_with(&format!("> le dernier mot {round}")), "{heard}");
    }
}

#[test]
fn one_that_never_speaks_hears_and_is_in_nobodys_way() {
    let hub = Hub::start(&[]);
    let mut silent = hub.silent_listener();
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    for round in 0..100 {
        alice.say(&format!("{round}"));
        assert_eq!(bob.line(), format!("<alice> {round}"));
    }
    for round in 0..100 {
        assert_eq!(silent.until(|line| line.starts_with('<')), format!("<alice> {round}"));
    }
}

#[test]
fn an_end_of_stream_right_away_is_a_member_that_came_and_went() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    for _ in 0..50 {
        let mut peer = hub.connect();
        peer.finish();
        let words = peer.last_lines();
        assert!(words.iter().all(|line| line.starts_with("* ")), "{words:?}");
    }
    let mut marker: Peer = hub.named("marker");
    marker.say("fin");
    assert_eq!(witness.line(), "<marker> fin");
}
