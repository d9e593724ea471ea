//! Two thousand come back at once, each to where it was, while others talk: everyone gets everything, and the talk goes on.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::crowd::raise_file_limit;
use crate::kept_hub::{End, Kept, Talker};
use crate::peer::Peer;

/// The number in `<alice> mot N`; none in `<alice> fin`, nor in an answer.
fn number(line: &str) -> Option<u64> {
    line.strip_prefix("<alice> mot ")?.parse().ok()
}

/// Goes on from `last` until a line that is no message, and gives the number of the last message, and that line.
#[track_caller]
fn goes_on(peer: &mut Peer, mut last: u64) -> (u64, String) {
    loop {
        let line = peer.line();
        let Some(number) = number(&line) else { return (last, line) };
        assert_eq!(number, last + 1, "a hole or a repeat");
        last = number;
    }
}

#[test]
fn two_thousand_that_come_back_at_once_get_everything_and_the_talk_goes_on() {
    const CROWD: u64 = 2000;
    const BEFORE: u64 = 2000;
    raise_file_limit();
    let mut kept = Kept::start(&["--retain", "10msg", "--no-notices"]);
    let mut alice = Talker::enter(kept.hub(), "alice", "jeu", 0);
    alice.say(BEFORE);
    kept.again(End::Stopped);
    let mut alice = Talker::enter(kept.hub(), "alice", "jeu", BEFORE);
    let mut witness = kept.hub().member();
    witness.ask("/join jeu");
    let epoch = alice.epoch();
    // All connect first, so that they ask at once.
    let mut crowd: Vec<(u64, Peer)> =
        (0..CROWD).map(|n| (n * 7919 % BEFORE, kept.hub().connect())).collect();
    for (_, peer) in &mut crowd {
        peer.send("/quiet on\n/ping là\n");
    }
    for (_, peer) in &mut crowd {
        peer.before("* pong là");
    }
    let (tell, all_are_live) = mpsc::channel::<()>();
    let talking = thread::spawn(move || {
        let mut longest = Duration::ZERO;
        // A word now and then, as long as somebody is still behind.
        while all_are_live.recv_timeout(Duration::from_millis(20)) == Err(RecvTimeoutError::Timeout)
        {
            let since = Instant::now();
            alice.say(1);
            assert_eq!(number(&witness.line()), Some(alice.said));
            longest = longest.max(since.elapsed());
        }
        (alice, longest)
    });
    for (after, peer) in &mut crowd {
        peer.send(format!("/join jeu {epoch}@{after}\n"));
    }
    for (last, peer) in &mut crowd {
        assert!(goes_on(peer, *last).1.starts_with("* vous êtes dans jeu, "));
        let (reached, line) = goes_on(peer, *last);
        assert_eq!(line, "* live");
        *last = reached;
    }
    tell.send(()).expect("she still talks");
    let (mut alice, longest) = talking.join().expect("she was heard all the time");
    assert!(alice.said > BEFORE + 20, "only {} were said meanwhile", alice.said - BEFORE);
    assert!(longest < Duration::from_secs(5), "a word took {longest:?}");
    let all = alice.said;
    alice.peer().say("fin");
    for (last, peer) in &mut crowd {
        assert_eq!(goes_on(peer, *last), (all, "<alice> fin".to_owned()));
    }
}
