//! The servers that are compared: which are installed, how each starts, what it costs, and that it ends.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::time::TimeValLike;
use nix::time::ClockId;
use nix::unistd::Pid;

use super::proto::Wire;
use crate::run::find_command;

/// How long a server may take until it can be connected to.
const START_MAX: Duration = Duration::from_secs(10);
/// How often its port is tried.
const TRY: Duration = Duration::from_millis(20);
/// The sentence after which trappe says where it listens.
pub(super) const STARTED: &str = "Le serveur est démarré !";

/// A server that can be started.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) wire: Wire,
    pub(super) program: PathBuf,
    /// With `{port}` and `{dir}` (a scratch folder) to be filled in.
    pub(super) arguments: &'static [&'static str],
    /// It chooses its port itself and prints it.
    pub(super) says_port: bool,
    /// It can be connected to; the bare loop takes nothing but datagrams.
    pub(super) listens: bool,
    /// The most members that it can hold.
    pub(super) members_max: usize,
}

/// What it takes to run a peer.
struct Known {
    name: &'static str,
    wire: Wire,
    command: &'static str,
    /// Names another binary.
    variable: &'static str,
    arguments: &'static [&'static str],
    members_max: usize,
}

const PEERS: &[Known] = &[
    Known {
        name: "redis",
        wire: Wire::Redis,
        command: "redis-server",
        variable: "REDIS_SERVER",
        // No persistence, no limit of what a slow subscriber may have pending: what is compared is the fan-out.
        arguments: &[
            "--port",
            "{port}",
            "--bind",
            "127.0.0.1",
            "--dir",
            "{dir}",
            "--save",
            "",
            "--appendonly",
            "no",
            "--maxclients",
            "10000",
            "--client-output-buffer-limit",
            "pubsub 0 0 0",
        ],
        members_max: 9_000,
    },
    Known {
        name: "nats",
        wire: Wire::Nats,
        command: "nats-server",
        variable: "NATS_SERVER",
        arguments: &["-a", "127.0.0.1", "-p", "{port}"],
        members_max: 9_000,
    },
    Known {
        name: "mosquitto",
        wire: Wire::Mqtt,
        command: "mosquitto",
        variable: "MOSQUITTO",
        arguments: &["-c", "{dir}/mosquitto.conf"],
        members_max: 9_000,
    },
    Known {
        name: "ncat",
        wire: Wire::Line,
        command: "ncat",
        variable: "NCAT",
        arguments: &["-l", "127.0.0.1", "{port}", "--broker", "-m", "500"],
        // It waits with select(), which can't look at descriptors past 1023.
        members_max: 500,
    },
];

/// How trappe is started in raw format …
const RAW: &[&str] = &[
    "server",
    "--host",
    "127.0.0.1",
    "--port",
    "0",
    "--quiet",
    "--workers",
    "1",
    "--format",
    "raw",
];
/// … and in text, its default.
const TEXT: &[&str] = RAW.split_at(RAW.len() - 2).0;

/// trappe in raw format, and in text.
pub(super) fn ours(trappe: &Path) -> [Peer; 2] {
    [(super::REFERENCE, RAW), ("trappe-text", TEXT)].map(|(name, arguments)| Peer {
        name,
        wire: Wire::Line,
        program: trappe.to_path_buf(),
        arguments,
        says_port: true,
        listens: true,
        members_max: usize::MAX,
    })
}

/// The bare loop of datagrams: this very program, under another command.
pub(super) fn bare() -> Result<Peer> {
    Ok(Peer {
        name: "bare",
        wire: Wire::Line,
        program: std::env::current_exe().context("looking for this program")?,
        arguments: &[super::BARE_LOOP],
        says_port: true,
        listens: false,
        members_max: usize::MAX,
    })
}

/// trappe in both formats, then every peer that is installed, in this order.
pub(super) fn installed(trappe: &Path) -> Vec<Peer> {
    let mut peers = ours(trappe).to_vec();
    for known in PEERS {
        let named = std::env::var_os(known.variable).map(PathBuf::from);
        if let Some(program) = named.or_else(|| find_command(known.command)) {
            let Known { name, wire, arguments, members_max, .. } = *known;
            peers.push(Peer {
                name,
                wire,
                program,
                arguments,
                says_port: false,
                listens: true,
                members_max,
            });
        }
    }
    peers
}

/// A running server. It ends with this value, by its id, also when a run fails or panics.
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Peer {
    /// Starts the server on a free port of the loopback and waits until it can be connected to.
    pub(super) fn start(&self, scratch: &Path) -> Result<Server> {
        let mut port = if self.says_port { 0 } else { free_port()? };
        let scratch_name = scratch.to_str().context("the target folder's name is not UTF-8")?;
        if self.wire == Wire::Mqtt {
            let settings = format!(
                "listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nset_tcp_nodelay true\nlog_type error\n"
            );
            std::fs::write(scratch.join("mosquitto.conf"), settings)
                .context("writing mosquitto.conf")?;
        }
        let arguments = self
            .arguments
            .iter()
            .map(|word| word.replace("{port}", &port.to_string()).replace("{dir}", scratch_name));
        let child = Command::new(&self.program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(if self.says_port { Stdio::piped() } else { Stdio::null() })
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {}", self.program.display()))?;
        let mut server = Server { child, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)) };
        if self.says_port {
            port = server.said_port().with_context(|| format!("starting {}", self.name))?;
            server.address.set_port(port);
        }
        if self.listens {
            server.wait_for_port().with_context(|| format!("starting {}", self.name))?;
        }
        Ok(server)
    }
}

impl Server {
    /// User and system time of the whole process so far, ended threads included.
    pub(super) fn cpu(&self) -> Result<Duration> {
        let pid =
            Pid::from_raw(i32::try_from(self.child.id()).context("a process id past 31 bits")?);
        let clock = ClockId::pid_cpu_clock_id(pid).context("the server's processor clock")?;
        let spent = clock.now().context("the server's processor clock")?;
        Ok(Duration::from_nanos(u64::try_from(spent.num_nanoseconds()).unwrap_or(0)))
    }

    /// How many descriptors it has open: its connections, and a few of its own.
    pub(super) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).map_or(0, Iterator::count)
    }

    fn said_port(&mut self) -> Result<u16> {
        let out = self.child.stdout.take().context("no output to read the port from")?;
        let (found, inbox) = mpsc::channel();
        // Goes on reading after the port: a server whose output nobody takes might wait for that.
        std::thread::spawn(move || {
            let mut started = false;
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let rest = if started {
                    Some(line.as_str())
                } else {
                    line.split_once(STARTED).map(|(_, rest)| rest)
                };
                started |= rest.is_some();
                if let Some(port) = rest.and_then(port_in) {
                    // Nobody waits any more once the first was found.
                    let _told = found.send(port);
                }
            }
        });
        inbox.recv_timeout(START_MAX).context("it printed no port")
    }

    fn wait_for_port(&mut self) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < START_MAX {
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait().context("waiting for it")? {
                bail!("it ended at once: {status}");
            }
            std::thread::sleep(TRY);
        }
        bail!("nothing listens on {} after {} s", self.address, START_MAX.as_secs())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Either may fail only because it has already ended.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A port that is free now; the system doesn't give it again so soon.
fn free_port() -> Result<u16> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    Ok(listener.local_addr().context("looking for a free port")?.port())
}

/// The first `:NUMBER` of a line that is a port.
fn port_in(line: &str) -> Option<u16> {
    line.match_indices(':').find_map(|(at, _)| {
        let digits: String = line[at + 1..].chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok().filter(|&port| port > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_the_first_number_after_a_colon() {
        for (line, port) in [
            ("  127.0.0.1:41234 (loopback)", Some(41234)),
            ("adresses : [::]:5566", Some(5566)),
            ("nothing: here", None),
            ("too:99999 big", None),
        ] {
            assert_eq!(port_in(line), port, "{line}");
        }
    }
}
