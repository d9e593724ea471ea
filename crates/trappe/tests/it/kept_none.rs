//! Without history: as before, and nothing is written.

use std::fs;
use std::process::Command;

use crate::hub::{Hub, TRAPPE};
use crate::kept_hub::{End, Folder, join, shown};
use crate::web::post;

/// A hub whose working folder is `folder`, and nothing else is known to it.
#[track_caller]
fn hub_in(folder: &Folder, args: &[&str]) -> Hub {
    let mut command = Command::new(TRAPPE);
    command.args(["server", "--port", "0", "--quiet"]).args(args);
    command.current_dir(folder.path("")).env_clear();
    command.env("HOME", folder.path("")).env("TMPDIR", folder.path(""));
    Hub::launch(&mut command)
}

/// Says something by several wires, and asks for it again.
#[track_caller]
fn talk(hub: &Hub) -> String {
    let mut alice = hub.named("alice");
    let (epoch, last) = join(&mut alice, "jeu");
    assert_eq!(last, 0);
    alice.ask("/ack on");
    for n in 1..=3 {
        alice.say(&format!("mot {n}"));
        let ack = alice.until(|line| line.starts_with("+ack "));
        assert_eq!(ack, format!("+ack {epoch}@{n}"));
    }
    assert_eq!(post(hub, "jeu", "Idempotency-Key: k\r\n", "mot 4").status, 201);
    alice.until(|line| line == "<http> mot 4");
    let answer = alice.ask("/resume 2");
    assert_eq!(answer, ["<alice> mot 3", "<http> mot 4", "* live"]);
    assert!(alice.error("/search mot").starts_with("! no-search "));
    epoch
}

#[test]
fn without_a_folder_nothing_is_written_and_everything_is_as_before() {
    let folder = Folder::new();
    let epoch = talk(&hub_in(&folder, &[]));
    assert!(folder.names().is_empty(), "{:?}", folder.names());
    // Another start is another life.
    let hub = hub_in(&folder, &[]);
    assert_ne!(talk(&hub), epoch);
    let mut bob = hub.member();
    bob.ask("/join jeu");
    assert!(bob.ask(&format!("/resume {epoch}@2"))[0].starts_with("! gap oldest="));
    drop(hub);
    assert!(folder.names().is_empty(), "{:?}", folder.names());
}

#[test]
fn no_history_writes_none_though_there_is_a_folder() {
    let folder = Folder::new();
    fs::create_dir(folder.path("data")).expect("the folder is ours");
    let data = shown(&folder.path("data"));
    let epoch = talk(&hub_in(&folder, &["--data", &data, "--no-history"]));
    assert_ne!(talk(&hub_in(&folder, &["--data", &data, "--no-history"])), epoch);
    let names: Vec<_> = fs::read_dir(folder.path("data"))
        .expect("it is there")
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| name.to_string_lossy().starts_with("history"))
        .collect();
    assert!(names.is_empty(), "{names:?}");
    assert_eq!(folder.names(), ["data"]);
}

#[test]
fn no_history_leaves_a_history_that_is_there_as_it_is() {
    let mut kept = crate::kept_hub::Kept::start(&[]);
    assert_eq!(post(kept.hub(), "jeu", "", "un").status, 201);
    kept.end(End::Stopped);
    let path = kept.folder.path("data/history.db");
    let before = fs::read(&path).expect("it is there");
    let data = shown(&kept.folder.path("data"));
    talk(&hub_in(&kept.folder, &["--data", &data, "--no-history"]));
    assert!(fs::read(&path).expect("it is there") == before, "it was written to");
    kept.begin();
    let mut bob = kept.hub().member();
    bob.ask("/join jeu");
    assert_eq!(bob.ask("/resume 0"), ["<http> un", "* live"]);
}

#[test]
fn the_folder_that_systemd_gives_keeps_history_and_outside_of_it_nothing_is_written() {
    let folder = Folder::new();
    let data = folder.path("data");
    fs::create_dir(&data).expect("the folder is ours");
    let start = || {
        let mut command = Command::new(TRAPPE);
        command.args(["server", "--port", "0", "--quiet"]);
        command.current_dir(folder.path("")).env_clear().env("STATE_DIRECTORY", &data);
        Hub::launch(&mut command)
    };
    let hub = start();
    let said = post(&hub, "jeu", "", "un");
    assert_eq!(said.status, 201);
    drop(hub);
    let mut bob = start().member();
    drop(bob.rest());
    let hub = start();
    let mut bob = hub.member();
    let (epoch, _) = join(&mut bob, "jeu");
    assert_eq!(said.json()["epoch"], epoch);
    assert_eq!(folder.names(), ["data"]);
}

#[test]
fn what_is_kept_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let mut kept = crate::kept_hub::Kept::start(&[]);
    assert_eq!(post(kept.hub(), "jeu", "", "un").status, 201);
    for _ in 0..2 {
        let data = kept.folder.path("data");
        let mode = |path: &std::path::Path| {
            fs::metadata(path).expect("it is there").permissions().mode() & 0o777
        };
        assert_eq!(mode(&data), 0o700);
        for entry in fs::read_dir(&data).expect("it is there") {
            let path = entry.expect("an entry").path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
        kept.again(End::Killed);
    }
}
