//! Where a hub is: what people type for it, and the order in which the addresses of a name are tried.

use std::{
    fmt,
    net::{Ipv6Addr, SocketAddr},
    str::FromStr,
};

/// The port of a hub where none is named.
pub(crate) const PORT_DEFAULT: u16 = 5566;
/// The host of a hub where none is named.
pub(crate) const HOST_DEFAULT: &str = "localhost";

/// What was typed for a hub, `HOST[:PORT]`: a name, an IPv4 address, an IPv6 address (in brackets where a port follows).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// A name or an address, without brackets; an IPv6 zone (`%eth0`) stays.
    pub(crate) host: String,
    /// The port, where one was typed; never 0.
    pub(crate) port: Option<u16>,
}

/// Why a text is no [`Target`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TargetError {
    /// Nothing at all.
    #[error("it is empty; such as localhost, 192.0.2.7:5566, [::1]:5566")]
    Empty,
    /// Brackets that aren't closed, that hold no IPv6 address, or that something else than a port follows.
    #[error("brackets are for an IPv6 address, such as [::1]:5566")]
    Brackets,
    /// Colons, as in an IPv6 address, but it isn't one.
    #[error("too many colons, and it is no IPv6 address")]
    Colons,
    /// What follows the last colon is no port.
    #[error("{0:?} is no port: 1 to 65535")]
    Port(String),
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if text.is_empty() {
            return Err(TargetError::Empty);
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (host, after) = rest.split_once(']').ok_or(TargetError::Brackets)?;
            if !is_ipv6(host) {
                return Err(TargetError::Brackets);
            }
            let port = match after.strip_prefix(':') {
                Some(port) => Some(parse_port(port)?),
                None if after.is_empty() => None,
                None => return Err(TargetError::Brackets),
            };
            return Ok(Self { host: host.to_owned(), port });
        }
        match text.split_once(':') {
            None => Ok(Self { host: text.to_owned(), port: None }),
            Some(_) if is_ipv6(text) => Ok(Self { host: text.to_owned(), port: None }),
            Some((_, rest)) if rest.contains(':') => Err(TargetError::Colons),
            Some((host, port)) => {
                let host = if host.is_empty() { HOST_DEFAULT } else { host };
                Ok(Self { host: host.to_owned(), port: Some(parse_port(port)?) })
            }
        }
    }
}

fn is_ipv6(text: &str) -> bool {
    let address = text.split_once('%').map_or(text, |(address, _zone)| address);
    address.parse::<Ipv6Addr>().is_ok()
}

fn parse_port(text: &str) -> Result<u16, TargetError> {
    // `parse` alone would take "+5566" too.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port) if digits && port > 0 => Ok(port),
        _ => Err(TargetError::Port(text.to_owned())),
    }
}

/// A hub's host and port, both known. Shown as it would be typed: `localhost:5566`, `[::1]:5566`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name or an address, without brackets.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The order in which the addresses of a name are tried (RFC 8305 §4): as the system's resolver sorted them (RFC 6724), but the two families take
/// turns, that of the first address first; each address once.
#[must_use]
pub(crate) fn interleave(resolved: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut once: Vec<SocketAddr> = Vec::with_capacity(resolved.len());
    for &address in resolved {
        if !once.contains(&address) {
            once.push(address);
        }
    }
    let leads_v6 = once.first().is_some_and(SocketAddr::is_ipv6);
    let (mut leading, mut other): (Vec<_>, Vec<_>) =
        once.into_iter().partition(|address| address.is_ipv6() == leads_v6);
    // Taken from their ends below.
    leading.reverse();
    other.reverse();
    let mut order = Vec::with_capacity(leading.len() + other.len());
    while let Some(address) = leading.pop().or_else(|| other.pop()) {
        order.push(address);
        order.extend(other.pop());
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_for_a_hub_is_understood() {
        let good: &[(&str, &str, Option<u16>)] = &[
            ("localhost", "localhost", None),
            ("localhost:5566", "localhost", Some(5566)),
            ("hub.example.org:1", "hub.example.org", Some(1)),
            ("192.0.2.7:65535", "192.0.2.7", Some(65535)),
            (":7000", "localhost", Some(7000)),
            ("::1", "::1", None),
            ("[::1]", "::1", None),
            ("[::1]:5566", "::1", Some(5566)),
            ("::ffff:192.0.2.7", "::ffff:192.0.2.7", None),
            ("fe80::1%eth0", "fe80::1%eth0", None),
            ("[fe80::1%eth0]:5566", "fe80::1%eth0", Some(5566)),
        ];
        for &(text, host, port) in good {
            assert_eq!(text.parse(), Ok(Target { host: host.to_owned(), port }), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        let port = |text: &str| TargetError::Port(text.to_owned());
        let bad = [
            ("", TargetError::Empty),
            ("localhost:", port("")),
            ("localhost:0", port("0")),
            ("localhost:65536", port("65536")),
            ("localhost:+80", port("+80")),
            ("localhost:http", port("http")),
            ("[::1]:", port("")),
            ("[::1", TargetError::Brackets),
            ("[::1]5566", TargetError::Brackets),
            ("[localhost]:5566", TargetError::Brackets),
            ("[]:5566", TargetError::Brackets),
            ("a:b:5566", TargetError::Colons),
            ("1::2::3", TargetError::Colons),
        ];
        for (text, why) in bad {
            assert_eq!(text.parse::<Target>(), Err(why), "{text}");
        }
    }

    #[test]
    fn an_address_is_shown_as_it_is_typed() {
        for (host, shown) in [("localhost", "localhost:7"), ("::1", "[::1]:7")] {
            assert_eq!(Address { host: host.to_owned(), port: 7 }.to_string(), shown);
        }
    }

    #[test]
    fn the_two_families_take_turns_and_the_resolvers_first_leads() {
        let cases: &[(&[&str], &[&str])] = &[
            (&[], &[]),
            (&["192.0.2.1:1"], &["192.0.2.1:1"]),
            (&["[::1]:1", "127.0.0.1:1"], &["[::1]:1", "127.0.0.1:1"]),
            (&["127.0.0.1:1", "[::1]:1"], &["127.0.0.1:1", "[::1]:1"]),
            (&["[::1]:1", "[::2]:1", "192.0.2.1:1"], &["[::1]:1", "192.0.2.1:1", "[::2]:1"]),
            (
                &["[::1]:1", "192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1"],
                &["[::1]:1", "192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1"],
            ),
            (&["192.0.2.1:1", "192.0.2.1:1", "[::1]:1"], &["192.0.2.1:1", "[::1]:1"]),
        ];
        let parse = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().expect("an address of this table")).collect()
        };
        for (resolved, order) in cases {
            assert_eq!(interleave(&parse(resolved)), parse(order), "{resolved:?}");
        }
    }
}
