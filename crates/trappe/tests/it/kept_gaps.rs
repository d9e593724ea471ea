//! Positions that are no more, or never were (PROTOCOL §5): told honestly, with the oldest there is, and then that comes.

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use crate::hub::Hub;
use crate::json_check::checked;
use crate::json_peer::{BOTH, JsonPeer};
use crate::kept_ear::{Ear, Heard, ROADS, Way, Wire};
use crate::kept_hub::{ENDS, End, Kept, Talker, join, place, says, shown};
use crate::kept_trail::Trail;
use crate::process::PATIENCE;
use crate::web::get;

/// Roads on which a gap must be told: all but raw frames, to which nothing but bodies need come.
fn roads() -> impl Iterator<Item = (Wire, Way)> {
    ROADS.into_iter().filter(|road| *road != (Wire::SocketRaw, Way::Address))
}

/// A hub with little memory and a Unix socket, in which `alice` has said a number of messages.
#[track_caller]
fn hub_of(said: u64, args: &[&str]) -> (Kept, std::path::PathBuf, Talker) {
    let mut kept = Kept::start(&[]);
    let unix = kept.folder.path("hub");
    let listen = format!("unix:{}", shown(&unix));
    kept.again_with(End::Stopped, &[&["--retain", "10msg", "--listen", &listen], args].concat());
    let mut alice = Talker::enter(kept.hub(), "alice", "jeu", 0);
    alice.say(said);
    (kept, unix, alice)
}

/// The oldest position that a hub has of `jeu`, as it says itself.
#[track_caller]
fn oldest(hub: &Hub) -> u64 {
    let answer = get(hub, "/rooms/jeu/messages?after=0&limit=1");
    let first = checked(answer.text().lines().next().expect("a line"));
    match (first["ev"].as_str(), first["oldest"].as_str()) {
        (Some("gap"), Some(oldest)) => place(oldest).1,
        // It was pruned at the very moment when it was asked for: where it ends now isn't settled yet.
        (Some("gap"), None) => 0,
        _ => first["seq"].as_u64().expect("a message has a number"),
    }
}

/// Asks until what is older than `wanted` is kept no more: neither on disk, nor in the last batches that memory holds.
#[track_caller]
fn wait_pruned(hub: &Hub, wanted: u64) {
    let until = Instant::now() + PATIENCE;
    while oldest(hub) < wanted {
        assert!(Instant::now() < until, "{} is still kept", oldest(hub));
    }
}

/// Comes to `position`, is told that it is no more, and hears everything from the oldest on up to `last`. Gives the oldest.
#[track_caller]
fn told(
    hub: &Hub,
    unix: &Path,
    road: (Wire, Way),
    position: &str,
    (epoch, last): (&str, u64),
) -> u64 {
    let what = (road, position);
    let mut ear = Ear::open(hub, unix, road, "jeu", position);
    let Heard::Oldest(oldest) = ear.until(|heard| !matches!(heard, Heard::Other(_))) else {
        panic!("{what:?}: no gap is told");
    };
    let (its, oldest) = place(&oldest);
    assert_eq!(its, epoch, "{what:?}");
    let mut trail = Trail::after(oldest - 1, what);
    trail.live(&mut ear);
    assert_eq!(trail.last, last, "{what:?}");
    oldest
}

#[test]
fn a_position_older_than_what_is_kept_is_told_with_the_oldest_on_every_wire() {
    let (kept, unix, mut alice) = hub_of(2000, &["--keep", "50msg"]);
    wait_pruned(kept.hub(), 1400);
    let (epoch, _) = place(&alice.position);
    for (road, n) in roads().zip(0..) {
        let position = format!("{epoch}@{}", n * 7 % 1000);
        let oldest = told(kept.hub(), &unix, road, &position, (&epoch, 2000));
        assert!((1400..=1951).contains(&oldest), "{road:?}: {oldest}..2000 of 50 are kept");
    }
    // What is kept can still be come to without a gap.
    for road in ROADS {
        let mut ear = Ear::open(kept.hub(), &unix, road, "jeu", &format!("{epoch}@1960"));
        Trail::after(1960, road).up_to(2000, &mut ear);
    }
    // And it goes on as it was.
    alice.say(1);
    assert_eq!(place(&alice.position), (epoch, 2001));
}

#[test]
fn what_is_kept_by_age_and_by_size_goes_too() {
    for keep in ["1s", "64KiB"] {
        let (kept, _unix, mut alice) = hub_of(3000, &["--keep", keep]);
        wait_pruned(kept.hub(), 1000);
        alice.say(1);
        let mut bob = kept.hub().member();
        bob.ask("/join jeu");
        let answer = bob.ask("/history 1");
        assert_eq!(answer[1], "<alice> mot 3001", "{keep}: {answer:?}");
    }
}

#[test]
fn pruned_messages_stay_away_after_a_restart_and_numbers_go_on() {
    for end in ENDS {
        let (mut kept, unix, alice) = hub_of(1000, &["--keep", "50msg"]);
        wait_pruned(kept.hub(), 500);
        let epoch = alice.epoch();
        kept.again(end);
        let (same, last) = join(&mut kept.hub().member(), "jeu");
        assert!(same == epoch && last >= 1000, "{same}@{last} after {epoch}@1000");
        let road = (Wire::Text, Way::Resume);
        let oldest = told(kept.hub(), &unix, road, &format!("{epoch}@3"), (&epoch, 1000));
        assert!((500..=951).contains(&oldest), "{oldest}");
    }
}

#[test]
fn a_position_of_another_epoch_is_told_on_every_wire() {
    let (kept, unix, alice) = hub_of(200, &[]);
    let epoch = alice.epoch();
    for road in roads() {
        for position in ["aaaaaaaaaa@5", "aaaaaaaaaa@100000"] {
            assert_eq!(told(kept.hub(), &unix, road, position, (&epoch, 200)), 1);
        }
    }
}

#[test]
fn a_position_of_the_future_is_told_on_every_wire() {
    let (kept, unix, alice) = hub_of(200, &[]);
    let epoch = alice.epoch();
    for road in roads() {
        for beyond in [201, 5000, (1_u64 << 53) - 1] {
            let position = format!("{epoch}@{beyond}");
            assert_eq!(told(kept.hub(), &unix, road, &position, (&epoch, 200)), 1);
        }
    }
}

#[test]
fn a_bare_number_of_the_future_is_told_too() {
    let (kept, unix, alice) = hub_of(200, &[]);
    for road in [(Wire::Text, Way::Resume), (Wire::SocketJson, Way::Address)] {
        assert_eq!(told(kept.hub(), &unix, road, "5000", (&alice.epoch(), 200)), 1);
    }
}

#[test]
fn a_session_that_comes_back_too_late_is_told_for_each_room() {
    let (mut kept, _unix, alice) = hub_of(1000, &["--keep", "50msg"]);
    wait_pruned(kept.hub(), 500);
    let epoch = alice.epoch();
    for (via, name) in BOTH.into_iter().zip(["carole", "carla"]) {
        let mut carol = JsonPeer::named(kept.hub(), via, name);
        let session = carol.session().to_owned();
        says(&mut carol, "lobby", "me voici", 1);
        kept.again(End::Stopped);
        let mut again = crate::sessions::newcomer(kept.hub(), via);
        let rooms = json!([{"room": "jeu", "after": format!("{epoch}@3")},
            {"room": "lobby", "after": "aaaaaaaaaa@3"}]);
        let answer = crate::sessions::takes_over(&mut again, &session, &rooms);
        let gap = |room: &str| {
            let found = answer.iter().find(|it| it["ev"] == "gap" && it["room"] == room);
            found.unwrap_or_else(|| panic!("no gap of {room}: {answer:#?}")).clone()
        };
        let jeu = gap("jeu");
        assert_eq!((&jeu["cause"], &jeu["from"]), (&json!("forgotten"), &json!(4)), "{jeu}");
        let oldest = place(jeu["oldest"].as_str().expect("the oldest")).1;
        assert_eq!(jeu["to"], oldest - 1, "{jeu}");
        let seqs: Vec<&Value> = answer
            .iter()
            .filter(|it| it["ev"] == "msg" && it["room"] == "jeu")
            .map(|it| &it["seq"])
            .collect();
        assert_eq!(
            seqs,
            (oldest..=1000).map(|seq| json!(seq)).collect::<Vec<_>>().iter().collect::<Vec<_>>()
        );
        assert_eq!(gap("lobby")["cause"], "epoch");
    }
}

#[test]
fn pages_of_http_begin_with_the_gap_and_then_have_what_there_is() {
    let (kept, _unix, alice) = hub_of(200, &[]);
    let epoch = alice.epoch();
    for after in ["aaaaaaaaaa@5".to_owned(), format!("{epoch}@201"), format!("{epoch}@999999")] {
        let answer = get(kept.hub(), &format!("/rooms/jeu/messages?after={after}"));
        let lines: Vec<Value> = answer.text().lines().map(checked).collect();
        assert_eq!(lines[0]["ev"], "gap", "{after}: {}", lines[0]);
        assert_eq!(lines[0]["oldest"], format!("{epoch}@1"), "{after}");
        assert_eq!(lines.len(), 201, "{after}");
        assert_eq!(lines[1]["text"], "mot 1", "{after}");
    }
}
