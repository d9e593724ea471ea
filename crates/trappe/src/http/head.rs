//! The head of a request, checked byte by byte before anything acts on it (RFC 9110, RFC 9112).
//!
//! Servers and proxies that read one head in two ways are how requests are smuggled. So what the RFCs let a server mend
//! (a bare line feed, a folded field, two equal lengths) is refused here, and what is let through reads in one way only.

use http::{Method, Uri, Version};
use memchr::memchr_iter;
use trappe_core::limits::{HTTP_FIELDS, HTTP_HEAD_BYTES, HTTP_TARGET_BYTES};

use super::{guard::Authority, query::decode};

/// Fields that decide something and that only one value can be meant of: two of them, or one that isn't UTF-8, are
/// refused, so that [`Head::header`] never hides one.
const SINGLE: [&str; 14] = [
    "access-control-request-method",
    "authorization",
    "content-length",
    "content-type",
    "expect",
    "host",
    "idempotency-key",
    "last-event-id",
    "origin",
    "sec-websocket-key",
    "sec-websocket-version",
    "transfer-encoding",
    "x-trappe",
    "x-trappe-name",
];

/// What the bytes so far are.
#[derive(Debug)]
pub(crate) enum Look {
    /// The beginning of a head.
    More,
    /// A head, and how many bytes it takes with the empty line that ends it. The body, if any, follows them.
    Whole(Head, usize),
    /// No head that is answered otherwise than by this refusal.
    Bad(Bad),
}

/// Why a head is refused. The connection is closed after the answer: where its next request begins isn't known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    /// The status of the answer: 400, 414, 431, 501 or 505.
    pub(crate) status: u16,
    /// The stable code of the error.
    pub(crate) code: &'static str,
}

/// The head of a request that may be acted on.
#[derive(Debug)]
pub(crate) struct Head {
    /// The method, known or not; never CONNECT.
    pub(crate) method: Method,
    /// What is asked for.
    pub(crate) target: Target,
    /// HTTP/1.0 or HTTP/1.1.
    pub(crate) version: Version,
    /// Who is asked, `host[:port]`: the field Host, or where HTTP/1.0 left it out, what the target says.
    pub(crate) host: Option<String>,
    /// The fields in their order; names in lower case, values without the blanks around them.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// How the end of the body is known.
    pub(crate) length: Length,
}

/// What a request is about: the second word of its first line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The path as it was sent, from its first slash on; `*` in `OPTIONS *`, which has no segments.
    pub(crate) path: String,
    /// What stands between its slashes, percent-decoded: one empty segment for `/`. A `..` is a name like any other, and a
    /// decoded slash doesn't part anything: nothing here is ever a path of a file system.
    pub(crate) segments: Vec<String>,
    /// What follows the question mark, as it was sent.
    pub(crate) query: Option<String>,
}

/// How the end of a request's body is known (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// There is none.
    Zero,
    /// So many bytes, announced by Content-Length.
    Bytes(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
}

impl Head {
    /// The value of the field `name` (in lower case) if it stands there exactly once and is UTF-8.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.all(name);
        let value = all.next()?;
        if all.next().is_some() { None } else { str::from_utf8(value).ok() }
    }

    /// The values of all fields `name` (in lower case), in their order.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.headers.iter().filter(move |(it, _)| it == name).map(|(_, value)| value.as_slice())
    }

    /// The elements of the list that all fields `name` (in lower case) make together (RFC 9110 §5.6.1), such as the
    /// options of Connection or the subprotocols of a WebSocket; those that aren't UTF-8 are passed over.
    pub(crate) fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        self.all(name)
            .filter_map(|value| str::from_utf8(value).ok())
            .flat_map(|value| value.split(','))
            .map(|element| element.trim_matches([' ', '\t']))
            .filter(|element| !element.is_empty())
    }
}

impl Target {
    /// The segments, to be matched against a route.
    pub(crate) fn route(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }
}

/// Looks at everything that a connection has sent so far; to be asked again with each read.
///
/// A call costs one pass over at most [`HTTP_HEAD_BYTES`] in search of line ends, whatever follows them; only the call that
/// finds the last one parses. (A head that comes byte by byte is passed over 16 Ki times: 14 ms in all, measured with 100
/// lines before one long one.) A bare line feed is refused at once, and a field too many; all else when the head is whole or
/// too long.
pub(crate) fn look(bytes: &[u8]) -> Look {
    let window = &bytes[..bytes.len().min(HTTP_HEAD_BYTES)];
    let (mut line_start, mut lines) = (0, 0);
    for feed in memchr_iter(b'\n', window) {
        match window[line_start..feed] {
            [.., b'\r'] if feed == line_start + 1 => {
                return match read(&window[..line_start]) {
                    Ok(head) => Look::Whole(head, feed + 1),
                    Err(bad) => Look::Bad(bad),
                };
            }
            // The first line isn't a field.
            [.., b'\r'] if lines > HTTP_FIELDS => return Look::Bad(TOO_MANY_FIELDS),
            [.., b'\r'] => (line_start, lines) = (feed + 1, lines + 1),
            _ => return Look::Bad(BARE_LINE_FEED),
        }
    }
    if window.len() < HTTP_HEAD_BYTES {
        Look::More
    } else if line_start == 0 {
        Look::Bad(TARGET_TOO_LONG)
    } else {
        Look::Bad(HEAD_TOO_LONG)
    }
}

const fn bad(code: &'static str) -> Bad {
    Bad { status: 400, code }
}

const BARE_LINE_FEED: Bad = bad("bare-line-feed");
const BAD_REQUEST_LINE: Bad = bad("bad-request-line");
const BAD_METHOD: Bad = bad("bad-method");
const BAD_TARGET: Bad = bad("bad-target");
const TARGET_TOO_LONG: Bad = Bad { status: 414, code: "target-too-long" };
const HEAD_TOO_LONG: Bad = Bad { status: 431, code: "head-too-long" };
const TOO_MANY_FIELDS: Bad = Bad { status: 431, code: "too-many-fields" };
const BAD_VERSION: Bad = Bad { status: 505, code: "bad-version" };
const NO_TUNNELS: Bad = Bad { status: 501, code: "no-tunnels" };
const BAD_FIELD: Bad = bad("bad-field");
const FOLDED_FIELD: Bad = bad("folded-field");
const FIELD_TWICE: Bad = bad("field-twice");
const NO_HOST: Bad = bad("no-host");
const BAD_HOST: Bad = bad("bad-host");
const OTHER_HOST: Bad = bad("other-host");
const BAD_LENGTH: Bad = bad("bad-length");
const TWO_LENGTHS: Bad = bad("two-lengths");
const BAD_TRANSFER_ENCODING: Bad = bad("bad-transfer-encoding");
const UNKNOWN_TRANSFER_ENCODING: Bad = Bad { status: 501, code: "unknown-transfer-encoding" };

/// Reads the lines of a head, each with its end, without the empty one.
fn read(lines: &[u8]) -> Result<Head, Bad> {
    let request_line = check_lines(lines)?;
    check_request_line(request_line)?;

    let mut fields = [httparse::EMPTY_HEADER; HTTP_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let whole = [lines, b"\r\n"].concat();
    match request.parse(&whole) {
        Ok(httparse::Status::Complete(length)) if length == whole.len() => {}
        Ok(_) => return Err(BAD_REQUEST_LINE),
        Err(error) => {
            return Err(match error {
                httparse::Error::TooManyHeaders => TOO_MANY_FIELDS,
                httparse::Error::Version => BAD_VERSION,
                httparse::Error::Token => BAD_METHOD,
                _ => BAD_FIELD,
            });
        }
    }
    let (Some(method), Some(target), Some(version)) =
        (request.method, request.path, request.version)
    else {
        return Err(BAD_REQUEST_LINE);
    };
    let headers: Vec<_> = request
        .headers
        .iter()
        .map(|field| (field.name.to_ascii_lowercase(), field.value.to_vec()))
        .collect();
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| BAD_METHOD)?;
    let version = if version == 0 { Version::HTTP_10 } else { Version::HTTP_11 };

    check_single(&headers)?;
    let (target, authority) = read_target(&method, target)?;
    let host = read_host(version, &headers, authority)?;
    let length = read_length(version, &headers)?;
    Ok(Head { method, target, version, host, headers, length })
}

/// Checks what a line of a head may hold, and gives the first. Every line ends with CR LF: `look` saw to that.
fn check_lines(lines: &[u8]) -> Result<&[u8], Bad> {
    let mut all = lines.split_inclusive(|&byte| byte == b'\n');
    let mut text = || all.next().map(|line| line.strip_suffix(b"\r\n").unwrap_or(line));
    let request_line = text().ok_or(BAD_REQUEST_LINE)?;
    while let Some(field) = text() {
        if let [b' ' | b'\t', ..] = field {
            return Err(FOLDED_FIELD);
        }
        // A control character, NUL and a lone CR among them; bytes from 0x80 on are opaque, and allowed (RFC 9110 §5.5).
        let is_fine = |&byte: &u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        let name_end = field.iter().position(|&byte| byte == b':').ok_or(BAD_FIELD)?;
        if name_end == 0
            || !field[..name_end].iter().copied().all(is_token)
            || !field.iter().all(is_fine)
        {
            return Err(BAD_FIELD);
        }
    }
    Ok(request_line)
}

/// A character of a method's or a field's name (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// `METHOD target HTTP/1.x`, with one space at each place and nothing else.
fn check_request_line(line: &[u8]) -> Result<(), Bad> {
    let mut words = line.split(|&byte| byte == b' ');
    let mut word = || words.next().ok_or(BAD_REQUEST_LINE);
    let (method, target, version) = (word()?, word()?, word()?);
    if words.next().is_some() || target.is_empty() {
        return Err(BAD_REQUEST_LINE);
    }
    if method.is_empty() || !method.iter().copied().all(is_token) {
        return Err(BAD_METHOD);
    }
    if target.len() > HTTP_TARGET_BYTES {
        return Err(TARGET_TOO_LONG);
    }
    // No fragment is ever sent, nor anything that isn't ASCII; the rest is for the grammar of URLs to say.
    if !target.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(BAD_TARGET);
    }
    match version {
        b"HTTP/1.0" | b"HTTP/1.1" => Ok(()),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(BAD_VERSION)
        }
        _ => Err(BAD_REQUEST_LINE),
    }
}

fn check_single(headers: &[(String, Vec<u8>)]) -> Result<(), Bad> {
    for name in SINGLE {
        let mut values = headers.iter().filter(|(it, _)| it == name).map(|(_, value)| value);
        let Some(value) = values.next() else { continue };
        if values.next().is_some() {
            return Err(match name {
                "content-length" => TWO_LENGTHS,
                "transfer-encoding" => BAD_TRANSFER_ENCODING,
                "host" => BAD_HOST,
                _ => FIELD_TWICE,
            });
        }
        if str::from_utf8(value).is_err() {
            return Err(BAD_FIELD);
        }
    }
    Ok(())
}

/// The target in one of its forms (RFC 9112 §3.2), and whom it names in its absolute form.
fn read_target<'a>(method: &Method, target: &'a str) -> Result<(Target, Option<&'a str>), Bad> {
    if *method == Method::CONNECT {
        return Err(NO_TUNNELS);
    }
    if target == "*" {
        let everything = Target { path: "*".to_owned(), segments: Vec::new(), query: None };
        return if *method == Method::OPTIONS { Ok((everything, None)) } else { Err(BAD_TARGET) };
    }
    let (authority, local) = if target.starts_with('/') {
        (None, target)
    } else {
        let (scheme, rest) = target.split_once("://").ok_or(BAD_TARGET)?;
        if !["http", "https"].iter().any(|it| it.eq_ignore_ascii_case(scheme)) {
            return Err(BAD_TARGET);
        }
        let (authority, local) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        (Some(authority), local)
    };
    // What comes after us reads it by these rules.
    if target.parse::<Uri>().is_err() {
        return Err(BAD_TARGET);
    }
    let (path, query) = match local.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (local, None),
    };
    // An absolute form may end with its authority.
    let path = if path.is_empty() { "/" } else { path };
    let decoded = path[1..].split('/').map(|segment| Some(decode(segment)?.into_owned()));
    let segments = decoded.collect::<Option<_>>().ok_or(BAD_TARGET)?;
    Ok((Target { path: path.to_owned(), segments, query }, authority))
}

/// Who is asked. An absolute form that names another host than the field does is refused: caches and guards would look at
/// the one, routes at the other.
fn read_host(
    version: Version,
    headers: &[(String, Vec<u8>)],
    authority: Option<&str>,
) -> Result<Option<String>, Bad> {
    let field = single(headers, "host");
    for host in [field, authority].into_iter().flatten() {
        Authority::parse(host).ok_or(BAD_HOST)?;
    }
    match (field, authority) {
        (None, _) if version == Version::HTTP_11 => Err(NO_HOST),
        (Some(host), Some(other)) if Authority::parse(host) != Authority::parse(other) => {
            Err(OTHER_HOST)
        }
        _ => Ok(field.or(authority).map(str::to_owned)),
    }
}

/// How long the body is. Only one way of saying it is let through, and only in its plainest form.
fn read_length(version: Version, headers: &[(String, Vec<u8>)]) -> Result<Length, Bad> {
    let length = single(headers, "content-length");
    let Some(coding) = single(headers, "transfer-encoding") else {
        let Some(length) = length else { return Ok(Length::Zero) };
        // `parse` alone would take a sign; it refuses the empty text and what overflows.
        let digits = length.bytes().all(|byte| byte.is_ascii_digit());
        return Ok(Length::Bytes(length.parse().ok().filter(|_| digits).ok_or(BAD_LENGTH)?));
    };
    // HTTP/1.0 has no codings; whoever passed one on there didn't understand it (RFC 9112 §6.1).
    if length.is_some() || version == Version::HTTP_10 {
        return Err(BAD_TRANSFER_ENCODING);
    }
    let mut codings: Vec<_> = coding.split(',').map(|it| it.trim_matches([' ', '\t'])).collect();
    let last = codings.pop().unwrap_or_default();
    let is_chunked = |coding: &str| coding.eq_ignore_ascii_case("chunked");
    // The end of the body is known if chunking comes last, and once; another coding before it isn't known here (§6.1, §6.3).
    match codings.as_slice() {
        _ if !is_chunked(last) => Err(BAD_TRANSFER_ENCODING),
        [] => Ok(Length::Chunked),
        others if others.iter().any(|it| it.is_empty() || is_chunked(it)) => {
            Err(BAD_TRANSFER_ENCODING)
        }
        _ => Err(UNKNOWN_TRANSFER_ENCODING),
    }
}

/// The value of a field that [`SINGLE`] lists and `check_single` has looked at.
fn single<'a>(headers: &'a [(String, Vec<u8>)], name: &str) -> Option<&'a str> {
    let (_, value) = headers.iter().find(|(it, _)| it == name)?;
    str::from_utf8(value).ok()
}

#[cfg(test)]
mod tests;
