//! `trappe tap`, against the hub, and against what is none.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::client_terminal::TERMINAL;
use crate::hub::{Hub, TRAPPE, trappe};
use crate::json_check::checked_watch;
use crate::process::{Ended, PATIENCE, Process};
use crate::tools::python;
use crate::watcher::Watcher;

/// `trappe tap` on this hub.
#[track_caller]
fn tap(hub: &Hub, args: &[&str]) -> Process {
    Process::spawn(trappe(&["tap", "--port", &hub.port().to_string()]).args(args))
}

/// The same, where it ends by itself.
#[track_caller]
fn ended(hub: &Hub, args: &[&str]) -> Ended {
    tap(hub, args).end()
}

/// Waits until it is told that `name` is watched.
#[track_caller]
fn is_open(tap: &Process, name: &str) {
    tap.out.line(|line| {
        line.contains(&format!("Z {name} : ")) || line.contains(&format!("\"name\":\"{name}\""))
    });
}

/// The lines after `times` and what stands for the port of a client, which differ from run to run.
fn steady(lines: &[String]) -> Vec<String> {
    let after_time = |line: &String| match line.split_once("Z ") {
        Some((time, rest)) if time.len() == 12 && !time.starts_with(' ') => rest.to_owned(),
        _ => line.clone(),
    };
    lines.iter().map(after_time).collect()
}

#[test]
fn a_person_sees_each_message_byte_by_byte_and_where_it_was_cut() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    let (mut watcher, _) = Watcher::of(&hub, "/tap", 1);
    let seen = tap(&hub, &["alice"]);
    is_open(&seen, "alice");
    alice.send("bonjour \u{e0}".as_bytes().split_at(9).0);
    watcher.next_of("read");
    alice.send([b"\xa0 tous, et merci\n", &b"caf\xe9\t\x1b[2J\r\n"[..]].concat());
    alice.say("/auth s3same");
    alice.say("/quit");
    let mut seen = seen;
    let ended = seen.ended_within(PATIENCE);
    assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{ended:?}");
    let lines = steady(&seen.out.all());
    assert!(lines[0].starts_with("alice : tcp 127.0.0.1:"), "{lines:#?}");
    assert!(lines[0].ends_with(" ; dans lobby ; 48 o avant"), "{lines:#?}");
    let expected = [
        "alice : message 48+26, fini par une fin de ligne",
        "  2 lectures, coupé à 9",
        "  0000  62 6f 6e 6a 6f 75 72 20  c3|a0 20 74 6f 75 73 2c  bonjour à· tous,",
        "  0010  20 65 74 20 6d 65 72 63  69                        et merci",
        "alice : message 74+11, fini par une fin de ligne",
        "  ressemble à du Latin-1",
        "  0000  63 61 66 e9 09 1b 5b 32  4a                       caf.␉␛[2J",
        "alice : message 85+13, fini par une fin de ligne",
        "  les * cachent ce qui est secret ou privé",
        "  0000  2f 61 75 74 68 20 2a 2a  2a 2a 2a 2a              /auth ******",
        "alice : message 98+6, fini par une fin de ligne",
        "  0000  2f 71 75 69 74                                    /quit",
        "alice vient de partir",
    ];
    let is_beside = |line: &&String| line.contains(" o lus à ") || line.contains(" o écrits");
    let told: Vec<&String> = lines[1..].iter().filter(|line| !is_beside(line)).collect();
    assert_eq!(told, expected, "{lines:#?}");
    assert!(lines.iter().any(|line| line == "alice : 9 o lus à 48"), "{lines:#?}");
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
}

#[test]
fn a_program_is_given_each_event_as_it_came() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    let (mut watcher, _) = Watcher::of(&hub, "/tap?member=alice", 1);
    let mut json = tap(&hub, &["--json", "--member", "alice"]);
    is_open(&json, "alice");
    for line in [&b"bonjour"[..], b"caf\xe9\0\x1b[2J", "\u{85}\u{202e}\u{9b}\"\\".as_bytes(), b""] {
        alice.send([line, b"\n"].concat());
    }
    alice.say("/quit");
    let ended = json.ended_within(PATIENCE);
    assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{ended:?}");
    watcher.rest();
    let events = |all: &str| -> Vec<String> {
        let lines = all.lines().filter(|line| !line.contains("\"ev\":\"open\""));
        lines.filter(|line| line.contains('{')).map(|line| line.replacen("data: ", "", 1)).collect()
    };
    assert_eq!(events(&ended.out), events(&watcher.heard));
    for line in ended.out.lines() {
        checked_watch(line);
    }
}

#[test]
fn a_word_is_a_member_or_else_a_room() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("jardin"));
    alice.ask("/join café");
    bob.ask("/join café");
    // There is a member jardin, and a room of this name too.
    let mut carol = hub.named("carol");
    carol.ask("/join jardin");
    for (args, who, others) in [
        (&["alice"][..], &["alice"][..], &["jardin", "carol"][..]),
        (&["ALICE"], &["alice"], &["jardin", "carol"]),
        (&["client-1"], &["alice"], &["jardin", "carol"]),
        (&["café"], &["alice", "jardin"], &["carol"]),
        (&["jardin"], &["jardin"], &["alice", "carol"]),
        (&["--room", "jardin"], &["carol"], &["alice", "jardin"]),
        (&["--member", "jardin"], &["jardin"], &["alice", "carol"]),
        (&[], &["alice", "jardin", "carol"], &[]),
    ] {
        let tap = tap(&hub, args);
        for name in who {
            is_open(&tap, name);
        }
        let is_of =
            |name: &&&str| tap.out.all().iter().any(|line| line.contains(&format!("Z {name} : ")));
        assert_eq!(others.iter().find(is_of), None, "{args:?}: {:#?}", tap.out.all());
    }
}

#[test]
fn what_the_hub_refuses_is_told_in_its_words_after_its_code() {
    let hub = Hub::start(&["--quiet"]);
    for (args, said) in [
        (&["personne"][..], "personne n'est ni un membre ni un salon"),
        (&["a b"], "a b n'est ni un membre ni un salon"),
        (&["--lang", "en", "x/y"], "x/y is neither a member nor a room"),
        (&["\u{1b}[2J"], "\\x1b[2J n'est ni"),
        (&["--member", "personne"], "no-such-member personne ne s'appelle personne"),
        (&["--lang", "en", "--member", "x"], "no-such-member nobody is called x"),
        (&["--room", "jardin"], "no-such-room aucun salon ne s'appelle jardin"),
        (&["--room", "a&member=b"], "bad-name "),
    ] {
        let ended = ended(&hub, args);
        assert_eq!((ended.code, &*ended.out), (Some(1), ""), "{args:?}: {ended:?}");
        assert!(ended.err.starts_with(said), "{args:?}: {ended:?}");
        assert_eq!(ended.err.lines().count(), 1, "{args:?}: {ended:?}");
    }
    let _watchers: Vec<Watcher> = (0..16).map(|_| Watcher::open(&hub, "/live")).collect();
    let ended = ended(&hub, &[]);
    assert_eq!((ended.code, &*ended.out), (Some(1), ""), "{ended:?}");
    assert!(ended.err.starts_with("too-many-watchers "), "{ended:?}");
}

#[test]
fn what_makes_no_sense_is_a_mistake_of_usage() {
    for args in [
        &["alice", "--member", "bob"][..],
        &["alice", "--room", "jardin"],
        &["--member", "a", "--room", "b"],
        &["alice", "bob"],
        &["--hub", "unix:/tmp/x", "--port", "1"],
        &["--hub", "localhost:1", "--port", "2"],
        &["--hub", "localhost", "--host", "localhost"],
        &["--port", "0"],
        &["-n", "0"],
        &["--lang", "de"],
    ] {
        let ended = Process::spawn(trappe(&["tap"]).args(args)).end();
        assert_eq!((ended.code, &*ended.out), (Some(2), ""), "{args:?}: {ended:?}");
    }
    let help = Process::spawn(&mut trappe(&["tap", "--help"])).end();
    assert_eq!(help.code, Some(0));
    assert!(help.out.starts_with("Examples:\n  trappe tap "), "{}", help.out);
}

#[test]
fn each_way_to_name_the_hub_is_understood() {
    let folder = std::env::temp_dir().join(format!("trappe-tap-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let socket = format!("unix:{}", folder.join("tap.sock").display());
    {
        let hub =
            Hub::launch(trappe(&["server", "--quiet", "--port", "0", "--listen", &socket]).args([
                "--host",
                "127.0.0.1",
                "--host",
                "::1",
            ]));
        let _alice = hub.named("alice");
        let port = hub.port().to_string();
        let (name, whole, v6) =
            (format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}"));
        for place in [
            &["--hub", &*socket][..],
            &["--hub", &name],
            &["--hub", &whole],
            &["--hub", &v6],
            &["--hub", "127.0.0.1", "--port", &port],
            &["--host", "::1", "--port", &port],
            &["--port", &port],
        ] {
            let tap = Process::spawn(trappe(&["tap", "alice"]).args(place));
            is_open(&tap, "alice");
        }
    }
    std::fs::remove_dir_all(&folder).expect("it is ours");
}

#[test]
fn where_no_hub_is_the_words_are_those_of_the_client() {
    let nobody = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    let port = nobody.local_addr().expect("it is bound").port().to_string();
    drop(nobody);
    for place in [&["--host", "127.0.0.1", "--port", &port][..], &["--hub", "unix:/nulle/part"]] {
        let ended = Process::spawn(trappe(&["tap"]).args(place)).end();
        assert_eq!((ended.code, &*ended.out), (Some(1), ""), "{ended:?}");
        assert!(ended.err.starts_with("Connexion au serveur échoué !\n"), "{ended:?}");
        assert!(ended.err.contains("trappe server --"), "no hint: {ended:?}");
    }
    let ended = Process::spawn(&mut trappe(&["tap", "--hub", "nulle-part.invalid"])).end();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains("nulle-part.invalid"), "{ended:?}");
}

/// Answers one connection with `answer`, once it was asked something; then waits for the end of the other side, or not.
#[track_caller]
fn answers(answer: &'static [u8], stays: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let port = listener.local_addr().expect("it is bound").port().to_string();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the test connects");
        let mut asked = [0; 4096];
        let count = stream.read(&mut asked).expect("it asks");
        assert!(asked[..count].starts_with(b"GET /tap HTTP/1.1\r\n"));
        // It may have gone in the middle of what is too long.
        drop(stream.write_all(answer));
        while stays && matches!(stream.read(&mut asked), Ok(1..)) {}
    });
    port
}

/// A stream of events, as a hub's begins.
macro_rules! stream {
    ($rest:expr) => {
        concat!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n:\n\n", $rest).as_bytes()
    };
}

#[test]
fn what_is_no_hub_is_told_apart_and_nothing_of_it_is_shown() {
    static LONG: std::sync::LazyLock<Vec<u8>> =
        std::sync::LazyLock::new(|| [stream!("data: "), &vec![b'x'; 2 << 20]].concat());
    static LONG_HEAD: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
        [&b"HTTP/1.1 200 OK\r\nX: "[..], &vec![b'x'; 1 << 20]].concat()
    });
    let stranger = "n'est pas un hub trappe";
    for (answer, stays, said) in [
        (&b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nno"[..], false, stranger),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>", false, stranger),
        (b"HTTP/1.1 400 Bad\r\n\r\n{\"error\":\"x\"}", true, stranger),
        (b"SSH-2.0-OpenSSH_9.9\r\n", true, stranger),
        (b"\x15\x03\x01\0\x02\x02\x46", true, stranger),
        (b"\x1b[2Jbonjour\n", true, stranger),
        (b"", false, stranger),
        (&LONG_HEAD, true, stranger),
        (&LONG, true, stranger),
        (stream!("data: bonjour\n\n"), true, stranger),
        (stream!("data: \u{1b}[2J\n\n"), true, stranger),
        (b"! full le hub est \x1b[2J plein\n", true, "full le hub est \\x1b[2J plein"),
        (
            b"HTTP/1.1 503 x\r\n\r\n{\"ev\":\"error\",\"code\":\"a\\nb\",\"text\":\"c\\u001bd\\n* e\"}",
            true,
            "a\\x0ab c\\x1bd\\x0a* e",
        ),
        (stream!(""), false, "le hub a fini de montrer"),
    ] {
        let port = answers(answer, stays);
        let since = Instant::now();
        let ended = Process::spawn(&mut trappe(&["tap", "--host", "127.0.0.1", "--port", &port])).end();
        let case = String::from_utf8_lossy(&answer[..answer.len().min(60)]);
        assert_eq!((ended.code, &*ended.out), (Some(1), ""), "{case:?}: {ended:?}");
        assert!(ended.err.contains(said), "{case:?}: {ended:?}");
        assert_eq!(ended.err.lines().count(), 1, "{case:?}: {ended:?}");
        assert!(!ended.err.contains('\x1b'), "{case:?}: {ended:?}");
        assert!(since.elapsed() < Duration::from_secs(9), "{case:?}: it waits for nothing");
    }
}

#[test]
fn what_never_answers_is_waited_for_ten_seconds() {
    let port = answers(b"HTTP/1.1 200 O", true);
    let since = Instant::now();
    let ended = Process::spawn(&mut trappe(&["tap", "--host", "127.0.0.1", "--port", &port])).end();
    assert_eq!((ended.code, &*ended.out), (Some(1), ""), "{ended:?}");
    assert!(ended.err.contains("pas de réponse en 10 s"), "{ended:?}");
    assert!(since.elapsed() >= Duration::from_secs(10), "after {:?} already", since.elapsed());
}

#[test]
fn events_that_say_nothing_known_are_passed_over_by_eyes_and_given_to_programs() {
    let events = stream!(
        "data: {\"ev\":\"later\",\"x\":[1]}\n\ndata: {}\n\ndata: {\"ev\":\"lost\",\"count\":2}\n\n"
    );
    for (args, out) in [
        (&[][..], "… 2 événements omis ici : ils venaient plus vite qu'ils n'étaient montrés\n"),
        (&["--json"], "{\"ev\":\"later\",\"x\":[1]}\n{}\n{\"ev\":\"lost\",\"count\":2}\n"),
    ] {
        let port = answers(events, false);
        let ended = Process::spawn(trappe(&["tap", "--port", &port]).args(args)).end();
        assert_eq!((ended.code, &*ended.out), (Some(1), out), "{ended:?}");
    }
}

#[test]
fn it_ends_after_as_many_messages_as_are_asked_for() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    for args in [&["-n", "2"][..], &["--count", "2", "--json"]] {
        let mut tap = tap(&hub, args);
        is_open(&tap, "alice");
        alice.send("un\ndeux\ntrois\n");
        let ended = tap.ended_within(PATIENCE);
        assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{ended:?}");
        assert!(ended.out.contains("deux") && !ended.out.contains("trois"), "{ended:?}");
    }
}

#[test]
fn when_the_hub_stops_or_the_connection_breaks_that_is_a_failure() {
    let mut hub = Hub::start(&["--quiet"]);
    let _alice = hub.named("alice");
    let (mut all, mut killed) = (tap(&hub, &[]), tap(&hub, &["--room", "lobby"]));
    is_open(&all, "alice");
    is_open(&killed, "alice");
    hub.signal("TERM");
    hub.ended_within(PATIENCE);
    let ended = all.ended_within(PATIENCE);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
    assert_eq!(killed.ended_within(PATIENCE).code, Some(1));

    let hub = Hub::start(&["--quiet"]);
    let _alice = hub.named("alice");
    let mut one = tap(&hub, &["alice"]);
    is_open(&one, "alice");
    hub.signal("KILL");
    let ended = one.ended_within(PATIENCE);
    assert_eq!(ended.code, Some(1), "{ended:?}");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    for json in ["", "--json"] {
        let script = "(\"$0\" tap --port \"$1\" $2; echo \"code $?\" >&2) | head -n 1";
        let port = hub.port().to_string();
        let mut command = Command::new("sh");
        let mut shell = Process::spawn(command.args(["-c", script, TRAPPE, &port, json]));
        shell.out.line(|line| line.contains("alice"));
        let until = Instant::now() + PATIENCE;
        while !shell.err.all().iter().any(|line| line.starts_with("code ")) {
            alice.ask("encore un mot");
            assert!(Instant::now() < until, "it never ends");
        }
        let ended = shell.ended_within(PATIENCE);
        assert_eq!(ended.err, "code 0\n", "{ended:?}");
    }
}

/// Runs the command of its arguments as a shell at a terminal would, where Ctrl-C is no key that somebody ignores; tells its
/// number, and ends as shells say it has.
const SHELL: &str = r"
import signal, subprocess, sys
child = subprocess.Popen(sys.argv[1:], preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
print(child.pid, flush=True)
code = child.wait()
sys.exit(code if code >= 0 else 128 - code)
";

#[test]
fn an_interrupt_ends_it_as_the_signal_does() {
    let Some(python) = python() else { return };
    let hub = Hub::start(&["--quiet"]);
    let _alice = hub.named("alice");
    let port = hub.port().to_string();
    let mut shell = Process::run(python, &["-c", SHELL, TRAPPE, "tap", "--port", &port]);
    is_open(&shell, "alice");
    let id = shell.out.line(|line| line.parse::<u32>().is_ok());
    let sent = Command::new("sh").args(["-c", "kill -s INT \"$0\"", &id]).status();
    assert!(sent.is_ok_and(|status| status.success()));
    let ended = shell.ended_within(PATIENCE);
    assert_eq!((ended.code, &*ended.err), (Some(130), ""), "{ended:?}");
}

#[test]
fn nothing_that_a_member_sends_reaches_the_terminal_or_makes_a_line() {
    let Some(python) = python() else { return };
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    let port = hub.port().to_string();
    let shown = |environment: (&str, &str), args: &[&str]| {
        let mut command = Command::new(&python);
        command.args(["-c", TERMINAL, TRAPPE, "tap", "alice", "--port", &port]).args(args);
        Process::spawn(
            command
                .env_remove("TRAPPE_LANG")
                .env_remove("NO_COLOR")
                .env(environment.0, environment.1),
        )
    };
    let taps = [
        shown(("LANG", "C"), &["-n", "6"]),
        shown(("NO_COLOR", "1"), &["-n", "6"]),
        shown(("LANG", "C"), &["-n", "6", "--json"]),
    ];
    for tap in &taps {
        tap.out.line(|line| line.contains("alice"));
    }
    let forged = "\n12:00:00.000Z bob : message 0+3, fini par une fin de ligne";
    alice
        .send("\x1b]0;titre\x07\x1b[31m\r\u{9b}2J\u{202e}\u{2028}\u{feff}\u{ad}\u{200d}e\u{301}\n");
    alice.send(b"\x9b2J\xff\x1b[H\n");
    alice.send(format!("/framing nul\n{forged}\0\x1b[2J\0fin\0"));
    for (at, mut tap) in taps.into_iter().enumerate() {
        let ended = tap.ended_within(PATIENCE);
        let (bold, dim, plain) = ("\x1b[1m", "\x1b[2m", "\x1b[0m");
        let has_ink = [bold, dim, plain].map(|ink| ended.out.contains(ink));
        assert_eq!(has_ink, [at == 0; 3], "{:?}", ended.out);
        let no_ink = |text: String, ink| text.replace(ink, "");
        let text = [bold, dim, plain, "\r"].into_iter().fold(ended.out, no_ink);
        // JSON is as it came, but for what a terminal would obey.
        let is_hidden = |c: char| {
            let is_drawn_over = matches!(c, '\u{ad}' | '\u{200d}' | '\u{301}');
            (c != '\n' && c.is_control())
                || matches!(c, '\u{202e}' | '\u{2028}' | '\u{feff}')
                || (is_drawn_over && at < 2)
        };
        assert!(!text.contains(is_hidden), "{text:?}");
        // What it sent as a line of ours stands in a row of bytes, or in a string of JSON.
        let is_own = |line: &&str| !line.starts_with("  ") && !line.starts_with('{');
        let forged = text.lines().filter(is_own).find(|line| line.contains("bob"));
        assert_eq!(forged, None, "{text}");
    }
}
