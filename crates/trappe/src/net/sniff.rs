//! What the first bytes of a connection are (PROTOCOL §1). Pure; asked again with each byte that comes.

/// What the bytes so far look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guess {
    /// Still the beginning of something else than a raw client, or of nothing yet.
    More,
    /// A raw client.
    Raw,
    /// An HTTP/1.x request line.
    Http,
    /// The HTTP/2 connection preface (RFC 9113 §3.4).
    Http2,
    /// A TLS record of a handshake (RFC 8446 §5.1).
    Tls,
    /// An SSH identification string (RFC 4253 §4.2).
    Ssh,
    /// An MQTT CONNECT packet (MQTT 5.0 §3.1).
    Mqtt,
}

const METHODS: [&[u8]; 9] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT"];
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n";
const SSH: [&[u8]; 2] = [b"SSH-2.0-", b"SSH-1."];

/// Looks at everything that a connection has sent so far.
pub(crate) fn guess(bytes: &[u8]) -> Guess {
    let all = [literal(bytes, &[0x16, 0x03], Guess::Tls), literal(bytes, HTTP2, Guess::Http2)];
    let ssh = SSH.map(|prefix| literal(bytes, prefix, Guess::Ssh));
    let guesses = all.into_iter().chain(ssh).chain([http(bytes), mqtt(bytes)]);
    let mut best = Guess::Raw;
    for guess in guesses {
        match guess {
            Guess::Raw => {}
            Guess::More => best = Guess::More,
            certain => return certain,
        }
    }
    best
}

fn literal(bytes: &[u8], whole: &[u8], found: Guess) -> Guess {
    if bytes.starts_with(whole) {
        found
    } else if whole.starts_with(bytes) {
        Guess::More
    } else {
        Guess::Raw
    }
}

/// A method, a space, a target, ` HTTP/1.`
fn http(bytes: &[u8]) -> Guess {
    let Some(space) = bytes.iter().take(8).position(|&b| b == b' ') else {
        let possible = METHODS.iter().any(|m| m.starts_with(bytes));
        return if possible { Guess::More } else { Guess::Raw };
    };
    if !METHODS.contains(&&bytes[..space]) {
        return Guess::Raw;
    }
    let target = &bytes[space + 1..];
    let Some(end) = target.iter().position(|&b| b == b' ' || b == b'\n') else {
        return Guess::More;
    };
    // A target has at least one character; a line that ends here was none.
    if end == 0 || target[end] == b'\n' {
        return Guess::Raw;
    }
    literal(&target[end..], b" HTTP/1.", Guess::Http).min_prefix(&target[end..])
}

impl Guess {
    /// Only the beginning of the version is looked at: what follows it is still a request.
    fn min_prefix(self, rest: &[u8]) -> Guess {
        if rest.len() >= 8 && rest.starts_with(b" HTTP/1.") { Guess::Http } else { self }
    }
}

/// Fixed header 0x10, a remaining length of one to four bytes, then the protocol's name: `MQTT`, or `MQIsdp` in 3.1.
fn mqtt(bytes: &[u8]) -> Guess {
    if bytes.is_empty() {
        return Guess::More;
    }
    if bytes[0] != 0x10 {
        return Guess::Raw;
    }
    let Some(last) = bytes[1..].iter().take(4).position(|b| b & 0x80 == 0) else {
        return if bytes.len() < 5 { Guess::More } else { Guess::Raw };
    };
    let name = &bytes[last + 2..];
    let names = [
        literal(name, b"\x00\x04MQTT", Guess::Mqtt),
        literal(name, b"\x00\x06MQIsdp", Guess::Mqtt),
    ];
    match names {
        [Guess::Raw, Guess::Raw] => Guess::Raw,
        [Guess::Mqtt, _] | [_, Guess::Mqtt] => Guess::Mqtt,
        _ => Guess::More,
    }
}

/// Whether an unfinished first line is so like an HTTP request that no pause may end it: a method and a target in one of
/// the forms that HTTP knows (RFC 9112 §3.2). `GET coffee` isn't.
pub(crate) fn is_suspect(bytes: &[u8]) -> bool {
    let Some(space) = bytes.iter().position(|&b| b == b' ') else { return false };
    let (method, target) = (&bytes[..space], &bytes[space + 1..]);
    let form = target.is_empty()
        || target.starts_with(b"/")
        || target.starts_with(b"*")
        || target.starts_with(b"http:")
        || target.starts_with(b"https:")
        || method == b"CONNECT";
    METHODS.contains(&method) && form && matches!(http(bytes), Guess::More | Guess::Http)
}

/// Whether a whole first line, or the beginning of one that was too long, is an HTTP request's.
pub(crate) fn is_request(line: &[u8]) -> bool {
    http(line) == Guess::Http || (is_suspect(line) && line.len() > trappe_core::limits::SNIFF_BYTES)
}

/// Empty lines that keep what follows them from being an answer of HTTP.
pub(crate) const NO_RESPONSE: &[u8] = b"\n\n\n\n\n";

/// Whether the first bytes to a silent peer could pass for an answer of HTTP: browsers overlook up to four bytes before
/// `HTTP` (Chromium 156: shown by a test), and what they read so they take for the word of the hub.
pub(crate) fn is_response(bytes: &[u8]) -> bool {
    (0..NO_RESPONSE.len()).any(|offset| {
        let rest = bytes.get(offset..).unwrap_or_default();
        let len = rest.len().min(4);
        len > 0 && rest[..len].eq_ignore_ascii_case(&b"HTTP"[..len])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_are_known_for_what_they_are() {
        let table: [(&[u8], Guess); 24] = [
            (b"", Guess::More),
            (b"bonjour\n", Guess::Raw),
            (b"G", Guess::More),
            (b"GE\n", Guess::Raw),
            (b"GET ", Guess::More),
            (b"GET me a beer", Guess::Raw),
            (b"GET /x HT", Guess::More),
            (b"GET /x HTTP/1.", Guess::Http),
            (b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n", Guess::Http),
            (b"GET  HTTP/1.1\r\n", Guess::Raw),
            (b"GET /x HTTP/3\r\n", Guess::Raw),
            (b"GET /x\n", Guess::Raw),
            (b"OPTIONS * HTTP/1.1", Guess::Http),
            (b"PROPFIND / HTTP/1.1", Guess::Raw),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Guess::Http2),
            (b"SSH-2.0-OpenSSH", Guess::Ssh),
            (b"SSH-", Guess::More),
            (b"SSHhh", Guess::Raw),
            (b"\x16", Guess::More),
            (b"\x16\x03\x01\x02\x00", Guess::Tls),
            (b"\x16\x04", Guess::Raw),
            (b"\x10\x0e\x00\x04MQTT\x05", Guess::Mqtt),
            (b"\x10\x80\x01\x00\x06MQIsdp", Guess::Mqtt),
            (b"\x10\x80\x80\x80\x80\x01", Guess::Raw),
        ];
        for (bytes, want) in table {
            assert_eq!(guess(bytes), want, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_a_browser_would_take_for_an_answer_is_known() {
        for forged in
            ["HTTP/1.1 200 OK", "<b> http/1.0 200", "\0\0\0\x20HTTP/1.1", "HT", "a\nHTTP/1.1 2"]
        {
            assert!(is_response(forged.as_bytes()), "{forged}");
        }
        for said in ["<ab> HTTP/1.1 200", "bonjour", "", "h\n", "* HTTQ", "\n\n\n\n\nHTTP/1.1 200"]
        {
            assert!(!is_response(said.as_bytes()), "{said}");
        }
    }

    #[test]
    fn a_request_is_suspected_at_every_byte_until_it_is_certain() {
        let request = b"POST /rooms/lobby/messages HTTP/1.1\r\n";
        for n in 0..request.len() {
            assert!(matches!(guess(&request[..n]), Guess::More | Guess::Http), "after {n} bytes");
        }
        assert!(is_suspect(b"GET /"));
        assert!(!is_suspect(b"GET coffee"));
        assert!(is_request(b"GET / HTTP/1.1\r"));
    }
}
