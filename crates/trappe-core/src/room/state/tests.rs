//! A room's state: who follows it ends with the latest values, whenever it reads; nothing grows without a bound.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    command::{Epoch, Format, Lang},
    encode::{Wire, first_datagram},
    framing::Framing,
    limits::DATAGRAM_BYTES,
    name::Name,
};

const LOOK: Look = Look {
    format: Format::Text,
    framing: Framing::Auto,
    wire: Wire::Stream,
    lang: Lang::En,
    quiet: false,
};

fn life() -> Arc<Life> {
    Life::new(Name::parse("arena").expect("a name"), Epoch::from_random(1), Arc::default())
}

fn author(number: u64) -> Author {
    Author { number, name: None }
}

fn key(text: &str) -> StateKey {
    StateKey::parse(text).expect("a key")
}

/// Sets as member 1, without a version.
fn set(state: &mut State, name: &str, value: &str) -> u64 {
    state.set(0, author(1), key(name), None, value.as_bytes()).expect("it is taken").seq
}

/// Everything after `at`, as this look gets it.
fn read(view: &StateView, at: &mut Place, look: Look) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some((bytes, upto)) = view.after(*at, look) {
        *at = upto;
        out.extend_from_slice(&bytes);
    }
    out
}

fn told(view: &StateView, at: &mut Place) -> String {
    String::from_utf8(read(view, at, LOOK)).expect("all that is set here is UTF-8")
}

#[test]
fn overwritten_values_are_never_sent() {
    let (mut state, mut view, mut at) =
        (State::new(Arc::default()), StateView::new(life()), Place::default());
    for n in 0..1000 {
        set(&mut state, "x", &n.to_string());
    }
    set(&mut state, "y", "1");
    view.apply(state.take(0, view.seq()));
    assert_eq!(told(&view, &mut at), "=x= 999\n=y= 1\n");
    assert_eq!(told(&view, &mut at), "");
    set(&mut state, "x", "1000");
    view.apply(state.take(0, view.seq()));
    assert_eq!(told(&view, &mut at), "=x= 1000\n");
}

#[test]
fn a_key_that_is_taken_away_is_told_to_who_had_it_and_to_no_newcomer() {
    let (mut state, mut view, mut at) =
        (State::new(Arc::default()), StateView::new(life()), Place::default());
    set(&mut state, "x", "1");
    set(&mut state, "y", "2");
    view.apply(state.take(0, view.seq()));
    assert_eq!(told(&view, &mut at), "=x= 1\n=y= 2\n");
    set(&mut state, "x", "");
    view.apply(state.take(0, view.seq()));
    assert_eq!((state.len(), state.get(&key("x")).is_none()), (1, true));
    assert_eq!(told(&view, &mut at), "=x= \n");
    assert_eq!(told(&view, &mut Place::default()), "=y= 2\n");
    // What never was needs no taking away.
    assert_eq!(set(&mut state, "z", ""), 3);
    assert_eq!(state.take(0, view.seq()).values.len(), 0);
}

#[test]
fn versions_are_compared_for_each_sender_and_key() {
    let mut state = State::new(Arc::default());
    let mut put = |number, name, version, value: &str| {
        state.set(0, author(number), key(name), Some(version), value.as_bytes()).is_ok()
    };
    for (number, name, version, taken) in [
        (1, "x", 5, true),
        (1, "x", 4, false),
        (1, "x", 5, false),
        (1, "y", 1, true),
        (2, "x", 1, true),
        (1, "x", 6, true),
        // RFC 1982: half of the numbers are newer, half are older.
        (3, "x", u32::MAX, true),
        (3, "x", 0, true),
        (3, "x", u32::MAX, false),
        (3, "x", 1 << 31, false),
        (3, "x", (1 << 31) - 1, true),
        (3, "x", u32::MAX - 1, true),
    ] {
        assert_eq!(put(number, name, version, "v"), taken, "{number} {name} {version}");
    }
    // Also after the key was taken away: a datagram that comes late brings nothing back.
    assert!(put(1, "x", 7, ""));
    assert!(!put(1, "x", 6, "late"));
    // Or before it was ever set.
    assert!(put(1, "z", 2, ""));
    assert!(!put(1, "z", 1, "late"));
}

#[test]
fn a_full_room_lets_its_keys_be_taken_away_and_new_ones_take_their_place() {
    let mut state = State::new(Arc::default());
    let value = vec![b'v'; 8 << 10];
    let mut count = 0;
    while state.set(0, author(1), key(&format!("k{count}")), None, &value).is_ok() {
        count += 1;
    }
    let room = STATE_BYTES - state.bytes - STATE_VALUE_BYTES - 4;
    state.set(0, author(1), key("last"), None, &vec![b'v'; room]).expect("to the byte");
    assert_eq!(state.bytes, STATE_BYTES);
    state
        .set(0, author(1), key("last"), Some(1), b"")
        .expect("whoever takes away is never refused");
    for n in 0..count {
        state.set(0, author(1), key(&format!("k{n}")), Some(1), b"").expect("taken away");
        state.set(0, author(1), key(&format!("n{n}")), Some(1), &value).expect("in its place");
    }
    assert_eq!(state.len(), count);
}

/// What a view holds is what the state holds.
fn same(state: &State, view: &StateView) -> bool {
    state.by_seq.keys().eq(view.by_seq.keys())
        && state.gone.keys().eq(view.gone.iter())
        && view.seqs.len() == view.by_seq.len()
}

#[test]
fn who_missed_that_a_forgotten_key_was_taken_away_gets_everything_anew() {
    let (mut state, mut view) = (State::new(Arc::default()), StateView::new(life()));
    let (mut near, mut far) = (Place::default(), Place::default());
    for n in 0..STATE_GONE + 10 {
        set(&mut state, &format!("k{n}"), "v");
    }
    set(&mut state, "stays", "1");
    view.apply(state.take(0, view.seq()));
    told(&view, &mut near);
    told(&view, &mut far);
    for n in 0..STATE_GONE + 10 {
        set(&mut state, &format!("k{n}"), "");
        if n % 100 == 0 {
            view.apply(state.take(0, view.seq()));
            let lines = told(&view, &mut near);
            assert!(!lines.contains("=stays="), "it has missed nothing");
        }
    }
    view.apply(state.take(0, view.seq()));
    assert!(same(&state, &view) && state.gone.len() == STATE_GONE);
    assert!(told(&view, &mut near).lines().all(|line| line.starts_with("=k")));
    assert_eq!(told(&view, &mut far), "* state of arena: 1 key\n=stays= 1\n");
    assert_eq!(told(&view, &mut far), "");
    // A worker that comes too late too: it has what there is, and knows of nothing else.
    for n in 0..2 * STATE_GONE {
        set(&mut state, "x", "1");
        set(&mut state, "x", "");
        set(&mut state, &format!("y{n}"), "1");
        set(&mut state, &format!("y{n}"), "");
    }
    view.apply(state.take(0, view.seq()));
    assert!(same(&state, &view));
    assert_eq!(told(&view, &mut near), "* state of arena: 1 key\n=stays= 1\n");
}

#[test]
fn workers_are_told_once_until_they_take() {
    let mut state = State::new(Arc::default());
    let change = |state: &mut State| {
        state.set(0, author(1), key("x"), None, b"1").expect("it is taken").tell
    };
    assert_eq!(change(&mut state), 0);
    state.follow(1, true);
    state.follow(5, true);
    assert_eq!(change(&mut state), 1 << 1 | 1 << 5);
    assert_eq!(change(&mut state), 0);
    state.take(1, 0);
    assert_eq!(change(&mut state), 1 << 1);
    state.follow(1, false);
    state.take(5, 0);
    assert_eq!(change(&mut state), 1 << 5);
}

#[test]
fn a_full_state_takes_no_new_key_and_forgets_those_that_were_taken_away() {
    let all = Arc::new(AtomicUsize::new(0));
    let mut state = State::new(Arc::clone(&all));
    for n in 0..STATE_KEYS {
        set(&mut state, &format!("k{n}"), "v");
    }
    let full = state.set(0, author(1), key("one-more"), None, b"v");
    assert_eq!(full, Err(SetError::Full));
    assert_eq!(set(&mut state, "k7", "w"), STATE_KEYS as u64 + 1, "what is there may change");
    set(&mut state, "k7", "");
    assert!(state.set(0, author(1), key("one-more"), None, b"v").is_ok());
    assert_eq!((state.len(), state.held.len()), (STATE_KEYS, STATE_KEYS + 1));
    assert_eq!(all.load(Relaxed), state.bytes);
    drop(state);
    assert_eq!(all.load(Relaxed), 0);
}

#[test]
fn the_bytes_of_a_room_and_of_all_rooms_are_bounded() {
    let all = Arc::new(AtomicUsize::new(0));
    let mut states = Vec::new();
    let value = vec![b'v'; 64 << 10];
    let mut fill = |all: &Arc<AtomicUsize>| {
        let mut state = State::new(Arc::clone(all));
        let mut count = 0;
        while state.set(0, author(1), key(&format!("k{count}")), None, &value).is_ok() {
            count += 1;
        }
        states.push(state);
        count
    };
    assert_eq!(fill(&all), 15);
    while fill(&all) > 0 {}
    let taken = all.load(Relaxed);
    assert!(taken <= STATE_TOTAL_BYTES && taken > STATE_TOTAL_BYTES - (128 << 10), "{taken}");
    // Who shrinks is never refused.
    assert!(states[0].set(0, author(1), key("k0"), None, b"v").is_ok());
}

#[test]
fn the_senders_of_one_key_are_bounded() {
    let mut state = State::new(Arc::default());
    for number in 1..=1000 {
        state.set(0, author(number), key("x"), Some(1), b"v").expect("it is taken");
    }
    assert_eq!(state.held[&key("x")].versions.len(), STATE_SENDERS);
}

#[test]
fn a_large_state_is_given_in_portions_and_those_who_read_together_share_them() {
    let (mut state, mut view) = (State::new(Arc::default()), StateView::new(life()));
    for n in 0..100 {
        set(&mut state, &format!("k{n}"), &"v".repeat(4000));
    }
    view.apply(state.take(0, 0));
    let (first, upto) = view.after(Place::default(), LOOK).expect("there is something");
    assert!(first.len() < STATE_PORTION_BYTES + 5000 && upto.at < 100, "{} {upto:?}", first.len());
    let (again, _) = view.after(Place::default(), LOOK).expect("there is something");
    assert_eq!(first.as_ptr(), again.as_ptr(), "made once");
    // What is taken away before it has all been given is left out, and what is taken away meanwhile is told.
    let mut place = upto;
    set(&mut state, "k99", "");
    set(&mut state, "k0", "");
    view.apply(state.take(0, view.seq()));
    let rest = told(&view, &mut place);
    assert!(rest.contains("=k0= \n") && rest.contains("=k99= \n") && rest.contains("=k98= v"));
    let all = told(&view, &mut Place::default());
    assert_eq!(all.lines().count(), 98);
}

#[test]
fn datagrams_are_filled_with_lines_and_never_too_long() {
    let (mut state, mut view, mut at) =
        (State::new(Arc::default()), StateView::new(life()), Place::default());
    for n in 0..300 {
        set(&mut state, &format!("bot-{n}"), "12,40");
    }
    set(&mut state, "long", &"v".repeat(DATAGRAM_BYTES));
    view.apply(state.take(0, 0));
    let out = read(&view, &mut at, Look { wire: Wire::Datagram, ..LOOK });
    let (mut rest, mut datagrams) = (&out[..], Vec::new());
    while !rest.is_empty() {
        let (datagram, taken) = first_datagram(rest);
        datagrams.push(String::from_utf8(datagram.to_vec()).expect("text"));
        rest = &rest[taken..];
    }
    assert!(datagrams.iter().all(|it| it.len() <= DATAGRAM_BYTES && it.ends_with('\n')));
    let lines: Vec<&str> = datagrams.iter().flat_map(|it| it.lines()).collect();
    assert_eq!(lines.iter().filter(|line| line.starts_with("=bot-")).count(), 300);
    assert!(lines.iter().any(|line| line.starts_with("! mtu ")), "the long one is told of");
    assert!(datagrams.len() < 10, "{}", datagrams.len());
}

/// One thing that happens.
#[derive(Clone, Debug)]
enum Event {
    Set {
        sender: u64,
        key: u8,
        version: Option<u32>,
        value: u8,
    },
    /// The worker looks, and a follower reads; another begins anew.
    Read {
        follower: usize,
        anew: bool,
    },
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let version = prop_oneof![Just(None), (0..8_u32).prop_map(Some)];
    let set = (1..4_u64, 0..5_u8, version, 0..4_u8)
        .prop_map(|(sender, key, version, value)| Event::Set { sender, key, version, value });
    let read =
        (0..3_usize, any::<bool>()).prop_map(|(follower, anew)| Event::Read { follower, anew });
    prop::collection::vec(prop_oneof![3 => set, 1 => read], 0..200)
}

proptest! {
    /// The law of §6: whoever follows ends with the latest values, never goes back to an older one, and what it has is
    /// always what some moment had.
    #[test]
    fn a_follower_ends_with_the_latest_values_and_never_goes_back(events in events()) {
        let (mut state, mut view) = (State::new(Arc::default()), StateView::new(life()));
        // The model: value and number by key; the versions by sender and key.
        let mut model: BTreeMap<u8, (u64, u8)> = BTreeMap::new();
        let mut versions: BTreeMap<(u64, u8), u32> = BTreeMap::new();
        let mut seq = 0;
        // A follower: where it is, and what it has.
        let mut followers = vec![(Place::default(), BTreeMap::<u8, (u64, u8)>::new()); 3];
        let follow = |view: &StateView, at: &mut Place, has: &mut BTreeMap<u8, (u64, u8)>| {
            while let Some((bytes, upto)) = view.after(*at, Look { format: Format::Json, ..LOOK }) {
                *at = upto;
                for line in bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
                    let it: serde_json::Value = serde_json::from_slice(line).expect("JSON");
                    let key: u8 = it["key"].as_str().expect("a key").parse().expect("a number");
                    let value: u8 = it["text"].as_str().expect("text").parse().unwrap_or(0);
                    let seq = it["seq"].as_u64().expect("a seq");
                    assert!(has.get(&key).is_none_or(|(before, _)| *before < seq), "it went back");
                    has.insert(key, (seq, value));
                }
            }
        };
        for event in events {
            match event {
                Event::Set { sender, key: k, version, value } => {
                    let newer = |last: &u32| version.is_some_and(|v| v > *last);
                    let stale = version.is_some()
                        && versions.get(&(sender, k)).is_some_and(|last| !newer(last));
                    let text = if value == 0 { String::new() } else { value.to_string() };
                    let set = state.set(0, author(sender), key(&k.to_string()), version, text.as_bytes());
                    prop_assert_eq!(set.is_err(), stale);
                    if !stale && (value != 0 || model.contains_key(&k) || version.is_some()) {
                        seq += 1;
                        model.insert(k, (seq, value));
                        if let Some(version) = version {
                            versions.insert((sender, k), version);
                        }
                    }
                }
                Event::Read { follower, anew } => {
                    view.apply(state.take(0, view.seq()));
                    let (at, has) = &mut followers[follower];
                    if anew {
                        (*at, *has) = (Place::default(), BTreeMap::new());
                    }
                    follow(&view, at, has);
                }
            }
        }
        view.apply(state.take(0, view.seq()));
        for (at, has) in &mut followers {
            follow(&view, at, has);
            // A newcomer knows nothing of what was taken away before.
            has.retain(|_, (_, value)| *value != 0);
            let there: BTreeMap<_, _> =
                model.iter().filter(|(_, (_, value))| *value != 0).map(|(k, v)| (*k, *v)).collect();
            prop_assert_eq!(&*has, &there);
        }
        prop_assert_eq!(state.len(), model.values().filter(|(_, value)| *value != 0).count());
    }
}
