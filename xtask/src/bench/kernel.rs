//! What the kernel knows about the datagrams of a run: how many wait for the server, and how many found a socket full.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, bail};

const TABLE: &str = "/proc/net/udp";
/// How often the table is read anew where it isn't whole: while others open and close sockets, lines of it get lost.
const TRIES: usize = 20;

/// The sockets of one server and of those that are connected to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sockets {
    /// Bytes that wait until the server reads them.
    pub(super) waiting: u64,
    /// Datagrams that found the server's socket full, since it was bound.
    pub(super) unread: u64,
    /// The same for the sockets that are connected to it.
    pub(super) unreceived: u64,
}

/// Looks now. So many sockets are connected to the server.
pub(super) fn look(server: SocketAddr, connected: usize) -> Result<Sockets> {
    let address = as_written(server).context("the server is bound to an IPv4 address")?;
    for _ in 0..TRIES {
        let table = std::fs::read_to_string(TABLE).with_context(|| format!("reading {TABLE}"))?;
        if let Some(sockets) = read(&table, &address, connected) {
            return Ok(sockets);
        }
    }
    bail!("{TABLE} doesn't show {server} with {connected} sockets connected to it")
}

/// An address as the table writes it: the octets as one number of this machine's, then the port.
fn as_written(address: SocketAddr) -> Option<String> {
    let IpAddr::V4(ip) = address.ip() else { return None };
    Some(format!("{:08X}:{:04X}", u32::from_ne_bytes(ip.octets()), address.port()))
}

/// The same from the table's text, if all of them are in it.
fn read(table: &str, server: &str, connected: usize) -> Option<Sockets> {
    let mut own = None;
    // By address: a line that moves while the table is read comes twice.
    let mut others = BTreeMap::new();
    for line in table.lines() {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [_, local, remote, _, queues, .., drops] = columns[..] else { continue };
        let drops: u64 = drops.parse().unwrap_or(0);
        if local == server {
            let waiting = queues.split_once(':').map_or("", |(_, waiting)| waiting);
            own = Some((u64::from_str_radix(waiting, 16).unwrap_or(0), drops));
        } else if remote == server {
            others.insert(local, drops);
        }
    }
    let (waiting, unread) = own?;
    let unreceived = others.values().sum();
    (others.len() == connected).then_some(Sockets { waiting, unread, unreceived })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sockets_of_a_server_and_of_its_clients_are_told_apart() {
        let server = as_written("127.0.0.1:34952".parse().expect("an address")).expect("IPv4");
        let local = format!("{:08X}", u32::from_ne_bytes([127, 0, 0, 1]));
        assert_eq!(server, format!("{local}:8888"));
        let table = format!(
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
             \x20  9: {server} 00000000:0000 07 00000000:00000A00 00:00000000 00000000     0        0 12 2 0000 7\n\
             \x20 10: {local}:1000 {server} 01 00000000:00000300 00:00000000 00000000     0        0 13 2 0000 3\n\
             \x20 11: {local}:1001 {server} 01 00000000:00000000 00:00000000 00000000     0        0 14 2 0000 1\n\
             \x20 12: {local}:1002 {local}:1000 01 00000000:00000000 00:00000000 00000000     0        0 15 2 0000 90\n"
        );
        let expected = Sockets { waiting: 0xa00, unread: 7, unreceived: 4 };
        assert_eq!(read(&table, &server, 2), Some(expected));
        assert_eq!(read(&table.repeat(2), &server, 2), Some(expected));
        assert_eq!(read(&table, &server, 3), None);
        assert_eq!(read(&table, "00000000:0001", 0), None);
    }
}
