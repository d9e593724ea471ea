//! A client held to its word by scripts: what is said to it, what it writes, and what it tells, line by line.
//!
//! In a script `< …` is said by the hub, `> …` has to be written next, `= …` has to come out next, `+5s` lets time
//! pass, and anything else is a call of the program or of whoever has the socket.

mod ending;
mod talking;

use std::{fmt::Write, time::Duration};

use super::*;

fn config() -> Config {
    Config {
        name: None,
        rooms: vec![("lobby".to_owned(), None)],
        retry: None,
        first_or_never: false,
        outbox_sends: 3,
        outbox_bytes: 300,
        message_bytes: 200,
        echo: false,
        quiet: false,
        lang: None,
    }
}

/// An output in a few words.
fn words(output: &Output) -> String {
    match output {
        Output::Connect => "connect".to_owned(),
        Output::Disconnect => "disconnect".to_owned(),
        Output::Ready => "ready".to_owned(),
        Output::Sent(id, Ok(at)) => format!("sent {id} {at}"),
        Output::Sent(id, Err(SendError::Refused(it))) => format!("sent {id} refused {}", it.code),
        Output::Sent(id, Err(SendError::NotStored(_))) => format!("sent {id} not stored"),
        Output::Sent(id, Err(why)) => format!("sent {id} {why:?}"),
        Output::Answered(_, Ok(Answer::Messages(found))) => {
            found.iter().fold("found".to_owned(), |all, it| format!("{all} {}", it.text()))
        }
        Output::Answered(_, Ok(Answer::Entered(room, at))) => format!("entered {room} {at}"),
        Output::Answered(_, Ok(Answer::Done)) => "done".to_owned(),
        Output::Answered(_, Ok(answer)) => format!("{answer:?}"),
        Output::Answered(_, Err(AskError::Refused(it))) => format!("refused {}", it.code),
        Output::Answered(_, Err(why)) => format!("unanswered {why:?}"),
        Output::Drained(outcome) => format!("drained {outcome:?}"),
        Output::Event(event) => match event {
            Event::Message(it) => {
                let mut said = format!("msg {} {} {}", it.room, it.position, it.text());
                for (flag, name) in [(it.own, " own"), (it.old, " old")] {
                    said.push_str(if flag { name } else { "" });
                }
                said
            }
            Event::Gap(it) => format!("gap {} {:?} {:?} {:?}", it.room, it.cause, it.from, it.to),
            Event::Live { room, position } => format!("live {room} {position}"),
            Event::Connected(it) => {
                let mut said =
                    format!("connected {}{}", it.name, if it.resumed { " resumed" } else { "" });
                for (room, at) in &it.rooms {
                    write!(said, " {room}={at}").expect("a String takes every text");
                }
                said
            }
            Event::Reconnecting { attempt, after, why } => {
                format!("again {attempt} {after:?} {why}")
            }
            Event::Ended(why) => format!("ended {why:?}"),
            Event::Snapshot { room, keys } => format!("snapshot {room} {keys}"),
            Event::State(it) => format!("state {} {}", it.key, String::from_utf8_lossy(&it.value)),
            Event::Refused { code, .. } => format!("event refused {code}"),
            Event::Unknown(line) => format!("unknown {line}"),
            other => format!("{other:?}"),
        },
    }
}

/// Abbreviations of the scripts.
fn spelt(line: &str) -> String {
    let ts = r#""ts":"2026-11-23T17:18:45.656Z""#;
    let line = line.replace("TS", ts).replace("L,", r#""room":"lobby","#);
    let line = line.replace("E@", "aaaaaaaaaa@").replace("F@", "bbbbbbbbbb@");
    // The client's own numbers begin at 2^52.
    let mut out = String::new();
    let mut rest = line.as_str();
    while let Some((before, after)) = rest.split_once('#') {
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let number: u64 = after[..digits].parse().expect("a number after #");
        write!(out, "{before}{}", (1u64 << 52) + number).expect("a String takes every text");
        rest = &after[digits..];
    }
    out + rest
}

struct Play {
    machine: Machine,
    now: Duration,
    written: VecDeque<String>,
}

impl Play {
    fn new(config: Config) -> Self {
        let machine = Machine::new(Duration::ZERO, config);
        Self { machine, now: Duration::ZERO, written: VecDeque::new() }
    }

    fn transmit(&mut self) {
        while let Some(bytes) = self.machine.poll_transmit() {
            let text = String::from_utf8(bytes).expect("lines are text");
            // Empty lines are none.
            let lines = text.lines().filter(|line| !line.is_empty());
            self.written.extend(lines.map(str::to_owned));
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.machine.poll_timeout().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.machine.handle_timeout(self.now);
            assert_ne!(self.machine.poll_timeout(), Some(at), "{:?}", self.machine.phase);
        }
        self.now = end;
    }

    fn call(&mut self, line: &str) {
        let mut parts = line.splitn(3, ' ');
        let (what, first, rest) =
            (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        let machine = &mut self.machine;
        match what {
            "connected" => machine.handle_connected(self.now),
            "lost" => machine.handle_lost(self.now, Lost::Closed, u64::MAX),
            "send" => match machine.send(first, rest.as_bytes()) {
                Ok(_) => {}
                Err(why) => panic!("{line}: {why}"),
            },
            "full" => assert_eq!(machine.send(first, rest.as_bytes()), Err(SendError::Full)),
            "closed" => assert_eq!(machine.send(first, rest.as_bytes()), Err(SendError::Closed)),
            "join" if rest.is_empty() => drop(machine.join(first, None).expect("it is open")),
            "join" => {
                let at: Position = spelt(rest).parse().expect("a position");
                machine.join(first, Some(&at)).expect("it is open");
            }
            "leave" => drop(machine.leave(first).expect("it is open")),
            "history" => drop(machine.history(first, 10).expect("it is open")),
            "follow" => drop(machine.follow(first).expect("it is open")),
            "who" => drop(machine.who(first).expect("it is open")),
            "nick" => drop(machine.nick(first).expect("it is open")),
            "drain" => {
                machine.drain(self.now, Duration::from_secs(first.parse().expect("seconds")));
            }
            "shut" => machine.shut(),
            "pause" => machine.set_paused(self.now, true),
            "resume" => machine.set_paused(self.now, false),
            // The usual beginning, which the first test looks at.
            "open" => {
                for line in OPEN.lines() {
                    self.line(line.trim());
                }
            }
            _ => panic!("{line:?} is no line of a script"),
        }
    }

    fn line(&mut self, line: &str) {
        if let Some(said) = line.strip_prefix("< ") {
            // Whatever was due was written before it is answered.
            self.transmit();
            self.machine.handle_bytes(self.now, (spelt(said) + "\n").as_bytes());
        } else if let Some(wanted) = line.strip_prefix("> ") {
            self.transmit();
            assert_eq!(self.written.pop_front().as_deref(), Some(spelt(wanted).as_str()), "{line}");
        } else if let Some(wanted) = line.strip_prefix("= ") {
            let output = self.machine.poll_output().map(|output| words(&output));
            assert_eq!(output.as_deref(), Some(spelt(wanted).as_str()), "{line}");
        } else if let Some(time) = line.strip_prefix('+') {
            let seconds: f64 = time.trim_end_matches('s').parse().expect("seconds");
            self.pass(Duration::from_secs_f64(seconds));
        } else if !line.is_empty() {
            self.call(line);
        }
    }
}

/// The first connection, with the lobby.
const OPEN: &str = r#"= connect
    connected
    > /format json
    > {"op":"hello","rooms":[{"room":"lobby"}],"id":#1}
    < {"ev":"ack","op":"format"}
    < {"ev":"hello","session":"s1","sid":1,"name":"client-1","rooms":[{"room":"lobby","pos":"E@0"}],"id":#1}
    = connected client-1 lobby=E@0
    = ready"#;

/// Plays a script: everything that is written and that comes out has to stand in it.
#[track_caller]
fn check_with(config: Config, script: &str) {
    let mut play = Play::new(config);
    for line in script.lines() {
        play.line(line.trim());
    }
    play.transmit();
    assert_eq!(play.written, [""; 0], "nothing more is written");
    let rest: Vec<_> =
        std::iter::from_fn(|| play.machine.poll_output()).map(|it| words(&it)).collect();
    assert_eq!(rest, [""; 0], "nothing more comes out");
}

#[track_caller]
fn check(script: &str) {
    check_with(config(), script);
}
