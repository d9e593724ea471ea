//! Where a hub listens, and what is spoken there: several addresses, Unix sockets, `--only`.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use socket2::SockRef;

use crate::hub::{Hub, TRAPPE, trappe};
use crate::peer::Peer;
use crate::process::{Ended, PATIENCE, Process};
use crate::tools::netcat;

/// A folder of a test's own, removed with everything in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("trappe-it-{}-{number}", process::id()));
        fs::create_dir(&folder).expect("a new folder of our own");
        Folder(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A socket that nobody listens on any more.
    fn stale(&self) -> PathBuf {
        let path = self.path("hub");
        drop(UnixListener::bind(&path).expect("the folder is ours"));
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// One connection over a Unix socket.
struct Local(BufReader<UnixStream>);

impl Local {
    #[track_caller]
    fn connect(path: &Path) -> Local {
        let stream = UnixStream::connect(path).expect("the hub listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
        Local(BufReader::new(stream))
    }

    /// Connects, and returns once the hub has answered; without notices from then on.
    #[track_caller]
    fn member(path: &Path) -> Local {
        let mut local = Local::connect(path);
        local.say("/quiet on\n/ping mark");
        local.until("* pong mark");
        local
    }

    #[track_caller]
    fn say(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).expect("the hub reads");
    }

    /// Waits until the hub has written something that this side leaves unread.
    #[track_caller]
    fn wait_unread(&self) {
        let one = &mut [MaybeUninit::uninit()];
        let count = SockRef::from(self.0.get_ref()).peek(one).expect("something comes in time");
        assert!(count > 0, "the stream ended instead");
    }

    /// All lines before `line`, which must come.
    #[track_caller]
    fn until(&mut self, line: &str) -> Vec<String> {
        let mut passed = Vec::new();
        loop {
            match self.line() {
                Some(next) if next == line => return passed,
                Some(next) => passed.push(next),
                None => panic!("the stream ended before {line:?}; it held {passed:#?}"),
            }
        }
    }

    /// The next line; `None` at the end of the stream.
    #[track_caller]
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("something comes in time");
        line.pop().map(|_| line)
    }
}

fn unix(path: &Path) -> String {
    format!("unix:{}", path.display())
}

/// A hub on `path`, and on a TCP port that the system chose.
#[track_caller]
fn hub_on(path: &Path) -> Hub {
    Hub::start(&["--listen", &unix(path)])
}

/// A server that need not listen on TCP, once it has printed its four lines.
#[track_caller]
fn server(args: &[&str]) -> (Process, Vec<String>) {
    let process = Process::spawn(trappe(&["server"]).args(args));
    let four = |lines: &[String], _| lines.get(..4).map(<[String]>::to_vec);
    let Some(lines) = process.out.wait(PATIENCE, four) else {
        panic!("it doesn't start: {:#?} {:#?}", process.out.all(), process.err.all());
    };
    (process, lines)
}

/// A server that can't start, and the one sentence that it says about it.
#[track_caller]
fn refusal(args: &[&str]) -> String {
    let ended = Process::spawn(trappe(&["server"]).args(args)).end();
    assert_eq!((ended.code, &*ended.out), (Some(1), ""), "{ended:?}");
    assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
    ended.err
}

#[test]
fn netcat_on_a_unix_socket_and_a_member_over_tcp_are_in_one_room() {
    let Some(netcat) = netcat() else { return };
    let folder = Folder::new();
    let hub = hub_on(&folder.path("hub"));
    let mut alice = hub.named("alice");
    let path = folder.path("hub").display().to_string();
    let mut program = Process::run(&netcat, &["-U", &path]);
    program.write("bonjour, ça va ?\n");
    assert_eq!(alice.line(), "<client-2> bonjour, ça va ?");
    alice.say("très bien");
    program.out.line(|line| line == "<alice> très bien");
    hub.wait_console(|line| line.ends_with("client-2 (unix)"));
    let ended = Process::run(&netcat, &["-N", "-U", &path]).end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_socket_is_told_as_what_it_is() {
    let folder = Folder::new();
    let path = folder.path("hub");
    let hub = hub_on(&path);
    assert!(hub.console()[1].contains(&unix(&path)), "{:?}", hub.console());
    let mut local = Local::member(&path);
    local.say("/why\n/ping fin");
    let why = local.until("* pong fin").join("\n");
    assert!(why.contains("unix"), "{why}");
}

#[test]
fn on_a_socket_alone_there_is_no_port_and_netcat_is_told_the_path() {
    let folder = Folder::new();
    let path = folder.path("mon hub");
    let (_hub, lines) = server(&["--listen", &unix(&path)]);
    assert_eq!(lines[1], format!("écoute sur {}", unix(&path)));
    assert_eq!(lines[3], format!("à essayer : nc -U '{}'", path.display()));
    let (mut one, mut two) = (Local::member(&path), Local::member(&path));
    one.say("salut");
    assert_eq!(two.line().as_deref(), Some("<client-1> salut"));
}

#[test]
fn the_socket_is_its_owners_and_groups_whatever_the_umask() {
    for umask in ["000", "022", "077"] {
        let folder = Folder::new();
        let path = folder.path("hub");
        let script = format!("umask {umask} && exec \"$0\" server --port 0 --listen \"$1\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, TRAPPE, &unix(&path)]).env_remove("TRAPPE_LANG");
        let _hub = Hub::launch(&mut command);
        let found = fs::symlink_metadata(&path).expect("it lies there");
        assert!(found.file_type().is_socket());
        assert_eq!(found.permissions().mode() & 0o7777, 0o660, "umask {umask}");
        let left: Vec<_> = fs::read_dir(&folder.0).expect("it is there").collect();
        assert_eq!(left.len(), 1, "nothing else is left: {left:?}");
    }
}

#[test]
fn the_socket_of_a_hub_that_was_killed_is_replaced() {
    let folder = Folder::new();
    let path = folder.path("hub");
    drop(hub_on(&path));
    assert!(UnixStream::connect(&path).is_err() && path.exists(), "nobody could remove it");
    let _hub = hub_on(&path);
    Local::member(&path);
}

#[test]
fn a_socket_that_somebody_answers_on_is_refused_with_the_way_out() {
    let folder = Folder::new();
    let path = folder.path("hub");
    let _hub = hub_on(&path);
    let mut local = Local::member(&path);
    let sentence = refusal(&["--port", "0", "--listen", &unix(&path)]);
    assert!(sentence.contains("--listen unix:") && sentence.contains("déjà"), "{sentence}");
    assert!(sentence.contains(path.to_str().expect("it is UTF-8")), "{sentence}");
    local.say("/ping encore");
    local.until("* pong encore");
    Local::member(&path);
}

#[test]
fn of_servers_that_start_at_once_on_a_stale_socket_one_is_there() {
    let folder = Folder::new();
    let path = folder.stale();
    let address = unix(&path);
    let mut all: Vec<Process> =
        (0..6).map(|_| Process::spawn(&mut trappe(&["server", "--listen", &address]))).collect();
    let started = |server: &Process| {
        let told = server.out.wait(PATIENCE, |lines, ended| match lines.len() {
            0 if ended => Some(false),
            0 => None,
            _ => Some(true),
        });
        told.unwrap_or(false)
    };
    let (serving, mut refused): (Vec<Process>, Vec<Process>) = all.drain(..).partition(started);
    assert_eq!((serving.len(), refused.len()), (1, 5));
    for server in &mut refused {
        let Ended { code, err, .. } = server.ended_within(PATIENCE);
        assert!(code == Some(1) && err.contains("déjà"), "{err}");
    }
    Local::member(&path);
}

#[test]
fn what_is_no_socket_is_refused_and_untouched() {
    let folder = Folder::new();
    let target = folder.stale();
    let (link, file, inner) = (folder.path("lien"), folder.path("fichier"), folder.path("dossier"));
    symlink(&target, &link).expect("the folder is ours");
    fs::write(&file, "à moi").expect("the folder is ours");
    fs::create_dir(&inner).expect("the folder is ours");
    for (path, word) in [(&link, "lien symbolique"), (&file, "fichier"), (&inner, "dossier")] {
        let before = fs::symlink_metadata(path).expect("it lies there").ino();
        let sentence = refusal(&["--listen", &unix(path)]);
        assert!(sentence.contains(word), "{sentence}");
        assert_eq!(fs::symlink_metadata(path).expect("it still lies there").ino(), before);
    }
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "à moi");
    assert!(target.exists(), "no link was followed");
}

#[test]
fn a_path_where_no_socket_can_be_is_one_sentence_and_exit_1() {
    let folder = Folder::new();
    let long = folder.path(&"x".repeat(108));
    let sentence = refusal(&["--listen", &unix(&long)]);
    assert!(sentence.contains("107"), "{sentence}");
    let sentence = refusal(&["--lang", "en", "--listen", &unix(&folder.path("no/where"))]);
    assert!(sentence.contains("doesn't exist"), "{sentence}");
}

#[test]
fn what_was_bound_before_a_failure_is_not_left_behind() {
    let folder = Folder::new();
    let good = folder.path("bon");
    refusal(&["--listen", &unix(&good), "--listen", &unix(&folder.path("no/where"))]);
    assert!(!good.exists());
}

#[test]
fn at_the_end_its_members_hear_goodbye_and_the_socket_is_gone() {
    let folder = Folder::new();
    let path = folder.path("hub");
    let mut hub = hub_on(&path);
    let mut local = Local::connect(&path);
    local.say("/nick alice\n/ping là");
    local.until("* pong là");
    hub.signal("TERM");
    let goodbye = local.line().expect("a goodbye");
    assert!(goodbye.starts_with("* ") && goodbye.contains("arrête"), "{goodbye}");
    assert_eq!(local.line(), None);
    let ended = hub.ended_within(Duration::from_secs(5));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!path.exists());
}

#[test]
fn a_socket_that_took_its_place_is_left_alone_at_the_end() {
    let folder = Folder::new();
    let path = folder.path("hub");
    let mut first = hub_on(&path);
    fs::remove_file(&path).expect("the folder is ours");
    let _second = hub_on(&path);
    first.signal("TERM");
    assert_eq!(first.ended_within(Duration::from_secs(5)).code, Some(0));
    Local::member(&path);
}

#[test]
fn the_last_word_of_who_closes_without_reading_arrives() {
    let folder = Folder::new();
    let path = folder.path("hub");
    let hub = hub_on(&path);
    let mut witness = hub.member();
    for turn in 0..50 {
        let mut local = Local::connect(&path);
        local.say("/ping non lu");
        local.wait_unread();
        local.0.get_mut().write_all(format!("mot {turn}").as_bytes()).expect("the hub reads");
        drop(local);
        witness.until(|line| line.ends_with(&format!("> mot {turn}")));
    }
}

#[test]
fn who_ends_its_sending_half_gets_its_answers_first() {
    let folder = Folder::new();
    let path = folder.path("hub");
    let _hub = hub_on(&path);
    let mut local = Local::connect(&path);
    local.say("/ping fin");
    local.0.get_ref().shutdown(Shutdown::Write).expect("it is connected");
    local.until("* pong fin");
    while local.line().is_some() {}
}

#[test]
fn who_reads_late_on_a_socket_misses_nothing_that_is_kept_for_it() {
    let folder = Folder::new();
    let path = folder.path("hub");
    let hub = hub_on(&path);
    let mut late = Local::member(&path);
    let mut alice = hub.named("alice");
    let padding = "x".repeat(1000);
    let lines: Vec<String> = (0..2000).map(|number| format!("{number} {padding}\n")).collect();
    alice.send(lines.concat());
    alice.ask("/ping");
    late.wait_unread();
    for line in &lines {
        assert_eq!(late.line().map(|it| it + "\n"), Some(format!("<alice> {line}")));
    }
}

#[test]
fn at_the_limit_of_files_who_comes_over_a_socket_is_told_so_too() {
    let folder = Folder::new();
    let path = folder.path("hub");
    let script = "ulimit -n 64 && exec \"$0\" server --port 0 --workers 1 --quiet --listen \"$1\"";
    let mut command = Command::new("sh");
    let _hub = Hub::launch(command.args(["-c", script, TRAPPE, &unix(&path)]));
    let mut members = Vec::new();
    let told = loop {
        let mut local = Local::connect(&path);
        // It may be closed already: then its refusal is there to be read.
        drop(local.0.get_mut().write_all(b"/quiet on\n"));
        match local.line() {
            Some(line) if line.starts_with("* ") => members.push(local),
            other => break other,
        }
        assert!(members.len() < 64, "more members than descriptors");
    };
    assert!(told.as_deref().is_some_and(|line| line.starts_with("! full ")), "{told:?}");
    assert!(members.len() > 20, "only {} were let in", members.len());
}

#[test]
fn several_addresses_are_all_bound_and_all_told() {
    let hub = Hub::launch(&mut trappe(&[
        "server",
        "--listen",
        "127.0.0.2:0",
        "--listen",
        "127.0.0.1:0",
        "--listen",
        "127.0.0.1:0",
    ]));
    let line = hub.console()[1].clone();
    let line = line.trim_start_matches("écoute sur ").trim_end_matches(" (TCP et UDP)");
    let addresses: Vec<&str> = line.split(", ").collect();
    assert_eq!(addresses.len(), 3, "{line}");
    let mut members: Vec<Peer> = addresses
        .iter()
        .map(|address| {
            let mut peer = Peer::over(TcpStream::connect(address).expect("it listens there"));
            peer.ready();
            peer
        })
        .collect();
    members[0].say("à toutes les portes");
    for member in &mut members[1..] {
        assert_eq!(member.line(), "<client-1> à toutes les portes");
    }
    let first = addresses[0].replace(':', " ");
    hub.wait_console(|line| line.contains(&format!("nc {first}")));
}

#[test]
fn an_address_to_listen_on_takes_the_place_of_the_default_unless_that_is_asked_for_too() {
    let (_hub, lines) = server(&["--listen", "127.0.0.1:0"]);
    assert!(lines[1].starts_with("écoute sur 127.0.0.1:") && !lines[1].contains(','), "{lines:?}");
    let (_hub, lines) = server(&["--listen", "127.0.0.2:0", "--host", "127.0.0.1", "--port", "0"]);
    let both = lines[1].contains(" 127.0.0.1:") && lines[1].contains(", 127.0.0.2:");
    assert!(both, "{lines:?}");
}

#[test]
fn the_same_address_twice_is_meant_once() {
    let folder = Folder::new();
    let address = unix(&folder.path("hub"));
    let (_hub, lines) = server(&["--listen", &address, "--listen", &address]);
    assert_eq!(lines[1], format!("écoute sur {address}"));
}

#[test]
fn localhost_is_both_families_on_one_port() {
    let hub = Hub::launch(&mut trappe(&["server", "--listen", "localhost:0"]));
    Peer::member(hub.port());
    let line = hub.console()[1].clone();
    assert!(line.contains("127.0.0.1:"), "{line}");
    if line.contains("[::1]") {
        let stream = TcpStream::connect(("::1", hub.port())).expect("it listens there");
        Peer::over(stream).ready();
    }
}

#[test]
fn where_only_lines_are_spoken_http_is_refused_in_its_own_tongue() {
    let hub = Hub::start(&["--only", "lines"]);
    let mut witness = hub.member();
    let mut browser = hub.connect();
    browser.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = String::from_utf8(browser.rest()).expect("the hub writes UTF-8");
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    witness.ask("/ping");
    assert!(hub.console().iter().all(|line| !line.contains("GET")), "{:#?}", hub.console());
}

#[test]
fn where_only_http_is_spoken_lines_are_refused() {
    let hub = Hub::start(&["--only", "http"]);
    let mut lines = hub.connect();
    lines.say("bonjour");
    let told = lines.last_lines();
    assert!(told.len() == 1 && told[0].starts_with("! "), "{told:?}");
    let mut silent = hub.connect();
    assert_eq!(silent.rest(), b"", "who says nothing is closed without a word, after a while");
    let heard = |line: &String| line.contains("bonjour") || line.contains("client-");
    assert!(!hub.console().iter().any(heard), "{:#?}", hub.console());
}

#[test]
fn what_nobody_can_listen_on_is_exit_2_and_says_what_would_do() {
    let cases: &[(&[&str], &str)] = &[
        (&["--listen", "hub.example.org:5566"], "192.0.2.7:5566"),
        (&["--listen", "127.0.0.1"], "127.0.0.1:5566"),
        (&["--listen", "unix:"], "unix:/run/trappe.sock"),
        (&["--listen", "unix:@trappe"], "abstract"),
        (&["--listen", "nowhere"], "unix:/run/trappe.sock"),
        (&["--only", "tls"], "lines, http, ws"),
        (&["--allow-host", "https://hub.example.org"], "hub.example.org"),
        (&["--allow-origin", "null"], "null"),
        (&["--allow-origin", "example.org"], "https://example.org"),
    ];
    for (args, word) in cases {
        let ended = Process::spawn(trappe(&["server"]).args(*args)).end();
        assert_eq!((ended.code, &*ended.out), (Some(2), ""), "{args:?}: {ended:?}");
        assert!(ended.err.contains(word), "{args:?}: {ended:?}");
    }
}

#[test]
fn the_help_shows_a_socket_and_hides_what_is_for_tests() {
    let ended = Process::spawn(&mut trappe(&["server", "--help"])).end();
    assert!(ended.out.contains("--listen unix:/"), "{}", ended.out);
    assert!(!ended.out.contains("--echo"), "{}", ended.out);
}

#[test]
fn the_client_connects_to_a_socket_and_says_where_it_found_none() {
    let folder = Folder::new();
    let path = folder.path("hub");
    let client = |args: &[&str]| Process::spawn(trappe(&["client"]).args(args)).end();
    let absent = client(&[&unix(&path), "-m", "bonjour"]);
    assert_eq!(absent.code, Some(1), "{absent:?}");
    let command = format!("trappe server --listen {}", unix(&path));
    assert!(absent.err.contains(&command), "{absent:?}");

    let hub = hub_on(&path);
    let mut witness = hub.member();
    let ended = client(&[&unix(&path), "-m", "bonjour"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(witness.line(), "<client-2> bonjour");
    let port = client(&[&unix(&path), "--port", "5566"]);
    assert_eq!(port.code, Some(2), "{port:?}");
}
