//! A listener's private queue: replies, private messages, and what the member asked for again, in order.

use bytes::Bytes;

use super::{Asked, Listener, Next, Private, Views, small};
use crate::{
    event::Event,
    limits::{ITEM_BYTES, REPLIES_BYTES},
    reply::To,
    room::{
        item::Item,
        past::Ask,
        replay::{Replay, gap_notice, portion},
    },
    words::say,
};

impl<A> Listener<A> {
    /// The next of the private queue. None: see what has become of the half-written rest, or there is nothing more.
    pub(super) fn next_private(&mut self, views: &impl Views) -> Option<Next<A>> {
        loop {
            if self.half.is_some() {
                return None;
            }
            let private = self.private.as_mut()?;
            if private.asked.is_some() {
                return Some(Next::Wait);
            }
            if let Some(replay) = &mut private.replay {
                let view = views.view(replay.room);
                if let Some(ask) = view.and_then(|view| replay.ask(view)) {
                    private.asked = Some((replay.room, Asked::Replay));
                    return Some(Next::Ask(replay.room, ask));
                }
                let portion = match view {
                    Some(view) => portion(self.look, self.number, view, replay),
                    None => None,
                };
                match portion {
                    Some(portion) => self.half = Some(portion),
                    None => private.replay = None,
                }
                continue;
            }
            let Some(item) = private.items.pop_front() else {
                if private.farewell.is_empty() {
                    self.private = None;
                }
                return None;
            };
            self.released += small(item.cost());
            if let Some(next) = self.item(views, item) {
                return Some(next);
            }
        }
    }

    fn item(&mut self, views: &impl Views, item: Item<A>) -> Option<Next<A>> {
        let (look, private) = (self.look, self.private.as_mut()?);
        match item {
            Item::Bytes(bytes) => {
                self.half = Some(Box::new(join(bytes, private, &mut self.released)));
            }
            Item::Direct { from, time_us, body } => {
                let mut out = Vec::new();
                look.direct(&mut out, &from, time_us, &body);
                self.half = Some(Box::new(out.into()));
            }
            Item::Own(bytes) => self.half = Some(Box::new(bytes)),
            Item::History { room, count, id } => {
                let view = views.view(room)?;
                private.replay = Some(Replay::last(room, view, count as u64, id));
                self.begin_history(room, view);
            }
            Item::Greeting { room, count, before } => {
                let view = views.view(room)?;
                private.replay = Some(Replay::greeting(room, view, count as u64, before));
                self.begin_history(room, view);
            }
            Item::Search { room, words, count, id } => {
                views.view(room)?;
                private.asked = Some((room, Asked::Search(id)));
                return Some(Next::Ask(room, Ask::Words(words, count)));
            }
            Item::Resume { room, at, id } => {
                let view = views.view(room)?;
                let resumed = view.resume(at);
                private.replay = Some(Replay::from(room, view, &resumed));
                let mut live = Vec::new();
                if look.is_json() {
                    let (room, position) = (view.life().name.as_str(), view.position());
                    look.event(&mut live, &Event::Live { room, position, id });
                } else {
                    look.notice(&mut live, &say(look.lang, "live", &[]));
                }
                private.items.push_front(Item::Own(live.into()));
                if let Some(cursor) = self.cursor_in(room) {
                    cursor.skip_to_head(view);
                }
                if let Some(oldest) = resumed.gap {
                    let had = if resumed.other_life { 0 } else { at.seq };
                    let missed = (oldest.seq - 1).saturating_sub(had);
                    self.forgotten = u32::try_from(missed).unwrap_or(u32::MAX);
                    let mut out = Vec::new();
                    match resumed.event(view, at, id).filter(|_| look.is_json()) {
                        Some(event) => look.event(&mut out, &event),
                        None => look.error(&mut out, "gap", &format!("oldest={oldest}")),
                    }
                    self.half = Some(Box::new(out.into()));
                }
            }
            Item::Attached(address) => {
                let mut out = Vec::new();
                To::unasked(look).udp_attached(&mut out, &address);
                self.half = Some(Box::new(out.into()));
            }
            Item::Look(look, echo) => {
                self.look = look;
                self.echo = echo;
            }
            Item::Act(act) => return Some(Next::Act(act)),
            Item::Leave(room, act) => {
                // What was missed there is still told: it isn't asked of the store any more. Elsewhere it is.
                let missed = views.view(room).zip(self.cursor_in(room));
                let missed = missed.and_then(|(view, cursor)| Some((view, cursor.take_gap(view)?)));
                let notice = missed.and_then(|(view, gap)| gap_notice(look, view, gap, None));
                let Some(notice) = notice else { return Some(Next::Act(act)) };
                self.released -= small(ITEM_BYTES);
                self.private().items.push_front(Item::Leave(room, act));
                self.half = Some(notice);
            }
        }
        None
    }
}

/// Replies that stand one after the other are one write.
fn join<A>(first: Bytes, private: &mut Private<A>, released: &mut u32) -> Bytes {
    if !matches!(private.items.front(), Some(Item::Bytes(_))) {
        return first;
    }
    let mut joined = first.to_vec();
    while joined.len() < REPLIES_BYTES {
        let Some(Item::Bytes(bytes)) = private.items.pop_front_if(|i| matches!(i, Item::Bytes(_)))
        else {
            break;
        };
        *released += small(ITEM_BYTES + bytes.len());
        joined.extend_from_slice(&bytes);
    }
    joined.into()
}
