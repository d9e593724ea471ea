//! Random stories against a model of a few lines.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::store::prune::Keep;

/// One step of a story.
#[derive(Clone, Debug)]
enum Act {
    /// A transaction: in each room so many messages.
    Say(Vec<(u32, u64)>),
    /// So many numbers of a room are lost.
    Lose(u32, u64, Cause),
    /// Each room keeps so many, in steps of so many.
    Prune(u64, usize),
    /// The search index follows a little.
    Index(usize),
    /// The log is brought into the file.
    Checkpoint,
    /// The server is closed and started again.
    Restart,
    /// It is killed and started again.
    Crash,
}

fn act() -> impl Strategy<Value = Act> {
    let cause = prop_oneof![Just(Cause::NotStored), Just(Cause::Unused)];
    prop_oneof![
        6 => prop::collection::vec((1..4_u32, 0..40_u64), 1..6).prop_map(Act::Say),
        2 => (1..4_u32, 1..9_u64, cause).prop_map(|(room, count, cause)| Act::Lose(room, count, cause)),
        1 => (0..60_u64, 1..30_usize).prop_map(|(most, step)| Act::Prune(most, step)),
        1 => (1..50_usize).prop_map(Act::Index),
        1 => Just(Act::Checkpoint),
        1 => Just(Act::Restart),
        1 => Just(Act::Crash),
    ]
}

/// What became of each number of a room: stored, or why not.
#[derive(Default)]
struct Model {
    numbers: BTreeMap<u64, Option<Cause>>,
    next: u64,
    reserved: u64,
}

impl Model {
    fn stored(&self) -> impl Iterator<Item = u64> {
        self.numbers.iter().filter(|(_, lost)| lost.is_none()).map(|(&seq, _)| seq)
    }
}

const BLOCK: u64 = 20;

fn reserve(kept: &mut Kept, rooms: &mut BTreeMap<u32, Model>) {
    for (no, model) in rooms {
        model.reserved = model.next + BLOCK;
        kept.room(*no, &format!("r{no}"), model.reserved);
    }
}

fn run(acts: Vec<Act>, most: (usize, usize)) {
    let place = Place::new();
    let mut kept = place.open();
    let mut rooms: BTreeMap<u32, Model> =
        (1..4).map(|no| (no, Model { next: 1, ..Model::default() })).collect();
    reserve(&mut kept, &mut rooms);
    for act in acts {
        match act {
            Act::Say(counts) => {
                for (no, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
                    let model = rooms.get_mut(&no).unwrap();
                    let range = model.next..model.next + count;
                    model.next = range.end;
                    model.numbers.extend(range.clone().map(|seq| (seq, None)));
                    model.reserved = model.next + BLOCK;
                    kept.room(no, &format!("r{no}"), model.reserved);
                    kept.say(no, range);
                }
            }
            Act::Lose(no, count, cause) => {
                let model = rooms.get_mut(&no).unwrap();
                let range = model.next..model.next + count;
                model.next = range.end;
                model.numbers.extend(range.clone().map(|seq| (seq, Some(cause))));
                model.reserved = model.next + BLOCK;
                kept.room(no, &format!("r{no}"), model.reserved);
                kept.hole(no, range.start, range.end - 1, cause);
            }
            Act::Prune(most, step) => {
                let room = trappe_core::keep::Keep { messages: Some(most), age: None, bytes: None };
                let keep = Keep { room, ..Keep::default() };
                while kept.store().prune(&keep, NOW, step).unwrap().removed > 0 {}
                for model in rooms.values_mut() {
                    let stored: Vec<u64> = model.stored().collect();
                    let gone = stored.len().saturating_sub(usize::try_from(most).unwrap());
                    if gone > 0 {
                        let oldest = stored.get(gone).copied().unwrap_or(stored[gone - 1] + 1);
                        model.numbers.retain(|&seq, _| seq >= oldest);
                    }
                }
            }
            Act::Index(most) => {
                kept.store().index(most).unwrap();
            }
            Act::Checkpoint => kept.store().checkpoint().unwrap(),
            Act::Restart => {
                let exact: Vec<_> = rooms.iter().map(|(no, model)| (*no, model.next)).collect();
                kept.close(&exact);
                kept = place.open();
                assert_eq!(kept.opened.notes, []);
                check_opened(&kept, &rooms);
                reserve(&mut kept, &mut rooms);
            }
            Act::Crash => {
                drop(kept);
                for model in rooms.values_mut() {
                    let unused = (model.next..model.reserved).map(|seq| (seq, Some(Cause::Unused)));
                    model.numbers.extend(unused);
                    model.next = model.reserved;
                }
                kept = place.open();
                check_opened(&kept, &rooms);
                reserve(&mut kept, &mut rooms);
            }
        }
    }
    check(&mut kept, &rooms, most);
}

fn check_opened(kept: &Kept, rooms: &BTreeMap<u32, Model>) {
    for found in &kept.opened.rooms {
        let model = &rooms[&found.no];
        assert_eq!(found.next_seq, model.next, "no number twice, and none left out");
        assert_eq!(found.last, model.stored().last().unwrap_or(0));
        assert_eq!(found.oldest, model.stored().next().unwrap_or(model.next));
        assert_eq!(found.epoch, Epoch::from_random(77));
    }
}

fn check(kept: &mut Kept, rooms: &BTreeMap<u32, Model>, most: (usize, usize)) {
    let mut reader = kept.reader();
    while kept.store().index(100).unwrap() {}
    for (&no, model) in rooms {
        let Some(oldest) = model.stored().next() else { continue };
        let (rows, holes) = all(&mut reader, no, oldest, model.next, most);
        let expected: Vec<Row> = model.stored().map(|seq| row(no, seq)).collect();
        assert_eq!(rows, expected, "each message once, in order");
        let told: BTreeMap<u64, Cause> = holes
            .iter()
            .flat_map(|hole| (hole.first..=hole.last).map(|seq| (seq, hole.cause)))
            .collect();
        let lost = model.numbers.range(oldest..);
        let lost: BTreeMap<u64, Cause> =
            lost.filter_map(|(&seq, lost)| Some((seq, (*lost)?))).collect();
        assert_eq!(told, lost, "what is missing is told, with its cause");
        let found = reader.search(no, "message", 10_000).unwrap();
        assert!(found.seqs.into_iter().eq(model.stored()), "all is indexed, and no more");
        let sql = format!("SELECT messages FROM room WHERE no = {no}");
        assert_eq!(usize::try_from(kept.number(&sql)).unwrap(), expected.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn portions_give_exactly_what_was_stored_once_and_in_order(
        acts in prop::collection::vec(act(), 1..25),
        most in (1..40_usize, 1..5000_usize),
    ) {
        run(acts, most);
    }
}
