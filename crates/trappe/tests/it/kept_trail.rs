//! Where one who listens is: each message once and in order, or it fails.

use std::fmt::Debug;

use crate::kept_ear::{Ear, Heard};

/// Where one is: what comes must go on from there, each once and in order.
#[derive(Debug)]
pub(crate) struct Trail {
    /// The last that it heard.
    pub(crate) last: u64,
    /// Its number in the room.
    seq: u64,
    /// Where it became live.
    pub(crate) live: Option<u64>,
    /// Numbers that were announced as given to nothing.
    pub(crate) unused: Vec<(u64, u64)>,
    /// For whoever reads what went wrong.
    what: String,
}

impl Trail {
    /// After `last`; `what` says whose it is.
    pub(crate) fn after(last: u64, what: impl Debug) -> Trail {
        Trail { last, seq: 0, live: None, unused: Vec::new(), what: format!("{what:?}") }
    }

    /// The same of who was there already, and asks for nothing again.
    pub(crate) fn from_now(what: impl Debug) -> Trail {
        Trail { live: Some(0), ..Trail::after(0, what) }
    }

    /// Goes on by what was heard.
    #[track_caller]
    pub(crate) fn take(&mut self, heard: &Heard) {
        match heard {
            Heard::Said(number, told) => {
                assert_eq!(*number, self.last + 1, "{}: a hole or a repeat", self.what);
                self.last = *number;
                if let Some((seq, old)) = told {
                    assert!(*seq > self.seq, "{}: {seq} after {}", self.what, self.seq);
                    self.seq = *seq;
                    assert_eq!(
                        *old,
                        self.live.is_none(),
                        "{}: old until live: {self:?}",
                        self.what
                    );
                }
            }
            Heard::Gap(from, to, cause) => {
                assert_eq!(cause, "unused", "{}: {from}..{to}", self.what);
                self.unused.push((*from, *to));
            }
            Heard::Live => {
                assert_eq!(self.live, None, "{}: live twice", self.what);
                self.live = Some(self.last);
            }
            Heard::Oldest(position) => panic!("{}: a gap up to {position}", self.what),
            Heard::Other(_) => {}
        }
    }

    /// Listens until `last` was heard.
    #[track_caller]
    pub(crate) fn up_to(&mut self, last: u64, ear: &mut Ear) {
        while self.last < last {
            self.take(&ear.next());
        }
    }

    /// Is in the room while others talk, and has asked for what follows its position: what was on its way still comes; then it
    /// begins again, up to where it is live.
    #[track_caller]
    pub(crate) fn asks_again(&mut self, ear: &mut Ear) {
        let mut heard = Vec::new();
        while heard.last() != Some(&Heard::Live) {
            heard.push(ear.next());
        }
        let first = self.last + 1;
        let begins = |it: &Heard| matches!(it, Heard::Said(number, _) if *number == first);
        let begins = heard.iter().rposition(begins).unwrap_or(heard.len() - 1);
        let on_its_way: Vec<u64> = heard[..begins]
            .iter()
            .filter_map(|it| if let Heard::Said(number, _) = it { Some(*number) } else { None })
            .collect();
        assert!(on_its_way.is_sorted_by(|one, next| one + 1 == *next), "{}: {heard:?}", self.what);
        for it in &heard[begins..] {
            self.take(it);
        }
        let newest = on_its_way.last().copied().unwrap_or(0);
        assert!(self.last >= newest, "{}: {newest} doesn't come again", self.what);
    }

    /// Listens until it is live.
    #[track_caller]
    pub(crate) fn live(&mut self, ear: &mut Ear) {
        while self.live.is_none() {
            self.take(&ear.next());
        }
    }
}
