//! A hub that keeps history in a folder of the test's own, and that is stopped, killed and started again there.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use crate::hub::Hub;
use crate::json_peer::JsonPeer;
use crate::peer::{Peer, position_in};

/// How long a hub may take to stop. Generous: only a failure uses it up.
const STOPS: Duration = Duration::from_secs(15);

/// A folder of a test's own, removed with everything in it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// A new one, empty.
    pub(crate) fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("trappe-kept-{}-{number}", process::id()));
        fs::create_dir(&folder).expect("a new folder of our own");
        Folder(folder)
    }

    /// What is called `name` in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The names of what is in it, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("the folder is ours");
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut names: Vec<String> = entries.map(|it| name(it.expect("it is there"))).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// How a hub ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It is told to stop, and does.
    Stopped,
    /// It is killed, wherever it was.
    Killed,
}

/// Both ways.
pub(crate) const ENDS: [End; 2] = [End::Stopped, End::Killed];

/// A hub with history.
pub(crate) struct Kept {
    hub: Option<Hub>,
    args: Vec<String>,
    /// Where it keeps it.
    pub(crate) folder: Folder,
}

impl Kept {
    /// Starts one in a new folder, with `args` besides.
    #[track_caller]
    pub(crate) fn start(args: &[&str]) -> Kept {
        Kept::loud(&[&["--quiet"], args].concat())
    }

    /// The same, and its console tells who comes.
    #[track_caller]
    pub(crate) fn loud(args: &[&str]) -> Kept {
        let folder = Folder::new();
        let mut all = vec!["--data".to_owned(), shown(&folder.path("data"))];
        all.extend(args.iter().map(|&arg| arg.to_owned()));
        let mut kept = Kept { hub: None, args: all, folder };
        kept.begin();
        kept
    }

    /// Starts a hub in the folder of the one that has ended.
    #[track_caller]
    pub(crate) fn begin(&mut self) {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        self.hub = Some(Hub::start(&args));
    }

    /// The hub as it runs.
    #[track_caller]
    pub(crate) fn hub(&self) -> &Hub {
        self.hub.as_ref().expect("it runs")
    }

    /// Ends the hub.
    #[track_caller]
    pub(crate) fn end(&mut self, end: End) {
        let mut hub = self.hub.take().expect("it runs");
        if end == End::Stopped {
            hub.signal("TERM");
            let ended = hub.ended_within(STOPS);
            assert_eq!(ended.code, Some(0), "{ended:?}");
        }
        // Dropped, it is killed, and waited for.
    }

    /// Ends the hub, and starts another in the same folder.
    #[track_caller]
    pub(crate) fn again(&mut self, end: End) {
        self.end(end);
        self.begin();
    }

    /// The same, with other options from now on.
    #[track_caller]
    pub(crate) fn again_with(&mut self, end: End, args: &[&str]) {
        self.end(end);
        self.args.truncate(3);
        self.args.extend(args.iter().map(|&arg| arg.to_owned()));
        self.begin();
    }
}

/// A path as an argument.
pub(crate) fn shown(path: &Path) -> String {
    path.to_str().expect("the path is UTF-8").to_owned()
}

/// Goes to `room`; gives the epoch of its log, and its last number.
#[track_caller]
pub(crate) fn join(peer: &mut Peer, room: &str) -> (String, u64) {
    place(&position_in(&peer.ask(&format!("/join {room}")).join(" ")))
}

/// The two parts of a position.
#[track_caller]
pub(crate) fn place(position: &str) -> (String, u64) {
    let (epoch, seq) = position.split_once('@').expect("EPOCH@SEQ");
    (epoch.to_owned(), seq.parse().expect("a number"))
}

/// Says something under an id of its own, and waits for the acknowledgement. Gives its number.
#[track_caller]
pub(crate) fn says(peer: &mut JsonPeer, room: &str, text: &str, id: u64) -> u64 {
    peer.op(&json!({"op": "send", "room": room, "text": text, "id": id}));
    let is_answer = |it: &Value| it["id"] == id && it["ev"] != "msg";
    let ack = peer.until(is_answer);
    assert_eq!((&ack["ev"], &ack["room"]), (&json!("ack"), &json!(room)), "{ack}");
    ack["seq"].as_u64().expect("a number")
}

/// A member that says `mot 1`, `mot 2` … and waits for each step to be acknowledged.
pub(crate) struct Talker {
    peer: Peer,
    /// The last number that was acknowledged.
    pub(crate) said: u64,
    /// The position of the last acknowledgement.
    pub(crate) position: String,
}

impl Talker {
    /// Called `name`, in `room`. It goes on after `said`.
    #[track_caller]
    pub(crate) fn enter(hub: &Hub, name: &str, room: &str, said: u64) -> Talker {
        let mut peer = hub.named(name);
        let (epoch, last) = join(&mut peer, room);
        peer.ask("/ack on");
        Talker { peer, said, position: format!("{epoch}@{last}") }
    }

    /// Says the next `count` together, and waits for the acknowledgement of each.
    #[track_caller]
    pub(crate) fn say(&mut self, count: u64) {
        let lines = (1..=count).map(|n| format!("mot {}\n", self.said + n));
        self.peer.send(lines.collect::<Vec<_>>().concat());
        for _ in 0..count {
            let ack = self.peer.until(|line| line.starts_with("+ack ") || line.starts_with("! "));
            let position = ack.strip_prefix("+ack ").unwrap_or_else(|| panic!("{ack}"));
            position.clone_into(&mut self.position);
            self.said += 1;
        }
    }

    /// The epoch of its room.
    pub(crate) fn epoch(&self) -> String {
        place(&self.position).0
    }

    /// Goes on in steps until it is told to stop, on a thread of its own; nothing bounds it but what it is answered.
    pub(crate) fn flood<'scope>(
        mut self,
        scope: &'scope Scope<'scope, '_>,
        flood: &'scope Flood,
    ) -> ScopedJoinHandle<'scope, Talker> {
        flood.said.store(self.said, Ordering::SeqCst);
        scope.spawn(move || {
            while !flood.ends.load(Ordering::SeqCst) {
                self.say(20);
                flood.said.store(self.said, Ordering::SeqCst);
            }
            self
        })
    }

    /// The connection.
    pub(crate) fn peer(&mut self) -> &mut Peer {
        &mut self.peer
    }
}

/// A flood as those who listen see it.
#[derive(Default)]
pub(crate) struct Flood {
    ends: AtomicBool,
    said: AtomicU64,
}

impl Flood {
    /// The last number that was acknowledged.
    pub(crate) fn said(&self) -> u64 {
        self.said.load(Ordering::SeqCst)
    }

    /// Ends it, with the step that it is at.
    pub(crate) fn end(&self) {
        self.ends.store(true, Ordering::SeqCst);
    }
}

/// Ends a flood also where a test fails, so that its thread doesn't go on for ever.
pub(crate) struct Ends<'a>(pub(crate) &'a Flood);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}
