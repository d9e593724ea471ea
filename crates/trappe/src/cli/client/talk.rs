//! A conversation: what is said goes out and what arrives is shown, neither waiting for the other, until one of the ends that [`verdict`] knows.

use std::{
    io::{self, ErrorKind},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::{
    comeback::Comeback,
    opening::Opened,
    screen::Sink,
    wire::{Arrived, Sent, Wire},
};

/// How much is read at once from either side.
pub(super) const READ_BYTES: usize = 64 << 10;
/// How long what a [`Sink`] holds back waits for more.
const SETTLE: Duration = Duration::from_millis(100);
/// How long a hub that has closed its sending half is still spoken to while there is nothing to say: it may only have nothing more to say itself.
const LOST: Duration = Duration::from_secs(1);

/// What is said: standard input, a terminal, a text.
pub(super) trait Source {
    /// Replaces what is in `said` with what is said next.
    fn next(&mut self, said: &mut Vec<u8>) -> Said;
}

/// What came of [`Source::next`].
#[derive(Debug)]
pub(super) enum Said {
    /// Something, and more may come.
    Something,
    /// All that is left to say.
    Last,
    /// Ctrl-C.
    Interrupted,
    /// What is said can't be read.
    Unreadable(io::Error),
}

/// When the conversation is over, once everything was said.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    /// When nothing has arrived for so long.
    Silence(Duration),
    /// When so much time has passed, whatever arrives.
    AtMost(Duration),
}

/// How a conversation ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// All was said, and what arrived was shown.
    Finished,
    /// The same, but for something that was too long to be sent, which was told.
    Unsent,
    /// The hub went away before all was said, or broke off.
    Lost,
    /// The hub went away, and didn't come back.
    GaveUp,
    /// Ctrl-C.
    Interrupted,
    /// What was to be said can't be read.
    Unreadable(io::Error),
    /// What arrives can't be shown: whoever read it is gone, or the disk is full.
    Unshown(io::Error),
}

#[derive(Debug, Clone, Copy)]
enum Side {
    Runs,
    /// Came to its end.
    Ended(Instant),
    /// The connection broke.
    Broke(Instant),
}

/// What is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hub {
    /// Whatever it is, it isn't known to be a hub.
    Unknown,
    /// It has answered as a hub does: it is worth looking for when it goes.
    There,
    /// It went away, and is looked for.
    Away,
}

#[derive(Debug)]
struct State {
    sender: Side,
    receiver: Side,
    /// A side ends the conversation, at once.
    stopped: Option<Outcome>,
    /// In a write to the hub, which may take as long as the hub likes.
    sending: bool,
    /// How many messages were too long to be sent.
    unsent: usize,
    hub: Hub,
    /// How often it was found again.
    returns: u64,
    /// What is sent is the last: a hub that closes now has been told goodbye.
    last: bool,
    /// In a write to standard output, which may take as long as its reader likes.
    showing: bool,
    said_at: Instant,
    arrived_at: Instant,
}

impl State {
    fn new(now: Instant) -> Self {
        Self {
            sender: Side::Runs,
            receiver: Side::Runs,
            stopped: None,
            sending: false,
            unsent: 0,
            hub: Hub::Unknown,
            returns: 0,
            last: false,
            showing: false,
            said_at: now,
            arrived_at: now,
        }
    }
}

/// How long to wait on, and for what.
#[derive(Debug)]
enum Verdict {
    Over(Outcome),
    /// Nothing ends by itself.
    Wait,
    /// Unless something happens, it is to be looked at again then.
    Until(Instant),
    /// We have been silent for long: the membership is renewed.
    Renew,
}

/// What both sides' states mean. `person` says that a person waits at a terminal: such a one is told at once that the hub has gone.
fn verdict(state: &State, now: Instant, patience: Patience, person: bool) -> Verdict {
    let until = |deadline: Instant, then: Outcome| {
        if now >= deadline { Verdict::Over(then) } else { Verdict::Until(deadline) }
    };
    match (state.sender, state.receiver) {
        // A reset throws away what the hub hadn't read yet, also after the last word.
        (_, Side::Broke(_)) | (Side::Broke(_), Side::Ended(_)) => Verdict::Over(Outcome::Lost),
        (Side::Ended(_), Side::Ended(_)) => Verdict::Over(Outcome::Finished),
        (Side::Runs, Side::Ended(_)) if person && !state.last => Verdict::Over(Outcome::Lost),
        (Side::Runs, Side::Ended(at)) if !state.sending => {
            until(at.max(state.said_at) + LOST, Outcome::Lost)
        }
        (Side::Runs, _) => Verdict::Wait,
        // Whether the last words arrived nobody knows.
        (Side::Ended(_) | Side::Broke(_), Side::Runs) if state.hub == Hub::Away => {
            Verdict::Over(Outcome::Lost)
        }
        (Side::Ended(_) | Side::Broke(_), Side::Runs) if state.showing => Verdict::Wait,
        (Side::Ended(at) | Side::Broke(at), Side::Runs) => {
            let broke = matches!(state.sender, Side::Broke(_));
            let deadline = match patience {
                Patience::Silence(silence) => at.max(state.arrived_at) + silence,
                Patience::AtMost(in_all) => at + in_all,
            };
            until(deadline, if broke { Outcome::Lost } else { Outcome::Finished })
        }
    }
}

/// What is to be done while nothing ends, where a membership has to be renewed at `due`.
fn renewing(verdict: Verdict, due: Option<Instant>, now: Instant) -> Verdict {
    let Some(due) = due else { return verdict };
    match verdict {
        Verdict::Wait | Verdict::Until(_) if now >= due => Verdict::Renew,
        Verdict::Wait => Verdict::Until(due),
        Verdict::Until(at) => Verdict::Until(at.min(due)),
        Verdict::Over(_) | Verdict::Renew => verdict,
    }
}

/// The two sides and the one who waits for them.
#[derive(Debug)]
struct Talk {
    wire: Mutex<Arc<Wire>>,
    state: Mutex<State>,
    changed: Condvar,
    comes_back: bool,
}

impl Talk {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
        self.changed.notify_all();
    }

    /// The present connection.
    fn wire(&self) -> Arc<Wire> {
        Arc::clone(&self.wire.lock())
    }

    /// Says it; over the next connection where the present one has gone.
    fn deliver(&self, said: &[u8]) -> io::Result<Sent> {
        loop {
            let returns = {
                let mut state = self.state.lock();
                self.changed.wait_while(&mut state, |state| state.hub == Hub::Away);
                state.returns
            };
            let sent = self.wire().send(said);
            if sent.is_ok() || !self.comes_back {
                return sent;
            }
            let mut state = self.state.lock();
            let waits = |state: &mut State| {
                state.returns == returns && matches!(state.receiver, Side::Runs)
            };
            self.changed.wait_while(&mut state, waits);
            if state.returns == returns {
                return sent;
            }
        }
    }

    /// Stops with Ctrl-C, or with a source that can't be read.
    fn send(&self, source: &mut impl Source) -> Result<Side, Outcome> {
        let mut said = Vec::new();
        loop {
            said.clear();
            let more = match source.next(&mut said) {
                Said::Something => true,
                Said::Last => false,
                Said::Interrupted => return Err(Outcome::Interrupted),
                Said::Unreadable(error) => return Err(Outcome::Unreadable(error)),
            };
            self.change(|state| {
                state.sending = true;
                state.last = !more;
            });
            // Nothing is no message, which an empty datagram would be.
            let sent = if said.is_empty() { Ok(Sent::Whole) } else { self.deliver(&said) };
            self.change(|state| {
                state.sending = false;
                match sent {
                    Ok(Sent::TooLong) => state.unsent += 1,
                    Ok(Sent::Whole) | Err(_) => state.said_at = Instant::now(),
                }
            });
            if sent.is_err() {
                return Ok(Side::Broke(Instant::now()));
            }
            if !more {
                self.wire().finish();
                return Ok(Side::Ended(Instant::now()));
            }
        }
    }

    /// Shows what arrives over one connection after the other. Fails only where the sink does.
    fn receive(
        &self,
        mut first: Vec<u8>,
        sink: &mut impl Sink,
        mut comeback: Option<Comeback>,
    ) -> io::Result<Side> {
        loop {
            let side = self.listen(&self.wire(), &first, sink)?;
            let Some(comeback) = &mut comeback else { return Ok(side) };
            if !self.is_lost(comeback) {
                return Ok(side);
            }
            self.change(|state| state.hub = Hub::Away);
            let Some((wire, rest)) = comeback.run(sink)? else {
                self.change(|state| state.stopped = Some(Outcome::GaveUp));
                return Ok(side);
            };
            *self.wire.lock() = Arc::new(wire);
            first = rest;
            self.change(|state| (state.hub, state.returns) = (Hub::There, state.returns + 1));
        }
    }

    /// Whether a hub has gone before all was said to it.
    fn is_lost(&self, comeback: &Comeback) -> bool {
        let mut state = self.state.lock();
        let talks = |state: &mut State| !state.last && matches!(state.sender, Side::Runs);
        let is_hub = comeback.retry.is_some() || state.hub != Hub::Unknown;
        if is_hub && !comeback.person {
            // The end of what is piped may just be coming.
            let _either_way = self.changed.wait_while_for(&mut state, talks, LOST);
        }
        is_hub && talks(&mut state)
    }

    /// Shows what arrives over this connection.
    fn listen(&self, wire: &Wire, first: &[u8], sink: &mut impl Sink) -> io::Result<Side> {
        let mut buffer = vec![0; READ_BYTES];
        let mut timeout = None;
        sink.show(first)?;
        loop {
            let wanted = sink.holds().then_some(SETTLE);
            if wanted != timeout && wire.set_read_timeout(wanted).is_ok() {
                timeout = wanted;
            }
            let side = match wire.receive(&mut buffer) {
                Ok(Arrived { length, last }) => {
                    self.change(|state| {
                        state.showing = true;
                        // What a hub writes is a notice, an error, or what somebody says.
                        if matches!(buffer[..length], [b'*' | b'!', b' ', ..] | [b'<', ..]) {
                            state.hub = Hub::There;
                        }
                    });
                    let shown = sink.show(&buffer[..length]);
                    self.change(|state| {
                        state.showing = false;
                        state.arrived_at = Instant::now();
                    });
                    shown?;
                    if !last {
                        continue;
                    }
                    Side::Ended(Instant::now())
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => continue,
                    ErrorKind::WouldBlock | ErrorKind::TimedOut if timeout.is_some() => {
                        sink.settle()?;
                        continue;
                    }
                    _ => Side::Broke(Instant::now()),
                },
            };
            sink.settle()?;
            return Ok(side);
        }
    }
}

/// Holds a conversation over `wire`: says what `source` says, shows `first` and what arrives in `sink`. Returns at its end, and closes the
/// connection; a side that still waits for a person or a pipe ends with the process.
pub(super) fn talk(
    (wire, comeback): (Wire, Option<Comeback>),
    mut source: impl Source + Send + 'static,
    mut sink: impl Sink + Send + 'static,
    first: Opened,
    patience: Patience,
    person: bool,
) -> Outcome {
    // Whatever was set before. It fails for a zero alone.
    drop(wire.set_read_timeout(None));
    let Opened { is_hub, rest, .. } = first;
    let hub = if is_hub { Hub::There } else { Hub::Unknown };
    let state = Mutex::new(State { hub, ..State::new(Instant::now()) });
    let (wire, comes_back) = (Mutex::new(Arc::new(wire)), comeback.is_some());
    let talk = Arc::new(Talk { wire, state, changed: Condvar::new(), comes_back });
    let sides = Arc::clone(&talk);
    thread::spawn(move || {
        let end = sides.send(&mut source);
        // What the source holds of the terminal is given back before the end is told.
        drop(source);
        sides.change(|state| match end {
            Ok(end) => state.sender = end,
            Err(outcome) => state.stopped = Some(outcome),
        });
    });
    let sides = Arc::clone(&talk);
    thread::spawn(move || {
        let end = sides.receive(rest, &mut sink, comeback);
        sides.change(|state| match end {
            Ok(end) => state.receiver = end,
            Err(error) => state.stopped = Some(Outcome::Unshown(error)),
        });
    });
    let mut state = talk.state.lock();
    let outcome = loop {
        if let Some(outcome) = state.stopped.take() {
            break outcome;
        }
        let now = Instant::now();
        let speaks = matches!(state.sender, Side::Runs);
        let renewal = talk.wire().renewal().filter(|_| speaks).map(|every| state.said_at + every);
        match renewing(verdict(&state, now, patience, person), renewal, now) {
            // At a terminal it was told at once, and the person went on.
            Verdict::Over(Outcome::Finished) if state.unsent > 0 && !person => {
                break Outcome::Unsent;
            }
            Verdict::Over(outcome) => break outcome,
            Verdict::Renew => {
                state.said_at = now;
                if talk.wire().renew().is_err() {
                    state.receiver = Side::Broke(now);
                }
            }
            Verdict::Wait => talk.changed.wait(&mut state),
            Verdict::Until(deadline) => {
                // What is then due is looked at, whether time or a change woke us.
                let _timed_out = talk.changed.wait_until(&mut state, deadline);
            }
        }
    };
    drop(state);
    // Both sides may hold the socket still; the connection ends now.
    talk.wire().close();
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPE: (Patience, bool) = (Patience::Silence(Duration::from_secs(1)), false);
    const PERSON: (Patience, bool) = (Patience::AtMost(Duration::from_secs(1)), true);

    /// Both sides with the second at which they ended, what they are doing, the second of the last arrival; then who waits, and what is
    /// expected 10 s after the beginning.
    #[test]
    fn a_conversation_ends_when_both_sides_have_or_patience_has() {
        let begin = Instant::now();
        let second = |second: u64| begin + Duration::from_secs(second);
        let (runs, ended, broke) =
            (Side::Runs, |at| Side::Ended(second(at)), |at| Side::Broke(second(at)));
        let cases = [
            ("both talk", runs, runs, "", 0, PIPE, "Wait"),
            (
                "all was said, and all has arrived",
                ended(1),
                ended(9),
                "",
                9,
                PIPE,
                "Over(Finished)",
            ),
            ("silence", ended(1), runs, "", 9, PIPE, "Over(Finished)"),
            ("no silence yet", ended(1), runs, "", 10, PIPE, "Until(11)"),
            ("just said", ended(10), runs, "", 1, PIPE, "Until(11)"),
            ("our reader is slow", ended(1), runs, "shows", 2, PIPE, "Wait"),
            ("a person has left", ended(9), runs, "", 10, PERSON, "Over(Finished)"),
            ("reset", runs, broke(10), "", 10, PIPE, "Over(Lost)"),
            ("reset after the last word", ended(9), broke(10), "", 9, PIPE, "Over(Lost)"),
            ("what it said before it went may come", broke(10), runs, "", 9, PIPE, "Until(11)"),
            ("nothing came", broke(9), runs, "", 9, PIPE, "Over(Lost)"),
            ("it came", broke(9), ended(10), "", 9, PIPE, "Over(Lost)"),
            ("a person sees it go", runs, ended(10), "", 9, PERSON, "Over(Lost)"),
            ("it may still listen", runs, ended(10), "", 9, PIPE, "Until(11)"),
            ("it does listen", runs, ended(1), "sends", 1, PIPE, "Wait"),
            ("nothing is left to say", runs, ended(9), "", 9, PIPE, "Over(Lost)"),
        ];
        for (case, sender, receiver, doing, arrived, (patience, person), expected) in cases {
            let state = State {
                sender,
                receiver,
                sending: doing == "sends",
                showing: doing == "shows",
                arrived_at: second(arrived),
                ..State::new(begin)
            };
            let found = match verdict(&state, second(10), patience, person) {
                Verdict::Until(at) => format!("Until({})", (at - begin).as_secs()),
                other => format!("{other:?}"),
            };
            assert_eq!(found, expected, "{case}");
        }
    }

    #[test]
    fn a_membership_is_renewed_in_time_and_nothing_ends_later_for_it() {
        let begin = Instant::now();
        let second = |second: u64| begin + Duration::from_secs(second);
        let until = |at| Verdict::Until(second(at));
        let over = || Verdict::Over(Outcome::Finished);
        let cases = [
            (Verdict::Wait, None, "Wait"),
            (Verdict::Wait, Some(20), "Until(20)"),
            (Verdict::Wait, Some(10), "Renew"),
            (until(11), None, "Until(11)"),
            (until(11), Some(20), "Until(11)"),
            (until(30), Some(20), "Until(20)"),
            (until(30), Some(9), "Renew"),
            (over(), Some(9), "Over(Finished)"),
        ];
        for (verdict, due, expected) in cases {
            let case = format!("{verdict:?} {due:?}");
            let found = match renewing(verdict, due.map(second), second(10)) {
                Verdict::Until(at) => format!("Until({})", (at - begin).as_secs()),
                other => format!("{other:?}"),
            };
            assert_eq!(found, expected, "{case}");
        }
    }
}
