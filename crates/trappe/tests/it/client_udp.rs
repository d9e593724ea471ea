//! `trappe client --udp`, against a hub that is played here by the contract of PROTOCOL §7, with its losses; and
//! against the real one.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use crate::client_terminal::TERMINAL;
use crate::hub::{Hub, TRAPPE, trappe};
use crate::process::{Ended, PATIENCE, Process};
use crate::tools::python;

const CONNECTED: &str = "Client connecté !";
const COOKIE: &str = "abcdefghijklm";
const GOODBYE: &str = "* au revoir ; votre position : 7f3ak2m9qd@7\n";

/// How the played hub behaves.
#[derive(Debug, Clone, Default)]
struct Manners {
    /// Addresses are to prove themselves.
    proof: bool,
    /// What is lost on its way to the hub: the datagrams with these numbers, from 0.
    lost: Vec<usize>,
    /// It hears everything and answers nothing.
    silent: bool,
}

/// A hub of one member.
struct Played {
    port: u16,
    socket: Arc<UdpSocket>,
    over: Arc<AtomicBool>,
    heard: Receiver<(String, SocketAddr)>,
    thread: Option<JoinHandle<()>>,
}

impl Played {
    fn start(manners: Manners) -> Played {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has free ports");
        socket.set_read_timeout(Some(PATIENCE)).expect("not zero");
        let port = socket.local_addr().expect("it is bound").port();
        let (socket, over) = (Arc::new(socket), Arc::new(AtomicBool::new(false)));
        let (tell, heard) = channel();
        let (mine, ends) = (Arc::clone(&socket), Arc::clone(&over));
        let thread = thread::spawn(move || play(&mine, &manners, &tell, &ends));
        Played { port, socket, over, heard, thread: Some(thread) }
    }

    fn target(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What came next, also what was answered.
    #[track_caller]
    fn heard(&self) -> (String, SocketAddr) {
        self.heard.recv_timeout(PATIENCE).expect("something comes in time")
    }

    /// What came next; all of `wanted`, and nothing between.
    #[track_caller]
    fn hears(&self, wanted: &[&str]) -> SocketAddr {
        let mut member = None;
        for wanted in wanted {
            let (heard, from) = self.heard();
            assert_eq!(heard, *wanted);
            member = Some(from);
        }
        member.expect("something was wanted")
    }

    /// Writes to a member.
    #[track_caller]
    fn write(&self, to: SocketAddr, datagram: &str) {
        self.socket.send_to(datagram.as_bytes(), to).expect("loopback takes it");
    }

    /// Ends it, and gives its port back. What it heard stays to be asked for.
    fn end(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // It waits for a datagram: this is one.
        let waker = UdpSocket::bind("127.0.0.1:0").expect("loopback has free ports");
        waker.send_to(b"", self.target()).expect("loopback takes it");
        if let Some(thread) = self.thread.take() {
            thread.join().expect("a played hub doesn't panic");
        }
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        self.end();
    }
}

fn play(
    socket: &UdpSocket,
    manners: &Manners,
    tell: &Sender<(String, SocketAddr)>,
    over: &AtomicBool,
) {
    let mut buffer = vec![0; 65_536];
    let (mut number, mut raw) = (0, false);
    loop {
        let (length, from) = match socket.recv_from(&mut buffer) {
            Ok(came) => came,
            // The answer to someone who has gone.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => continue,
            Err(_) => return,
        };
        if over.load(Ordering::Relaxed) {
            return;
        }
        let heard = String::from_utf8_lossy(&buffer[..length]).into_owned();
        // A test that has seen enough listens no more.
        let _unheard = tell.send((heard.clone(), from));
        number += 1;
        if manners.silent || manners.lost.contains(&(number - 1)) {
            continue;
        }
        let mut answers = answers(&heard, manners.proof);
        if heard == "/format raw" {
            raw = true;
        }
        if raw {
            answers = answers.iter().map(|text| text.trim_end().to_owned()).collect();
        }
        for answer in answers {
            socket.send_to(answer.as_bytes(), from).expect("loopback takes it");
        }
    }
}

fn answers(heard: &str, proof: bool) -> VecDeque<String> {
    let words: Vec<&str> = heard.split(' ').collect();
    let member = |room: &str| {
        let now_in = format!("* vous êtes dans {room}, 1 membre, position 7f3ak2m9qd@6\n");
        let welcome = format!("* vous êtes client-1, dans {room}, position 7f3ak2m9qd@6 ; /help\n");
        VecDeque::from([now_in, welcome])
    };
    match words[..] {
        ["/join", room] if proof => VecDeque::from([format!("/join {room} {COOKIE}")]),
        ["/join", room] | ["/join", room, COOKIE] => member(room),
        ["/nick", "pris"] => VecDeque::from(["! name-taken pris est déjà pris\n".to_owned()]),
        ["/nick", name] => VecDeque::from([format!("* vous êtes {name}\n")]),
        ["/format", format] => VecDeque::from([format!("* format : {format}\n")]),
        ["/ping", word] => VecDeque::from([format!("* pong {word}\n")]),
        ["/quit", ..] => VecDeque::from([GOODBYE.to_owned()]),
        _ => VecDeque::new(),
    }
}

#[track_caller]
fn client(target: &str, args: &[&str]) -> Ended {
    start(target, args).end()
}

#[track_caller]
fn start(target: &str, args: &[&str]) -> Process {
    Process::spawn(trappe(&["client", "--udp", target]).args(args))
}

#[test]
fn speech_is_a_datagram_each_and_no_membership() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["-m", "salut, ça va ?"], &["salut, ça va ?"]),
        (&["-m", "un", "-m", "deux\nbis"], &["un", "deux\nbis"]),
        (&["--demo", "--lang", "en"], &["Hello, I am the client! :)"]),
        (&["-m", ""], &[""]),
    ];
    for (args, wanted) in cases {
        let hub = Played::start(Manners::default());
        let ended = client(&hub.target(), args);
        assert_eq!((ended.code, &ended.err[..]), (Some(0), ""), "{args:?}: {ended:?}");
        assert!(ended.out.lines().count() == 1, "{args:?}: {ended:?}");
        hub.hears(wanted);
        client(&hub.target(), &["-m", "marque"]);
        hub.hears(&["marque"]);
    }
}

#[test]
fn where_nobody_is_it_says_so_in_the_lessons_words() {
    let mut nobody = Played::start(Manners::default());
    let target = nobody.target();
    nobody.end();
    // The port is given back with the last that holds it.
    drop(nobody);
    for args in [&["-m", "x"][..], &["-m", "/who"], &["--nick", "alice", "-m", "x"], &[]] {
        let ended = client(&target, args);
        assert_eq!(ended.code, Some(1), "{args:?}: {ended:?}");
        assert_eq!(ended.out, "Connexion au serveur échoué !\n", "{args:?}");
        assert!(ended.err.contains("refusée") && ended.err.contains("trappe server"), "{ended:?}");
    }
}

#[test]
fn a_hub_that_never_answers_is_asked_for_a_while_and_then_named() {
    let hub = Played::start(Manners { silent: true, ..Manners::default() });
    let ended = client(&hub.target(), &["--room", "jeu"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.out, "Connexion au serveur échoué !\n");
    assert!(ended.err.contains(&hub.target()) && ended.err.contains("sans réponse"), "{ended:?}");
    hub.hears(&["/join jeu", "/join jeu", "/join jeu", "/join jeu", "/join jeu", "/quit"]);
}

#[test]
fn a_command_is_sent_by_a_member_who_proved_its_address() {
    let proof = Manners { proof: true, ..Manners::default() };
    let cases: &[(Manners, &[&str])] = &[
        (Manners::default(), &["/join lobby"]),
        (proof.clone(), &["/join lobby", "/join lobby abcdefghijklm"]),
        (Manners { lost: vec![0], ..Manners::default() }, &["/join lobby", "/join lobby"]),
        (
            Manners { lost: vec![0, 2], ..proof },
            &[
                "/join lobby",
                "/join lobby",
                "/join lobby abcdefghijklm",
                "/join lobby abcdefghijklm",
            ],
        ),
    ];
    for (manners, asked) in cases {
        let hub = Played::start(manners.clone());
        let ended = client(&hub.target(), &["-m", "/ping tout"]);
        assert_eq!((ended.code, &ended.err[..]), (Some(0), ""), "{manners:?}: {ended:?}");
        let lines: Vec<&str> = ended.out.lines().collect();
        assert_eq!(lines[0], CONNECTED, "{manners:?}");
        assert!(lines[1].starts_with("* vous êtes dans lobby"), "{manners:?}: {ended:?}");
        assert_eq!(lines.last(), Some(&"* pong tout"), "{manners:?}: {ended:?}");
        hub.hears(asked);
        hub.hears(&["/ping tout", "/quit"]);
    }
}

#[test]
fn a_name_is_taken_before_the_first_word_even_if_it_is_lost() {
    let hub = Played::start(Manners { lost: vec![1, 3], ..Manners::default() });
    let args = ["--nick", "robot", "--room", "jeu", "-m", "me voici", "-m", "deux"];
    let ended = client(&hub.target(), &args);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.out, format!("{CONNECTED}\n"));
    hub.hears(&["/join jeu", "/nick robot", "/nick robot"]);
    // The answer to a ping comes last of all: each try has a word of its own.
    let (first, second) = (hub.heard().0, hub.heard().0);
    assert!(first.starts_with("/ping ") && first.ends_with("-1"), "{first}");
    assert!(second.starts_with("/ping ") && second.ends_with("-2"), "{second}");
    hub.hears(&["me voici", "deux", "/quit"]);
}

#[test]
fn what_is_refused_is_told_and_nothing_is_said() {
    let hub = Played::start(Manners::default());
    let ended = client(&hub.target(), &["--nick", "pris", "-m", "bonjour"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains("déjà pris"), "{ended:?}");
    hub.hears(&["/join lobby", "/nick pris"]);
    assert!(hub.heard().0.starts_with("/ping "));
    hub.hears(&["/quit"]);
    // A hub leaves a stranger's mistake unanswered: it is told here, and asked nothing.
    let ended = client(&hub.target(), &["--room", "a/b"]);
    assert_eq!((ended.code, &ended.out[..]), (Some(1), ""), "{ended:?}");
    assert!(ended.err.contains("« / »"), "{ended:?}");
    client(&hub.target(), &["-m", "marque"]);
    hub.hears(&["marque"]);
}

#[test]
fn a_pipe_says_each_line_and_prints_what_arrives() {
    let hub = Played::start(Manners { proof: true, ..Manners::default() });
    let mut pipe = start(&hub.target(), &["--room", "jeu"]);
    hub.hears(&["/join jeu", "/join jeu abcdefghijklm"]);
    pipe.write("un\r\nde");
    let member = hub.hears(&["un"]);
    pipe.write("ux\n\ntrois\n");
    hub.hears(&["deux", "", "trois"]);
    // Its input is still open: what arrives is printed meanwhile.
    hub.write(member, "<alice> bien reçu\n");
    pipe.out.line(|line| line == "<alice> bien reçu");
    pipe.write("sans fin de ligne");
    let ended = pipe.end();
    assert_eq!((ended.code, &ended.err[..]), (Some(0), ""), "{ended:?}");
    assert_eq!(ended.out.lines().last(), Some("<alice> bien reçu"), "{ended:?}");
    hub.hears(&["sans fin de ligne", "/quit"]);
}

#[test]
fn a_pipe_that_quits_itself_says_nothing_more_to_a_hub_that_no_longer_knows_it() {
    let hub = Played::start(Manners::default());
    let mut pipe = start(&hub.target(), &[]);
    pipe.write("un\n/quit à demain\nsecret\n");
    let ended = pipe.ended_within(PATIENCE);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.ends_with(GOODBYE), "{ended:?}");
    client(&hub.target(), &["-m", "marque"]);
    hub.hears(&["/join lobby", "un", "/quit à demain", "marque"]);
}

#[test]
fn a_line_that_no_datagram_holds_is_told_and_the_others_are_sent() {
    let hub = Played::start(Manners::default());
    let mut pipe = start(&hub.target(), &[]);
    let (fits, long) = ("x".repeat(65_507), "y".repeat(200_000));
    pipe.write(format!("un\n{fits}\n{long}\ndeux\n"));
    let ended = pipe.end();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.err.matches("65507").count(), 1, "{ended:?}");
    assert!(ended.err.contains("yyyy") && ended.err.len() < 300, "{ended:?}");
    hub.hears(&["/join lobby", "un", &fits, "deux", "/quit"]);
    let ended = client(&hub.target(), &["-m", &"z".repeat(70_000), "-m", "court"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains("65507"), "{ended:?}");
    hub.hears(&["court"]);
}

#[test]
fn in_raw_format_the_standard_output_is_bodies_alone() {
    let hub = Played::start(Manners::default());
    let mut pipe = start(&hub.target(), &["--format", "raw", "--nick", "robot"]);
    pipe.write("prêt\n");
    hub.hears(&["/join lobby", "/format raw", "/nick robot"]);
    assert!(hub.heard().0.starts_with("/ping "));
    let member = hub.hears(&["prêt"]);
    for body in ["les données", "* deux\nlignes", "{}"] {
        hub.write(member, body);
    }
    pipe.out.line(|line| line == "{}");
    let ended = pipe.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.out, "les données\n* deux\nlignes\n{}\n");
    assert_eq!(ended.err, format!("{CONNECTED}\n"));
}

#[test]
fn a_hub_that_goes_away_is_a_failure() {
    let mut hub = Played::start(Manners::default());
    let mut pipe = start(&hub.target(), &[]);
    pipe.write("un\n");
    hub.hears(&["/join lobby", "un"]);
    let socket = std::mem::replace(
        &mut hub.socket,
        Arc::new(UdpSocket::bind("127.0.0.1:0").expect("loopback has free ports")),
    );
    hub.end();
    // The thread's hold on the socket has ended with it: this is the last.
    drop(socket);
    pipe.write("deux\n");
    let ended = pipe.ended_within(PATIENCE);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains("connexion perdue"), "{ended:?}");
}

#[test]
fn a_hub_that_stops_or_forgets_us_is_a_failure_though_it_may_be_there_again() {
    for last in [
        "* le serveur s'arrête ; tout ce qu'il a accepté est livré ; à bientôt\n",
        "! silent rien de vous depuis 60 s\n",
    ] {
        let hub = Played::start(Manners::default());
        let pipe = start(&hub.target(), &[]);
        let member = hub.hears(&["/join lobby"]);
        pipe.out.line(|line| line.contains("client-1"));
        hub.write(member, last);
        let shown = last.trim_end();
        pipe.out.line(|line| line == shown);
        let mut pipe = pipe;
        let ended = pipe.ended_within(PATIENCE);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.err.contains("connexion perdue"), "{ended:?}");
    }
}

#[test]
fn a_unix_socket_takes_no_datagrams() {
    let ended = client("unix:/run/trappe.sock", &["-m", "x"]);
    assert_eq!((ended.code, &ended.out[..]), (Some(2), ""), "{ended:?}");
    assert!(ended.err.contains("unix:PATH and --udp exclude each other"), "{ended:?}");
}

#[track_caller]
fn terminal(target: &str, args: &[&str]) -> Option<Process> {
    let command = [&["-c", TERMINAL, TRAPPE, "client", "--udp", target], args].concat();
    let process = Process::run(python()?, &command);
    process.out.line(|line| line.contains(CONNECTED));
    Some(process)
}

#[test]
fn each_way_to_leave_a_terminal_says_goodbye_once() {
    for (leave, code) in [("/quit\r", 0), ("\x04", 0), ("\x03", 130)] {
        let hub = Played::start(Manners { proof: true, ..Manners::default() });
        let Some(mut typist) = terminal(&hub.target(), &["--room", "jeu"]) else { return };
        hub.hears(&["/join jeu", "/join jeu abcdefghijklm"]);
        typist.write("une phrase\r");
        let member = hub.hears(&["une phrase"]);
        typist.write("une autre, pas encore");
        hub.write(member, "<alice> je vous coupe\x1b[2J\n");
        typist.out.line(|line| line.contains("<alice> je vous coupe\\x1b[2J"));
        typist.write(" finie\r");
        hub.hears(&["une autre, pas encore finie"]);
        // What arrives is shown once the editor has the terminal: until then the terminal itself would take the keys.
        hub.write(member, "<alice> vu\n");
        typist.out.line(|line| line.contains("<alice> vu"));
        typist.write(leave);
        let ended = typist.ended_within(PATIENCE);
        assert_eq!(ended.code, Some(code), "{leave:?}: {ended:?}");
        client(&hub.target(), &["-m", "marque"]);
        hub.hears(&["/quit", "marque"]);
    }
}

#[test]
fn the_real_hub_hears_a_stranger_by_its_address() {
    let hub = Hub::start(&[]);
    let mut witness = hub.member();
    let target = format!("127.0.0.1:{}", hub.port());
    let ended = client(&target, &["-m", "bonjour"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let line = witness.line();
    assert!(line.starts_with("<127.0.0.1:") && line.ends_with("> bonjour"), "{line}");
}

#[test]
fn a_pipe_and_a_tcp_member_hear_each_other_in_a_room_of_the_real_hub() {
    let hub = Hub::start(&[]);
    let mut witness = hub.named("alice");
    witness.ask("/join jeu");
    let target = format!("127.0.0.1:{}", hub.port());
    let mut pipe = start(&target, &["--room", "jeu", "--nick", "robot"]);
    pipe.write("un\ndeux\n");
    assert_eq!(witness.line(), "<robot> un");
    assert_eq!(witness.line(), "<robot> deux");
    witness.say("bien reçu");
    pipe.out.line(|line| line == "<alice> bien reçu");
    pipe.write("sans fin de ligne");
    let ended = pipe.end();
    assert_eq!((ended.code, &ended.err[..]), (Some(0), ""), "{ended:?}");
    assert!(!ended.out.contains("au revoir"), "{ended:?}");
    assert_eq!(witness.line(), "<robot> sans fin de ligne");
    assert!(!witness.ask("/who").concat().contains("robot"), "it never left");
}

#[test]
fn a_command_is_answered_by_the_real_hub() {
    let hub = Hub::start(&[]);
    let _alice = hub.named("alice");
    let target = format!("127.0.0.1:{}", hub.port());
    let ended = client(&target, &["-m", "/who"]);
    assert_eq!((ended.code, &ended.err[..]), (Some(0), ""), "{ended:?}");
    assert!(ended.out.lines().any(|line| line.contains("alice")), "{ended:?}");
}

#[test]
fn in_raw_format_the_real_hub_sends_bodies_alone() {
    let hub = Hub::start(&[]);
    let mut alice = hub.named("alice");
    let target = format!("127.0.0.1:{}", hub.port());
    let mut pipe = start(&target, &["--format", "raw"]);
    pipe.err.line(|line| line.starts_with(CONNECTED));
    pipe.write("prêt\n");
    assert!(alice.line().ends_with("> prêt"));
    alice.say("les données");
    pipe.out.line(|line| line == "les données");
    let ended = pipe.end();
    assert_eq!((ended.code, &ended.out[..]), (Some(0), "les données\n"), "{ended:?}");
}
