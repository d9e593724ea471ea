//! Who may ask what: Host, Origin, traces of a proxy, and what a request that changes something must bear (PROTOCOL §8).
//!
//! All pure: what came in the head goes in, a yes or a no comes out. What isn't understood is a no.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use super::head::Head;

/// What the command line allows beside what is always allowed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard {
    /// `--allow-host`: names under which browsers may reach this hub. A port behind one is allowed, and means nothing.
    pub(crate) allow_hosts: Vec<String>,
    /// `--allow-origin`: origins (`https://example.org`) whose pages may talk to this hub; `*` is all that have one.
    pub(crate) allow_origins: Vec<String>,
}

impl Guard {
    /// Whether a request for `host` (the field's value, with or without a port) is for this hub.
    ///
    /// An attacker's name can be made to resolve to this machine (DNS rebinding); an address or `localhost` cannot be an
    /// attacker's, so that those are always right, and a name only if it was allowed.
    pub(crate) fn host_ok(&self, host: &str) -> bool {
        let Some(Authority { host, .. }) = Authority::parse(host) else { return false };
        match &host {
            Host::V4(_) | Host::V6(_) => true,
            Host::Name(name) if name == "localhost" || name.ends_with(".localhost") => true,
            Host::Name(_) => self
                .allow_hosts
                .iter()
                .filter_map(|allowed| Authority::parse(allowed))
                .any(|allowed| allowed.host == host),
        }
    }

    /// Whether a page of `origin` may talk to this hub, which the request calls `host`.
    ///
    /// No origin is no browser's page (or a plain navigation): fine. The same host is fine whatever its port and scheme: a
    /// page on another port of this machine is this machine's. `null` (a sandbox, a file) may be anybody, and stays
    /// refused even under `*`.
    pub(crate) fn origin_ok(&self, origin: Option<&str>, host: &str) -> bool {
        let Some(origin) = origin else { return true };
        let Some(origin) = Origin::parse(origin) else { return false };
        let same = origin.is_web()
            && Authority::parse(host).is_some_and(|here| here.host == origin.authority.host);
        same || self.allow_origins.iter().any(|allowed| {
            allowed == "*" || Origin::parse(allowed.trim_end_matches('/')).as_ref() == Some(&origin)
        })
    }
}

/// Whether a browser sends this for a page of another site, without saying for which: an image, a script, a frame. What such
/// a page can't read it could still make happen.
pub(crate) fn is_from_elsewhere(head: &Head) -> bool {
    head.header("origin").is_none() && head.header("sec-fetch-site") == Some("cross-site")
}

/// Whether a proxy passed this request on, so that its peer's address says nothing about who asks. Each of these fields is
/// added by proxies only; a client that forges one only loses what loopback would have given it.
pub(crate) fn is_forwarded(head: &Head) -> bool {
    head.headers.iter().any(|(name, _)| {
        matches!(name.as_str(), "forwarded" | "x-real-ip" | "via")
            || name.starts_with("x-forwarded-")
    })
}

/// Whether a request may change something: it bears what a page of another site cannot send without asking first
/// (a field of our own, or a content type that no HTML form has), so that no link and no form is obeyed.
pub(crate) fn may_change(head: &Head) -> bool {
    head.header("x-trappe") == Some("1")
        || head.header("content-type").is_some_and(|value| {
            let essence = value.split(';').next().unwrap_or(value).trim();
            ["application/json", "application/octet-stream"]
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(essence))
        })
}

/// A host as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// In lower case, without the dot that may end it.
    Name(String),
    /// An IPv4 address, as four numbers only: what else `inet_aton` takes, no browser sends.
    V4(Ipv4Addr),
    /// An IPv6 address; it stood in brackets, without a zone.
    V6(Ipv6Addr),
}

/// As sockets take it: an IPv6 address without brackets.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.pad(name),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => address.fmt(f),
        }
    }
}

/// `host[:port]`, as in the field Host and in the authority of a URL (RFC 3986 §3.2), without user information.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    /// Before the colon.
    pub(crate) host: Host,
    /// After it; an empty one is none.
    pub(crate) port: Option<u16>,
}

impl Authority {
    /// Reads one; None if it is no host that exists on a network.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (host, rest) = if let Some(inner) = text.strip_prefix('[') {
            let (address, rest) = inner.split_once(']')?;
            (Host::V6(address.parse().ok()?), rest)
        } else {
            let (name, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            (parse_name(name)?, rest)
        };
        let port = match rest {
            "" | ":" => None,
            _ => {
                let digits = rest.strip_prefix(':')?;
                // `parse` alone would take "+80" too.
                let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
                Some(digits.parse().ok().filter(|_| plain)?)
            }
        };
        Some(Self { host, port })
    }
}

fn parse_name(name: &str) -> Option<Host> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if let Ok(address) = name.parse() {
        return Some(Host::V4(address));
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    name.split('.').all(is_label).then(|| Host::Name(name.to_ascii_lowercase()))
}

/// An origin (RFC 6454 §6.2); equal if a browser would call both the same.
struct Origin {
    scheme: String,
    authority: Authority,
}

impl Origin {
    /// None for `null`, for a list of several, and for anything else that isn't one origin.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        Some(Self { scheme, authority: Authority::parse(authority)? })
    }

    fn is_web(&self) -> bool {
        matches!(self.scheme.as_str(), "http" | "https")
    }

    fn port(&self) -> Option<u16> {
        self.authority.port.or(match self.scheme.as_str() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        })
    }
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && self.authority.host == other.authority.host
            && self.port() == other.port()
    }
}

#[cfg(test)]
mod tests {
    use super::super::head::{Look, look};
    use super::*;

    fn guard(hosts: &[&str], origins: &[&str]) -> Guard {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Guard { allow_hosts: owned(hosts), allow_origins: owned(origins) }
    }

    fn head(fields: &str) -> Head {
        match look(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n").as_bytes()) {
            Look::Whole(head, _) => head,
            other => panic!("{fields:?} is no head: {other:?}"),
        }
    }

    #[test]
    fn a_host_is_right_if_it_can_be_no_attackers_name() {
        let guard = guard(&["Hub.Example.org", "salle-3.:5566"], &[]);
        let table = [
            ("localhost", true),
            ("LocalHost:5566", true),
            ("localhost.", true),
            ("localhost.:5566", true),
            ("salon.localhost", true),
            ("a.b.localhost.:1", true),
            ("127.0.0.1", true),
            ("127.0.0.1:5566", true),
            ("192.168.1.20:5566", true),
            ("[::1]", true),
            ("[::1]:5566", true),
            ("[fe80::1]:", true),
            ("hub.example.org", true),
            ("HUB.EXAMPLE.ORG.:5566", true),
            ("salle-3", true),
            ("", false),
            (".", false),
            (":5566", false),
            ("localhost..", false),
            (".localhost", false),
            ("a..localhost", false),
            ("notlocalhost", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("hub.example.org.evil.example", false),
            ("evil-hub.example.org", false),
            ("www.hub.example.org", false),
            ("example.org", false),
            ("::1", false),
            ("[::1", false),
            ("[::1]5566", false),
            ("[localhost]", false),
            ("[fe80::1%25eth0]", false),
            ("127.1", false),
            ("2130706433", false),
            ("0x7f.0.0.1", false),
            ("localhost:+80", false),
            ("localhost:65536", false),
            ("localhost:http", false),
            ("localhost:80:80", false),
            ("evil@localhost", false),
            ("localhost/", false),
            ("localhost evil", false),
            ("localhost,evil", false),
            ("*", false),
        ];
        for (host, ok) in table {
            assert_eq!(guard.host_ok(host), ok, "{host:?}");
        }
        assert!(!super::Guard::default().host_ok("hub.example.org"));
    }

    #[test]
    fn an_origin_is_right_if_it_is_here_or_was_allowed() {
        let guard =
            guard(&[], &["https://Example.org", "http://a.example:8080/", "app://trappe", "null"]);
        let table = [
            (None, "localhost:5566", true),
            (Some("http://localhost:5566"), "localhost:5566", true),
            (Some("http://localhost:3000"), "localhost:5566", true),
            (Some("https://localhost"), "LOCALHOST.:5566", true),
            (Some("http://[::1]:3000"), "[0:0::1]:5566", true),
            (Some("http://127.0.0.1"), "127.0.0.1:5566", true),
            (Some("https://example.org"), "localhost", true),
            (Some("https://EXAMPLE.org:443"), "localhost", true),
            (Some("http://a.example:8080"), "localhost", true),
            (Some("app://trappe"), "localhost", true),
            (Some("null"), "localhost", false),
            (Some(""), "localhost", false),
            (Some("http://localhost"), "127.0.0.1", false),
            (Some("http://[::1]"), "127.0.0.1", false),
            (Some("http://evil.example"), "localhost:5566", false),
            (Some("http://localhost.evil.example"), "localhost", false),
            (Some("http://evil.localhost"), "localhost", false),
            (Some("ftp://localhost"), "localhost", false),
            (Some("localhost"), "localhost", false),
            (Some("http://localhost/"), "localhost", false),
            (Some("http://localhost@evil.example"), "localhost", false),
            (Some("http://evil.example http://localhost"), "localhost", false),
            (Some("http://example.org"), "localhost", false),
            (Some("https://example.org:8443"), "localhost", false),
            (Some("https://www.example.org"), "localhost", false),
            (Some("http://a.example"), "localhost", false),
            (Some("http://localhost"), "", false),
        ];
        for (origin, host, ok) in table {
            assert_eq!(guard.origin_ok(origin, host), ok, "{origin:?} at {host:?}");
        }
    }

    #[test]
    fn a_star_allows_every_origin_but_null() {
        let guard = guard(&[], &["*"]);
        assert!(guard.origin_ok(Some("https://anything.example"), "localhost"));
        assert!(!guard.origin_ok(Some("null"), "localhost"));
    }

    #[test]
    fn what_a_proxy_passed_on_is_known_for_it() {
        let table = [
            ("", false),
            ("Forwarded: for=192.0.2.7\r\n", true),
            ("X-Forwarded-For: 192.0.2.7\r\n", true),
            ("x-FORWARDED-for:\r\n", true),
            ("X-Forwarded-Proto: https\r\n", true),
            ("X-Real-IP: 192.0.2.7\r\n", true),
            ("Via: 1.1 proxy\r\n", true),
            ("X-Forward: no\r\n", false),
        ];
        for (fields, forwarded) in table {
            assert_eq!(is_forwarded(&head(fields)), forwarded, "{fields:?}");
        }
    }

    #[test]
    fn only_what_no_foreign_page_can_send_unasked_may_change_something() {
        let table = [
            ("", false),
            ("X-Trappe: 1\r\n", true),
            ("x-trappe:1\r\nContent-Type: text/plain\r\n", true),
            ("X-Trappe: 0\r\n", false),
            ("X-Trappe:\r\n", false),
            ("Content-Type: application/json\r\n", true),
            ("Content-Type: Application/JSON ; charset=utf-8\r\n", true),
            ("Content-Type: application/octet-stream\r\n", true),
            ("Content-Type: application/jsonp\r\n", false),
            ("Content-Type: text/plain; application/json\r\n", false),
            ("Content-Type: application/x-www-form-urlencoded\r\n", false),
            ("Content-Type: multipart/form-data; boundary=x\r\n", false),
            ("Content-Type: text/plain\r\n", false),
            ("Content-Type:\r\n", false),
            ("Content-Type: text/plain, application/json\r\n", false),
        ];
        for (fields, ok) in table {
            assert_eq!(may_change(&head(fields)), ok, "{fields:?}");
        }
    }
}
