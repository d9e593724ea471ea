//! The commands, one by one, and what isn't one.

use crate::hub::Hub;
use crate::peer::{Peer, position_in};

#[track_caller]
fn heard(peer: &mut Peer, command: &str, part: &str) -> String {
    let answer = peer.ask(command);
    let line = answer.iter().find(|line| line.contains(part));
    let line = line.unwrap_or_else(|| panic!("{command:?}: no {part:?} in {answer:?}"));
    assert!(line.starts_with("* "), "{command:?}: {line:?}");
    line.clone()
}

#[test]
fn ping_answers_with_its_text() {
    let hub = Hub::start(&["--quiet"]);
    let mut peer = hub.member();
    assert_eq!(peer.ask("/ping à toi"), ["* pong à toi"]);
    assert_eq!(peer.ask("/ping"), ["* pong"]);
    assert_eq!(peer.ask("/PING Xy"), ["* pong Xy"]);
}

#[test]
fn a_word_with_a_slash_is_speech_unless_all_of_it_is_a_command() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    let said = [
        ("/usr/bin/x", "/usr/bin/x"),
        ("//join x", "/join x"),
        ("//usr/bin", "//usr/bin"),
        ("/", "/"),
        ("/ join x", "/ join x"),
        ("/1 x", "/1 x"),
        (" /join x", " /join x"),
        ("quit", "quit"),
        ("// un commentaire", "// un commentaire"),
    ];
    for (typed, told) in said {
        alice.say(typed);
        assert_eq!(bob.line(), format!("<alice> {told}"), "{typed:?}");
    }
}

#[test]
fn an_unknown_command_is_an_error_that_shows_the_double_slash_and_is_not_sent() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    let error = alice.error("/mgs bob le secret");
    assert!(error.starts_with("! unknown-command ") && error.contains("//mgs"), "{error}");
    alice.say("fini");
    assert_eq!(bob.line(), "<alice> fini");
}

#[test]
fn echo_brings_own_messages_back_in_the_rooms_order() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    alice.ask("/echo on");
    alice.say("un");
    assert_eq!(alice.line(), "<alice> un");
    bob.say("deux");
    assert_eq!(alice.line(), "<bob> deux");
    alice.say("trois");
    assert_eq!(alice.line(), "<alice> trois");
    alice.ask("/echo off");
    alice.say("quatre");
    bob.until(|line| line == "<alice> quatre");
    bob.say("cinq");
    assert_eq!(alice.line(), "<bob> cinq");
}

#[test]
fn each_message_is_acknowledged_with_its_position_in_the_order_sent() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    alice.ask("/ack on");
    let many: String = (1..=200).fold(String::new(), |all, number| all + &format!("{number}\n"));
    alice.send(many);
    let mut epoch = None;
    for number in 1..=200 {
        let ack = alice.line();
        let (this, seq) =
            ack.strip_prefix("+ack ").and_then(|it| it.split_once('@')).expect("an ack");
        assert_eq!(seq, number.to_string(), "{ack}");
        assert_eq!(*epoch.get_or_insert(this.to_owned()), this);
        assert_eq!(bob.line(), format!("<alice> {number}"));
    }
    alice.ask("/ack off");
    alice.say("sans");
    bob.until(|line| line == "<alice> sans");
    bob.say("fin");
    assert_eq!(alice.line(), "<bob> fin");
}

#[test]
fn an_error_says_which_message_it_is_about_where_acks_are_on() {
    let hub = Hub::start(&["--quiet", "--max-message", "1KiB"]);
    let mut alice = hub.named("alice");
    alice.ask("/ack on");
    alice.send(format!("un\n{}\ntrois\n", "x".repeat(2000)));
    let answer = [alice.line(), alice.line(), alice.line()];
    let error = answer.iter().find(|line| line.starts_with("! too-long ")).expect("an error");
    assert!(error.contains('#'), "{error}");
    let acks: Vec<&String> = answer.iter().filter(|line| line.starts_with("+ack ")).collect();
    assert!(acks.len() == 2 && acks[0].ends_with("@1") && acks[1].ends_with("@2"), "{answer:?}");
}

#[test]
fn me_tells_what_one_does() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    alice.say("/me danse");
    let line = bob.line();
    assert!(line.contains("alice") && line.contains("danse"), "{line}");
    assert!(line.starts_with('<'), "what a member says must not look like a notice: {line}");
}

#[test]
fn why_tells_the_state_of_a_connection() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, bob) = (hub.named("alice"), hub.named("bob"));
    let own = alice.ask("/why").join("\n");
    assert!(own.contains("alice") && own.contains("127.0.0.1"), "{own}");
    position_in(&own);
    let others = alice.ask("/why bob").join("\n");
    assert!(others.contains("bob") && others.contains("à jour"), "{others}");
    assert!(
        others.contains(&bob.address().port().to_string()) || others.contains("tcp"),
        "{others}"
    );
    assert!(alice.error("/why personne").contains("personne"));
}

#[test]
fn help_names_every_command_and_explains_each() {
    let hub = Hub::start(&["--quiet"]);
    let mut peer = hub.member();
    let all = peer.ask("/help");
    assert!(all.iter().all(|line| line.starts_with("* ")), "{all:?}");
    let names = [
        "nick", "join", "leave", "msg", "who", "rooms", "history", "resume", "format", "framing",
        "lang", "echo", "ack", "quiet", "me", "ping", "why", "help", "quit",
    ];
    for name in names {
        assert!(all.iter().any(|line| line.contains(&format!("/{name}"))), "{name}: {all:?}");
        let one = peer.ask(&format!("/help {name}"));
        assert!(one.iter().any(|line| line.contains(name)), "{name}: {one:?}");
    }
    peer.error("/help mgs");
}

#[test]
fn the_french_aliases_mean_the_same() {
    let hub = Hub::start(&["--quiet"]);
    let (mut peer, mut bob) = (hub.member(), hub.named("bob"));
    heard(&mut peer, "/nom zoé", "zoé");
    heard(&mut peer, "/salon jeu", "jeu");
    heard(&mut peer, "/qui", "zoé");
    heard(&mut peer, "/salons", "jeu");
    let position = position_in(&heard(&mut peer, "/sortir", "lobby"));
    peer.say("/mp bob coucou");
    assert_eq!(bob.line(), "-zoé- coucou");
    heard(&mut peer, "/historique", "historique (0)");
    heard(&mut peer, &format!("/reprendre {position}"), "live");
    heard(&mut peer, "/aide", "/nick");
    peer.say("/quitter");
    let goodbye = peer.last_lines();
    assert!(goodbye.last().is_some_and(|line| line.starts_with("* ")), "{goodbye:?}");
}

#[test]
fn quit_writes_what_is_due_and_a_goodbye_with_the_position_then_closes() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    for number in 1..=50 {
        bob.say(&format!("{number}"));
    }
    bob.ask("");
    alice.say("/quit au revoir");
    // The goodbye is a reply, and between replies and records no order is promised.
    let (speech, replies): (Vec<_>, Vec<_>) =
        alice.last_lines().into_iter().partition(|line| line.starts_with('<'));
    let due: Vec<String> = (1..=50).map(|number| format!("<bob> {number}")).collect();
    assert_eq!(speech, due);
    assert_eq!(replies.len(), 1, "{replies:?}");
    assert!(replies[0].starts_with("* "), "{replies:?}");
    assert!(position_in(&replies[0]).ends_with("@50"), "{replies:?}");
}

#[test]
fn lang_changes_the_sentences_of_that_member_alone() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    alice.ask("/lang en");
    let (english, french) = (alice.error("/mgs x"), bob.error("/mgs x"));
    assert!(english.starts_with("! unknown-command ") && french.starts_with("! unknown-command "));
    assert_ne!(english, french);
    assert!(french.contains("inconnue"), "{french}");
}

#[test]
fn commands_of_later_versions_say_that_they_are_not_there_yet() {
    let hub = Hub::start(&["--quiet"]);
    let mut peer = hub.member();
    let error = peer.error("/auth abc");
    assert!(error.starts_with("! not-yet "), "{error}");
}

#[test]
fn a_quit_that_only_the_end_of_the_stream_ends_is_answered_with_the_goodbye() {
    let hub = Hub::start(&["--quiet"]);
    let mut peer = hub.member();
    peer.send("/quit");
    peer.finish();
    let last = peer.last_lines();
    assert!(last.iter().any(|line| line.starts_with("* au revoir")), "{last:?}");
}
