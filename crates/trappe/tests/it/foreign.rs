//! The programs that people already have, each of them a member without knowing it.

use std::fmt::Write as _;

use crate::hub::Hub;
use crate::process::Process;
use crate::tools::{netcat, python, tool};

/// The lesson's client, word for word what it does: connect, send all, close.
const LESSON_CLIENT: &str = r"
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
try:
    client.connect(('localhost', int(sys.argv[1])))
    print('Client connecté !')
    client.sendall('Bonjour à toi, je suis le client ! :)'.encode('utf8'))
except ConnectionRefusedError:
    print('Connexion au serveur échoué !')
finally:
    client.close()
";

const HELLO: &str = "Bonjour à toi, je suis le client ! :)";

/// Ten lines of a listener: it prints what it is sent until it has seen the last word.
const LISTENER: &str = r"
import socket, sys
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
s.sendall(b'/quiet on\n')
for line in s.makefile(encoding='utf8', newline='\n'):
    print(line, end='', flush=True)
    if line.endswith('> fin\n'): break
";

#[test]
fn the_lessons_client_is_understood_a_hundred_times_of_a_hundred() {
    let Some(python) = python() else { return };
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    let mut script = String::from("import socket, sys\n");
    // One interpreter for all: a hundred starts of Python would measure Python.
    write!(script, "for _ in range(100):\n exec({LESSON_CLIENT:?})\n").expect("a String takes it");
    let ended = Process::run(&python, &["-c", &script, &hub.port().to_string()]).end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let mut heard: Vec<String> = (0..100).map(|_| witness.line()).collect();
    heard.sort_unstable();
    heard.dedup();
    assert_eq!(heard.len(), 100, "each of its own number");
    assert!(heard.iter().all(|line| line.ends_with(&format!("> {HELLO}"))), "{heard:?}");
}

#[test]
fn ten_lines_of_python_listen_and_are_heard() {
    let Some(python) = python() else { return };
    let hub = Hub::start(&["--quiet"]);
    let listener = Process::run(&python, &["-c", LISTENER, &hub.port().to_string()]);
    // It is in once it was answered.
    listener.out.line(|line| line.starts_with("* "));
    let mut alice = hub.named("alice");
    alice.say("à toutes et à tous");
    alice.say("fin");
    let ended = listener.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.ends_with("<alice> à toutes et à tous\n<alice> fin\n"), "{ended:?}");
}

/// A program that is a member as long as its input is open: what it is given is heard, what others say is in its output.
#[track_caller]
fn talks_both_ways(mut program: Process, hub: &Hub, end_of_line: &str) -> Process {
    let mut alice = hub.named("alice");
    program.write(format!("bonjour, ça va ?{end_of_line}"));
    let heard = alice.line();
    assert!(heard.ends_with("> bonjour, ça va ?"), "{heard}");
    alice.say("très bien");
    program.out.line(|line| line.trim_end() == "<alice> très bien");
    program
}

#[test]
fn netcat_talks_both_ways_and_stays_until_its_user_ends_it() {
    let Some(netcat) = netcat() else { return };
    let hub = Hub::start(&["--quiet"]);
    let program = Process::run(&netcat, &["127.0.0.1", &hub.port().to_string()]);
    let mut program = talks_both_ways(program, &hub, "\n");
    // Without -N the end of its input is none of its connection: it goes on listening.
    program.close_input();
    let mut bob = hub.named("bob");
    bob.say("tu es encore là ?");
    program.out.line(|line| line == "<bob> tu es encore là ?");
}

#[test]
fn netcat_with_n_says_its_word_and_ends() {
    let Some(netcat) = netcat() else { return };
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    let port = hub.port().to_string();
    for word in ["sans saut de ligne", "avec\n", "deux\nlignes"] {
        let mut program = Process::run(&netcat, &["-N", "127.0.0.1", &port]);
        program.write(word);
        let ended = program.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        for line in word.lines() {
            assert!(witness.line().ends_with(&format!("> {line}")), "{word:?}");
        }
    }
}

#[test]
fn netcat_that_sends_neither_newline_nor_end_is_heard_all_the_same() {
    let Some(netcat) = netcat() else { return };
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    let mut program = Process::run(&netcat, &["127.0.0.1", &hub.port().to_string()]);
    program.write("hello");
    program.close_input();
    assert_eq!(witness.line(), "<client-2> hello");
}

#[test]
fn ncat_talks_both_ways() {
    let Some(ncat) = tool("ncat") else { return };
    let hub = Hub::start(&["--quiet"]);
    let port = hub.port().to_string();
    let program = Process::run(&ncat, &["127.0.0.1", &port]);
    assert_eq!(talks_both_ways(program, &hub, "\n").end().code, Some(0));
    let staying = Process::run(&ncat, &["--no-shutdown", "127.0.0.1", &port]);
    let mut staying = talks_both_ways(staying, &hub, "\n");
    staying.close_input();
    let mut bob = hub.named("bob");
    bob.say("tu es encore là ?");
    staying.out.line(|line| line == "<bob> tu es encore là ?");
}

#[test]
fn socat_talks_both_ways() {
    let Some(socat) = tool("socat") else { return };
    let hub = Hub::start(&["--quiet"]);
    let program = Process::run(&socat, &["-", &format!("TCP4:127.0.0.1:{}", hub.port())]);
    assert_eq!(talks_both_ways(program, &hub, "\n").end().code, Some(0));
    let crlf = Process::run(&socat, &["-", &format!("TCP4:127.0.0.1:{},crnl", hub.port())]);
    talks_both_ways(crlf, &hub, "\n");
}

#[test]
fn telnet_talks_both_ways() {
    let Some(telnet) = tool("telnet") else { return };
    let hub = Hub::start(&["--quiet"]);
    let program = Process::run(&telnet, &["127.0.0.1", &hub.port().to_string()]);
    program.out.line(|line| line.starts_with("Escape character"));
    talks_both_ways(program, &hub, "\n");
}

#[test]
fn bash_alone_talks_both_ways() {
    const SCRIPT: &str = r#"
exec 3<>"/dev/tcp/127.0.0.1/$1"
cat <&3 &
while IFS= read -r line; do printf '%s\n' "$line" >&3; done
kill $!
"#;
    let Some(bash) = tool("bash") else { return };
    let hub = Hub::start(&["--quiet"]);
    let program = Process::run(&bash, &["-c", SCRIPT, "bash", &hub.port().to_string()]);
    talks_both_ways(program, &hub, "\n").end();
}

#[test]
fn all_of_them_in_one_room_hear_the_lessons_sentence() {
    let (Some(python), Some(netcat)) = (python(), netcat()) else { return };
    let (Some(ncat), Some(socat)) = (tool("ncat"), tool("socat")) else { return };
    let hub = Hub::start(&["--quiet"]);
    let port = hub.port().to_string();
    let mut listeners = vec![
        Process::run(&netcat, &["127.0.0.1", &port]),
        Process::run(&ncat, &["127.0.0.1", &port]),
        Process::run(&socat, &["-", &format!("TCP4:127.0.0.1:{port}")]),
    ];
    for listener in &mut listeners {
        listener.write("/ping là\n");
        listener.out.line(|line| line == "* pong là");
    }
    Process::run(&python, &["-c", LESSON_CLIENT, &port]).end();
    for listener in &listeners {
        listener.out.line(|line| line.ends_with(&format!("> {HELLO}")));
    }
}
