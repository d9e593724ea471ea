//! A person with `nc`, and a program that reads bodies alone: lines without numbers.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, split},
    sync::mpsc::UnboundedReceiver,
    time::sleep,
};

use super::{Body, Next, Order, shown};
use crate::sim::{
    chance::Chance,
    model::{How, Line, Lines, Place},
    net::{self, Stream},
};

/// See the module.
#[expect(clippy::struct_excessive_bools, reason = "each is a habit of its own")]
#[derive(Debug)]
pub(crate) struct Text {
    body: Body,
    chance: Chance,
    /// It is written bodies alone.
    is_raw: bool,
    /// The hub lets raw members go on without what they were too slow for.
    skips_gaps: bool,
    /// It writes a few bytes at a time.
    drips: bool,
    /// Where it is.
    room: String,
    /// Where it is going.
    goes_to: Option<(String, Option<Place>)>,
    /// What it hears there.
    lines: Option<Lines>,
    /// What it is shown again.
    shown: Option<Lines>,
    /// What it has said over this connection and waits for, in order; none: it can't tell any more which is which.
    said: Option<VecDeque<(String, String)>>,
    /// From here on bodies alone are written.
    only_bodies: bool,
    out: Vec<u8>,
    hub: u32,
}

impl Text {
    pub(crate) fn new(body: Body, mut chance: Chance, is_raw: bool, skips_gaps: bool) -> Text {
        Text {
            drips: chance.one_in(3),
            body,
            chance,
            is_raw,
            skips_gaps,
            room: "lobby".to_owned(),
            goes_to: None,
            lines: None,
            shown: None,
            said: None,
            only_bodies: false,
            out: Vec::new(),
            hub: 0,
        }
    }

    /// Lives until nobody gives orders any more.
    pub(crate) async fn live(mut self, mut orders: UnboundedReceiver<Order>) {
        let name = format!("{} {}", if self.is_raw { "raw" } else { "text" }, self.body.who);
        loop {
            self.tell_doing();
            if let Ok((stream, link)) = net::connect(&name).await {
                self.hub = self.body.world.hub();
                self.body.does(|doing| doing.link = Some(link));
                let is_over = self.talk(stream, &mut orders).await;
                self.is_cut_off(is_over);
                if is_over {
                    return;
                }
            }
            let pause = self.chance.time(Duration::from_millis(1)..=Duration::from_millis(600));
            sleep(pause).await;
        }
    }

    /// Talks until the connection ends. True: nobody gives orders any more.
    async fn talk(&mut self, stream: Stream, orders: &mut UnboundedReceiver<Order>) -> bool {
        let (mut reader, mut writer) = split(stream);
        // The empty line is none; after it no pause ends a line.
        self.out = b"\n/ack on\n".to_vec();
        self.said = Some(VecDeque::new());
        if self.is_raw {
            // What is refused isn't written to it, so that it can't tell what is acknowledged.
            self.out = b"\n/ping\n/format raw\n".to_vec();
            self.said = None;
        }
        for line in ["/ack on", "/ping", "/format raw"] {
            // Half of it may be no command.
            self.body.writes("lobby", line);
        }
        let (mut buffer, mut line) = (vec![0; 2048], Vec::new());
        let mut is_broken = false;
        loop {
            self.tell_doing();
            let is_deaf = self.body.does(|doing| doing.is_deaf);
            let piece = if self.drips {
                self.chance.size(1..=7).min(self.out.len())
            } else {
                self.out.len()
            };
            let next = tokio::select! {
                biased;
                order = orders.recv() => Next::Order(order),
                read = reader.read(&mut buffer), if !is_deaf => Next::Read(read),
                written = writer.write(&self.out[..piece]), if piece > 0 && !is_broken => Next::Written(written),
            };
            match next {
                Next::Order(None) => return true,
                Next::Order(Some(Order::Cut)) => return false,
                Next::Order(Some(order)) => self.obey(order),
                Next::Read(Ok(count)) if count > 0 => {
                    for &byte in &buffer[..count] {
                        if byte == b'\n' {
                            let text = String::from_utf8_lossy(&line).into_owned();
                            self.hears(&text);
                            line.clear();
                        } else {
                            line.push(byte);
                        }
                    }
                }
                Next::Read(_) => return false,
                Next::Written(Ok(count)) if count > 0 => drop(self.out.drain(..count)),
                Next::Written(_) => is_broken = true,
            }
        }
    }

    fn is_cut_off(&mut self, is_over: bool) {
        self.body.note("is cut off");
        // What it said is heard or not: it can't ask.
        for (_, text) in self.said.take().into_iter().flatten() {
            self.body.gives_up(&text, "connection");
        }
        self.ends_its_stay(is_over && self.body.world.with(|told| told.is_over));
        (self.goes_to, self.only_bodies) = (None, false);
        "lobby".clone_into(&mut self.room);
        self.out.clear();
        self.body.does(|doing| (doing.link, doing.is_deaf) = (None, false));
    }

    fn ends_its_stay(&mut self, to_the_end: bool) {
        let shown = self.shown.take();
        let lines = self.lines.take().map(|lines| Lines { to_the_end, ..lines });
        self.body.world.with(|told| {
            lines.into_iter().chain(shown).for_each(|lines| told.model.lines(lines));
        });
    }

    fn tell_doing(&self) {
        let is_there = self.lines.is_some() && (self.only_bodies || !self.is_raw);
        self.body.does(|doing| {
            doing.is_there = is_there;
            doing.asks = self.goes_to.is_some();
            doing.rooms = BTreeMap::from([(self.room.clone(), None)]);
        });
    }

    fn obey(&mut self, order: Order) {
        let is_there = self.body.does(|doing| doing.is_there) && self.goes_to.is_none();
        match order {
            Order::Say(room, text) if is_there && room == self.room => {
                self.body.says(&room, &text, How::Line);
                self.out.extend_from_slice(text.as_bytes());
                self.out.push(b'\n');
                match &mut self.said {
                    Some(said) => said.push_back((room, text)),
                    None => self.body.gives_up(&text, "unknown"),
                }
            }
            Order::Join(room, after) if is_there && room != self.room => {
                self.body.note(&format!("joins {room} after {after:?}"));
                let after_ = after.as_ref().map(|it| format!(" {}@{}", it.epoch, it.seq));
                let line = format!("/join {room}{}\n", after_.unwrap_or_default());
                self.body.writes(&self.room, line.trim_end());
                self.out.extend_from_slice(line.as_bytes());
                self.goes_to = Some((room, after));
            }
            Order::History(room, count) if is_there && room == self.room && !self.is_raw => {
                self.body.writes(&room, "/history");
                self.out.extend_from_slice(format!("/history {count}\n").as_bytes());
            }
            Order::Read(reads) => self.body.does(|doing| doing.is_deaf = !reads),
            _ => {}
        }
    }

    fn hears(&mut self, line: &str) {
        let is_reply = line.starts_with(['*', '!', '+']);
        if self.only_bodies && !is_reply {
            return self.hears_said(line);
        }
        match line.as_bytes().first() {
            Some(b'<') => {
                let text = line.split_once("> ").map_or("", |(_, text)| text);
                self.hears_said(text);
            }
            Some(b'+') => self.hears_ack(line),
            Some(b'!') => self.hears_error(line),
            Some(b'*') => self.hears_notice(line.trim_start_matches("* ")),
            // Before what could be taken for an answer of HTTP (docs/protocol.md §1).
            None => {}
            _ => self.body.breaks(&format!("hears {line:?}")),
        }
    }

    fn hears_said(&mut self, text: &str) {
        self.body.note(&format!("hears {} {}", self.room, shown(text)));
        self.body.world.count("heard");
        let lines = self.shown.as_mut().or(self.lines.as_mut());
        if let Some(lines) = lines {
            lines.heard.push(Line::Said(text.to_owned()));
        }
    }

    /// `+ack EPOCH@SEQ`: of the first that it waits for.
    fn hears_ack(&mut self, line: &str) {
        let place = line.split(' ').nth(1).and_then(Place::parse);
        let Some(said) = &mut self.said else { return };
        match (said.pop_front(), place) {
            (Some((room, text)), Some(place)) => {
                self.body.is_acked(&room, &text, &place, Some(self.hub));
            }
            _ => self.body.breaks(&format!("is acknowledged what it didn't say: {line}")),
        }
    }

    fn hears_error(&mut self, line: &str) {
        let code = line.split(' ').nth(1).unwrap_or_default();
        self.body.note(&format!("error {line}"));
        match code {
            "not-stored" => {
                // Which one it is isn't said: from here on it knows of none.
                for (_, text) in self.said.take().into_iter().flatten() {
                    self.body.gives_up(&text, "not-stored");
                }
                if !self.body.world.with(|told| told.model.may_refuse()) {
                    self.body.breaks(&format!("the disk is well, and the hub says {line}"));
                }
            }
            "gap" => {
                let oldest = line.split("oldest=").nth(1).and_then(Place::parse);
                if let (Some(lines), Some(oldest)) = (&mut self.lines, oldest) {
                    // What comes from here on comes after this.
                    let before = oldest.seq.saturating_sub(1);
                    lines.from = Some(Place::new(&oldest.epoch, before));
                    lines.epoch = Some(oldest.epoch);
                    lines.heard.clear();
                }
            }
            // Half of a command, where the hub stopped in the middle of it.
            "unknown-command" | "bad-argument" | "missing-argument" | "bad-position"
            | "bad-name" => {}
            _ => self.body.breaks(&format!("is refused something: {line}")),
        }
    }

    fn hears_notice(&mut self, notice: &str) {
        self.body.note(&format!("* {notice}"));
        let place = notice
            .split("position ")
            .nth(1)
            .and_then(|it| Place::parse(it.split([';', ' ']).next().unwrap_or_default()));
        let words: Vec<&str> = notice.split(' ').collect();
        match (words.as_slice(), place) {
            (["you", "are", "in", room, ..], Some(place)) => {
                let room = room.trim_end_matches(',').to_owned();
                let Some((_, after)) = self.goes_to.take_if(|(to, _)| *to == room) else { return };
                self.ends_its_stay(false);
                self.room = room;
                let asks_for_past = after.is_some();
                self.begins_its_stay(after.unwrap_or(place));
                if let Some(lines) = self.lines.as_mut().filter(|_| asks_for_past && self.is_raw) {
                    // What the disk hasn't got of what it asks for, it isn't told either.
                    lines.from = None;
                }
            }
            (["you", "are", ..], Some(place)) if self.lines.is_none() => {
                self.begins_its_stay(place);
            }
            (["history", ..], _) => {
                // Of the room's present life, whatever it was before.
                let epoch = self.lines.as_ref().and_then(|lines| lines.epoch.clone());
                self.shown = Some(Lines { epoch, is_shown: true, ..self.stay(None) });
            }
            (["end"], _) => {
                let shown = self.shown.take();
                self.body.world.with(|told| shown.into_iter().for_each(|it| told.model.lines(it)));
            }
            (["format:", "raw"], _) => self.only_bodies = true,
            (["gap", range, ..], _) => {
                self.body.note(&format!("gap {notice}"));
                self.body.world.count("gaps");
                let range = range
                    .split_once("..")
                    .and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
                if let (Some((from, to)), Some(lines)) = (range, &mut self.lines) {
                    lines.heard.push(Line::Gap(from, to));
                }
            }
            _ => {}
        }
    }

    fn begins_its_stay(&mut self, after: Place) {
        self.body.note(&format!("is in {} after {}@{}", self.room, after.epoch, after.seq));
        self.body.world.count("greeted");
        self.lines = Some(self.stay(Some(after)));
    }

    fn stay(&self, from: Option<Place>) -> Lines {
        Lines {
            who: self.body.who,
            room: self.room.clone(),
            hub: self.hub,
            epoch: from.as_ref().map(|place| place.epoch.clone()),
            // What a raw member misses it isn't told, if it is to go on without.
            from: from.filter(|_| !(self.is_raw && self.skips_gaps)),
            is_shown: false,
            heard: Vec::new(),
            to_the_end: false,
        }
    }
}
