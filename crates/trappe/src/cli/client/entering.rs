//! What is asked of the hub before anything is said, by a member by datagrams: a format and a name, one after the
//! other, and each again until its answer comes. The room it has asked for as it entered.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind},
    time::Instant,
};

use trappe_core::{command::Format, name::Name, reply::bad_name, words::say};

use super::{
    datagrams::Datagrams,
    opening::{Opened, Wishes, random_word},
    screen::Sink,
    talk::READ_BYTES,
};
use crate::{
    cli::out,
    client::retry::{Due, Retry},
};

/// A question. Its answer ends with the word that was asked for, whatever the hub's language is.
#[derive(Debug)]
enum Ask {
    Format(Format),
    Nick(Name),
    /// The last one: what it answers comes after every other answer. Each try has a word of its own, so that none is
    /// left to come.
    Ping {
        tries: u32,
    },
}

/// Asks, and reads the answers out of what comes. Without a socket: the caller sends, waits and shows.
#[derive(Debug)]
struct Entering {
    asks: VecDeque<Ask>,
    retry: Retry,
    /// Nobody else in the room knows it.
    word: String,
    /// What comes is bodies, or will be as soon as the format was answered; until then it is nothing that anyone asked
    /// for.
    raw: bool,
    /// Answers and refusals that came: a question that was asked twice is answered twice.
    answers: Vec<Vec<u8>>,
    /// To be shown.
    shown: Vec<u8>,
    /// To be told.
    refusals: Vec<Vec<u8>>,
}

impl Entering {
    fn new(now: Instant, format: Option<Format>, nick: Option<Name>, word: String) -> Self {
        let asks = [format.map(Ask::Format), nick.map(Ask::Nick)].into_iter().flatten();
        let mut asks: VecDeque<Ask> = asks.collect();
        if !asks.is_empty() {
            asks.push_back(Ask::Ping { tries: 0 });
        }
        Self {
            asks,
            retry: Retry::new(now),
            word,
            raw: format == Some(Format::Raw),
            answers: Vec::new(),
            shown: Vec::new(),
            refusals: Vec::new(),
        }
    }

    /// What is due; `None` once all was answered.
    fn poll(&mut self, now: Instant) -> Option<Due> {
        let ask = self.asks.front_mut()?;
        let due = self.retry.poll(now);
        if let (Due::Send, Ask::Ping { tries }) = (due, ask) {
            *tries += 1;
        }
        Some(due)
    }

    /// What is sent.
    fn question(&self) -> String {
        match self.asks.front() {
            Some(Ask::Format(format)) => format!("/format {}", format.as_str()),
            Some(Ask::Nick(name)) => format!("/nick {name}"),
            Some(Ask::Ping { tries }) => format!("/ping {}-{tries}", self.word),
            None => String::new(),
        }
    }

    /// Whether the question is the last one: nothing is lost without its answer.
    fn is_last(&self) -> bool {
        matches!(self.asks.front(), Some(Ask::Ping { .. }) | None)
    }

    fn handle(&mut self, now: Instant, datagram: &[u8]) {
        let formatted = !matches!(self.asks.front(), Some(Ask::Format(_)));
        if self.raw && formatted {
            self.body(now, datagram);
        } else {
            for line in datagram.split_inclusive(|&byte| byte == b'\n') {
                self.line(now, line);
            }
        }
    }

    /// A line in the text format.
    fn line(&mut self, now: Instant, line: &[u8]) {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        if self.reply(now, text) == Reply::Other && !self.raw {
            self.shown.extend_from_slice(text);
            self.shown.push(b'\n');
        }
    }

    /// A datagram in the raw format.
    fn body(&mut self, now: Instant, body: &[u8]) {
        let text = body.strip_suffix(b"\n").unwrap_or(body);
        let other = self.reply(now, text) == Reply::Other;
        if other && !body.is_empty() && !text.starts_with(b"* ") {
            self.shown.extend_from_slice(body);
            self.shown.push(b'\n');
        }
    }

    /// Reads it as a reply to what was asked.
    fn reply(&mut self, now: Instant, text: &[u8]) -> Reply {
        if self.answers.iter().any(|answer| answer == text) {
            return Reply::Taken;
        }
        if let Some(refusal) = text.strip_prefix(b"! ") {
            self.refusals.push(refusal.to_vec());
            self.answers.push(text.to_vec());
            if !self.is_last() {
                self.go_on(now);
            }
            return Reply::Taken;
        }
        let Some(notice) = text.strip_prefix(b"* ") else { return Reply::Other };
        let question = self.question();
        let wanted = question.split_once(' ').map(|(_command, wanted)| wanted.as_bytes());
        let last = notice.rsplit(|&byte| byte == b' ').next().unwrap_or(notice);
        if wanted == Some(last) {
            self.answers.push(text.to_vec());
            let pong = self.is_last();
            self.go_on(now);
            return if pong { Reply::Taken } else { Reply::Other };
        }
        let late_pong = notice.starts_with(format!("pong {}-", self.word).as_bytes());
        if late_pong { Reply::Taken } else { Reply::Other }
    }

    fn go_on(&mut self, now: Instant) {
        self.asks.pop_front();
        self.retry = Retry::new(now);
    }
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reply {
    /// Nobody needs it any more.
    Taken,
    /// It is shown like any other.
    Other,
}

/// Asks for what is wished. Refusals, and that no answer came, go to standard error; what else came is shown in `sink`,
/// in raw format without the answers, which aren't data.
///
/// # Errors
/// Those of `sink`.
pub(super) fn enter(
    wishes: &Wishes<'_>,
    member: &Datagrams,
    sink: &mut impl Sink,
) -> io::Result<Opened> {
    let mut opened = Opened::default();
    let nick = match wishes.nick.map(Name::parse).transpose() {
        Ok(nick) => nick,
        Err(why) => {
            out::talk(&bad_name(member.lang(), &why));
            opened.refused = true;
            None
        }
    };
    let mut entering = Entering::new(Instant::now(), wishes.format, nick, random_word());
    let mut buffer = vec![0; READ_BYTES];
    while let Some(due) = entering.poll(Instant::now()) {
        match due {
            // One that can't leave is one that is lost; a hub that is gone gives no answer.
            Due::Send => drop(member.send(entering.question().as_bytes())),
            Due::At(at) => {
                let left = at.saturating_duration_since(Instant::now());
                // Fails for a zero alone.
                if left.is_zero() || member.set_read_timeout(Some(left)).is_err() {
                    continue;
                }
                match member.datagram(&mut buffer) {
                    Ok(length) => entering.handle(Instant::now(), &buffer[..length]),
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => break,
                    Err(_) => {}
                }
                sink.show(&std::mem::take(&mut entering.shown))?;
                for refusal in entering.refusals.drain(..) {
                    out::talk_bytes(&refusal);
                    opened.refused = true;
                }
            }
            Due::GivenUp => {
                if !entering.is_last() {
                    let asked = entering.question();
                    let args = [("command", asked.as_str().into())];
                    out::talk(&say(member.lang(), "cli-udp-unanswered", &args));
                    opened.refused = true;
                }
                break;
            }
        }
    }
    sink.settle()?;
    Ok(opened)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a hub that answers the questions so, each with any number of datagrams (PONG is the answer to the ping):
    /// an empty list is a question that was lost. Gives what was asked, then what was shown, then the refusals.
    fn script(format: Option<Format>, nick: Option<&str>, answers: &[&[&str]]) -> [String; 3] {
        let mut now = Instant::now();
        let nick = nick.map(|nick| Name::parse(nick).expect("a name"));
        let mut entering = Entering::new(now, format, nick, "w".to_owned());
        let mut answers = answers.iter();
        let mut asked = Vec::new();
        while let Some(due) = entering.poll(now) {
            match due {
                Due::At(at) => now = at,
                Due::GivenUp => {
                    asked.push("given up".to_owned());
                    break;
                }
                Due::Send => {
                    let question = entering.question();
                    let pong = format!("* pong {}\n", question.trim_start_matches("/ping "));
                    asked.push(question);
                    for datagram in answers.next().copied().unwrap_or_default() {
                        entering.handle(now, datagram.replace("PONG", &pong).as_bytes());
                    }
                }
            }
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let refusals: Vec<String> = entering.refusals.iter().map(|told| text(told)).collect();
        [asked.join("; "), text(&entering.shown), refusals.join("; ")]
    }

    #[test]
    fn nothing_is_asked_where_nothing_is_wished() {
        assert_eq!(script(None, None, &[]), ["", "", ""]);
    }

    #[test]
    fn a_name_is_asked_for_until_it_is_answered() {
        let asked = "/nick alice; /nick alice; /nick alice; /ping w-1";
        let answers: &[&[&str]] =
            &[&[], &["<bob> alice\n"], &["* vous êtes alice\n", "<bob> b\n"], &["PONG"]];
        let shown = "<bob> alice\n* vous êtes alice\n<bob> b\n";
        assert_eq!(script(None, Some("alice"), answers), [asked, shown, ""]);
    }

    #[test]
    fn an_answer_that_comes_twice_is_shown_once_and_none_comes_after_the_ping() {
        // The first answer was only late: the hub was asked, and answers, twice.
        let answers: &[&[&str]] =
            &[&[], &["* vous êtes alice\n"], &["* vous êtes alice\n"], &["* pong w-1\n", "PONG"]];
        let asked = "/nick alice; /nick alice; /ping w-1; /ping w-2";
        assert_eq!(script(None, Some("alice"), answers), [asked, "* vous êtes alice\n", ""]);
    }

    #[test]
    fn in_raw_format_only_bodies_that_came_after_its_answer_are_shown() {
        let answers: &[&[&str]] = &[
            &["* vous êtes dans jeu, 2 membres\n", "<bob> as text\n", "* format : raw"],
            &[
                "as raw",
                "* bob is a body that is taken for a notice",
                "* you are alice",
                "two\nlines\n",
            ],
            &["one", "PONG"],
        ];
        let asked = "/format raw; /nick alice; /ping w-1";
        let shown = "as raw\ntwo\nlines\n\none\n";
        assert_eq!(script(Some(Format::Raw), Some("alice"), answers), [asked, shown, ""]);
    }

    #[test]
    fn a_refusal_is_an_answer_and_is_told_once() {
        let taken = "! name-taken alice est déjà pris\n";
        let answers: &[&[&str]] = &[&[taken, taken], &["PONG"]];
        let [asked, shown, refusals] = script(None, Some("alice"), answers);
        assert_eq!((&asked[..], &shown[..]), ("/nick alice; /ping w-1", ""));
        assert_eq!(refusals, "name-taken alice est déjà pris");
    }

    #[test]
    fn a_question_that_is_never_answered_is_given_up() {
        let [asked, ..] = script(Some(Format::Raw), None, &[]);
        assert_eq!(asked, ["/format raw; "; 5].concat() + "given up");
        // That of the ping is no question of anybody's.
        let answers: &[&[&str]] = &[&["* format: raw"]];
        let [asked, ..] = script(Some(Format::Raw), None, answers);
        assert!(asked.ends_with("/ping w-5; given up"), "{asked}");
    }

    #[test]
    fn what_the_room_is_told_answers_nothing() {
        let others: &[&str] = &["* vous êtes dans alice, 2 membres\n", "* alice vient d'arriver\n"];
        let answers: &[&[&str]] = &[others, &["* vous êtes alice\n"], &["PONG"]];
        let [asked, ..] = script(None, Some("alice"), answers);
        assert_eq!(asked, "/nick alice; /nick alice; /ping w-1");
    }
}
