//! Answers: a status, a few fields, a body.

use bytes::Bytes;
use http::{Response, StatusCode, header::HeaderValue};
use http_body_util::Full;
use trappe_core::{command::Lang, encode::json, event::Event, words::say};

use super::head::Head;

/// One answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    content_type: &'static str,
    policy: &'static str,
    cache: &'static str,
    fields: Vec<(&'static str, String)>,
    body: Bytes,
}

/// What a document that is no page may do. It may talk to its own hub, also by what is pasted into its console.
const POLICY: &str = "default-src 'none'; style-src 'self'; connect-src 'self'";

impl Answer {
    pub(super) fn new(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
        let (policy, cache) = (POLICY, "no-store");
        Answer { status, content_type, policy, cache, fields: Vec::new(), body: body.into() }
    }

    /// Nothing but the status.
    pub(super) fn empty(status: u16) -> Answer {
        Answer::new(status, "", Bytes::new())
    }

    /// An object, and a newline for terminals.
    pub(super) fn json(status: u16, mut body: Vec<u8>) -> Answer {
        body.push(b'\n');
        Answer::new(status, "application/json", body)
    }

    /// What is wrong, by its code; the sentence is `http-` and the code, in the words of the hub.
    pub(super) fn error(lang: Lang, status: u16, code: &'static str) -> Answer {
        Answer::refusal(status, code, &say(lang, sentence_of(code), &[]))
    }

    /// What is wrong, in words: the same object as an error has everywhere else.
    pub(super) fn refusal(status: u16, code: &str, text: &str) -> Answer {
        let mut body = Vec::new();
        json::event(&mut body, &Event::error(code, text));
        Answer::json(status, body)
    }

    /// The same with one field more.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.fields.push((name, value.into()));
        self
    }

    /// The same with another content security policy.
    pub(super) fn policy(mut self, policy: &'static str) -> Answer {
        self.policy = policy;
        self
    }

    /// The same, where it may be kept (RFC 9111 §5.2.2).
    pub(super) fn cache(mut self, cache: &'static str) -> Answer {
        self.cache = cache;
        self
    }

    /// Bytes of the body.
    pub(super) fn len(&self) -> usize {
        self.body.len()
    }

    /// All fields of the answer to this request; an origin that was let in may read it.
    fn all_fields(&self, head: Option<&Head>) -> Vec<(&'static str, String)> {
        let mut fields = vec![
            ("x-content-type-options", "nosniff".to_owned()),
            ("cache-control", self.cache.to_owned()),
            ("content-security-policy", self.policy.to_owned()),
        ];
        if !self.content_type.is_empty() {
            fields.push(("content-type", self.content_type.to_owned()));
        }
        if let Some(origin) = head.and_then(|head| head.header("origin")) {
            fields.push(("access-control-allow-origin", origin.to_owned()));
            fields.push(("access-control-expose-headers", "Link".to_owned()));
            fields.push(("vary", "Origin".to_owned()));
        }
        fields.extend(self.fields.iter().cloned());
        fields
    }

    /// As hyper writes it.
    pub(super) fn into_response(self, head: &Head) -> Response<Full<Bytes>> {
        let fields = self.all_fields(Some(head));
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or_default();
        for (name, value) in fields {
            // What a client chose of it was in a head already.
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }

    /// As it is written where hyper doesn't come in.
    pub(super) fn to_bytes(&self, head: Option<&Head>, body: bool) -> Vec<u8> {
        let status = StatusCode::from_u16(self.status).unwrap_or_default();
        let mut out =
            format!("HTTP/1.1 {} {}\r\n", self.status, status.canonical_reason().unwrap_or(""));
        for (name, value) in self.all_fields(head) {
            out.extend([name, ": ", &value, "\r\n"]);
        }
        let length = self.body.len().to_string();
        out.extend(["content-length: ", &length, "\r\nconnection: close\r\n\r\n"]);
        let mut out = out.into_bytes();
        if body {
            out.extend_from_slice(&self.body);
        }
        out
    }
}

/// The sentence of each code that has no more to say than itself.
fn sentence_of(code: &'static str) -> &'static str {
    match code {
        "local-only" => "http-local-only",
        "host-not-allowed" => "http-host-not-allowed",
        "origin-not-allowed" => "http-origin-not-allowed",
        "bad-room" => "http-bad-room",
        "not-found" => "http-not-found",
        "method-not-allowed" => "http-method-not-allowed",
        "content-type" => "http-content-type",
        "too-slow" => "http-too-slow",
        "not-here" => "http-not-here",
        "too-many-watchers" => "http-too-many-watchers",
        "upgrade-required" => "http-upgrade-required",
        "bad-upgrade" => "http-bad-upgrade",
        "bad-subprotocol" => "http-bad-subprotocol",
        "bad-body" => "http-bad-body",
        "empty" => "http-empty",
        "idempotency-key" => "http-idempotency-key",
        "idempotency-full" => "http-idempotency-full",
        "pressed" => "http-pressed",
        "idempotency-mismatch" => "http-idempotency-mismatch",
        "bad-last-event-id" => "http-bad-last-event-id",
        _ => "http-bad-request",
    }
}
