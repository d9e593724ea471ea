//! One who watches the hub, by `GET /live` or `GET /tap`. Each event is checked as it arrives, whatever the test is about.

use std::time::Instant;

use serde_json::Value;

use crate::hub::Hub;
use crate::json_check::checked_watch;
use crate::peer::Peer;
use crate::process::PATIENCE;
use crate::web::Answer;

/// Follows a stream of what the hub tells.
pub(crate) struct Watcher {
    pub(crate) peer: Peer,
    /// The head of the answer.
    pub(crate) head: Answer,
    /// Everything that came, as it came.
    pub(crate) heard: String,
}

impl Watcher {
    /// Watches: who comes from now on is told, and who is there already from its `open` on.
    #[track_caller]
    pub(crate) fn open(hub: &Hub, target: &str) -> Watcher {
        Watcher::over(hub.connect(), target)
    }

    /// The same over a connection that is there already.
    #[track_caller]
    pub(crate) fn over(mut peer: Peer, target: &str) -> Watcher {
        peer.send(request(target));
        let head = Answer::read(&peer.through(b"\r\n\r\n"));
        assert_eq!(head.status, 200, "{head:?}");
        Watcher { peer, head, heard: String::new() }
    }

    /// Watches, and returns once `members` that are there already are watched. Their `open` events, in order.
    #[track_caller]
    pub(crate) fn of(hub: &Hub, target: &str, members: usize) -> (Watcher, Vec<Value>) {
        let mut watcher = Watcher::open(hub, target);
        let open = (0..members).map(|_| watcher.next_of("open")).collect();
        (watcher, open)
    }

    /// The next event; None at the end of the stream.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Option<Value> {
        let until = Instant::now() + PATIENCE;
        loop {
            // Signs of life are no event.
            assert!(Instant::now() < until, "no event within {PATIENCE:?}");
            let line = self.peer.next_line()?;
            let line = String::from_utf8(line).expect("the hub writes UTF-8");
            self.heard += &line;
            self.heard.push('\n');
            match line.strip_prefix("data: ") {
                Some(data) => return Some(checked_watch(data)),
                None => assert!(line.is_empty() || line == ":", "{line:?}"),
            }
        }
    }

    /// The next event; fails at the end of the stream.
    #[track_caller]
    pub(crate) fn event(&mut self) -> Value {
        self.next().expect("an event, not the end of the stream")
    }

    /// All events up to and with the one that `wanted` accepts.
    #[track_caller]
    pub(crate) fn through(&mut self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut passed = Vec::new();
        // The state of the hub comes every second, whatever else does.
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until
            && let Some(event) = self.next()
        {
            let found = wanted(&event);
            passed.push(event);
            if found {
                return passed;
            }
        }
        let last = &passed[passed.len().saturating_sub(20)..];
        panic!("the event never came; these were the last: {last:#?}");
    }

    /// Reads up to the event that `wanted` accepts, and gives it.
    #[track_caller]
    pub(crate) fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.through(wanted).pop().expect("it ends with what was wanted")
    }

    /// The next event of a kind.
    #[track_caller]
    pub(crate) fn next_of(&mut self, ev: &str) -> Value {
        self.until(|event| event["ev"] == ev)
    }

    /// Everything up to the end of the stream.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<Value> {
        let until = Instant::now() + PATIENCE;
        let rest = std::iter::from_fn(|| self.next()).take_while(|_| Instant::now() < until);
        let rest = rest.collect();
        assert!(Instant::now() < until, "the stream doesn't end");
        rest
    }
}

/// As a watcher asks.
pub(crate) fn request(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}
