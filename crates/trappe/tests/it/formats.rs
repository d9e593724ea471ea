//! How a member is written to: text for eyes, raw for programs.

use crate::hub::Hub;

#[test]
fn raw_gives_bodies_alone_and_exact() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut raw) = (hub.named("alice"), hub.member());
    raw.ask("/format raw");
    let bodies: [&[u8]; 5] =
        [b"bonjour", b"\x1b[31m\xfe\x80\xc3", b"<bob> x", b"* pong x", b"a\rb\0c"];
    for body in bodies {
        alice.send([body, b"\n"].concat());
        assert_eq!(raw.next_line().as_deref(), Some(body));
    }
    raw.ask("/format text");
    alice.say("en texte");
    assert_eq!(raw.line(), "<alice> en texte");
}

#[test]
fn a_raw_listener_meets_no_notice_no_welcome_and_no_error() {
    let hub = Hub::start(&["--format", "raw", "--max-message", "1KiB"]);
    let mut raw = hub.silent_listener();
    raw.say("je parle");
    let mut other = hub.member();
    other.say("bonjour");
    assert_eq!(raw.line(), "bonjour");
    other.ask("/nick bob");
    raw.say(&"x".repeat(2000));
    raw.send("la suite est coupée par une pause");
    other.say("/quit");
    let heard = other.last_lines();
    assert!(heard.iter().all(|line| !line.starts_with("xx")), "{heard:?}");
    let mut third = hub.member();
    third.say("fin");
    assert_eq!(raw.line(), "fin");
}

#[test]
fn a_raw_member_is_answered_to_its_own_commands() {
    let hub = Hub::start(&["--quiet", "--format", "raw"]);
    let mut raw = hub.member();
    assert_eq!(raw.ask("/ping x"), ["* pong x"]);
    assert!(raw.error("/mgs x").starts_with("! unknown-command "));
    raw.say("un");
    assert_eq!(raw.ask("/history 1")[1..2], ["un"], "history in raw is bodies");
}

#[test]
fn a_line_break_inside_a_message_repeats_the_prefix() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    alice.send(b"/framing nul\nun\n<bob> deux\n* trois\0");
    for part in ["un", "<bob> deux", "* trois"] {
        assert_eq!(bob.line(), format!("<alice> {part}"));
    }
}

#[test]
fn what_is_no_text_is_shown_up_to_a_kibibyte_and_then_its_size() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    let body = vec![0xfe; 5000];
    alice.send([&body[..], b"\n"].concat());
    let line = bob.line();
    assert_eq!(line.matches(r"\xfe").count(), 1024, "{} bytes", line.len());
    assert!(line.contains("5000"), "{}", &line[line.len() - 40..]);
}

#[test]
fn private_messages_reach_a_raw_member_as_bodies() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut raw) = (hub.named("alice"), hub.named("bob"));
    raw.ask("/format raw");
    alice.say("/msg bob pour toi");
    assert_eq!(raw.line(), "pour toi");
}
