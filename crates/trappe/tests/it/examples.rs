//! The examples, as somebody tries them who has never seen this project: each is run as it stands, against a real hub;
//! the two programs of the lesson in Rust (`crates/trappe/examples`) against each other.

use std::env;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::hub::{ARRIVES, Hub};
use crate::net_lab::Lab;
use crate::page;
use crate::peer::Peer;
use crate::process::{Ended, PATIENCE, Process};
use crate::tools::{needed, python, tool};
use crate::udp_peer::cookie;

/// Where the examples are.
fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)
}

/// `udp.c`, compiled with every warning an error.
#[track_caller]
fn compiled() -> Option<PathBuf> {
    let gcc = tool("gcc")?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("examples");
    fs::create_dir_all(&folder).expect("the tests may write below target");
    // Several tests may want it at once.
    let name = std::thread::current().name().expect("a test has a name").replace(':', "-");
    let program = folder.join(name);
    let mut command = Command::new(gcc);
    command.args(["-O2", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&program).arg(example("udp.c"));
    let ended = Process::spawn(&mut command).ended_within(Duration::from_mins(1));
    assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{ended:?}");
    Some(program)
}

/// Both programs, each with what it says.
fn programs() -> Option<[(Vec<PathBuf>, &'static str); 2]> {
    let (python, c) = (vec![python()?, example("udp.py")], vec![compiled()?]);
    Some([(python, "bonjour de Python, par UDP"), (c, "bonjour de C, par UDP")])
}

/// `program` talks with alice, who is there by TCP.
#[track_caller]
fn talks(program: &Process, alice: &mut Peer, says: &str) {
    let line = alice.until(|line| line.ends_with(&format!("> {says}")));
    let name = line.trim_start_matches('<').split('>').next().expect("a name").to_owned();
    assert!(name.starts_with("client-"), "{line}: it is a member");
    alice.say(&format!("bonjour {name}, ça va ?"));
    program.out.line(|line| line == format!("<alice> bonjour {name}, ça va ?"));
    let answer = alice.ask(&format!("/msg {name} à toi seul"));
    assert!(answer.iter().all(|line| !line.starts_with("! ")), "{answer:?}");
    program.out.line(|line| line == "-alice- à toi seul");
    let who = alice.ask("/who").concat();
    assert!(who.contains(&name), "{who}");
}

#[test]
fn a_whole_member_by_udp_in_ten_lines_talks_with_one_by_tcp() {
    let Some(programs) = programs() else { return };
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    for (command, says) in programs {
        let mut program = Command::new(&command[0]);
        program.args(&command[1..]).args(["localhost", &hub.port().to_string()]);
        talks(&Process::spawn(&mut program), &mut alice, says);
    }
}

#[test]
fn to_a_hub_of_another_machine_both_prove_their_address() {
    let Some(lab) = Lab::enter() else { return };
    let Some(programs) = programs() else { return };
    let there = lab.hub(&["--open", "--quiet"]);
    let stream = TcpStream::connect(there.address()).expect("the hub listens");
    let mut alice = Peer::over(stream);
    alice.take_name("alice");
    for (command, says) in programs {
        let (host, port) = (there.address().ip().to_string(), there.address().port().to_string());
        let mut program = Command::new(&command[0]);
        let program = Process::spawn(program.args(&command[1..]).args([&host, &port]));
        talks(&program, &mut alice, says);
        let all = program.out.all();
        assert!(cookie(&all[0], "lobby").is_some(), "it was asked for a proof: {all:?}");
    }
}

#[test]
fn ten_lines_are_ten() {
    let read = |name: &str| fs::read_to_string(example(name)).expect("it is committed");
    let python = read("udp.py");
    let code = python.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert_eq!(code.count(), 10);
    let c = read("udp.c");
    let main = c.lines().skip_while(|line| !line.starts_with("int main")).skip(1);
    assert_eq!(main.take_while(|line| *line != "}").count(), 10);
    for text in [python, c, read("arena.py"), read("arena.html"), read("README.md")] {
        assert!(text.lines().count() <= 200);
        assert!(text.lines().all(|line| line.chars().count() <= 120));
    }
}

#[test]
fn a_browser_sees_twenty_bots_walk_over_a_network_that_loses_every_fifth_datagram() {
    let Some(_python) = python() else { return };
    page::scenario("arena");
}

/// An example in Rust, as `cargo test` builds it beside this program, in a language that isn't the lesson's.
fn of_rust(name: &str) -> Option<Command> {
    let program = env::current_exe().expect("this program is a file");
    let target = program.parent().and_then(Path::parent).expect("it lies in target/PROFILE/deps");
    let found = Some(target.join("examples").join(name)).filter(|it| it.is_file());
    let mut command = Command::new(needed("the examples in Rust: cargo build --examples", found)?);
    command.env_remove("TRAPPE_LANG").env_remove("RUST_BACKTRACE").env("LC_ALL", "C");
    Some(command)
}

const HELLO: &str = "Bonjour à toi, je suis le client ! :)";

/// The lesson's client.
const LESSON_CLIENT: &str = r#"
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client.connect(("127.0.0.1", int(sys.argv[1])))
print("Client connecté !")
client.sendall("Bonjour à toi, je suis le client ! :)".encode("utf8"))
client.close()
"#;

#[track_caller]
fn lessons_client(hub: Option<&str>) -> Option<Ended> {
    let ended = Process::spawn(of_rust("client")?.args(hub)).end();
    assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{ended:?}");
    Some(ended)
}

/// The server, told to listen at `address`, and its clients, told to go to `hub` where the port isn't the usual one.
#[track_caller]
fn lesson(address: Option<&str>) -> Option<u16> {
    let mut server = Hub::launch(of_rust("server")?.args(address));
    let port = server.port();
    let hub = address.map(|_| format!("127.0.0.1:{port}"));
    for number in 1..=2 {
        assert_eq!(lessons_client(hub.as_deref())?.out, "Client connecté !\n");
        server.wait_console(|line| line == format!("<client-{number}> {HELLO}"));
    }
    if let Some(python) = python() {
        let mut command = Command::new(python);
        command.args(["-c", LESSON_CLIENT, &port.to_string()]).env("PYTHONIOENCODING", "utf8");
        assert_eq!(Process::spawn(&mut command).end().out, "Client connecté !\n");
        server.wait_console(|line| line == format!("<client-3> {HELLO}"));
    }
    let console = server.console();
    assert!(console[0].starts_with("Le serveur est démarré !"), "{console:#?}");
    let at = |wanted: &str| console.iter().position(|line| line.starts_with(wanted));
    assert!(at(ARRIVES).is_some() && at(ARRIVES) < at("<client-1>"), "{console:#?}");
    let arrivals = console.iter().filter(|line| line.starts_with(ARRIVES)).count();
    assert_eq!(arrivals, if python().is_some() { 3 } else { 2 }, "{console:#?}");
    // Ctrl-C.
    server.signal("INT");
    assert_eq!(server.ended_within(PATIENCE).code, Some(0));
    // Nobody listens there now.
    let refused = lessons_client(hub.as_deref())?;
    assert!(refused.out.starts_with("Connexion au serveur échoué ! ("), "{refused:?}");
    assert_eq!(refused.out.lines().count(), 1, "{refused:?}");
    Some(port)
}

#[test]
fn the_lessons_two_programs_in_rust_say_the_lessons_words() {
    lesson(Some("127.0.0.1:0"));
}

#[test]
fn without_an_address_the_lessons_programs_meet_where_the_lesson_says() {
    // The port may be anybody's on this machine, but nobody's in a network of the test's own.
    let Some(_lab) = Lab::enter() else { return };
    assert!(lesson(None).is_none_or(|port| port == 5566));
}

#[test]
fn the_lessons_server_in_rust_says_whose_port_it_would_have_and_ends() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = taken.local_addr().expect("it is bound");
    let Some(mut server) = of_rust("server") else { return };
    let ended = Process::spawn(server.arg(address.to_string())).end();
    assert_eq!((ended.code, &*ended.out), (Some(1), ""), "{ended:?}");
    let whose = format!("Error: starting a hub: port {} is in use by ", address.port());
    let what_to_do = format!(
        "(pid {}); stop it, or listen elsewhere: port 0 takes a free one\n",
        std::process::id()
    );
    assert!(ended.err.starts_with(&whose) && ended.err.ends_with(&what_to_do), "{ended:?}");
}
