//! A laboratory: network namespaces in which a test has networks of its own, where datagrams can be lost, counted and
//! forged.
//!
//! A test that enters one runs itself again as a child inside a namespace: there all its sockets are. Each hub has a
//! further namespace with a pair of interfaces between the two; the test's namespace is the router of them all. With
//! the processes the namespaces end.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{self, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{cell::Cell, env, io::Write, thread};

use serde_json::Value;
use socket2::{Domain, Protocol, Socket, Type};

use crate::hub::{Hub, TRAPPE};
use crate::peer::Peer;
use crate::tools::{skipped, tool};
use crate::udp_peer::UdpPeer;

/// Set where the test runs inside its namespace.
const INSIDE: &str = "TRAPPE_TEST_LAB";

/// What a hub's namespace is made of: `$1` is the number of its network, `$2` the process in whose namespace the other
/// end is. 198.18.0.0/15 is set aside for tests of networks (RFC 2544), `2001:db8::/32` for documents (RFC 3849).
const HUB: &str = "
set -e; number=$1; outside=$2; shift 2
ip link set lo up
ip link add hub0 type veth peer name lab$number netns $outside
ip address add 198.18.$number.1/24 dev hub0
ip address add 2001:db8:$number::1/64 dev hub0 nodad
ip link set hub0 up
ip route add default via 198.18.$number.2
exec \"$0\" server --port 0 \"$@\"
";

/// Rules that count all that comes from the first hub and isn't TCP, by the address it goes to: `to_2` and so on,
/// `to_others`. What isn't for the laboratory ends here.
pub(crate) const COUNTERS: &str = "
table inet lab {
    counter to_2 { }
    counter to_3 { }
    counter to_4 { }
    counter to_others { }
    chain heard {
        type filter hook prerouting priority -300;
        ip saddr 198.18.1.1 meta l4proto != tcp ip daddr 198.18.1.2 counter name to_2
        ip saddr 198.18.1.1 meta l4proto != tcp ip daddr 198.18.1.3 counter name to_3
        ip saddr 198.18.1.1 meta l4proto != tcp ip daddr 198.18.1.4 counter name to_4
        ip saddr 198.18.1.1 meta l4proto != tcp ip daddr != 198.18.1.2-198.18.1.4 counter name to_others
    }
    chain onward {
        type filter hook forward priority 0; policy drop;
    }
}
";

/// The namespace of a test.
pub(crate) struct Lab {
    nft: PathBuf,
    hubs: Cell<u8>,
}

/// A hub in a namespace of its own.
pub(crate) struct LabHub {
    /// The hub; its port is open on `ip`.
    pub(crate) hub: Hub,
    /// Its number, and that of its network.
    number: u8,
}

/// What a counter has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    /// Datagrams.
    pub(crate) datagrams: u64,
    /// Bytes in them, without the heads of IPv4 and UDP.
    pub(crate) bytes: u64,
}

impl Lab {
    /// Inside: the laboratory. Outside: runs the test that calls this inside, and gives `None` once that has passed; or
    /// says that it is skipped where namespaces aren't permitted.
    #[track_caller]
    pub(crate) fn enter() -> Option<Lab> {
        if env::var_os(INSIDE).is_some() {
            return Some(Lab::furnish(tool("nft")?));
        }
        let (unshare, _) = (tool("unshare")?, (tool("ip")?, tool("nsenter")?, tool("nft")?));
        let root = Command::new(&unshare).args(["--net", "true"]).output();
        if !root.is_ok_and(|output| output.status.success()) {
            skipped("root (network namespaces)");
            return None;
        }
        let test =
            thread::current().name().expect("each test has a thread with its name").to_owned();
        let program = env::current_exe().expect("this program is a file");
        let mut inside = Command::new(unshare);
        inside.arg("--net").arg(program).args(["--exact", &test, "--nocapture"]);
        let ended = inside.env(INSIDE, "1").output().expect("unshare starts");
        let said = [ended.stdout, ended.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        if let Some(line) = said.lines().find_map(|line| line.strip_prefix("skipped: needs ")) {
            skipped(line);
        }
        // Each line gets a mark, so that nobody takes the child's counts for the test's own.
        let said: String = said.lines().flat_map(|line| ["  | ", line, "\n"]).collect();
        assert!(ended.status.success(), "inside its namespace {test} failed:\n{said}");
        assert!(said.contains("1 passed"), "{test} did not run inside its namespace:\n{said}");
        None
    }

    fn furnish(nft: PathBuf) -> Lab {
        run(Command::new("ip").args(["link", "set", "lo", "up"]));
        for (key, value) in
            [("ip_forward", "1"), ("conf/all/rp_filter", "0"), ("conf/default/rp_filter", "0")]
        {
            fs::write(format!("/proc/sys/net/ipv4/{key}"), value).expect("the namespace is ours");
        }
        Lab { nft, hubs: Cell::new(0) }
    }

    /// Starts a hub in a namespace of its own, on 198.18.N.1; here is 198.18.N.2.
    #[track_caller]
    pub(crate) fn hub(&self, args: &[&str]) -> LabHub {
        let number = self.hubs.get() + 1;
        self.hubs.set(number);
        let numbers = [number.to_string(), process::id().to_string()];
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", HUB, TRAPPE]).args(&numbers).args(args);
        let hub = Hub::launch(command.env_remove("TRAPPE_LANG"));
        let hub = LabHub { hub, number };
        hub.add_address(2);
        let device = hub.device();
        let six = format!("2001:db8:{number}::2/64");
        run(Command::new("ip").args(["address", "add", &six, "dev", &device, "nodad"]));
        run(Command::new("ip").args(["link", "set", &device, "up"]));
        hub
    }

    /// Gives rules to the kernel's filter here.
    #[track_caller]
    pub(crate) fn nft(&self, rules: &str) {
        nft(Command::new(&self.nft), rules);
    }

    /// What the counter called `name` has counted here.
    #[track_caller]
    pub(crate) fn count(&self, name: &str) -> Count {
        let listed = run(Command::new(&self.nft).args(["--json", "list", "counters"]));
        let listed: Value = serde_json::from_str(&listed).expect("nft writes JSON");
        let mut counters = listed["nftables"].as_array().expect("a list").iter();
        let counter = counters.find_map(|it| Some(&it["counter"]).filter(|it| it["name"] == name));
        let counter = counter.unwrap_or_else(|| panic!("no counter {name} in {listed}"));
        let number = |key: &str| counter[key].as_u64().expect("a number");
        let datagrams = number("packets");
        Count { datagrams, bytes: number("bytes") - HEADS * datagrams }
    }
}

impl LabHub {
    /// Where it listens, as seen from the laboratory.
    pub(crate) fn address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(198, 18, self.number, 1), self.hub.port())
    }

    /// The address of the laboratory in its network that ends with `last`; 2 is there.
    pub(crate) fn outside(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.number, last)
    }

    /// Gives the laboratory one more address in its network.
    #[track_caller]
    pub(crate) fn add_address(&self, last: u8) -> Ipv4Addr {
        let address = self.outside(last);
        let (with_net, device) = (format!("{address}/24"), self.device());
        run(Command::new("ip").args(["address", "add", &with_net, "dev", &device]));
        address
    }

    /// A socket in the laboratory that has said nothing yet, not of the hub's machine.
    #[track_caller]
    pub(crate) fn stranger(&self) -> UdpPeer {
        UdpPeer::between((self.outside(2), 0), self.address())
    }

    /// A TCP member in the laboratory, which is told nothing but what is said.
    #[track_caller]
    pub(crate) fn listener(&self) -> Peer {
        let mut peer = Peer::over(TcpStream::connect(self.address()).expect("the hub listens"));
        peer.ready();
        peer
    }

    /// A stranger by IPv6.
    #[track_caller]
    pub(crate) fn stranger_by_ipv6(&self) -> UdpPeer {
        let at = |last: u16| {
            let ip = [0x2001, 0xdb8, u16::from(self.number), 0, 0, 0, 0, last];
            SocketAddr::from((ip, if last == 1 { self.hub.port() } else { 0 }))
        };
        UdpPeer::between(at(2), at(1))
    }

    /// Gives rules to the kernel's filter where the hub is.
    #[track_caller]
    pub(crate) fn nft(&self, rules: &str) {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.hub.id().to_string(), "--net", "nft"]);
        nft(command, rules);
    }

    /// The laboratory's end of the pair.
    pub(crate) fn device(&self) -> String {
        format!("lab{}", self.number)
    }
}

/// A relay holds no datagram back for longer, in microseconds.
const LATE_MAX_US: u64 = 30_000;

/// The bytes of the heads of IPv4 and UDP, which nftables counts too.
const HEADS: u64 = 28;

/// A table of one chain with rules, a line each, for what passes a hook of the kernel's filter.
pub(crate) fn rules(table: &str, hook: &str, rules: &str) -> String {
    format!(
        "table inet {table} {{\nchain c {{\ntype filter hook {hook} priority -300\n{rules}\n}}\n}}\n"
    )
}

/// Sends datagrams in the name of others.
pub(crate) struct Forger {
    socket: Socket,
}

impl Forger {
    /// Only root may.
    pub(crate) fn new() -> Forger {
        // IPPROTO_RAW (255): the head of IPv4 is ours to write; see raw(7).
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255)));
        Forger { socket: socket.expect("we are root in this namespace") }
    }

    /// Sends `payload` to `to` as if `from` had.
    #[track_caller]
    pub(crate) fn send(&self, from: SocketAddrV4, to: SocketAddrV4, payload: impl AsRef<[u8]>) {
        let payload = payload.as_ref();
        let length = u16::try_from(8 + payload.len()).expect("it fits a datagram");
        // The kernel fills in the length, the id and the checksum; 64 hops, protocol 17 (UDP).
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0];
        packet.extend_from_slice(&from.ip().octets());
        packet.extend_from_slice(&to.ip().octets());
        // No checksum (RFC 768: all zero).
        for number in [from.port(), to.port(), length, 0] {
            packet.extend_from_slice(&number.to_be_bytes());
        }
        packet.extend_from_slice(payload);
        let to = SocketAddr::from((*to.ip(), 0));
        let sent = self.socket.send_to(&packet, &to.into()).expect("there is a way there");
        assert_eq!(sent, packet.len());
    }
}

/// A network between one peer and a hub that loses, doubles, delays and so reorders one datagram in a few, in both
/// directions. Ends when it is dropped.
pub(crate) struct Relay {
    address: SocketAddr,
    _end: mpsc::Sender<()>,
}

impl Relay {
    /// The relay's own address is what the hub sees; equal seeds give equal fates to equal datagrams.
    #[track_caller]
    pub(crate) fn start(hub: &LabHub, seed: u64) -> Relay {
        let socket = UdpSocket::bind((hub.outside(2), 0)).expect("the address is there");
        let address = socket.local_addr().expect("it is bound");
        let (end, ended) = mpsc::channel();
        let hub = SocketAddr::from(hub.address());
        thread::spawn(move || mangle(&socket, hub, seed, &ended));
        Relay { address, _end: end }
    }

    /// A socket behind it, which has said nothing yet.
    pub(crate) fn peer(&self) -> UdpPeer {
        UdpPeer::between((self.address.ip(), 0), self.address)
    }
}

fn mangle(socket: &UdpSocket, hub: SocketAddr, mut seed: u64, ended: &mpsc::Receiver<()>) {
    // xorshift64 (Marsaglia 2003).
    let mut random = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let (mut peer, mut buffer) = (None, vec![0; 1 << 16]);
    let mut waiting: BTreeMap<(Instant, u64), (SocketAddr, Vec<u8>)> = BTreeMap::new();
    for number in 0.. {
        if ended.try_recv() == Err(mpsc::TryRecvError::Disconnected) {
            return;
        }
        let now = Instant::now();
        while waiting.first_key_value().is_some_and(|((due, _), _)| *due <= now) {
            let (_, (to, datagram)) = waiting.pop_first().expect("there is one");
            // One that can't be sent is one more that is lost.
            drop(socket.send_to(&datagram, to));
        }
        let next = waiting.keys().next().map_or(Duration::from_micros(LATE_MAX_US), |(due, _)| {
            due.saturating_duration_since(now).max(Duration::from_micros(1))
        });
        socket.set_read_timeout(Some(next)).expect("it isn't zero");
        let Ok((count, from)) = socket.recv_from(&mut buffer) else { continue };
        let to = if from == hub { peer } else { Some(hub) };
        if from != hub {
            peer = Some(from);
        }
        let copies = [0, 2, 2].get(usize::try_from(random(20)).expect("it is small")).unwrap_or(&1);
        for copy in 0..*copies {
            let late = if random(3) == 0 { random(LATE_MAX_US) } else { 0 };
            let datagram = buffer[..count].to_vec();
            let due = now + Duration::from_micros(late);
            waiting.insert((due, 2 * number + copy), (to.expect("it spoke first"), datagram));
        }
    }
}

/// Runs `command` to its end and gives its output.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let ended = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(ended.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8_lossy(&ended.stdout).into_owned()
}

#[track_caller]
fn nft(mut command: Command, rules: &str) {
    command.args(["--file", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(rules.as_bytes()).expect("nft reads its input");
    drop(input);
    let ended = child.wait_with_output().expect("it is our child");
    assert!(ended.status.success(), "{rules}: {}", String::from_utf8_lossy(&ended.stderr));
}
