//! Each rule is shown what it is for: planted observations that break a promise, and the same without the break.

use super::*;

const ROOM: &str = "lobby";
const EPOCH: &str = "aaaaaaaaaa";
const OTHER: &str = "bbbbbbbbbb";

fn at(seq: u64) -> Place {
    Place::new(EPOCH, seq)
}

/// A hub that keeps everything on disk; members 1 (who speaks) and 2 (who listens from the start); 1 says `a` … `e`.
fn model() -> Model {
    promising(Promises { disk: true, forgets: false })
}

fn promising(promises: Promises) -> Model {
    let mut model = Model::new(promises);
    for text in ["a", "b", "c", "d", "e"] {
        model.says(1, ROOM, text, How::Numbered);
    }
    model.enters(2, ROOM, &at(0), Entry::New, false);
    model
}

fn gap(from: u64, to: u64, cause: &str) -> Gap {
    Gap { from: Some(from), to: Some(to), cause: cause.to_owned(), oldest: None }
}

fn oldest(epoch: &str, seq: u64, cause: &str) -> Gap {
    Gap { oldest: Some(Place::new(epoch, seq)), cause: cause.to_owned(), ..Gap::default() }
}

#[track_caller]
fn holds(model: &Model) {
    assert_eq!(model.broken(), None);
}

#[track_caller]
fn breaks(model: &Model, promise: &str) {
    let broken = model.broken().expect("a promise is broken");
    assert!(broken.starts_with(promise), "{broken}");
}

#[test]
fn what_comes_in_order_once_and_whole_breaks_nothing() {
    let mut model = model();
    model.enters(1, ROOM, &at(0), Entry::New, false);
    for (seq, text) in [(1, "a"), (2, "b"), (3, "c")] {
        model.hears(2, ROOM, seq, text, Some(1));
        model.acked(text, &at(seq), Some(1));
    }
    model.misses(2, ROOM, &gap(4, 9, "unused"), 2);
    model.hears(2, ROOM, 10, "d", Some(2));
    model.is_live(2, ROOM, &at(10));
    model.is_live(1, ROOM, &at(10));
    model.is_shown(ROOM, &at(10), 2, &[(3, "c".to_owned()), (10, "d".to_owned())], 2);
    let kept = ["a", "b", "c"].map(str::to_owned);
    model.is_kept((ROOM, EPOCH), 1, &[], &(1..).zip(kept).collect::<Vec<_>>());
    assert_eq!(model.waits_for(1), ["d", "e"]);
    assert_eq!(model.is_behind(2, ROOM), None);
    holds(&model);
}

#[test]
fn what_nobody_said_is_no_message() {
    let mut model = model();
    model.hears(2, ROOM, 1, "x", Some(1));
    breaks(&model, "nobody said \"x\"");
}

#[test]
fn a_line_may_be_cut_short_by_the_end_of_its_connection() {
    let mut model = model();
    model.says(3, ROOM, "abc", How::Line);
    model.says(3, ROOM, "xyz", How::Numbered);
    model.hears(2, ROOM, 1, "ab", Some(1));
    model.hears(2, ROOM, 2, "ab", Some(1));
    // Its sender has an acknowledgement all the same, and can't know for how much of it.
    model.acked("abc", &at(2), Some(1));
    model.is_kept((ROOM, EPOCH), 1, &[], &[(1, "ab".to_owned()), (2, "ab".to_owned())]);
    holds(&model);
    model.hears(2, ROOM, 3, "xy", Some(1));
    breaks(&model, "nobody said \"xy\"");
}

#[test]
fn what_has_no_number_may_be_heard_again_over_a_crash() {
    let mut model = model();
    model.says(4, ROOM, "posted", How::Whole);
    model.enters(3, ROOM, &at(0), Entry::New, true);
    model.hears(3, ROOM, 1, "posted", None);
    model.hears(3, ROOM, 9, "posted", None);
    holds(&model);
}

#[test]
fn a_number_is_one_message_for_all() {
    let mut model = model();
    model.enters(3, ROOM, &at(0), Entry::New, false);
    model.hears(2, ROOM, 1, "a", Some(1));
    model.hears(3, ROOM, 1, "b", Some(1));
    breaks(&model, "one order");
}

#[test]
fn numbers_only_grow_for_who_listens() {
    for second in [1, 2] {
        let mut model = model();
        model.hears(2, ROOM, 2, "a", Some(1));
        model.hears(2, ROOM, second, if second == 2 { "a" } else { "b" }, Some(1));
        breaks(&model, "one order");
    }
    // Unless it asks for it.
    let mut model = model();
    model.hears(2, ROOM, 1, "a", Some(1));
    model.enters(2, ROOM, &at(0), Entry::Again, false);
    model.hears(2, ROOM, 1, "a", Some(1));
    holds(&model);
}

#[test]
fn a_message_has_one_number_unless_a_crash_took_the_first() {
    let mut model = model();
    model.hears(2, ROOM, 1, "a", Some(1));
    model.hears(2, ROOM, 9, "a", Some(2));
    holds(&model);
    model.hears(2, ROOM, 10, "a", Some(2));
    breaks(&model, "at most once");
}

#[test]
fn an_acknowledged_message_is_never_said_again() {
    let mut model = model();
    model.acked("a", &at(1), Some(1));
    model.enters(2, ROOM, &at(8), Entry::New, false);
    model.hears(2, ROOM, 9, "a", Some(2));
    breaks(&model, "at most once");
    let mut model = promising(Promises::default());
    model.acked("a", &at(1), Some(1));
    model.acked("a", &at(1), Some(1));
    holds(&model);
    model.acked("a", &at(2), Some(1));
    breaks(&model, "at most once");
}

#[test]
fn who_hears_each_text_once_hears_none_again_over_a_crash() {
    let mut model = model();
    model.enters(3, ROOM, &at(0), Entry::New, true);
    model.hears(3, ROOM, 1, "a", None);
    model.hears(3, ROOM, 9, "a", None);
    breaks(&model, "at most once");
    // That it isn't passed on is no gap; for one who counts numbers alone it is.
    for (who, once) in [(3, true), (4, false)] {
        let mut model = self::model();
        model.enters(who, ROOM, &at(0), Entry::New, once);
        model.hears(who, ROOM, 1, "a", Some(1));
        model.hears(2, ROOM, 1, "a", Some(1));
        model.hears(2, ROOM, 9, "a", Some(2));
        model.hears(who, ROOM, 10, "b", Some(2));
        assert_eq!(model.broken().is_none(), once, "{:?}", model.broken());
    }
}

#[test]
fn nobody_misses_what_others_hear_whoever_tells_first() {
    for others_first in [true, false] {
        let mut model = model();
        model.enters(3, ROOM, &at(0), Entry::New, false);
        if others_first {
            model.hears(3, ROOM, 1, "a", Some(1));
        }
        model.hears(2, ROOM, 2, "b", Some(1));
        if !others_first {
            holds(&model);
            model.acked("a", &at(1), Some(1));
        }
        breaks(&model, "no gap without notice");
    }
    // Being told that one is live passes over, too; so does coming back further on.
    let mut model = model();
    model.acked("a", &at(1), Some(1));
    model.is_live(2, ROOM, &at(1));
    breaks(&model, "no gap without notice");
    let mut model = self::model();
    model.acked("a", &at(1), Some(1));
    model.enters(2, ROOM, &at(1), Entry::Back, false);
    breaks(&model, "no gap without notice");
    let mut model = self::model();
    model.acked("a", &at(1), Some(1));
    model.enters(2, ROOM, &at(1), Entry::New, false);
    holds(&model);
}

#[test]
fn one_s_own_words_are_no_gap() {
    let mut model = model();
    model.enters(1, ROOM, &at(0), Entry::New, false);
    model.says(2, ROOM, "z", How::Whole);
    model.acked("a", &at(1), Some(1));
    model.hears(1, ROOM, 2, "z", Some(1));
    holds(&model);
}

#[test]
fn a_gap_begins_after_what_was_had() {
    let mut model = model();
    model.hears(2, ROOM, 3, "a", Some(1));
    model.misses(2, ROOM, &gap(3, 5, "unused"), 1);
    breaks(&model, "a gap doesn't lie");
    let mut model = self::model();
    model.hears(2, ROOM, 3, "a", Some(1));
    model.acked("b", &at(4), Some(1));
    model.misses(2, ROOM, &gap(5, 6, "unused"), 1);
    breaks(&model, "no gap without notice");
}

#[test]
fn nothing_acknowledged_is_unused_or_not_stored_whoever_tells_first() {
    for (cause, forgets) in [("unused", true), ("not-stored", true), ("forgotten", false)] {
        for acked_first in [true, false].into_iter().filter(|it| *it || forgets) {
            let mut model = promising(Promises { disk: true, forgets });
            model.disk_fails();
            if acked_first {
                model.acked("a", &at(2), Some(1));
            }
            model.misses(2, ROOM, &gap(1, 3, cause), 1);
            if !acked_first {
                holds(&model);
                model.acked("a", &at(2), Some(1));
            }
            breaks(&model, "a gap doesn't lie");
        }
    }
}

#[test]
fn what_is_unused_is_heard_by_nobody_any_more() {
    let mut model = model();
    model.enters(3, ROOM, &at(0), Entry::New, false);
    model.misses(2, ROOM, &gap(1, 9, "unused"), 2);
    model.hears(3, ROOM, 1, "a", Some(1));
    holds(&model);
    model.hears(3, ROOM, 2, "b", Some(2));
    breaks(&model, "a gap doesn't lie");
}

#[test]
fn a_gap_has_a_cause_that_there_is() {
    // (a disk, it has failed, something is forgotten; the cause, whether it can be)
    let cases = [
        (true, false, false, "slow", false),
        (false, false, false, "slow", true),
        (true, false, false, "unused", true),
        (false, false, false, "unused", false),
        (true, false, false, "not-stored", false),
        (true, true, false, "not-stored", true),
        (true, true, false, "slow", true),
        (true, false, true, "forgotten", true),
        (true, true, true, "damaged", false),
    ];
    for (disk, failed, forgets, cause, may_be) in cases {
        let mut model = promising(Promises { disk, forgets });
        if failed {
            model.disk_fails();
        }
        model.misses(2, ROOM, &gap(1, 1, cause), 1);
        assert_eq!(model.broken().is_none(), may_be, "{cause}");
    }
}

#[test]
fn an_epoch_lasts_with_what_is_on_disk() {
    let mut model = model();
    model.is_in_epoch(ROOM, EPOCH, 1);
    model.is_in_epoch(ROOM, OTHER, 2);
    holds(&model);
    model.acked("a", &Place::new(OTHER, 1), Some(2));
    model.is_in_epoch(ROOM, EPOCH, 1);
    holds(&model);
    model.is_in_epoch(ROOM, EPOCH, 3);
    breaks(&model, "an epoch lasts");
    let mut model = promising(Promises::default());
    model.is_in_epoch(ROOM, EPOCH, 1);
    model.acked("a", &at(1), Some(1));
    model.is_in_epoch(ROOM, OTHER, 2);
    holds(&model);
    model.is_in_epoch(ROOM, EPOCH, 2);
    breaks(&model, "an epoch lasts");
}

#[test]
fn who_is_in_another_epoch_was_told_so() {
    let mut model = model();
    model.hears(2, ROOM, 5, "a", Some(1));
    model.misses(2, ROOM, &oldest(OTHER, 1, "epoch"), 2);
    model.hears(2, ROOM, 1, "b", Some(2));
    model.is_live(2, ROOM, &Place::new(OTHER, 1));
    holds(&model);
    model.is_live(2, ROOM, &at(5));
    breaks(&model, "no gap without notice");
    let mut model = self::model();
    model.misses(2, ROOM, &oldest(OTHER, 1, "forgotten"), 2);
    breaks(&model, "a gap doesn't lie");
}

/// Promises, the epoch now, the oldest, what is kept, and whether that is as it should be.
type KeptCase<'a> = (Promises, &'a str, u64, &'a [(u64, &'a str)], bool);

#[test]
fn what_is_acknowledged_is_kept_once_in_its_place() {
    let kept = |texts: &[(u64, &str)]| -> Vec<(u64, String)> {
        texts.iter().map(|(seq, text)| (*seq, (*text).to_owned())).collect()
    };
    let forgets = Promises { disk: true, forgets: true };
    let memory = Promises::default();
    let disk = Promises { disk: true, forgets: false };
    let cases: [KeptCase<'_>; 9] = [
        (disk, EPOCH, 1, &[(1, "a"), (3, "b")], true),
        (disk, EPOCH, 1, &[(1, "a")], false),
        (disk, EPOCH, 1, &[(1, "a"), (4, "b")], false),
        (disk, EPOCH, 1, &[(1, "a"), (3, "b"), (5, "a")], false),
        (disk, EPOCH, 3, &[(3, "b")], false),
        (forgets, EPOCH, 3, &[(3, "b")], true),
        (forgets, EPOCH, 3, &[], false),
        (memory, EPOCH, 1, &[(1, "a")], false),
        (memory, OTHER, 1, &[], true),
    ];
    for (promises, epoch, oldest, found, is_whole) in cases {
        let mut model = promising(promises);
        model.acked("a", &at(1), Some(1));
        model.acked("b", &at(3), Some(1));
        model.is_kept((ROOM, epoch), oldest, &[], &kept(found));
        assert_eq!(
            model.broken().is_none(),
            is_whole,
            "{promises:?} {found:?} {:?}",
            model.broken()
        );
    }
}

#[test]
fn history_shows_the_last_that_were_acknowledged_in_order() {
    let shown = |texts: &[(u64, &str)]| -> Vec<(u64, String)> {
        texts.iter().map(|(seq, text)| (*seq, (*text).to_owned())).collect()
    };
    for (found, asked, is_whole) in [
        (&[(1, "a"), (2, "b")][..], 2, true),
        (&[(2, "b")][..], 1, true),
        (&[(2, "b")][..], 2, false),
        (&[(2, "b"), (1, "a")][..], 2, false),
        (&[][..], 2, false),
    ] {
        let mut model = model();
        model.acked("a", &at(1), Some(1));
        model.acked("b", &at(2), Some(1));
        model.acked("c", &at(3), Some(1));
        model.is_shown(ROOM, &at(2), asked, &shown(found), 1);
        assert_eq!(model.broken().is_none(), is_whole, "{found:?} {:?}", model.broken());
    }
}

#[test]
fn who_is_behind_is_found_and_who_waits() {
    let mut model = model();
    model.acked("a", &at(1), Some(1));
    assert_eq!(model.is_behind(2, ROOM), Some((1, "a")));
    model.hears(2, ROOM, 1, "a", Some(1));
    assert_eq!(model.is_behind(2, ROOM), None);
    model.given_up("b");
    assert_eq!(model.waits_for(1), ["c", "d", "e"]);
    holds(&model);
}

fn lines(heard: &[Line]) -> Lines {
    Lines {
        who: 9,
        room: ROOM.to_owned(),
        hub: 1,
        epoch: Some(EPOCH.to_owned()),
        is_shown: false,
        from: Some(at(1)),
        heard: heard.to_vec(),
        to_the_end: false,
    }
}

#[test]
fn lines_without_numbers_are_in_the_order_and_whole() {
    let said = |text: &str| Line::Said(text.to_owned());
    // What is at 1 to 4; e had a number that was lost.
    let cases: [(&[Line], bool, Option<&str>); 9] = [
        (&[said("b"), said("c"), said("d")], true, None),
        (&[said("a"), said("b"), said("e"), said("c")], false, None),
        (&[said("b"), Line::Gap(3, 3), said("d")], true, None),
        (&[], false, None),
        (&[said("b"), said("d")], false, Some("no gap")),
        (&[said("c")], false, Some("no gap")),
        (&[said("b"), said("c")], true, Some("no gap")),
        (&[said("c"), said("b")], false, Some("one order")),
        (&[said("b"), said("b")], false, Some("one order")),
    ];
    for (heard, to_the_end, broken) in cases {
        let mut model = model();
        for (seq, text) in [(1, "a"), (2, "b"), (3, "c"), (4, "d")] {
            model.acked(text, &at(seq), Some(1));
        }
        model.lines(Lines { to_the_end, ..lines(heard) });
        model.judge();
        match broken {
            None => holds(&model),
            Some(broken) => breaks(&model, broken),
        }
    }
    // Where nothing is promised but the order.
    let mut model = model();
    model.acked("a", &at(1), Some(1));
    model.acked("c", &at(3), Some(1));
    model.acked("b", &at(2), Some(1));
    model.lines(Lines { from: None, is_shown: true, ..lines(&[said("a"), said("c")]) });
    model.judge();
    holds(&model);
    model.lines(Lines { from: None, is_shown: true, ..lines(&[said("c"), said("b")]) });
    model.judge();
    breaks(&model, "one order");
}
