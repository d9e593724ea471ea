//! `trappe client`, against a server like the lesson's and against the hub.

use std::net::TcpListener;

use crate::hub::{Hub, TRAPPE, trappe};
use crate::process::{Ended, Process};
use crate::tools::python;

const HELLO: &str = "Bonjour à toi, je suis le client ! :)";
const CONNECTED: &str = "Client connecté !";

/// The lesson's server: one connection, one `recv(1024)`, decode, print.
const LESSON_SERVER: &str = r"
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.bind(('', 0))
server.listen(5)
print(server.getsockname()[1], flush=True)
connection, address = server.accept()
print(connection.recv(1024).decode('utf8'), flush=True)
connection.close()
server.close()
";

/// A server that reads everything, then says how much it was, and what its first bytes were.
const COUNTING_SERVER: &str = r"
import socket, sys
server = socket.socket()
server.bind(('127.0.0.1', 0))
server.listen()
print(server.getsockname()[1], flush=True)
connection, _ = server.accept()
total, first = 0, b''
while data := connection.recv(65536):
    total, first = total + len(data), (first + data)[:64]
print(total, first, flush=True)
";

/// A server that refuses everyone with one line.
const REFUSING_SERVER: &str = r"
import socket
server = socket.socket()
server.bind(('127.0.0.1', 0))
server.listen()
print(server.getsockname()[1], flush=True)
connection, _ = server.accept()
connection.sendall('! full le hub est plein\n'.encode())
connection.shutdown(socket.SHUT_WR)
while connection.recv(1024): pass
";

/// Starts `script`, which prints its port first; `None` without Python.
#[track_caller]
fn serve(script: &str) -> Option<(Process, String)> {
    let server = Process::run(python()?, &["-c", script]);
    let port = server.out.line(|line| line.parse::<u16>().is_ok());
    Some((server, port))
}

#[track_caller]
fn client(args: &[&str]) -> Ended {
    Process::spawn(trappe(&["client"]).args(args)).end()
}

#[track_caller]
fn client_process(hub: &Hub, args: &[&str]) -> Process {
    let target = format!("127.0.0.1:{}", hub.port());
    let process = Process::spawn(trappe(&["client", &target]).args(args));
    process.out.line(|line| line.starts_with(CONNECTED));
    process
}

#[test]
fn the_lessons_server_prints_the_demo_sentence_as_it_is() {
    let Some((server, port)) = serve(LESSON_SERVER) else { return };
    let ended = client(&["--demo", "--port", &port]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.starts_with(CONNECTED), "{ended:?}");
    assert_eq!(server.end().out, format!("{port}\n{HELLO}\n"));
}

#[test]
fn one_text_is_sent_as_exactly_its_bytes_and_several_are_lines() {
    let cases: &[(&[&str], &str)] = &[
        (&["-m", "salut, ça va ?"], "salut, ça va ?"),
        (&["-m", ""], ""),
        (&["-m", "un", "-m", "deux"], "un\ndeux\n"),
        (&["-m", " espaces "], " espaces "),
    ];
    for (args, wanted) in cases {
        let Some((server, port)) = serve(LESSON_SERVER) else { return };
        let ended = client(&[&["--port", port.as_str()], *args].concat());
        assert_eq!(ended.code, Some(0), "{args:?}: {ended:?}");
        assert_eq!(server.end().out, format!("{port}\n{wanted}\n"), "{args:?}");
    }
}

#[test]
fn where_nobody_listens_it_says_so_in_the_lessons_words_and_ends_with_1() {
    let nobody = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    let port = nobody.local_addr().expect("it is bound").port().to_string();
    drop(nobody);
    for args in [&["--demo"][..], &["-m", "x"], &[]] {
        let ended = client(&[&["127.0.0.1", "--port", port.as_str()], args].concat());
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.out.starts_with("Connexion au serveur échoué !"), "{ended:?}");
        assert!(ended.err.contains("trappe server"), "no hint: {ended:?}");
    }
}

#[test]
fn an_unknown_host_is_a_failure_with_its_name() {
    let ended = client(&["nulle-part.invalid:5566", "-m", "x"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.out.starts_with("Connexion au serveur échoué !"), "{ended:?}");
    assert!(ended.err.contains("nulle-part.invalid"), "{ended:?}");
}

#[test]
fn a_refusal_is_told_in_its_words_and_ends_with_1() {
    let Some((server, port)) = serve(REFUSING_SERVER) else { return };
    let ended = client(&["127.0.0.1", "--port", &port, "-m", "bonjour"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains("le hub est plein"), "{ended:?}");
    server.end();
}

#[test]
fn each_way_to_name_the_server_is_understood() {
    let hub = Hub::start(&["--quiet"]);
    let (mut witness, port) = (hub.member(), hub.port().to_string());
    let (whole, name) = (format!("127.0.0.1:{port}"), format!("localhost:{port}"));
    let v6 = format!("[::1]:{port}");
    let cases: &[&[&str]] = &[
        &[&whole],
        &[&name],
        &[&v6],
        &["--host", "127.0.0.1", "--port", &port],
        &["::1", "--port", &port],
        &["--port", &port],
    ];
    for case in cases {
        let ended = client(&[*case, &["-m", "toc toc"]].concat());
        assert_eq!(ended.code, Some(0), "{case:?}: {ended:?}");
        assert!(witness.line().ends_with("> toc toc"), "{case:?}");
    }
}

#[test]
fn a_pipe_says_each_line_and_prints_what_arrives() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.named("alice");
    let mut pipe = client_process(&hub, &["--nick", "robot"]);
    pipe.write("un\ndeux\n");
    assert_eq!(witness.line(), "<robot> un");
    assert_eq!(witness.line(), "<robot> deux");
    // Its input is still open: what arrives is printed meanwhile.
    witness.say("bien reçu");
    pipe.out.line(|line| line == "<alice> bien reçu");
    pipe.write("sans fin de ligne");
    let ended = pipe.end();
    assert_eq!(witness.line(), "<robot> sans fin de ligne");
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_pipe_still_prints_the_answer_to_its_last_command() {
    let hub = Hub::start(&["--quiet"]);
    let mut pipe = client_process(&hub, &[]);
    pipe.write("/ping le dernier");
    let ended = pipe.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("* pong le dernier\n"), "{ended:?}");
}

#[test]
fn a_large_pipe_arrives_whole() {
    let Some((server, port)) = serve(COUNTING_SERVER) else { return };
    let mut pipe = Process::spawn(&mut trappe(&["client", "127.0.0.1", "--port", &port]));
    let block = vec![b'x'; 1 << 20];
    for _ in 0..20 {
        pipe.write(&block);
    }
    assert_eq!(pipe.end().code, Some(0));
    let told = server.end().out;
    assert!(told.contains(&(20 << 20).to_string()), "{told}");
}

#[test]
fn nick_and_room_are_taken_before_the_first_word() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    witness.ask("/join jeu");
    let mut pipe = client_process(&hub, &["--nick", "robot", "--room", "jeu"]);
    pipe.write("me voici\n");
    assert_eq!(witness.line(), "<robot> me voici");
    assert_eq!(pipe.end().code, Some(0));
}

#[test]
fn a_name_that_is_refused_is_told_on_the_standard_error() {
    let hub = Hub::start(&["--quiet"]);
    let _alice = hub.named("alice");
    let pipe = client_process(&hub, &["--nick", "alice"]);
    pipe.err.line(|line| line.contains("alice"));
}

#[test]
fn in_raw_format_the_standard_output_is_data_alone() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    let target = format!("127.0.0.1:{}", hub.port());
    let mut pipe = Process::spawn(&mut trappe(&["client", &target, "--format", "raw"]));
    pipe.err.line(|line| line.starts_with(CONNECTED));
    pipe.write("prêt\n");
    assert!(alice.line().ends_with("> prêt"));
    alice.say("les données");
    pipe.out.line(|line| line == "les données");
    let ended = pipe.end();
    let replies = |line: &&str| !line.starts_with("* ");
    let data: Vec<&str> = ended.out.lines().filter(replies).collect();
    assert_eq!(data, ["les données"], "{ended:?}");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    let target = format!("127.0.0.1:{}", hub.port());
    let script = "(echo /ping; cat) | \"$0\" client \"$1\" | head -n 1";
    let mut shell = Process::run("sh", &["-c", script, TRAPPE, &target]);
    shell.out.line(|line| line.starts_with(CONNECTED));
    for _ in 0..100 {
        alice.say("encore un mot");
        alice.ask("");
    }
    shell.close_input();
    let ended = shell.end();
    assert!(!ended.err.contains("panic"), "{ended:?}");
}
