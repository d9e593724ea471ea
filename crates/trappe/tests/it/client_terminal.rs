//! `trappe client` on a terminal, which Python's `pty` module plays.

use crate::hub::{Hub, TRAPPE};
use crate::process::Process;
use crate::tools::python;

/// Runs the command of its arguments on a terminal: what is written to it is typed, what the terminal shows is printed; ends with its exit code.
pub(crate) const TERMINAL: &str = r"
import os, pty, sys, threading
pid, terminal = pty.fork()
if pid == 0:
    os.environ['TERM'] = 'xterm'
    os.execv(sys.argv[1], sys.argv[1:])
def type_it():
    while data := os.read(0, 1024):
        os.write(terminal, data)
threading.Thread(target=type_it, daemon=True).start()
try:
    while data := os.read(terminal, 1024):
        os.write(1, data)
except OSError:
    pass
os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

#[track_caller]
fn terminal(hub: &Hub, args: &[&str]) -> Option<Process> {
    let target = format!("127.0.0.1:{}", hub.port());
    let command = [&["-c", TERMINAL, TRAPPE, "client", &target], args].concat();
    let process = Process::run(python()?, &command);
    process.out.line(|line| line.contains("Client connecté !"));
    Some(process)
}

#[test]
fn each_way_to_leave_a_terminal_ends_it_with_0() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    for (round, leave) in ["/quit\r", "salut !\r", "\x04"].into_iter().enumerate() {
        let Some(mut typist) = terminal(&hub, &["--quit-word", "salut !"]) else { return };
        typist.write(format!("tour {round}\r"));
        assert!(witness.line().ends_with(&format!("> tour {round}")));
        // What arrives is shown once the editor has the terminal: until then the terminal itself would take a Ctrl-D.
        witness.say(&format!("vu {round}"));
        let seen = format!("vu {round}");
        typist.out.line(|line| line.contains(&seen));
        typist.write(leave);
        let ended = typist.ended_within(crate::process::PATIENCE);
        assert_eq!(ended.code, Some(0), "{leave:?}: {ended:?}");
    }
    let mut marker = hub.named("marker");
    marker.say("fin");
    assert_eq!(witness.line(), "<marker> fin", "the quit word itself was spoken");
}

#[test]
fn what_arrives_is_shown_while_one_types() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.named("alice");
    let Some(mut typist) = terminal(&hub, &[]) else { return };
    typist.write("bonjour\r");
    assert!(witness.line().ends_with("> bonjour"));
    typist.write("une phrase pas encore");
    witness.say("je vous coupe");
    typist.out.line(|line| line.contains("<alice> je vous coupe"));
    typist.write(" finie\r");
    assert!(witness.line().ends_with("> une phrase pas encore finie"));
}

/// A server that is no hub, and writes what no terminal should be given.
const HOSTILE_SERVER: &str = r"
import socket
server = socket.socket()
server.bind(('127.0.0.1', 0))
server.listen()
print(server.getsockname()[1], flush=True)
connection, _ = server.accept()
connection.sendall('\x1b]0;pris\x07\x1b[8m caché \u202e\u009b31m fin\n'.encode())
connection.recv(1024)
";

#[test]
fn nothing_that_a_server_sends_reaches_the_terminal_unescaped() {
    let Some(python) = python() else { return };
    let server = Process::run(&python, &["-c", HOSTILE_SERVER]);
    let port = server.out.line(|line| line.parse::<u16>().is_ok());
    let args = ["-c", TERMINAL, TRAPPE, "client", "127.0.0.1", "--port", &port];
    let typist = Process::run(&python, &args);
    let shown = typist.out.line(|line| line.contains("caché"));
    assert!(!shown.contains("\x1b]0;") && !shown.contains("\x1b[8m"), "{shown:?}");
    assert!(!shown.contains('\u{202e}') && !shown.contains('\u{9b}'), "{shown:?}");
}

#[test]
fn a_server_that_goes_away_is_said_and_is_a_failure() {
    let hub = Hub::start(&["--quiet"]);
    let Some(mut typist) = terminal(&hub, &[]) else { return };
    drop(hub);
    let ended = typist.ended_within(crate::process::PATIENCE);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.out.contains("connexion perdue"), "{ended:?}");
}
