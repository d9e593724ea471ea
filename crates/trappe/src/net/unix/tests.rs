//! On real files: each test in a folder of its own.

use std::{
    env,
    io::{Read, Write},
    os::unix::{fs::symlink, net::UnixDatagram},
    process,
    sync::{
        Barrier,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    thread,
};

use super::*;

/// A folder of this test's own, removed with everything in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Relaxed);
        let folder = env::temp_dir().join(format!("trappe-unix-{}-{number}", process::id()));
        fs::create_dir(&folder).expect("a new folder of our own");
        Folder(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A socket that nobody listens on any more.
    fn stale(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        drop(UnixListener::bind(&path).expect("the folder is ours"));
        path
    }

    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).expect("it is there");
        names.map(|name| name.expect("a name").file_name().into_string().expect("UTF-8")).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[track_caller]
fn refused(path: &Path) -> SocketError {
    bind(path).expect_err("it can't be listened on")
}

fn lies_at(path: &Path) -> Option<Identity> {
    fs::symlink_metadata(path).ok().map(|found| identity(&found))
}

#[test]
fn who_connects_is_heard_and_answered_and_the_file_goes_with_the_server() {
    let folder = Folder::new();
    let path = folder.path("hub");
    let (listener, file) = bind(&path).expect("nothing is in the way");
    let found = fs::symlink_metadata(&path).expect("it lies there");
    assert_eq!(found.permissions().mode() & 0o7777, MODE);
    let mut client = connect(&path).expect("it listens");
    let (server, _) = listener.accept().expect("someone connected");
    server.set_nonblocking(false).expect("it can be set");
    let mut server = as_tcp(server);
    client
        .write_all(b"salut")
        .and_then(|()| client.shutdown(std::net::Shutdown::Write))
        .expect("open");
    let mut heard = String::new();
    server.read_to_string(&mut heard).expect("what was said");
    assert_eq!(heard, "salut");
    server.write_all(b"bonjour").expect("it still listens");
    drop(server);
    heard.clear();
    client.read_to_string(&mut heard).expect("the answer");
    assert_eq!(heard, "bonjour");
    drop((listener, file));
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn a_stale_socket_is_replaced_and_one_that_answers_is_not() {
    let folder = Folder::new();
    let path = folder.stale("hub");
    let (_listener, file) = bind(&path).expect("nobody answers there");
    assert_eq!(lies_at(&path), Some(file.identity));
    assert!(matches!(refused(&path), SocketError::Used));
    assert_eq!(lies_at(&path), Some(file.identity), "it is untouched");
}

#[test]
fn one_that_does_not_accept_for_a_while_is_alive() {
    let folder = Folder::new();
    let path = folder.path("busy");
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a descriptor");
    socket.bind(&SockAddr::unix(&path).expect("it fits")).expect("the folder is ours");
    socket.listen(0).expect("it is bound");
    // Its queue is full after these: a connection would have to wait.
    let waiting: Vec<TcpStream> = std::iter::from_fn(|| connect(&path).ok()).take(8).collect();
    assert!(waiting.len() < 8);
    assert!(matches!(refused(&path), SocketError::Used));
}

#[test]
fn a_living_socket_of_another_type_is_in_use() {
    let folder = Folder::new();
    let path = folder.path("datagrams");
    let _datagrams = UnixDatagram::bind(&path).expect("the folder is ours");
    assert!(matches!(refused(&path), SocketError::Used));
    assert!(path.exists());
}

#[test]
fn what_is_no_socket_is_refused_and_untouched() {
    let folder = Folder::new();
    let stale = folder.stale("stale");
    let (file, link) = (folder.path("file"), folder.path("link"));
    let (dangling, inner) = (folder.path("dangling"), folder.path("folder"));
    fs::write(&file, "à moi").expect("the folder is ours");
    symlink(&stale, &link).expect("the folder is ours");
    symlink(folder.path("nowhere"), &dangling).expect("the folder is ours");
    fs::create_dir(&inner).expect("the folder is ours");
    let before = [&file, &link, &dangling, &inner].map(|path| lies_at(path));
    assert!(matches!(refused(&file), SocketError::File));
    assert!(matches!(refused(&link), SocketError::Link));
    assert!(matches!(refused(&dangling), SocketError::Link));
    assert!(matches!(refused(&inner), SocketError::Folder));
    assert!(matches!(refused(Path::new("/")), SocketError::Folder));
    assert_eq!(before, [&file, &link, &dangling, &inner].map(|path| lies_at(path)));
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "à moi");
    assert!(stale.exists() && !folder.path("nowhere").exists(), "no link was followed");
}

#[test]
fn a_path_that_leads_nowhere_or_is_too_long_is_refused() {
    let folder = Folder::new();
    assert!(matches!(refused(&folder.path("no/such/hub")), SocketError::Nowhere));
    fs::write(folder.path("file"), "").expect("the folder is ours");
    assert!(matches!(refused(&folder.path("file/hub")), SocketError::Nowhere));
    nix::unistd::mkfifo(&folder.path("fifo"), Mode::S_IRWXU).expect("the folder is ours");
    assert!(matches!(refused(&folder.path("fifo/hub")), SocketError::Nowhere));

    let room = SOCKET_PATH_BYTES - folder.path("").as_os_str().len();
    let longest = folder.path(&"x".repeat(room));
    drop(bind(&longest).expect("it just fits"));
    assert!(matches!(refused(&folder.path(&"x".repeat(room + 1))), SocketError::Long));
    assert_eq!(folder.names().len(), 2);
}

#[test]
fn at_the_end_the_file_is_removed_only_if_it_is_still_ours() {
    let folder = Folder::new();
    let path = folder.path("hub");
    let (_listener, file) = bind(&path).expect("nothing is in the way");
    fs::remove_file(&path).expect("the folder is ours");
    let (_other, others) = bind(&path).expect("nothing is in the way");
    drop(file);
    assert_eq!(lies_at(&path), Some(others.identity));
}

#[test]
fn another_file_is_another_even_if_it_has_the_inode_of_the_last() {
    let folder = Folder::new();
    let path = folder.path("hub");
    let (listener, file) = bind(&path).expect("nothing is in the way");
    // Only now is the number free.
    drop(listener);
    fs::remove_file(&path).expect("the folder is ours");
    let (_other, others) = bind(&path).expect("nothing is in the way");
    // Where the file system knows no times of birth, or coarse ones, the order in which a server ends is what helps.
    if file.identity != others.identity {
        drop(file);
        assert_eq!(lies_at(&path), Some(others.identity));
    }
}

#[test]
fn of_many_that_start_on_one_stale_socket_one_wins_and_is_reached() {
    for _ in 0..20 {
        let folder = Folder::new();
        let path = folder.stale("hub");
        let barrier = Barrier::new(8);
        let won: Vec<(UnixListener, SocketFile)> = thread::scope(|scope| {
            let start = || {
                barrier.wait();
                bind(&path)
            };
            let all: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            let ended = all.into_iter().map(|one| one.join().expect("it doesn't panic"));
            let lost = |error: &SocketError| assert!(matches!(error, SocketError::Used), "{error}");
            ended.filter_map(|ended| ended.inspect_err(lost).ok()).collect()
        });
        let [(listener, file)] = &won[..] else { panic!("{} won", won.len()) };
        assert_eq!(lies_at(&path), Some(file.identity));
        // Who knocked to see whether somebody answers waits there as well.
        let client = UnixStream::connect(&path).expect("it listens");
        client.set_nonblocking(true).expect("it can be set");
        assert!(listener.accept().is_ok());
    }
}

#[test]
fn a_folder_that_someone_keeps_locked_is_an_error_and_no_endless_wait() {
    let folder = Folder::new();
    let held = File::open(&folder.0).expect("it is there");
    held.lock().expect("nobody else has it");
    let path = folder.path("hub");
    assert!(
        matches!(refused(&path), SocketError::System(error) if error.kind() == io::ErrorKind::TimedOut)
    );
    assert_eq!(folder.names(), [""; 0]);
}
