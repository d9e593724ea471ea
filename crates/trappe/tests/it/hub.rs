//! A running hub: `trappe server` on a port that the system chose.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::peer::Peer;
use crate::process::{Ended, PATIENCE, Process};

/// The binary under test.
pub(crate) const TRAPPE: &str = env!("CARGO_BIN_EXE_trappe");

/// The sentence of the specification that each connection brings to the console.
pub(crate) const ARRIVES: &str = "Un client vient de se connecter...";

/// A command that runs the binary, in no particular language.
pub(crate) fn trappe(args: &[&str]) -> Command {
    let mut command = Command::new(TRAPPE);
    command.args(args).env_remove("TRAPPE_LANG");
    command
}

/// A running hub, killed on drop.
pub(crate) struct Hub {
    process: Process,
    port: u16,
}

impl Hub {
    /// Starts `trappe server --port 0` with `args`, and waits until it listens.
    #[track_caller]
    pub(crate) fn start(args: &[&str]) -> Hub {
        Hub::launch(trappe(&["server", "--port", "0"]).args(args))
    }

    /// Starts a hub by any `command` (with an environment, under `sh`, …) and waits until it tells its port.
    #[track_caller]
    pub(crate) fn launch(command: &mut Command) -> Hub {
        let process = Process::spawn(command);
        // The first line is the sentence, the second says where.
        let port = process.out.wait(PATIENCE, |lines, _| port_in(lines.get(1)?));
        let Some(port) = port else {
            panic!("no port was told: {:#?} {:#?}", process.out.all(), process.err.all());
        };
        Hub { process, port }
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its number as a process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// A new member that is already written to.
    #[track_caller]
    pub(crate) fn member(&self) -> Peer {
        Peer::member(self.port)
    }

    /// A new member with a name.
    #[track_caller]
    pub(crate) fn named(&self, name: &str) -> Peer {
        let mut peer = self.member();
        peer.take_name(name);
        peer
    }

    /// A new connection that has said nothing yet.
    #[track_caller]
    pub(crate) fn connect(&self) -> Peer {
        Peer::connect(self.port)
    }

    /// A new connection that has said nothing, but is a member already: its line is on the console.
    #[track_caller]
    pub(crate) fn silent_listener(&self) -> Peer {
        let peer = self.connect();
        self.arrival(&peer);
        peer
    }

    /// The line that the arrival of `peer` brings to the console.
    #[track_caller]
    pub(crate) fn arrival(&self, peer: &Peer) -> String {
        let port = peer.address().port().to_string();
        let tells = |line: &str| line.split(|c: char| !c.is_ascii_digit()).any(|it| it == port);
        self.wait_console(|line| line.starts_with(ARRIVES) && tells(line))
    }

    /// What the console has shown so far.
    pub(crate) fn console(&self) -> Vec<String> {
        self.process.out.all()
    }

    /// Waits for a line on the console.
    #[track_caller]
    pub(crate) fn wait_console(&self, wanted: impl Fn(&str) -> bool) -> String {
        self.process.out.line(wanted)
    }

    /// What the log (standard error) has shown so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.process.err.all()
    }

    /// Sends it a signal, by its name: `TERM`, `INT`.
    #[track_caller]
    pub(crate) fn signal(&self, name: &str) {
        let kill = ["-c", "kill -s \"$0\" \"$1\"", name, &self.id().to_string()];
        let sent = Command::new("sh").args(kill).status().expect("there is a shell");
        assert!(sent.success(), "it is our child, and not yet waited for");
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub(crate) fn ended_within(&mut self, within: Duration) -> Ended {
        self.process.ended_within(within)
    }

    /// The processor time that it has used.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("it runs");
        // Fields 14 and 15 of proc_pid_stat(5), in ticks of 10 ms; the name in field 2 may hold spaces, so count from its end.
        let after_name = stat.rsplit(')').next().expect("there is a name");
        let ticks = after_name.split_whitespace().skip(11).take(2);
        Duration::from_millis(ticks.map(|t| 10 * t.parse::<u64>().expect("a number")).sum())
    }

    /// The memory that it holds, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it has memory");
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number of KiB")
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.id())).expect("it runs").count()
    }
}

/// The port in a line such as `écoute sur [::]:5566`: the digits after its last colon.
pub(crate) fn port_in(line: &str) -> Option<u16> {
    let (_, after) = line.rsplit_once(':')?;
    let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after[..end].parse().ok()
}
