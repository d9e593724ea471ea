//! Words are found whatever their accents, and nothing that is typed is an operator.

use super::*;
use crate::store::read::Found;

fn with_words(texts: &[&str]) -> (Place, Kept) {
    let place = Place::new();
    let mut kept = place.open();
    kept.room(1, "lobby", 1000);
    kept.room(2, "other", 1000);
    let mut transaction = kept.store().write().unwrap();
    for (seq, text) in (1..).zip(texts) {
        transaction.message(1, &message(seq, text.as_bytes())).unwrap();
        transaction.message(2, &message(seq, text.as_bytes())).unwrap();
    }
    let count = texts.len() as u64;
    transaction.counts(1, count, 0, count).unwrap();
    transaction.counts(2, count, 0, count).unwrap();
    transaction.commit().unwrap();
    while kept.store().index(2).unwrap() {}
    (place, kept)
}

#[test]
fn words_are_found_without_their_accents_and_by_their_beginning() {
    let (_place, kept) = with_words(&[
        "L'Été sera chaud",
        "cet ete",
        "été indien",
        "\"OR\" NOT a*b^c {x}: NEAR(y)",
        "colon:word a-b",
        "",
        "Straße 12",
    ]);
    let mut reader = kept.reader();
    let table: [(&str, &[u64]); 19] = [
        ("ete", &[1, 2, 3]),
        ("ÉTÉ", &[1, 2, 3]),
        ("été indien", &[3]),
        ("indien été", &[3]),
        ("ind", &[3]),
        ("ind ete", &[]),
        ("or", &[4]),
        ("not or", &[4]),
        ("near(y)", &[4]),
        ("\"", &[]),
        ("\" or", &[4]),
        ("a*", &[4, 5]),
        ("colon:word", &[5]),
        ("b-a", &[]),
        ("a-b", &[4, 5]),
        ("^ * - ( )", &[]),
        ("", &[]),
        ("12", &[7]),
        ("a\0b", &[4, 5]),
    ];
    for (words, expected) in table {
        let found = reader.search(1, words, 10).unwrap();
        assert_eq!((found.seqs.as_slice(), found.more), (expected, false), "{words:?}");
    }
}

#[test]
fn the_newest_are_given_oldest_first_and_more_is_said() {
    let (_place, kept) = with_words(&["a", "a", "b", "a", "a"]);
    let mut reader = kept.reader();
    let found = |seqs: &[u64], more| Found { seqs: seqs.to_vec(), more };
    assert_eq!(reader.search(1, "a", 2).unwrap(), found(&[4, 5], true));
    assert_eq!(reader.search(1, "a", 4).unwrap(), found(&[1, 2, 4, 5], false));
    assert_eq!(reader.search(3, "a", 4).unwrap(), found(&[], false));
}

#[test]
fn the_index_follows_in_steps_and_has_each_message_once() {
    let (_place, mut kept) = with_words(&["one"; 7]);
    assert!(!kept.store().index(100).unwrap());
    kept.say(1, 8..=30);
    let mut steps = 1;
    while kept.store().index(5).unwrap() {
        steps += 1;
    }
    assert!(steps >= 5, "{steps}");
    assert_eq!(kept.reader().search(1, "message", 100).unwrap().seqs, (8..=30).collect::<Vec<_>>());
    assert_eq!(kept.number("SELECT count(*) FROM search_docsize"), 37);
}

#[test]
fn bytes_that_are_no_text_are_found_by_what_is() {
    let place = Place::new();
    let mut kept = place.open();
    kept.room(1, "lobby", 1000);
    let mut transaction = kept.store().write().unwrap();
    transaction.message(1, &message(1, b"caf\xc3\xa9 \xff\xfe noir")).unwrap();
    transaction.counts(1, 1, 0, 1).unwrap();
    transaction.commit().unwrap();
    kept.store().index(10).unwrap();
    assert_eq!(kept.reader().search(1, "cafe noir", 5).unwrap().seqs, [1]);
}
