//! `trappe client` and a hub that goes away: it is looked for, it is told once, and given up when that was asked for.

use crate::client_lab::House;
use crate::client_terminal::TERMINAL;
use crate::hub::TRAPPE;
use crate::peer::Peer;
use crate::process::{PATIENCE, Process};
use crate::tools::python;

fn client(house: &House, args: &[&str]) -> Process {
    let target = format!("127.0.0.1:{}", house.port());
    Process::run(TRAPPE, &[&["client", &target], args].concat())
}

/// Somebody in a room, without notices.
#[track_caller]
fn witness(house: &House, room: &str) -> Peer {
    let mut peer = Peer::member(house.port());
    peer.ask(&format!("/join {room}"));
    peer
}

#[test]
fn what_is_piped_goes_on_through_a_restart_under_its_name_and_in_its_room() {
    let mut house = House::new(&[]);
    let mut ear = witness(&house, "chess");
    let mut bob = client(&house, &["--nick", "bob", "--room", "chess"]);
    bob.write("un\n");
    assert_eq!(ear.line(), "<bob> un");
    for word in ["deux", "trois"] {
        house.kill();
        bob.err.line(|line| line.contains("connexion perdue"));
        house.begin();
        let mut ear = witness(&house, "chess");
        while !ear.ask("/who").iter().any(|line| line.contains("bob")) {}
        bob.write(format!("{word}\n"));
        assert_eq!(ear.line(), format!("<bob> {word}"));
        ear.say("entendu");
        bob.out.line(|line| line.ends_with("> entendu"));
    }
    bob.close_input();
    let ended = bob.ended_within(PATIENCE);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.out.contains("connexion"), "standard output is data: {ended:?}");
}

#[test]
fn at_a_terminal_a_restart_is_told_once_and_the_conversation_goes_on() {
    let mut house = House::new(&[]);
    let Some(python) = python() else { return };
    let target = format!("127.0.0.1:{}", house.port());
    let args = ["-c", TERMINAL, TRAPPE, "client", &target, "--nick", "alice"];
    let mut alice = Process::run(&python, &args);
    let mut ear = Peer::member(house.port());
    alice.write("bonjour\r");
    assert_eq!(ear.line(), "<alice> bonjour");
    house.kill();
    alice.out.line(|line| line.contains("* connexion perdue"));
    house.begin();
    alice.out.line(|line| line.contains("* de nouveau connecté"));
    let mut ear = Peer::member(house.port());
    alice.write("me revoilà\r");
    assert_eq!(ear.line(), "<alice> me revoilà");
    alice.write("\x04");
    let ended = alice.ended_within(PATIENCE);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.out.matches("connexion perdue").count(), 1, "{ended:?}");
}

#[test]
fn a_hub_that_does_not_come_back_is_given_up_with_3() {
    for retry in ["0", "2"] {
        let mut house = House::new(&[]);
        let mut bob = client(&house, &["--nick", "bob", "--retry", retry]);
        let mut ear = Peer::member(house.port());
        bob.write("un\n");
        assert_eq!(ear.line(), "<bob> un");
        house.kill();
        let ended = bob.ended_within(PATIENCE);
        assert_eq!(ended.code, Some(3), "--retry {retry}: {ended:?}");
        assert!(ended.err.contains("le serveur n'est pas revenu"), "{ended:?}");
        assert_eq!(ended.err.matches("connexion perdue").count(), usize::from(retry != "0"));
        // Nor is one that isn't there at all.
        let ended = client(&house, &["-m", "x", "--retry", retry]).ended_within(PATIENCE);
        assert_eq!(ended.code, Some(3), "--retry {retry}: {ended:?}");
        let ended = client(&house, &["-m", "x"]).ended_within(PATIENCE);
        assert_eq!(ended.code, Some(1), "{ended:?}");
    }
    let house = House::new(&[]);
    let ended = client(&house, &["--retry", "souvent"]).ended_within(PATIENCE);
    assert_eq!(ended.code, Some(2), "{ended:?}");
}

#[test]
fn a_message_can_wait_for_a_hub_that_is_not_there_yet() {
    let mut house = House::new(&[]);
    house.kill();
    let mut early = client(&house, &["-m", "me voici", "--retry", "forever"]);
    early.err.line(|line| line.contains("ne répond pas encore"));
    house.begin();
    let ended = early.ended_within(3 * PATIENCE);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let mut late = Peer::member(house.port());
    let last = late.ask("/history 1");
    assert!(last.iter().any(|line| line.ends_with("> me voici")), "{last:?}");
}
