//! What is said to a connection that can't take part, in the protocol that it speaks.

use bytes::Bytes;
use trappe_core::{
    encode::Look,
    words::{Value, say},
};

use super::sniff::Guess;

/// A fatal TLS alert, `handshake_failure` (RFC 8446 §6): nothing can be said in words.
const TLS_ALERT: &[u8] = &[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28];
/// An MQTT CONNACK, unacceptable protocol version (MQTT 3.1.1 §3.2.2.3); the sentence after it is for whoever looks.
const MQTT_CONNACK: &[u8] = &[0x20, 0x02, 0x00, 0x01];

/// Why something is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The hub doesn't speak it, or not at this point of a connection.
    Protocol,
    /// The peer isn't on this machine, whatever it speaks.
    Remote,
    /// It isn't spoken on these listeners (`--only`).
    Only,
}

/// The refusal. Empty: just close.
pub(crate) fn of(guess: Guess, cause: Cause, port: u16, look: Look) -> Bytes {
    let remote = cause == Cause::Remote;
    let sentence = |id: &'static str| {
        if remote {
            say(look.lang, "remote-refused", &[])
        } else {
            say(look.lang, id, &[("port", Value::Number(u64::from(port)))])
        }
    };
    let code = |own: &'static str| if remote { "local-only" } else { own };
    let mut out = Vec::new();
    match guess {
        Guess::Tls => out.extend_from_slice(TLS_ALERT),
        Guess::Http => {
            let (status, body) = match cause {
                Cause::Protocol => ("400 Bad Request", sentence("not-http")),
                Cause::Remote => ("403 Forbidden", sentence("not-http")),
                Cause::Only => ("403 Forbidden", say(look.lang, "http-not-here", &[])),
            };
            let body = body + "\n";
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            out.extend_from_slice(head.as_bytes());
        }
        Guess::Http2 => look.error(&mut out, code("not-http2"), &sentence("not-http2")),
        Guess::Ssh => look.error(&mut out, code("not-ssh"), &sentence("not-ssh")),
        Guess::Mqtt => {
            out.extend_from_slice(MQTT_CONNACK);
            look.error(&mut out, code("not-mqtt"), &sentence("not-mqtt"));
        }
        Guess::More | Guess::Raw => {}
    }
    out.into()
}
