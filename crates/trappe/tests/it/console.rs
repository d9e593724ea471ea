//! The server's console: who came, and who said what. It is one more reader of the log.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

use crate::hub::{ARRIVES, Hub, port_in, trappe};
use crate::peer::Peer;
use crate::process::PATIENCE;

const HELLO: &str = "Bonjour à toi, je suis le client ! :)";

#[test]
fn the_lessons_client_run_twice_is_shown_as_in_the_lesson() {
    let hub = Hub::start(&[]);
    for number in 1..=2 {
        let mut peer = hub.connect();
        let address = peer.address().to_string();
        peer.send(HELLO);
        drop(peer);
        hub.wait_console(|line| line == format!("<client-{number}> {HELLO}"));
        let arrival = hub.wait_console(|line| line.starts_with(ARRIVES) && line.contains(&address));
        assert!(arrival.contains(&format!("client-{number}")), "{arrival}");
    }
    let console = hub.console();
    let at = |wanted: &str| console.iter().position(|line| line.starts_with(wanted));
    let order = [at("Le serveur est démarré !"), at(ARRIVES), at("<client-1>"), at("<client-2>")];
    assert!(order.is_sorted() && order.iter().all(Option::is_some), "{console:#?}");
}

#[test]
fn a_message_of_another_room_bears_the_room() {
    let hub = Hub::start(&[]);
    let mut alice = hub.named("alice");
    alice.say("au lobby");
    alice.ask("/join jeu");
    alice.say("au jeu");
    hub.wait_console(|line| line == "<alice> au lobby");
    hub.wait_console(|line| line == "[jeu] <alice> au jeu");
}

#[test]
fn a_private_message_is_not_shown() {
    let hub = Hub::start(&[]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    alice.say("/msg bob le secret");
    bob.until(|line| line == "-alice- le secret");
    alice.say("fini");
    hub.wait_console(|line| line == "<alice> fini");
    assert!(hub.console().iter().all(|line| !line.contains("le secret")), "{:?}", hub.console());
}

#[test]
fn quiet_prints_nothing_after_the_start() {
    let mut hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    alice.say("bonjour");
    bob.until(|line| line == "<alice> bonjour");
    hub.signal("TERM");
    let ended = hub.ended_within(PATIENCE);
    let after_the_start = |line: &&str| line.contains(ARRIVES) || line.contains("bonjour");
    assert_eq!(ended.out.lines().find(after_the_start), None, "{ended:?}");
    assert!(ended.out.lines().count() <= 4, "{ended:?}");
}

#[test]
fn nothing_that_a_client_sends_reaches_the_console_unescaped() {
    let hub = Hub::start(&[]);
    let mut peer = hub.member();
    peer.send(b"\x1b]0;titre\x07\x1b[2J rouge \xe2\x80\xae\xff\n");
    let line = hub.wait_console(|line| line.contains("rouge"));
    assert_eq!(line, r"<client-1> \x1b]0;titre\x07\x1b[2J rouge \u{202e}\xff");
}

#[test]
fn a_console_that_is_gone_ends_nothing() {
    let (_server, console, port) = start_unread(&[]);
    drop(console);

    let (mut one, mut two) = (Peer::member(port), Peer::member(port));
    for round in 0..100 {
        one.say(&format!("tour {round}"));
        assert_eq!(two.line(), format!("<client-1> tour {round}"));
    }
}

#[test]
fn a_stuck_console_delays_nobody_and_tells_how_many_lines_it_lost() {
    const LINES: usize = 6000;
    let (_server, mut console, port) = start_unread(&["--lag", "512KiB,8MiB"]);
    let (mut talker, mut listener) = (Peer::member(port), Peer::member(port));
    let padding = "x".repeat(1000);
    for number in 1..=LINES {
        talker.say(&format!("{number} {padding}"));
        // In step with one that listens: it is the console alone that is behind.
        assert!(listener.line().starts_with(&format!("<client-1> {number} ")));
    }

    // The console is read again: what it shows and what it says that it lost make up the whole.
    let (mut shown, mut lost) = (0, 0);
    loop {
        let line = console.next().expect("the console goes on").expect("it is text");
        if line == "<client-1> fin" {
            break;
        } else if let Some(said) = line.strip_prefix("<client-1> ") {
            shown += 1;
            assert!(lost > 0 || !said.starts_with(&format!("{LINES} ")), "it was never stuck");
        } else if !line.starts_with(ARRIVES) {
            if lost == 0 {
                talker.say("fin");
            }
            let count = line.split(' ').find_map(|word| word.parse::<usize>().ok());
            lost += count.unwrap_or_else(|| panic!("how many lines? {line}"));
        }
    }
    assert_eq!(shown + lost, LINES, "{shown} shown, {lost} lost");
}

/// A process that ends with the test, however that ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill, and that is fine.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts a hub whose console the test reads itself; gives it when its port is known.
fn start_unread(args: &[&str]) -> (Killed, Lines<BufReader<ChildStdout>>, u16) {
    let mut command = trappe(&["server", "--port", "0"]);
    let server = command.args(args).stdout(Stdio::piped()).spawn().expect("the binary is there");
    let mut server = Killed(server);
    let mut console = BufReader::new(server.0.stdout.take().expect("it is piped")).lines();
    let where_line = console.nth(1).expect("the second line says where").expect("it is text");
    let port = port_in(&where_line).unwrap_or_else(|| panic!("no port in {where_line}"));
    // The rest of the start: up to the line that says what to try.
    for line in console.by_ref() {
        if line.expect("it is text").contains("nc localhost") {
            break;
        }
    }
    (server, console, port)
}
