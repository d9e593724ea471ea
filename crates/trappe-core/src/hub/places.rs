//! The rooms of one member: small for the many that are in one room, bounded for the few that are in more.

/// Numbers of rooms, none twice, in the order in which they were entered.
#[derive(Debug, Default)]
pub(super) struct Places {
    first: Option<u32>,
    #[expect(
        clippy::box_collection,
        reason = "8 bytes instead of 24 in each member's entry; nearly all members are in one room"
    )]
    more: Option<Box<Vec<u32>>>,
}

impl Places {
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        self.first.into_iter().chain(self.more().iter().copied())
    }

    fn more(&self) -> &[u32] {
        self.more.as_deref().map_or(&[], Vec::as_slice)
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.more().len()
    }

    pub(super) fn contains(&self, id: u32) -> bool {
        self.iter().any(|place| place == id)
    }

    /// Adds a room that isn't there.
    pub(super) fn push(&mut self, id: u32) {
        debug_assert!(!self.contains(id), "whoever enters a room asks first whether it is there");
        if self.first.is_none() {
            self.first = Some(id);
        } else {
            self.more.get_or_insert_default().push(id);
        }
    }

    /// Takes a room away. False if it wasn't there.
    pub(super) fn remove(&mut self, id: u32) -> bool {
        let Some(at) = self.iter().position(|place| place == id) else { return false };
        let more = self.more.as_deref_mut();
        match (at.checked_sub(1), more) {
            (None, None) => self.first = None,
            (None, Some(more)) => self.first = Some(more.remove(0)),
            (Some(at), more) => {
                more.expect("all but the first are there").remove(at);
            }
        }
        if self.more().is_empty() {
            self.more = None;
        }
        true
    }

    /// One room instead of all others, which are returned.
    pub(super) fn replace(&mut self, id: u32) -> Places {
        std::mem::replace(self, Places { first: Some(id), more: None })
    }
}
