//! One row for each head that must be refused, what is let through, and any bytes at all.

use proptest::{collection::vec, prelude::*};

use super::*;

fn bad_code(bytes: &[u8]) -> Option<(u16, &'static str)> {
    match look(bytes) {
        Look::Bad(Bad { status, code }) => Some((status, code)),
        _ => None,
    }
}

#[track_caller]
fn whole(bytes: &[u8]) -> Head {
    match look(bytes) {
        Look::Whole(head, length) if length == bytes.len() => head,
        other => panic!("{} is {other:?}", bytes.escape_ascii()),
    }
}

/// A head of HTTP/1.1 with a host, these fields, and its end.
fn with(fields: &[u8]) -> Vec<u8> {
    [b"POST / HTTP/1.1\r\nHost: localhost\r\n", fields, b"\r\n"].concat()
}

/// A head with this first line, and a host.
fn begun(request_line: &[u8]) -> Vec<u8> {
    [request_line, b"\r\nHost: localhost:5566\r\n\r\n"].concat()
}

#[test]
fn a_first_line_in_any_other_form_is_refused() {
    let long = [b"GET /", "a".repeat(HTTP_TARGET_BYTES).as_bytes(), b" HTTP/1.1"].concat();
    let table: &[(&[u8], (u16, &str))] = &[
        (b"", (400, "bad-request-line")),
        (b"GET", (400, "bad-request-line")),
        (b"GET /", (400, "bad-request-line")),
        (b"GET / ", (400, "bad-request-line")),
        (b"GET  / HTTP/1.1", (400, "bad-request-line")),
        (b"GET /  HTTP/1.1", (400, "bad-request-line")),
        (b"GET / HTTP/1.1 ", (400, "bad-request-line")),
        (b"GET / b HTTP/1.1", (400, "bad-request-line")),
        (b"GET\t/ HTTP/1.1", (400, "bad-request-line")),
        (b"GET / http/1.1", (400, "bad-request-line")),
        (b"GET / HTTP/1.1x", (400, "bad-request-line")),
        (b"GET / HTTP/11", (400, "bad-request-line")),
        (b"GET / HTTP/1.1\r", (400, "bad-request-line")),
        (b" GET / HTTP/1.1", (400, "bad-request-line")),
        (b"GET  HTTP/1.1", (400, "bad-request-line")),
        (b"\x00 / HTTP/1.1", (400, "bad-method")),
        (b" / HTTP/1.1", (400, "bad-method")),
        (b"GE\x01T / HTTP/1.1", (400, "bad-method")),
        (b"G(T) / HTTP/1.1", (400, "bad-method")),
        (b"G\xc3\x89T / HTTP/1.1", (400, "bad-method")),
        (b"GET: / HTTP/1.1", (400, "bad-method")),
        (b"GET / HTTP/1.2", (505, "bad-version")),
        (b"GET / HTTP/0.9", (505, "bad-version")),
        (b"GET / HTTP/2.0", (505, "bad-version")),
        (b"GET rooms HTTP/1.1", (400, "bad-target")),
        (b"GET * HTTP/1.1", (400, "bad-target")),
        (b"GET ?a HTTP/1.1", (400, "bad-target")),
        (b"GET localhost:5566 HTTP/1.1", (400, "bad-target")),
        (b"CONNECT localhost:22 HTTP/1.1", (501, "no-tunnels")),
        (b"CONNECT / HTTP/1.1", (501, "no-tunnels")),
        (b"GET /a#b HTTP/1.1", (400, "bad-target")),
        (b"GET /a\x00 HTTP/1.1", (400, "bad-target")),
        (b"GET /a\x7f HTTP/1.1", (400, "bad-target")),
        (b"GET /a\rb HTTP/1.1", (400, "bad-target")),
        (b"GET /a\tb HTTP/1.1", (400, "bad-target")),
        (b"GET /caf\xc3\xa9 HTTP/1.1", (400, "bad-target")),
        (b"GET /\xff HTTP/1.1", (400, "bad-target")),
        (b"GET /% HTTP/1.1", (400, "bad-target")),
        (b"GET /%4 HTTP/1.1", (400, "bad-target")),
        (b"GET /%zz HTTP/1.1", (400, "bad-target")),
        (b"GET /a/%ff/b HTTP/1.1", (400, "bad-target")),
        (b"GET /%c3%28 HTTP/1.1", (400, "bad-target")),
        (b"GET ftp://localhost:5566/ HTTP/1.1", (400, "bad-target")),
        (b"GET file:///etc/passwd HTTP/1.1", (400, "bad-target")),
        (b"GET http:/localhost/ HTTP/1.1", (400, "bad-target")),
        (b"GET http://user@localhost:5566/ HTTP/1.1", (400, "bad-host")),
        (b"GET http://localhost:x/ HTTP/1.1", (400, "bad-host")),
        (b"GET http:/// HTTP/1.1", (400, "bad-target")),
        (b"GET http://localhost/ HTTP/1.1", (400, "other-host")),
        (b"GET http://evil.example:5566/ HTTP/1.1", (400, "other-host")),
        (b"GET http://localhost:5567/ HTTP/1.1", (400, "other-host")),
        (&long, (414, "target-too-long")),
    ];
    for (line, refused) in table {
        let shown = line[..line.len().min(80)].escape_ascii();
        assert_eq!(bad_code(&begun(line)), Some(*refused), "{shown}");
    }
}

#[test]
fn a_field_in_any_other_form_is_refused() {
    let table: &[(&[u8], &str)] = &[
        (b"A: b\r\n c: d\r\n", "folded-field"),
        (b"A: b\r\n\tc\r\n", "folded-field"),
        (b"A: b\r\n \r\n", "folded-field"),
        (b"A : b\r\n", "bad-field"),
        (b"A\t: b\r\n", "bad-field"),
        (b"Content-Length : 5\r\n", "bad-field"),
        (b": b\r\n", "bad-field"),
        (b"A\r\n", "bad-field"),
        (b"A(: b\r\n", "bad-field"),
        (b"\xc3\x89: b\r\n", "bad-field"),
        (b"A: \x00b\r\n", "bad-field"),
        (b"A: b\x0b\r\n", "bad-field"),
        (b"A: \x1b[2J\r\n", "bad-field"),
        (b"A: b\x7f\r\n", "bad-field"),
        (b"A: b\r\r\n", "bad-field"),
        (b"A: b\rContent-Length: 5\r\n", "bad-field"),
        (b"\rA: b\r\n", "bad-field"),
        (b"Transfer-Encoding\x0b: chunked\r\n", "bad-field"),
        (b"Origin: \xff\r\n", "bad-field"),
        (b"Origin: http://a\r\nOrigin: http://b\r\n", "field-twice"),
        (b"X-Trappe: 1\r\nx-trappe: 1\r\n", "field-twice"),
        (b"Content-Type: application/json\r\nContent-Type: text/plain\r\n", "field-twice"),
        (b"A: b\n", "bare-line-feed"),
        (b"A: b\n\n", "bare-line-feed"),
        (b"\nA: b\r\n", "bare-line-feed"),
    ];
    for (fields, code) in table {
        assert_eq!(bad_code(&with(fields)), Some((400, *code)), "{}", fields.escape_ascii());
    }
}

#[test]
fn a_body_whose_end_could_be_read_in_two_ways_is_refused() {
    let table: &[(&str, (u16, &str))] = &[
        ("Content-Length: 5\r\nContent-Length: 5\r\n", (400, "two-lengths")),
        ("Content-Length: 5\r\nContent-Length: 6\r\n", (400, "two-lengths")),
        ("Content-Length: 5\r\ncontent-length:\r\n", (400, "two-lengths")),
        ("Content-Length: 5, 5\r\n", (400, "bad-length")),
        ("Content-Length:\r\n", (400, "bad-length")),
        ("Content-Length: +5\r\n", (400, "bad-length")),
        ("Content-Length: -5\r\n", (400, "bad-length")),
        ("Content-Length: 5 5\r\n", (400, "bad-length")),
        ("Content-Length: 0x5\r\n", (400, "bad-length")),
        ("Content-Length: 5.0\r\n", (400, "bad-length")),
        ("Content-Length: ٥\r\n", (400, "bad-length")),
        ("Content-Length: 18446744073709551616\r\n", (400, "bad-length")),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", (400, "bad-transfer-encoding")),
        ("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", (400, "bad-transfer-encoding")),
        ("Transfer-Encoding: gzip\r\nContent-Length: 5\r\n", (400, "bad-transfer-encoding")),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            (400, "bad-transfer-encoding"),
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            (400, "bad-transfer-encoding"),
        ),
        ("Transfer-Encoding:\r\n", (400, "bad-transfer-encoding")),
        ("Transfer-Encoding: identity\r\n", (400, "bad-transfer-encoding")),
        ("Transfer-Encoding: gzip\r\n", (400, "bad-transfer-encoding")),
        ("Transfer-Encoding: xchunked\r\n", (400, "bad-transfer-encoding")),
        ("Transfer-Encoding: \"chunked\"\r\n", (400, "bad-transfer-encoding")),
        ("Transfer-Encoding: chunked;a=b\r\n", (400, "bad-transfer-encoding")),
        ("Transfer-Encoding: chunked, chunked\r\n", (400, "bad-transfer-encoding")),
        ("Transfer-Encoding: chunked, gzip\r\n", (400, "bad-transfer-encoding")),
        ("Transfer-Encoding: chunked,\r\n", (400, "bad-transfer-encoding")),
        ("Transfer-Encoding: , chunked\r\n", (400, "bad-transfer-encoding")),
        ("Transfer-Encoding: gzip, chunked\r\n", (501, "unknown-transfer-encoding")),
    ];
    for (fields, refused) in table {
        assert_eq!(bad_code(&with(fields.as_bytes())), Some(*refused), "{fields:?}");
    }
    let old = b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(bad_code(old), Some((400, "bad-transfer-encoding")));
}

#[test]
fn how_long_the_body_is_is_known() {
    let table = [
        ("", Length::Zero),
        ("Content-Length: 0\r\n", Length::Bytes(0)),
        ("content-length:007 \r\n", Length::Bytes(7)),
        ("Content-Length: 18446744073709551615\r\n", Length::Bytes(u64::MAX)),
        ("Transfer-Encoding: chunked\r\n", Length::Chunked),
        ("transfer-encoding:\t Chunked\t\r\n", Length::Chunked),
    ];
    for (fields, length) in table {
        assert_eq!(whole(&with(fields.as_bytes())).length, length, "{fields:?}");
    }
}

#[test]
fn whoever_is_asked_is_named_once_and_well() {
    let refused: &[(&str, &str)] = &[
        ("GET / HTTP/1.1\r\n\r\n", "no-host"),
        ("GET http://localhost/ HTTP/1.1\r\n\r\n", "no-host"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "bad-host"),
        ("GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", "bad-host"),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", "bad-host"),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "bad-host"),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "bad-host"),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "bad-host"),
        ("GET / HTTP/1.1\r\nHost: me@a\r\n\r\n", "bad-host"),
        ("GET / HTTP/1.1\r\nHost: a:-1\r\n\r\n", "bad-host"),
        ("GET http://a/ HTTP/1.0\r\nHost: b\r\n\r\n", "other-host"),
    ];
    for (head, code) in refused {
        assert_eq!(bad_code(head.as_bytes()), Some((400, *code)), "{head:?}");
    }
    let right: &[(&str, Option<&str>)] = &[
        ("GET / HTTP/1.1\r\nHost: a:1\r\n\r\n", Some("a:1")),
        ("GET / HTTP/1.1\r\nHost: [::1]:5566\r\n\r\n", Some("[::1]:5566")),
        ("GET http://A.:1/ HTTP/1.1\r\nHost: a:1\r\n\r\n", Some("a:1")),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", Some("a")),
        ("GET / HTTP/1.0\r\n\r\n", None),
        ("GET http://a:1 HTTP/1.0\r\n\r\n", Some("a:1")),
    ];
    for (head, host) in right {
        assert_eq!(whole(head.as_bytes()).host.as_deref(), *host, "{head:?}");
    }
}

#[test]
fn a_path_is_decoded_between_its_slashes_and_never_resolved() {
    let table: &[(&str, &str, &[&str], Option<&str>)] = &[
        ("/", "/", &[""], None),
        ("/?", "/", &[""], Some("")),
        ("/metrics", "/metrics", &["metrics"], None),
        ("//metrics/", "//metrics/", &["", "metrics", ""], None),
        (
            "/rooms/caf%C3%A9/events?after=1&a=%2",
            "/rooms/caf%C3%A9/events",
            &["rooms", "café", "events"],
            Some("after=1&a=%2"),
        ),
        ("/a%2Fb/c+d?e?f/g", "/a%2Fb/c+d", &["a/b", "c+d"], Some("e?f/g")),
        ("/../%2e%2E/etc", "/../%2e%2E/etc", &["..", "..", "etc"], None),
        ("/%00", "/%00", &["\0"], None),
        ("http://localhost:5566", "/", &[""], None),
        ("HTTPS://LOCALHOST:5566?a", "/", &[""], Some("a")),
        ("http://localhost:5566/a/b?c", "/a/b", &["a", "b"], Some("c")),
    ];
    for (sent, path, segments, query) in table {
        let target = whole(&begun(format!("GET {sent} HTTP/1.1").as_bytes())).target;
        let seen = (target.path.as_str(), target.route(), target.query.as_deref());
        assert_eq!(seen, (*path, segments.to_vec(), *query), "{sent}");
    }
    let everything = whole(&begun(b"OPTIONS * HTTP/1.1")).target;
    assert_eq!((everything.path.as_str(), everything.segments), ("*", vec![]));
}

#[test]
fn fields_are_found_by_their_names() {
    let head = whole(&with(
        b"Connection: keep-alive,  Upgrade\r\nX: \t a b \t\r\nCONNECTION: , x\r\nY: \xff\r\nEmpty:\r\n",
    ));
    assert_eq!(head.header("host"), Some("localhost"));
    assert_eq!(head.header("x"), Some("a b"));
    assert_eq!(head.header("empty"), Some(""));
    assert_eq!(head.header("none"), None);
    assert_eq!((head.header("y"), head.all("y").next()), (None, Some(&b"\xff"[..])));
    assert_eq!((head.header("connection"), head.all("connection").count()), (None, 2));
    assert_eq!(head.list("connection").collect::<Vec<_>>(), ["keep-alive", "Upgrade", "x"]);
    assert_eq!((head.method, head.version), (Method::POST, Version::HTTP_11));
}

#[test]
fn a_head_is_bounded_in_bytes_and_in_fields() {
    let filler = |length: usize| {
        let empty = with(b"A: \r\n").len();
        with(format!("A: {}\r\n", "a".repeat(length - empty)).as_bytes())
    };
    assert_eq!(bad_code(&filler(HTTP_HEAD_BYTES)), None);
    whole(&filler(HTTP_HEAD_BYTES));
    let longer = filler(HTTP_HEAD_BYTES + 1);
    assert_eq!(bad_code(&longer), Some((431, "head-too-long")));
    assert_eq!(bad_code(&longer[..HTTP_HEAD_BYTES]), Some((431, "head-too-long")));
    assert!(matches!(look(&longer[..HTTP_HEAD_BYTES - 1]), Look::More));

    let endless = [b"GET /", "a".repeat(HTTP_HEAD_BYTES).as_bytes()].concat();
    assert_eq!(bad_code(&endless), Some((414, "target-too-long")));
    let target = "a".repeat(HTTP_TARGET_BYTES - 1);
    whole(&begun(format!("GET /{target} HTTP/1.1").as_bytes()));

    // The host is one of them.
    whole(&with("a:\r\n".repeat(HTTP_FIELDS - 1).as_bytes()));
    let crowded = with("a:\r\n".repeat(HTTP_FIELDS).as_bytes());
    assert_eq!(bad_code(&crowded), Some((431, "too-many-fields")));
    let unended = crowded.len() - 2;
    assert_eq!(bad_code(&crowded[..unended]), Some((431, "too-many-fields")));
    assert_eq!(bad_code(&crowded[..unended - 1]), None);
}

#[test]
fn a_head_is_whole_with_its_last_byte_and_the_body_is_left() {
    let head = with(b"Content-Length: 7\r\nX-Trappe: 1\r\n");
    for length in 0..head.len() {
        assert!(matches!(look(&head[..length]), Look::More), "after {length} bytes");
    }
    let mut all = head.clone();
    all.extend_from_slice(b"bonjour\n\nGET / HTTP/1.1\r\n\r\n");
    assert!(matches!(look(&all), Look::Whole(_, length) if length == head.len()));
}

#[test]
fn a_bare_line_feed_is_refused_as_soon_as_it_comes() {
    for begun in ["GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nHost: a\n", "\n", "GET /\n"] {
        assert_eq!(bad_code(begun.as_bytes()), Some((400, "bare-line-feed")), "{begun:?}");
    }
}

/// A head as it would be sent again.
fn written(head: &Head) -> Vec<u8> {
    let Target { path, query, .. } = &head.target;
    let query = query.as_ref().map(|it| format!("?{it}")).unwrap_or_default();
    let mut bytes = format!("{} {path}{query} {:?}\r\n", head.method, head.version).into_bytes();
    for (name, value) in &head.headers {
        bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// What another parser reads: method, target, minor version, fields with names in lower case.
type Seen = (String, String, u8, Vec<(String, Vec<u8>)>);

fn seen_by_httparse(bytes: &[u8]) -> Seen {
    let mut fields = [httparse::EMPTY_HEADER; HTTP_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let parsed = request.parse(bytes).expect("what was let through is a head");
    assert_eq!(parsed, httparse::Status::Complete(bytes.len()));
    let fields = request.headers.iter().map(|f| (f.name.to_ascii_lowercase(), f.value.to_vec()));
    (
        request.method.expect("it is whole").to_owned(),
        request.path.expect("it is whole").to_owned(),
        request.version.expect("it is whole"),
        fields.collect(),
    )
}

/// Bytes that are nearly a head: pieces of heads in any order, good ones more often than not.
fn nearly_a_head() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec![
        "GET / HTTP/1.1\r\n",
        "POST /rooms/a%20b/messages?x=y HTTP/1.1\r\n",
        "OPTIONS * HTTP/1.0\r\n",
        "GET http://a/b?c HTTP/1.1\r\n",
    ]);
    let host = prop::sample::select(vec!["Host: a\r\n", "host:a\r\n", "", "Host: b:1\r\n"]);
    let fixed = prop::sample::select(vec![
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "X: \t y \t\r\n",
        " folded\r\n",
        "Y : z\r\n",
        "Z: \u{e9}\r\n",
        "a\n",
        "\r",
        "\0",
        "\r\n",
    ]);
    let any = "[!-~]{1,8}: ?[ -~]{0,12}\r\n".prop_map(String::into_bytes);
    let piece = prop_oneof![3 => any, 1 => fixed.prop_map(|it| it.as_bytes().to_vec())];
    (line, host, vec(piece, 0..5), prop::sample::select(vec!["\r\n", "\r\n", "", "\n"])).prop_map(
        |(line, host, pieces, end)| {
            [line.as_bytes(), host.as_bytes(), &pieces.concat(), end.as_bytes()].concat()
        },
    )
}

#[track_caller]
fn reads_in_one_way_only(bytes: &[u8]) {
    if let Look::Whole(head, length) = look(bytes) {
        let theirs = seen_by_httparse(&bytes[..length]);
        let again = seen_by_httparse(&written(&head));
        // The absolute form is written in its other form, to the same host.
        assert!(theirs.1.ends_with(&again.1) || again.1 == "/" || again.1.starts_with("/?"));
        assert_eq!((&theirs.0, theirs.2, &theirs.3), (&again.0, again.2, &again.3));
        assert_eq!(theirs.3, head.headers);
        for byte in bytes[..length].windows(2) {
            assert_eq!(byte[1] == b'\n', byte[0] == b'\r', "{}", bytes.escape_ascii());
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_looked_at_without_harm(bytes in vec(any::<u8>(), 0..300)) {
        reads_in_one_way_only(&bytes);
    }

    #[test]
    fn what_is_let_through_reads_in_one_way_only(bytes in nearly_a_head()) {
        reads_in_one_way_only(&bytes);
    }

    #[test]
    fn how_a_head_was_cut_into_reads_changes_nothing(bytes in nearly_a_head()) {
        let told = |bytes: &[u8]| match look(bytes) {
            Look::More => None,
            Look::Whole(_, length) => Some(Ok(length)),
            Look::Bad(bad) => Some(Err(bad)),
        };
        let first = (0..=bytes.len()).find_map(|length| told(&bytes[..length]));
        prop_assert_eq!(first, told(&bytes));
    }
}
