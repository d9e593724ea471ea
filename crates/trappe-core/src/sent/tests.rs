//! What is remembered of a session's sends, and for how long.

use proptest::prelude::*;

use super::*;

const START: Duration = Duration::from_secs(1000);

#[test]
fn an_id_may_begin_anywhere_and_is_new_once() {
    for first in [0, 1, 1_000_000_000, u64::MAX] {
        let mut sent = Sent::new();
        assert_eq!(sent.look(first), Seen::New);
        sent.note(START, first, "said");
        assert_eq!(sent.look(first), Seen::Before("said"), "{first}");
    }
}

#[test]
fn an_id_that_was_left_out_may_still_come() {
    let mut sent = Sent::new();
    for id in [10, 5, 7, u64::MAX] {
        assert_eq!(sent.look(id), Seen::New);
        sent.note(START, id, id);
    }
    assert_eq!(sent.look(6), Seen::New);
    assert_eq!(sent.look(0), Seen::New);
    assert_eq!(sent.look(5), Seen::Before(5));
}

#[test]
fn the_last_word_about_an_id_counts() {
    let mut sent = Sent::new();
    sent.note(START, 1, "on its way");
    sent.note(START, 1, "stored");
    assert_eq!(sent.look(1), Seen::Before("stored"));
}

#[test]
fn the_smallest_is_forgotten_first_and_never_new_again() {
    let mut sent = Sent::new();
    let many = u64::try_from(SENT_IDS).expect("a small number");
    for id in 1..=many + 2 {
        sent.note(START, id, ());
    }
    for (id, seen) in [
        (0, Seen::Stale),
        (1, Seen::Stale),
        (2, Seen::Stale),
        (3, Seen::Before(())),
        (many + 2, Seen::Before(())),
        (many + 3, Seen::New),
    ] {
        assert_eq!(sent.look(id), seen, "{id}");
    }
    sent.note(START, 2, ());
    assert_eq!(sent.look(2), Seen::Stale, "what is stale stays so");
    assert_eq!(sent.look(3), Seen::Before(()), "and pushes nothing out");
}

#[test]
fn an_id_is_remembered_for_its_time_and_stale_after_it() {
    let mut sent = Sent::new();
    sent.note(START, 4, ());
    sent.note(START + SENT_KEPT, 6, ());
    assert_eq!(sent.look(4), Seen::Before(()), "just in time");
    sent.expire(START + SENT_KEPT + Duration::from_nanos(1));
    assert_eq!(sent.look(4), Seen::Stale);
    assert_eq!(sent.look(3), Seen::Stale);
    assert_eq!(sent.look(5), Seen::New);
    assert_eq!(sent.look(6), Seen::Before(()));
}

#[test]
fn noting_again_keeps_an_id_longer() {
    let mut sent = Sent::new();
    sent.note(START, 1, "on its way");
    sent.note(START + SENT_KEPT, 1, "stored");
    sent.expire(START + SENT_KEPT * 2);
    assert_eq!(sent.look(1), Seen::Before("stored"));
}

#[test]
fn a_session_that_rests_can_be_made_to_hold_nothing() {
    let mut sent = Sent::new();
    for id in 0..100 {
        sent.note(START, id, ());
    }
    sent.expire(START + SENT_KEPT * 2);
    assert!(sent.seen.is_empty());
    assert_eq!(sent.look(99), Seen::Stale);
    assert_eq!(sent.look(100), Seen::New);
}

/// The simplest thing that could be right: everything that was ever noted, in order.
#[derive(Default)]
struct Model(Vec<(u64, u32, Duration)>);

impl Model {
    /// What was noted of `id` last, when, and how many greater ids have ever been noted.
    fn last(&self, id: u64) -> Option<(u32, Duration, usize)> {
        let &(_, what, when) = self.0.iter().rev().find(|(noted, ..)| *noted == id)?;
        let greater: std::collections::BTreeSet<u64> =
            self.0.iter().map(|(noted, ..)| *noted).filter(|noted| *noted > id).collect();
        Some((what, when, greater.len()))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn no_id_is_new_twice_and_none_is_lost_early(
        first in prop::sample::select(vec![0, 1, 1_000_000_000]),
        steps in prop::collection::vec((0_u64..2500, 0_u64..2000, any::<u32>()), 1..1500),
    ) {
        let (mut sent, mut model, mut now) = (Sent::new(), Model::default(), START);
        let (mut greatest, mut forgotten) = (first, None);
        for (i, (jump, wait, what)) in steps.into_iter().enumerate() {
            // Mostly a counter that goes up; now and then an old one again, or one that was left out.
            let id = match jump {
                0..1500 => greatest + 1,
                1500..1800 => greatest + jump - 1500,
                _ => greatest.saturating_sub(jump - 1800),
            };
            now += Duration::from_millis(if wait < 1990 { wait / 20 } else { wait * 40 });
            let known = model.last(id);
            match (sent.look(id), known) {
                (Seen::New, known) => {
                    prop_assert_eq!(known, None, "{} is new twice", id);
                    prop_assert!(forgotten.is_none_or(|forgotten| id > forgotten));
                }
                (Seen::Before(what), known) => prop_assert_eq!(Some(what), known.map(|k| k.0)),
                (Seen::Stale, Some((_, when, greater))) => {
                    prop_assert!(now > when + SENT_KEPT || greater >= SENT_IDS, "{} is lost early", id);
                    forgotten = forgotten.max(Some(id));
                }
                // Never seen, but below one that is forgotten.
                (Seen::Stale, None) => prop_assert!(sent.floor.is_some_and(|floor| id <= floor)),
            }
            if sent.look(id) != Seen::Stale {
                sent.note(now, id, what);
                model.0.push((id, what, now));
                greatest = greatest.max(id);
            }
            if i % 97 == 0 {
                sent.expire(now);
            }
            prop_assert!(sent.seen.len() <= SENT_IDS);
            prop_assert!(sent.seen.keys().all(|id| Some(*id) > sent.floor));
        }
    }
}
