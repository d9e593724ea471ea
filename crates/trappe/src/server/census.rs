//! The hub as it is at one moment, for who watches it: what the pumps know of their members, and the hub of their names.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::oneshot;
use trappe_core::{
    encode::watch,
    limits::{LIVE_FRESH, LIVE_MEMBERS, LIVE_ROOMS, LIVE_ROOMS_OF_MEMBER},
    watch::{Hub, MemberRow, RoomRow},
};

use super::{Shared, conn::Conn, mail::Mail, metrics::Transport, pump::Pump, watch::data};

/// A member as its pump knows it.
#[derive(Debug)]
pub(crate) struct Counted {
    conn: Arc<Conn>,
    /// Its number, when it was counted.
    number: u64,
    /// Bytes that were written to it.
    sent: u64,
    /// Its socket takes no more.
    slow: bool,
}

/// The last census, and when it was.
pub(crate) type Last = Option<(Duration, Bytes)>;

impl Pump {
    /// The members of this worker, as many as are listed: the slow ones first.
    pub(super) fn census(&self) -> Vec<Counted> {
        let is_slow = |slow: bool| {
            let members =
                self.slots.iter().filter(|(_, slot)| slot.conn.number() != 0 && !slot.ended);
            members.filter(move |(_, slot)| (slot.armed && slot.behind) == slow)
        };
        let counted = is_slow(true).chain(is_slow(false)).map(|(_, slot)| Counted {
            conn: Arc::clone(&slot.conn),
            number: slot.conn.number(),
            sent: slot.sent,
            slow: slot.armed && slot.behind,
        });
        counted.take(LIVE_MEMBERS).collect()
    }
}

impl Shared {
    /// The state of the hub as an event of a stream. None while the server stops.
    pub(crate) async fn census(&self) -> Option<Bytes> {
        // Held while the pumps are asked: who asks meanwhile gets the same answer.
        let mut last = self.last_census.lock().await;
        let now = self.now();
        if let Some((at, event)) = &*last
            && now.saturating_sub(*at) < LIVE_FRESH
        {
            return Some(event.clone());
        }
        let mut answers = Vec::new();
        for post in &self.posts.workers {
            let (tell, told) = oneshot::channel();
            post.send(Mail::Census(tell));
            answers.push(told);
        }
        let mut counted = Vec::new();
        for told in answers {
            counted.extend(told.await.ok()?);
        }
        counted.sort_by_key(|member| (!member.slow, member.number));
        counted.truncate(LIVE_MEMBERS);
        let mut out = Vec::new();
        data(&mut out, |out| self.write_census(out, now, &counted));
        let event = Bytes::from(out);
        *last = Some((now, event.clone()));
        Some(event)
    }

    fn write_census(&self, out: &mut Vec<u8>, now: Duration, counted: &[Counted]) {
        let metrics = self.metrics.read();
        let mut heads = BTreeMap::new();
        let hub = self.hub.lock();
        let (members, rooms) = (hub.count(), hub.rooms().count);
        let busiest = hub.busiest(LIVE_ROOMS);
        let mut list = Vec::with_capacity(counted.len());
        for &Counted { ref conn, number, sent, slow } in counted {
            // It may have left meanwhile, or be another connection's by now.
            let Some(member) = hub.member(number).filter(|m| Arc::ptr_eq(&m.handle, conn)) else {
                continue;
            };
            let mut head = |id: u32, room: &Arc<super::room::Room>| {
                *heads.entry(id).or_insert_with(|| room.tail.with(|log| log.next()))
            };
            let mut lag = 0;
            if slow {
                for (id, _, room) in hub.rooms_of(number) {
                    lag = lag.max(conn.lag(id, head(id, room)));
                }
            }
            let names = hub.rooms_of(number).take(LIVE_ROOMS_OF_MEMBER);
            list.push(MemberRow {
                sid: number,
                name: member.author(number).to_string(),
                transport: conn.transport().as_str(),
                address: conn.peer.to_string(),
                since_s: now.saturating_sub(conn.since()).as_secs(),
                rooms: names.map(|(_, name, _)| name.as_str().to_owned()).collect(),
                lag,
                bytes_in: conn.heard_bytes(),
                bytes_out: sent,
                missed: conn.missed.load(Relaxed),
                refused: conn.rejected.load(Relaxed).into(),
                watched: self.watch.count(number),
                slow,
            });
        }
        drop(hub);
        let room_list: Vec<RoomRow> = busiest
            .into_iter()
            .map(|(name, members, room)| RoomRow {
                room: name.as_str().to_owned(),
                members,
                seq: room.position().seq,
            })
            .collect();
        let of_members = Transport::ALL.into_iter().filter(|it| *it != Transport::Http);
        let transports: Vec<_> =
            of_members.map(|it| (it.as_str(), metrics.members[it as usize])).collect();
        watch::hub(
            out,
            &Hub {
                time_us: self.unix_us(now),
                up_s: now.as_secs(),
                members,
                rooms,
                messages: metrics.messages,
                deliveries: metrics.deliveries,
                bytes_in: metrics.bytes_in,
                bytes_out: metrics.bytes_out,
                missed: metrics.missed.iter().sum(),
                refused: metrics.rejected,
                kept_bytes: self.kept_bytes(),
                transports: &transports,
                room_list: &room_list,
                member_list: &list,
            },
        );
    }
}
