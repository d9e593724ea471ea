//! Bad input to commands: each is one clear error to the one concerned; nobody else notices, and the connection lives.

use crate::hub::Hub;

#[test]
fn names_of_every_bad_kind_are_refused() {
    let hub = Hub::start(&["--quiet"]);
    let (mut peer, mut witness) = (hub.member(), hub.member());
    let long = "x".repeat(33);
    let names = [
        "",
        " ",
        "a b",
        &long,
        "client-7",
        "CLIENT-7",
        "server",
        "Serveur",
        "console",
        "http",
        "a<b",
        "<alice>",
        "a/b",
        "a@b",
        "a,b",
        "a:b",
        "*",
        "!",
        "😀",
        "a\u{200b}b",
        "a\u{202e}b",
        "a\u{ad}b",
        "a\u{7f}b",
        "аlice",
        "aβ",
        "\u{301}a",
        "/x",
    ];
    for name in names {
        for command in ["nick", "join"] {
            let error = peer.error(&format!("/{command} {name}"));
            assert!(error.split(' ').count() > 3, "{command} {name:?}: {error}");
        }
    }
    for (command, name) in [("/join", "a b c"), ("/nick", "a b c")] {
        peer.error(&format!("{command} {name}"));
    }
    peer.say("toujours là");
    assert_eq!(witness.line(), "<client-1> toujours là");
}

#[test]
fn every_command_refuses_every_bad_argument_and_the_connection_lives() {
    let hub = Hub::start(&["--quiet"]);
    let (mut peer, mut witness) = (hub.member(), hub.member());
    let commands = [
        "/nick",
        "/join",
        "/join jeu pas-une-position",
        "/join jeu 1 2",
        "/join jeu @",
        "/join jeu aaaaaaaaaa@",
        "/join jeu @7",
        "/leave maintenant",
        "/msg",
        "/msg client-2",
        "/msg personne x",
        "/msg a<b x",
        "/who nullepart",
        "/who a b",
        "/rooms x",
        "/history x",
        "/history 0",
        "/history -1",
        "/history 1.5",
        "/history 1 2",
        "/history 99999999999999999999",
        "/resume",
        "/resume x",
        "/resume -1",
        "/resume 99999999999999999999",
        "/resume aaaaaaaaaa@99999999999999999999",
        "/resume aaaaaaaaa@1",
        "/resume aaaaaaaaa1@1",
        "/resume a@b@c",
        "/format",
        "/format xml",
        "/framing",
        "/framing morse",
        "/lang",
        "/lang tlh",
        "/echo",
        "/echo peut-être",
        "/ack",
        "/ack 1",
        "/quiet",
        "/quiet x y",
        "/me",
        "/why personne",
        "/why a b",
        "/help mgs",
        "/nick \u{fffd}",
        "/x",
        "/history-2",
    ];
    for command in commands {
        let error = peer.error(command);
        let code = error[2..].split(' ').next().expect("a code");
        let kebab = |c: char| c.is_ascii_lowercase() || c == '-';
        assert!(!code.is_empty() && code.chars().all(kebab), "{command}: {error}");
        assert!(error.split(' ').count() > 3, "{command}: no sentence: {error}");
    }
    peer.say("toujours là");
    assert_eq!(witness.line(), "<client-1> toujours là");
}

#[test]
fn a_command_that_is_no_utf_8_is_refused_and_not_sent() {
    let hub = Hub::start(&["--quiet"]);
    let (mut peer, mut witness) = (hub.member(), hub.member());
    for command in [&b"/msg client-2 caf\xe9"[..], b"/nick \xff", b"/join \xc3("] {
        peer.send([command, b"\n/ping mark\n"].concat());
        let answer = peer.before("* pong mark");
        let errors = answer.iter().filter(|line| line.starts_with("! ")).count();
        // A private message may be of any bytes.
        let delivered = command.starts_with(b"/msg") && errors == 0;
        assert!(delivered || errors == 1, "{answer:?}");
        if delivered {
            assert_eq!(witness.line(), r"-client-1- caf\xe9");
        }
    }
    peer.say("fin");
    assert_eq!(witness.line(), "<client-1> fin");
}

#[test]
fn a_position_beyond_the_end_is_answered_without_harm() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.member());
    for far in ["99", "18446744073709551615"] {
        let answer = bob.ask(&format!("/resume {far}"));
        assert!(!answer.is_empty(), "no answer to {far}");
        alice.say("encore là");
        assert_eq!(bob.line(), "<alice> encore là", "after /resume {far}");
    }
}

#[test]
fn an_error_shows_what_was_given_escaped_and_cut() {
    let hub = Hub::start(&["--quiet"]);
    let mut peer = hub.member();
    for given in ["\x1b[31mrouge", "\u{202e}gauche", "x\ry"] {
        for command in ["/nick", "/history", "/format", "/why", "/who", "/help", "/resume"] {
            let error = peer.error(&format!("{command} {given}"));
            let bad = |c: char| c.is_control() || c == '\u{202e}';
            assert!(!error.contains(bad), "{command}: {error:?}");
        }
    }
    let error = peer.error(&format!("/format {}", "é".repeat(5000)));
    assert!(error.chars().count() < 400, "{} characters", error.chars().count());
}

#[test]
fn a_thousand_errors_close_nothing() {
    let hub = Hub::start(&["--quiet"]);
    let (mut peer, mut witness) = (hub.member(), hub.member());
    peer.send("/nimporte quoi\n".repeat(1000));
    let answer = peer.ask("");
    assert_eq!(answer.iter().filter(|line| line.starts_with("! unknown-command ")).count(), 1000);
    peer.say("fin");
    assert_eq!(witness.line(), "<client-1> fin");
}
