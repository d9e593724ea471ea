//! Becoming a member by datagrams (PROTOCOL §7), as far as it needs no socket: what is sent, and what an answer means.
//!
//! An address proves itself first: `/join ROOM` is answered by `/join ROOM COOKIE`, which is sent back as it is. Where
//! it needs no proof the hub's first word is that of a room. Each datagram may be lost, doubled or late.

use std::time::Instant;

use super::retry::{Due, Retry};

/// What every request to enter, and every cookie, begins with.
const JOIN: &[u8] = b"/join ";

/// One address that asks to become a member of a room.
#[derive(Debug)]
pub(crate) struct Join {
    request: Vec<u8>,
    retry: Retry,
}

impl Join {
    /// Asks for `room`, which is a name of a room, or one and a position.
    #[must_use]
    pub(crate) fn new(now: Instant, room: &str) -> Self {
        Self { request: [JOIN, room.as_bytes()].concat(), retry: Retry::new(now) }
    }

    /// What is due: [`Due::Send`] is about the [`request`](Self::request).
    pub(crate) fn poll(&mut self, now: Instant) -> Due {
        self.retry.poll(now)
    }

    /// What is sent: the question first, later the proof.
    #[must_use]
    pub(crate) fn request(&self) -> &[u8] {
        &self.request
    }

    /// Takes what came. True where it tells that the address is a member now.
    pub(crate) fn handle(&mut self, now: Instant, datagram: &[u8]) -> bool {
        if datagram.is_empty() {
            return false;
        }
        // No word of a room begins so, whoever said it: in the text format, in which a membership begins, that would be
        // `<name> /join`.
        if !datagram.starts_with(JOIN) {
            return true;
        }
        // Our own words are what was known already: a cookie that came twice, or a server that only echoes.
        if datagram != self.request {
            self.request = datagram.to_vec();
            self.retry.begin_anew(now);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Runs a script: a number is a moment in milliseconds, at which the answer after it comes. Gives what was sent
    /// when, and how it ended.
    fn script(answers: &[(u64, &str)]) -> String {
        let begin = Instant::now();
        let mut join = Join::new(begin, "jeu");
        let (mut now, mut told) = (begin, Vec::new());
        let mut answers = answers.iter();
        let mut next = answers.next();
        loop {
            let ms = |at: Instant| (at - begin).as_millis();
            match join.poll(now) {
                Due::Send => {
                    told.push(format!("{} {}", ms(now), String::from_utf8_lossy(join.request())));
                }
                Due::GivenUp => {
                    told.push(format!("{} given up", ms(now)));
                    return told.join("; ");
                }
                Due::At(at) => match next {
                    Some(&(when, answer)) if begin + Duration::from_millis(when) < at => {
                        now = begin + Duration::from_millis(when);
                        next = answers.next();
                        if join.handle(now, answer.as_bytes()) {
                            told.push(format!("{when} member"));
                            return told.join("; ");
                        }
                    }
                    _ => now = at,
                },
            }
        }
    }

    #[test]
    fn an_address_enters_with_and_without_proof_and_whatever_is_lost() {
        let cookie = "/join jeu abcdefghijklm";
        let cases: &[(&[(u64, &str)], &str)] = &[
            (&[(3, "* vous êtes dans jeu\n")], "0 /join jeu; 3 member"),
            (
                &[(3, cookie), (6, "* vous êtes dans jeu\n")],
                "0 /join jeu; 3 /join jeu abcdefghijklm; 6 member",
            ),
            (&[(260, "<bob> bonjour\n")], "0 /join jeu; 250 /join jeu; 260 member"),
            // The proof is lost: it is what is sent again.
            (
                &[(3, cookie), (300, "* a")],
                "0 /join jeu; 3 /join jeu abcdefghijklm; 253 /join jeu abcdefghijklm; 300 member",
            ),
            // Both questions were answered: the second cookie is the first one.
            (
                &[(251, cookie), (252, cookie), (260, "* a")],
                "0 /join jeu; 250 /join jeu; 251 /join jeu abcdefghijklm; 260 member",
            ),
            // An epoch has ended between the two.
            (
                &[(1, cookie), (2, "/join jeu nopqrstuvwxyz"), (3, "* a")],
                "0 /join jeu; 1 /join jeu abcdefghijklm; 2 /join jeu nopqrstuvwxyz; 3 member",
            ),
            (
                &[],
                "0 /join jeu; 250 /join jeu; 750 /join jeu; 1750 /join jeu; 3750 /join jeu; 5000 given up",
            ),
            // Nobody but an echo, and an empty datagram.
            (
                &[(1, "/join jeu"), (2, "")],
                "0 /join jeu; 250 /join jeu; 750 /join jeu; 1750 /join jeu; 3750 /join jeu; 5000 given up",
            ),
        ];
        for (answers, told) in cases {
            assert_eq!(script(answers), *told, "{answers:?}");
        }
    }

    #[test]
    fn a_cookie_is_sent_back_byte_for_byte() {
        let now = Instant::now();
        let mut join = Join::new(now, "jeu");
        assert!(!join.handle(now, b"/join jeu abcdefghijklm\r\n"));
        assert_eq!(join.request(), b"/join jeu abcdefghijklm\r\n");
    }
}
