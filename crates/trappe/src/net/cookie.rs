//! Cookies, by which a peer of datagrams proves that it gets what is sent to its address (PROTOCOL §7).
//!
//! A cookie is made of what it is for, and of a secret: until it comes back, nothing is remembered of who was given it. Who
//! writes another's address into its datagrams never sees the cookie, and so can't have the hub send anything more there.

use std::{net::SocketAddr, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use trappe_core::limits::COOKIE_EPOCH;

use crate::random;

/// How many characters a cookie has: 64 bits, five in each.
pub(crate) const COOKIE_CHARS: usize = 13;
/// How many characters a one-time key has: 128 bits.
pub(crate) const KEY_CHARS: usize = 26;

/// The digits: base 32 of RFC 4648, in lower case.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Makes cookies, and knows its own.
#[derive(Debug)]
pub(crate) struct Cookies([u8; 32]);

impl Cookies {
    /// Cookies that nobody else can make.
    pub(crate) fn new() -> Cookies {
        let mut secret = [0; 32];
        random::fill(&mut secret);
        Cookies(secret)
    }

    /// The cookie of a peer and a room, by its name, at `now` since the hub began.
    pub(crate) fn make(&self, peer: SocketAddr, room: &str, now: Duration) -> String {
        let made = self.mac(peer, room, epoch(now)).finalize().into_bytes();
        encode(&made[..8])
    }

    /// Whether a cookie is that peer's for that room, made in this epoch or in the last.
    pub(crate) fn is_good(&self, peer: SocketAddr, room: &str, now: Duration, given: &str) -> bool {
        let Some(given) = decode(given) else { return false };
        let this = epoch(now);
        let good = |epoch| self.mac(peer, room, epoch).verify_truncated_left(&given).is_ok();
        good(this) || this.checked_sub(1).is_some_and(good)
    }

    fn mac(&self, peer: SocketAddr, room: &str, epoch: u64) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length will do");
        match peer.ip().to_canonical() {
            std::net::IpAddr::V4(ip) => mac.update(&ip.to_ipv6_mapped().octets()),
            std::net::IpAddr::V6(ip) => mac.update(&ip.octets()),
        }
        mac.update(&peer.port().to_be_bytes());
        mac.update(&epoch.to_be_bytes());
        // Last, since it alone has no fixed length.
        mac.update(room.as_bytes());
        mac
    }
}

/// Which epoch it is.
pub(crate) fn epoch(now: Duration) -> u64 {
    now.as_secs() / COOKIE_EPOCH.as_secs()
}

/// A one-time key.
pub(crate) fn one_time_key() -> String {
    let mut random = [0; 16];
    random::fill(&mut random);
    encode(&random)
}

/// Whether a text has the form of a one-time key.
pub(crate) fn is_key(text: &[u8]) -> bool {
    text.len() == KEY_CHARS && text.iter().all(|b| BASE32.contains(b))
}

/// Whether a text has the form of a cookie.
pub(crate) fn is_cookie(text: &str) -> bool {
    decode(text).is_some()
}

/// Bytes in base 32, without padding.
fn encode(bytes: &[u8]) -> String {
    let digits = (8 * bytes.len()).div_ceil(5);
    let bit = |i: usize| bytes.get(i / 8).map_or(0, |byte| (byte >> (7 - i % 8)) & 1);
    let digit = |at: usize| (5 * at..5 * at + 5).fold(0, |digit, i| 2 * digit + bit(i));
    (0..digits).map(|at| char::from(BASE32[usize::from(digit(at))])).collect()
}

/// The 64 bits of a cookie. None: it has not the form of one.
fn decode(text: &str) -> Option<[u8; 8]> {
    if text.len() != COOKIE_CHARS {
        return None;
    }
    let mut bits: u128 = 0;
    for digit in text.bytes() {
        let value = BASE32.iter().position(|&b| b == digit)?;
        bits = bits << 5 | value as u128;
    }
    // The last digit has one bit to spare.
    (bits & 1 == 0).then(|| u64::try_from(bits >> 1).map(u64::to_be_bytes).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn peer(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_cookie_is_good_for_its_peer_and_room_alone() {
        let (cookies, others) = (Cookies::new(), Cookies::new());
        let (alice, now) = (peer("192.0.2.7:4000"), Duration::from_secs(100));
        let cookie = cookies.make(alice, "arena", now);
        assert!(is_cookie(&cookie) && cookie.len() == COOKIE_CHARS, "{cookie}");
        assert!(cookies.is_good(alice, "arena", now, &cookie));
        assert!(cookies.is_good(peer("[::ffff:192.0.2.7]:4000"), "arena", now, &cookie));
        for (whose, room) in [
            ("192.0.2.7:4001", "arena"),
            ("192.0.2.8:4000", "arena"),
            ("192.0.2.7:4000", "aren"),
            ("192.0.2.7:4000", "arena2"),
        ] {
            assert!(!cookies.is_good(peer(whose), room, now, &cookie), "{whose} {room}");
        }
        assert!(!others.is_good(alice, "arena", now, &cookie), "another hub's");
        for bad in ["", "aaaaaaaaaaaaa", "AAAAAAAAAAAAA", "aaaaaaaaaaaa", "aaaaaaaaaaaa1", "é"] {
            assert!(!cookies.is_good(alice, "arena", now, bad), "{bad}");
        }
    }

    #[test]
    fn a_cookie_is_good_in_its_epoch_and_in_the_next() {
        let (cookies, alice) = (Cookies::new(), peer("[2001:db8::7]:4000"));
        let at = Duration::from_secs;
        let cookie = cookies.make(alice, "lobby", at(59));
        for (now, good) in
            [(29, false), (30, true), (59, true), (60, true), (89, true), (90, false)]
        {
            assert_eq!(cookies.is_good(alice, "lobby", at(now), &cookie), good, "at {now} s");
        }
    }

    #[test]
    fn a_key_has_its_form_and_comes_once() {
        let (one, other) = (one_time_key(), one_time_key());
        assert!(is_key(one.as_bytes()) && is_key(other.as_bytes()));
        assert_ne!(one, other);
        assert!(!is_key(b"bonjour") && !is_key("é".repeat(13).as_bytes()));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(bytes in any::<[u8; 8]>()) {
            let text = encode(&bytes);
            prop_assert_eq!(text.len(), COOKIE_CHARS);
            prop_assert_eq!(decode(&text), Some(bytes));
        }
    }
}
