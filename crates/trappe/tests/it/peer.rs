//! One connection to a hub, as a test script reads: say this, then hear that.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use crate::process::PATIENCE;

/// A client of the test's own.
pub(crate) struct Peer {
    stream: TcpStream,
    held: Vec<u8>,
    taken: usize,
    asked: u32,
}

impl Peer {
    /// Connects, and says nothing.
    #[track_caller]
    pub(crate) fn connect(port: u16) -> Peer {
        Peer::over(TcpStream::connect(("127.0.0.1", port)).expect("the hub listens"))
    }

    /// Connects with a receive buffer of a few KiB, so that the hub soon can't write.
    #[track_caller]
    pub(crate) fn narrow(port: u16) -> Peer {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
        socket.set_recv_buffer_size(4096).expect("before connecting it may be set");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        socket.connect(&address.into()).expect("the hub listens");
        Peer::over(socket.into())
    }

    /// Takes a connected stream.
    pub(crate) fn over(stream: TcpStream) -> Peer {
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
        stream.set_nodelay(true).expect("Nagle can be turned off");
        Peer { stream, held: Vec::new(), taken: 0, asked: 0 }
    }

    /// Connects, and returns once the hub has answered; without notices from then on.
    #[track_caller]
    pub(crate) fn member(port: u16) -> Peer {
        let mut peer = Peer::connect(port);
        peer.ready();
        peer
    }

    /// Turns notices off and waits for the hub's answer: from then on it is a member.
    #[track_caller]
    pub(crate) fn ready(&mut self) {
        self.ask("/quiet on");
    }

    /// Takes a name, which must be free.
    #[track_caller]
    pub(crate) fn take_name(&mut self, name: &str) {
        let answer = self.ask(&format!("/nick {name}"));
        let taken = answer.iter().any(|line| line.starts_with("* ") && line.contains(name));
        assert!(taken, "/nick {name} was answered with {answer:?}");
    }

    /// Writes bytes as they are.
    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the hub reads");
    }

    /// Writes one line.
    #[track_caller]
    pub(crate) fn say(&mut self, text: &str) {
        self.send(format!("{text}\n"));
    }

    /// Says `command`, then waits for the answer to a ping: all lines before that, since replies come in order.
    #[track_caller]
    pub(crate) fn ask(&mut self, command: &str) -> Vec<String> {
        self.asked += 1;
        let mark = format!("mark-{}", self.asked);
        self.send(format!("{command}\n/ping {mark}\n"));
        self.before(&format!("* pong {mark}"))
    }

    /// The one error that `command` is answered with.
    #[track_caller]
    pub(crate) fn error(&mut self, command: &str) -> String {
        let answer = self.ask(command);
        let errors: Vec<&String> = answer.iter().filter(|line| line.starts_with("! ")).collect();
        match errors[..] {
            [one] => one.clone(),
            _ => panic!("{command:?} must be answered with one error, but: {answer:?}"),
        }
    }

    /// The next line, without its newline; `None` at the end of the stream.
    #[track_caller]
    pub(crate) fn next_line(&mut self) -> Option<Vec<u8>> {
        let mut searched = self.taken;
        loop {
            if let Some(at) = self.held[searched..].iter().position(|&byte| byte == b'\n') {
                let line = self.held[self.taken..searched + at].to_vec();
                self.taken = searched + at + 1;
                return Some(line);
            }
            let known = self.held.len() - self.taken;
            if !self.fill() {
                return None;
            }
            searched = self.taken + known;
        }
    }

    /// The next line as text; fails at the end of the stream.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let line = self.next_line().expect("a line, not the end of the stream");
        String::from_utf8(line).expect("the hub writes UTF-8")
    }

    /// Reads up to the line that `wanted` accepts, and gives it.
    #[track_caller]
    pub(crate) fn until(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let mut passed = Vec::new();
        while let Some(line) = self.next_line() {
            let line = String::from_utf8_lossy(&line).into_owned();
            if wanted(&line) {
                return line;
            }
            passed.push(line);
        }
        panic!("the stream ended before the line; it held {passed:#?}");
    }

    /// All lines before `line`, which must come.
    #[track_caller]
    pub(crate) fn before(&mut self, line: &str) -> Vec<String> {
        let mut passed = Vec::new();
        loop {
            match self.next_line().map(|it| String::from_utf8_lossy(&it).into_owned()) {
                Some(it) if it == line => return passed,
                Some(it) => passed.push(it),
                None => panic!("the stream ended before {line:?}; it held {passed:#?}"),
            }
        }
    }

    /// Exactly the next `count` bytes.
    #[track_caller]
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.held.len() - self.taken < count {
            assert!(self.fill(), "the stream ended in the middle of {count} bytes");
        }
        let bytes = self.held[self.taken..self.taken + count].to_vec();
        self.taken += count;
        bytes
    }

    /// All bytes up to and with `wanted`, which must come.
    #[track_caller]
    pub(crate) fn through(&mut self, wanted: &[u8]) -> Vec<u8> {
        loop {
            let held = &self.held[self.taken..];
            if let Some(at) = held.windows(wanted.len()).position(|window| window == wanted) {
                return self.bytes(at + wanted.len());
            }
            let so_far = String::from_utf8_lossy(held).into_owned();
            assert!(self.fill(), "the stream ended before {wanted:?}: {so_far:?}");
        }
    }

    /// Everything up to the end of the stream; a reset counts as its end.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        self.held.split_off(std::mem::take(&mut self.taken))
    }

    /// Everything up to the end of the stream, as lines.
    #[track_caller]
    pub(crate) fn last_lines(&mut self) -> Vec<String> {
        String::from_utf8_lossy(&self.rest()).lines().map(str::to_owned).collect()
    }

    /// Waits until the hub has written something that this peer leaves unread.
    #[track_caller]
    pub(crate) fn wait_unread(&self) {
        let count = self.stream.peek(&mut [0]).expect("something comes in time");
        assert!(count > 0, "the stream ended instead");
    }

    /// Ends the sending half, and only that.
    #[track_caller]
    pub(crate) fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).expect("it is still connected");
    }

    /// Closes with a reset instead of an end of stream.
    #[track_caller]
    pub(crate) fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("it can be set");
    }

    /// The stream itself, for a thread that only writes.
    #[track_caller]
    pub(crate) fn writer(&self) -> TcpStream {
        self.stream.try_clone().expect("a descriptor is left")
    }

    /// Its own address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.stream.local_addr().expect("it is connected")
    }

    /// Reads more; false at the end of the stream.
    #[track_caller]
    fn fill(&mut self) -> bool {
        if self.taken > 64 << 10 {
            self.held.drain(..std::mem::take(&mut self.taken));
        }
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                self.held.extend_from_slice(&buffer[..count]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            // A signal, or the whole machine was stopped for a while: no reason to give up.
            Err(error) if error.kind() == ErrorKind::Interrupted => self.fill(),
            Err(error) => {
                let held = String::from_utf8_lossy(&self.held[self.taken..]);
                panic!("nothing came within {PATIENCE:?} ({error}); held unread: {held:?}");
            }
        }
    }
}

/// The position `EPOCH@SEQ` that a line holds.
#[track_caller]
pub(crate) fn position_in(line: &str) -> String {
    let is_position = |word: &&str| {
        word.split_once('@').is_some_and(|(epoch, seq)| {
            epoch.len() == 10 && !seq.is_empty() && seq.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '@');
    let position = words.into_iter().find(is_position);
    position.unwrap_or_else(|| panic!("no position in {line:?}")).to_owned()
}
