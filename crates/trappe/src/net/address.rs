//! Addresses: where the hub is to listen, who came, and which names and pages a browser may bring along.

use std::{
    ffi::OsStr,
    fmt,
    net::{IpAddr, SocketAddr},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use trappe_core::encode::escape::to_terminal;

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Over TCP; an IPv4 peer of a dual-stack listener is one of IPv4.
    Ip(SocketAddr),
    /// Over a Unix socket, which has no address to tell: a process of this machine.
    Unix,
}

impl Peer {
    /// Whether it is on this machine. Behind a local proxy everybody seems to be.
    pub(crate) fn is_local(self) -> bool {
        self.ip().is_none_or(|ip| ip.is_loopback())
    }

    /// Its address, if it has one.
    pub(crate) fn ip(self) -> Option<IpAddr> {
        match self {
            Peer::Ip(address) => Some(address.ip().to_canonical()),
            Peer::Unix => None,
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Peer {
        Peer::Ip(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }
}

/// The address, or `unix`.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Ip(address) => address.fmt(f),
            Peer::Unix => f.pad("unix"),
        }
    }
}

/// An address to listen on, as `--listen` takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    /// `PORT`, `:PORT`, `*:PORT`: every address of the machine.
    Every(u16),
    /// `localhost:PORT`: 127.0.0.1, and `::1` where the machine has it.
    Localhost(u16),
    /// `192.0.2.7:PORT`, `[::1]:PORT`: that one.
    Tcp(SocketAddr),
    /// `unix:PATH`: a Unix socket.
    Unix(PathBuf),
}

/// Why a text is no [`Listen`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ListenError {
    /// Neither an address with a port nor a socket's path.
    #[error("such as 5566, 127.0.0.1:5566, [::1]:5566, localhost:5566, unix:/run/trappe.sock")]
    Unknown,
    /// A name would have to be looked up, and may mean another machine tomorrow.
    #[error("an address of this machine, not a name (but localhost): such as 192.0.2.7:5566")]
    Name,
    /// An address without a port.
    #[error("a port is missing: such as 127.0.0.1:5566, [::1]:5566")]
    NoPort,
    /// `unix:` alone, or a path that ends with a slash.
    #[error("the path of a socket is missing: such as unix:/run/trappe.sock")]
    NoPath,
    /// `unix:@name`: sockets without a file have no permissions either.
    #[error(
        "abstract sockets aren't supported: anybody could connect; a file of that name is unix:./@…"
    )]
    Abstract,
}

impl Listen {
    /// Reads what was typed; a path may be of any bytes.
    ///
    /// # Errors
    /// [`ListenError`], with what would have been right.
    pub(crate) fn parse(typed: &OsStr) -> Result<Listen, ListenError> {
        if let Some(path) = unix_path(typed) {
            return match path.as_os_str().as_bytes() {
                [] | [.., b'/'] => Err(ListenError::NoPath),
                [b'@', ..] => Err(ListenError::Abstract),
                _ => Ok(Listen::Unix(path.to_owned())),
            };
        }
        let text = typed.to_str().ok_or(ListenError::Unknown)?;
        if let Ok(address) = text.parse() {
            return Ok(Listen::Tcp(address));
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let bare = bare.unwrap_or(text);
        if bare.parse::<IpAddr>().is_ok() {
            return Err(ListenError::NoPort);
        }
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        // `parse` alone would take "+5566" too.
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| digits).ok_or(ListenError::Unknown)?;
        match host {
            "" | "*" => Ok(Listen::Every(port)),
            "localhost" => Ok(Listen::Localhost(port)),
            _ if host.contains([':', '[', '/']) => Err(ListenError::Unknown),
            _ => Err(ListenError::Name),
        }
    }
}

/// What follows `unix:`, where a text begins so.
pub(crate) fn unix_path(typed: &OsStr) -> Option<&Path> {
    let path = typed.as_bytes().strip_prefix(b"unix:")?;
    Some(Path::new(OsStr::from_bytes(path)))
}

/// A socket's path as it is shown: escaped, on one line.
pub(crate) fn shown(path: &Path) -> String {
    to_terminal(&path.to_string_lossy()).into_owned()
}

/// A socket's path as a shell takes it: in quotes where it must be.
pub(crate) fn quoted(path: &Path) -> String {
    let path = shown(path);
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@%".contains(c);
    if path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

/// Reads a name for `--allow-host`: a host's name or address, in lower case; a port behind it means nothing, and goes.
///
/// # Errors
/// A sentence that says what would have been right.
pub(crate) fn host_name(text: &str) -> Result<String, String> {
    authority(text)
        .map(|(host, _)| host)
        .ok_or_else(|| "the name alone, such as hub.example.org".to_owned())
}

/// Reads an origin for `--allow-origin`, as browsers write it (RFC 6454 §6.2), or `*`.
///
/// # Errors
/// A sentence that says what would have been right.
pub(crate) fn origin(text: &str) -> Result<String, String> {
    if text == "*" {
        return Ok(text.to_owned());
    }
    if text.eq_ignore_ascii_case("null") {
        return Err("`null` may be any page at all (a sandbox, a file): it can't be allowed".into());
    }
    let right = || "a scheme and a host, such as https://example.org".to_owned();
    let (scheme, rest) = text.split_once("://").ok_or_else(right)?;
    let mut letters = scheme.bytes();
    let known = letters.next().is_some_and(|b| b.is_ascii_alphabetic())
        && letters.all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let scheme = scheme.to_ascii_lowercase();
    // A slash at the end is what an address bar gives; no browser sends it.
    let (host, port) = authority(rest.strip_suffix('/').unwrap_or(rest)).ok_or_else(right)?;
    match (known, scheme.as_str(), port) {
        (false, ..) => Err(right()),
        (_, "http", Some(80)) | (_, "https", Some(443)) | (.., None) => {
            Ok(format!("{scheme}://{host}"))
        }
        (.., Some(port)) => Ok(format!("{scheme}://{host}:{port}")),
    }
}

/// `host[:port]` of a URL (RFC 3986 §3.2.2), without what no browser would send: the host in lower case, without a last dot.
fn authority(text: &str) -> Option<(String, Option<u16>)> {
    if let Some(inner) = text.strip_prefix('[') {
        let (address, rest) = inner.split_once(']')?;
        let address: std::net::Ipv6Addr = address.parse().ok()?;
        let port = if rest.is_empty() { None } else { Some(port(rest.strip_prefix(':')?)?) };
        return Some((format!("[{address}]"), port));
    }
    let (name, port) = match text.split_once(':') {
        Some((name, digits)) => (name, Some(port(digits)?)),
        None => (text, None),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    // RFC 1035 §2.3.4: a label has 63 characters at most, a name 253 as it is typed.
    (name.len() <= 253 && name.split('.').all(is_label)).then(|| (name.to_ascii_lowercase(), port))
}

fn port(digits: &str) -> Option<u16> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(text: &str) -> Result<Listen, ListenError> {
        Listen::parse(OsStr::new(text))
    }

    #[test]
    fn where_to_listen_is_read_as_it_is_typed() {
        let tcp = |text: &str| Listen::Tcp(text.parse().expect("an address of this table"));
        let unix = |path: &str| Listen::Unix(path.into());
        let table = [
            ("5566", Listen::Every(5566)),
            (":5566", Listen::Every(5566)),
            ("*:0", Listen::Every(0)),
            ("localhost:5566", Listen::Localhost(5566)),
            ("127.0.0.1:5566", tcp("127.0.0.1:5566")),
            ("0.0.0.0:5566", tcp("0.0.0.0:5566")),
            ("[::1]:5566", tcp("[::1]:5566")),
            ("[fe80::1%2]:0", tcp("[fe80::1%2]:0")),
            ("unix:/run/trappe.sock", unix("/run/trappe.sock")),
            ("unix:hub", unix("hub")),
            ("unix:./@hub", unix("./@hub")),
            ("unix:/a:b c", unix("/a:b c")),
        ];
        for (text, meant) in table {
            assert_eq!(listen(text), Ok(meant), "{text}");
        }
        let any_bytes = OsStr::from_bytes(b"unix:/run/\xE9t\xE9");
        let path = OsStr::from_bytes(b"/run/\xE9t\xE9");
        assert_eq!(Listen::parse(any_bytes), Ok(Listen::Unix(path.into())));
    }

    #[test]
    fn what_nobody_can_listen_on_is_refused_with_its_reason() {
        let table = [
            ("", ListenError::Unknown),
            (":", ListenError::Unknown),
            ("65536", ListenError::Unknown),
            ("+80", ListenError::Unknown),
            (":+80", ListenError::Unknown),
            ("/run/trappe.sock", ListenError::Unknown),
            ("::1:x", ListenError::Unknown),
            ("[::1:5566", ListenError::Unknown),
            ("http://localhost:5566", ListenError::Unknown),
            ("hub.example.org:5566", ListenError::Name),
            ("127.0.0.1", ListenError::NoPort),
            ("::1", ListenError::NoPort),
            ("[::1]", ListenError::NoPort),
            // An IPv6 address as it stands: its last group is no port.
            ("::1:5566", ListenError::NoPort),
            ("unix:", ListenError::NoPath),
            ("unix:/run/", ListenError::NoPath),
            ("unix:@trappe", ListenError::Abstract),
        ];
        for (text, why) in table {
            assert_eq!(listen(text), Err(why), "{text}");
        }
    }

    #[test]
    fn a_peer_is_shown_as_what_it_is_and_costs_no_more_than_its_address() {
        let table = [
            ("127.0.0.1:7", "127.0.0.1:7", true),
            ("127.9.9.9:7", "127.9.9.9:7", true),
            ("[::1]:7", "[::1]:7", true),
            ("[::ffff:127.0.0.1]:7", "127.0.0.1:7", true),
            ("[::ffff:192.0.2.7]:7", "192.0.2.7:7", false),
            ("192.0.2.7:7", "192.0.2.7:7", false),
            ("[2001:db8::7]:7", "[2001:db8::7]:7", false),
        ];
        for (text, shown, local) in table {
            let peer = Peer::from(text.parse::<SocketAddr>().expect("an address of this table"));
            assert_eq!((peer.to_string(), peer.is_local()), (shown.to_owned(), local), "{text}");
        }
        assert_eq!(Peer::Unix.to_string(), "unix");
        assert!(Peer::Unix.is_local() && Peer::Unix.ip().is_none());
        assert_eq!(size_of::<Peer>(), size_of::<SocketAddr>());
    }

    #[test]
    fn a_path_is_shown_without_harm_and_quoted_for_a_shell() {
        let table = [
            ("/run/trappe.sock", "/run/trappe.sock"),
            ("/a b/it's", r"'/a b/it'\''s'"),
            ("/$(reboot)", "'/$(reboot)'"),
            ("/\x1b[2J", r"'/\x1b[2J'"),
        ];
        for (path, text) in table {
            assert_eq!(quoted(Path::new(path)), text);
        }
    }

    #[test]
    fn a_host_is_allowed_by_its_name_alone() {
        let table = [
            ("hub.example.org", Some("hub.example.org")),
            ("Hub.Example.ORG.", Some("hub.example.org")),
            ("hub.example.org:8443", Some("hub.example.org")),
            ("my_hub", Some("my_hub")),
            ("192.0.2.7", Some("192.0.2.7")),
            ("[2001:DB8::1]:80", Some("[2001:db8::1]")),
            ("", None),
            ("*", None),
            ("hub..org", None),
            ("hub.example.org/", None),
            ("https://hub.example.org", None),
            ("hub.example.org:http", None),
            ("user@hub", None),
            ("hub\r\nx", None),
            ("hüb.example", None),
        ];
        for (text, name) in table {
            assert_eq!(host_name(text).ok().as_deref(), name, "{text:?}");
        }
        assert!(host_name(&["a"; 128].join(".")).is_err(), "255 characters");
    }

    #[test]
    fn an_origin_is_allowed_as_browsers_write_it() {
        let table = [
            ("https://example.org", Some("https://example.org")),
            ("HTTPS://Example.org:443/", Some("https://example.org")),
            ("http://example.org:443", Some("http://example.org:443")),
            ("http://[::1]:8000", Some("http://[::1]:8000")),
            ("moz-extension://0a1b", Some("moz-extension://0a1b")),
            ("*", Some("*")),
            ("null", None),
            ("example.org", None),
            ("https://", None),
            ("https://example.org/chat", None),
            ("https://*.example.org", None),
            ("://example.org", None),
            ("1http://example.org", None),
            ("https://user@example.org", None),
        ];
        for (text, allowed) in table {
            assert_eq!(origin(text).ok().as_deref(), allowed, "{text:?}");
        }
    }
}
