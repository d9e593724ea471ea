//! The examples, as somebody tries them who has never seen this project: each is run as it stands, against a real hub.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::hub::Hub;
use crate::net_lab::Lab;
use crate::page;
use crate::peer::Peer;
use crate::process::Process;
use crate::tools::{python, tool};
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
