//! What is asked of the hub before anything is said: a name, a room, a format. Nothing is said under another name, or in
//! another room, than was meant; so the answers are waited for. Here over a stream, where nothing is lost; over datagrams
//! it is [`super::entering`].

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use trappe_core::command::Format;

use super::{
    entering,
    lines::{Line, Lines},
    screen::Sink,
    talk::READ_BYTES,
    wire::Wire,
};
use crate::cli::out;

/// How long the answers are waited for. A hub gives them at once; a server that is none never does, and is then spoken to all the same.
const ANSWERS: Duration = Duration::from_secs(2);

/// What is wished for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wishes<'a> {
    pub(super) nick: Option<&'a str>,
    pub(super) room: Option<&'a str>,
    pub(super) format: Option<Format>,
}

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Opened {
    /// The hub refused something, or us, or left it unanswered; why was said on standard error.
    pub(super) refused: bool,
    /// It has answered as a hub does.
    pub(super) is_hub: bool,
    /// What arrived after the answers, to be shown next.
    pub(super) rest: Vec<u8>,
}

impl Wishes<'_> {
    /// The commands, in the order in which they're sent: the format first, so that what comes from the room is in it.
    fn commands(&self) -> String {
        let format = self.format.map(Format::as_str);
        [("format", format), ("nick", self.nick), ("join", self.room)]
            .into_iter()
            .filter_map(|(command, value)| Some(format!("/{command} {}\n", value?)))
            .collect()
    }

    /// Asks for what is wished, and shows in `sink` what comes meanwhile. Refusals go to standard error.
    ///
    /// # Errors
    /// Those of `sink`. A connection that breaks is none: whoever speaks on it learns it.
    pub(super) fn open(&self, wire: &Wire, sink: &mut impl Sink) -> io::Result<Opened> {
        match wire {
            Wire::Stream(stream) => self.over_stream(stream, sink),
            Wire::Datagrams(member) => entering::enter(self, member, sink),
        }
    }

    /// Sends the commands and waits for the answers. Refusals go to standard error, other lines to `sink`: in raw format without the answers, which
    /// aren't data.
    fn over_stream(&self, mut stream: &TcpStream, sink: &mut impl Sink) -> io::Result<Opened> {
        let mut opened = Opened::default();
        let commands = self.commands();
        if commands.is_empty() {
            return Ok(opened);
        }
        // The answer to this last command tells that all others were answered. Nobody else in the room can know its word.
        let word = random_word();
        // Where it fails, what the hub said before it went may be a refusal: it's read all the same.
        drop(stream.write_all(format!("{commands}/ping {word}\n").as_bytes()));
        let pong = format!("* pong {word}");
        let deadline = Instant::now() + ANSWERS;
        let mut lines = Lines::default();
        let mut buffer = vec![0; READ_BYTES];
        let ended = 'answers: loop {
            while let Some(line) = lines.next() {
                if line.after(&pong).is_some() {
                    opened.is_hub = true;
                    break 'answers false;
                }
                opened.refused |= self.take(&line, sink)?;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break false;
            }
            // Fails for a zero alone.
            drop(stream.set_read_timeout(Some(left)));
            match stream.read(&mut buffer) {
                Ok(0) => break true,
                Ok(length) => lines.push(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    break !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                }
            }
        };
        match lines.rest() {
            Some(line) if ended => opened.refused |= self.take(&line, sink)?,
            rest => opened.rest = rest.map(|line| line.bytes).unwrap_or_default(),
        }
        sink.settle()?;
        Ok(opened)
    }

    /// Shows a line where it belongs, and says whether it is a refusal.
    fn take(&self, line: &Line, sink: &mut impl Sink) -> io::Result<bool> {
        if let Some(words) = line.after("! ") {
            out::talk_bytes(words);
            return Ok(true);
        }
        if self.format != Some(Format::Raw) || line.after("* ").is_none() {
            sink.show(&line.bytes)?;
        }
        Ok(false)
    }
}

/// A word that nobody can guess, but where the system has no randomness to give.
pub(super) fn random_word() -> String {
    format!("{:016x}", getrandom::u64().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::{io::BufRead, net::TcpListener, thread};

    use super::*;

    /// Keeps what is shown.
    #[derive(Default)]
    struct Kept(Vec<u8>);

    impl Sink for Kept {
        fn show(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.0.extend_from_slice(bytes);
            Ok(())
        }

        fn holds(&self) -> bool {
            false
        }

        fn settle(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A hub that reads up to the `/ping`, then writes `answers`, PONG in it being the answer to that.
    fn hub(answers: &'static str) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("the test connects");
            let reader = io::BufReader::new(stream.try_clone().expect("a descriptor is free"));
            let mut lines = reader.lines().map_while(Result::ok);
            let word = lines.find_map(|line| line.strip_prefix("/ping ").map(str::to_owned));
            let pong = format!("* pong {}\n", word.expect("the commands end with a ping"));
            stream.write_all(answers.replace("PONG", &pong).as_bytes()).expect("the test reads");
        });
        TcpStream::connect(address).expect("it listens")
    }

    #[test]
    fn answers_are_told_from_what_the_room_says() {
        let text = Wishes { nick: Some("alice"), room: Some("chess"), format: None };
        let raw = Wishes { format: Some(Format::Raw), ..text };
        let cases = [
            (text, "* alice\nPONG<bob> a\nb", "* alice\n", false, "<bob> a\nb"),
            (text, "! name-taken alice\n* chess\nPONG", "* chess\n", true, ""),
            (text, "<bob> ! a\n* pong 1\nPONG", "<bob> ! a\n* pong 1\n", false, ""),
            (
                raw,
                "* raw\n* alice\nsaid\n* chess\nPONG* said\n! said\n",
                "said\n",
                false,
                "* said\n! said\n",
            ),
            (raw, "! bad-name\n* chess\nPONG", "", true, ""),
            // No hub, or one that goes away.
            (text, "bonjour\nà toi", "bonjour\nà toi", false, ""),
            (text, "! full", "", true, ""),
        ];
        for (wishes, answers, shown, refused, rest) in cases {
            let mut kept = Kept::default();
            let opened =
                wishes.open(&Wire::Stream(hub(answers)), &mut kept).expect("memory can't fail");
            assert_eq!(String::from_utf8_lossy(&kept.0), shown, "{answers}");
            let is_hub = answers.contains("PONG");
            assert_eq!(opened, Opened { refused, is_hub, rest: rest.into() }, "{answers}");
        }
    }

    #[test]
    fn commands_are_sent_format_first_and_only_those_wished_for() {
        let all = Wishes { nick: Some("a"), room: Some("r"), format: Some(Format::Raw) };
        assert_eq!(all.commands(), "/format raw\n/nick a\n/join r\n");
        assert_eq!(Wishes { room: Some("r"), ..Wishes::default() }.commands(), "/join r\n");
        assert_eq!(Wishes::default().commands(), "");
    }
}
