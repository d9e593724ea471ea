//! The defects that are planted: mistakes of the kinds that are made, each in one place, and each of which compiles.

use super::planted::Defect;

pub(super) const DEFECTS: &[Defect] = &[
    // ---- the core: logs, cursors, what is due ----
    Defect {
        name: "gap-begins-late",
        file: "crates/trappe-core/src/room/cursor.rs",
        text: "        *gap = from;\n",
        becomes: "        *gap = from + 1;\n",
        why: "who falls behind is neither given nor told the first message that it missed",
    },
    Defect {
        name: "seam-repeats",
        file: "crates/trappe-core/src/room/cursor.rs",
        text: "    let to = view.seq_from(at);\n    (to > gap)",
        becomes: "    let to = view.seq_from(at) + 1;\n    (to > gap)",
        why: "the store gives the message, too, with which the log begins",
    },
    Defect {
        name: "seam-skips",
        file: "crates/trappe-core/src/room/view.rs",
        text: "if from <= held { self.oldest() } else { self.after_seq(from - 1) }",
        becomes: "if from <= held { self.oldest() } else { self.after_seq(from) }",
        why: "who comes back to a message that the log holds goes on one too late",
    },
    Defect {
        name: "forgotten-untold",
        file: "crates/trappe-core/src/room/view.rs",
        text: "gap: is_gone.then(|| self.life.position(oldest)),",
        becomes: "gap: other_life.then(|| self.life.position(oldest)),",
        why: "who comes back to what isn't kept any more isn't told so",
    },
    Defect {
        name: "rest-forgotten",
        file: "crates/trappe-core/src/room/listener.rs",
        text: "            if !rest.is_empty() {\n",
        becomes: "            if rest.is_empty() {\n",
        why: "the rest of a record is dropped where the socket took only its beginning",
    },
    Defect {
        name: "rest-sent-twice",
        file: "crates/trappe-core/src/room/listener.rs",
        text: "                let _written = half.split_to(n);\n",
        becomes: "                let _written = half.slice(..n);\n",
        why: "what the socket took of a half-written rest is written again",
    },
    Defect {
        name: "senders-never-relieved",
        file: "crates/trappe-core/src/room/log.rs",
        text: "        if near { self.take_slowed() } else { Vec::new() }\n",
        becomes: "        if near && self.slowed.is_empty() { self.take_slowed() } else { Vec::new() }\n",
        why: "who was made to wait for slow members isn't woken when they have caught up",
    },
    // ---- the shell: pumps, rooms, sessions ----
    Defect {
        name: "writable-ignored",
        file: "crates/trappe/src/server/pump.rs",
        text: "            self.slots[id as usize].armed = false;\n            self.urge(id);\n",
        becomes: "            self.slots[id as usize].armed = false;\n",
        why: "a socket that takes more is written to only when something new is said",
    },
    Defect {
        name: "workers-not-rung",
        file: "crates/trappe/src/server/room.rs",
        text: "        if ring { post.send(mail) } else { post.leave(mail) }\n",
        becomes: "        if ring && worker == 0 { post.send(mail) } else { post.leave(mail) }\n",
        why: "a batch lies in another worker's mailbox until something else wakes that one",
    },
    Defect {
        name: "answer-not-written",
        file: "crates/trappe/src/server/past.rs",
        text: "            self.shared.metrics.worker(self.worker).missed(cause, answered.missed);\n        }\n        self.urge(id);\n",
        becomes: "            self.shared.metrics.worker(self.worker).missed(cause, answered.missed);\n        }\n",
        why: "what the history answers is written only when something new is said",
    },
    Defect {
        name: "id-not-noted",
        file: "crates/trappe/src/server/voice.rs",
        text: "                sent.note(now, id, (room.name().clone(), position));\n",
        becomes: "",
        why: "a message that a client says again after a lost connection is said twice",
    },
    Defect {
        name: "nobody-superseded",
        file: "crates/trappe/src/server/moves.rs",
        text: "        shared.posts.to(&old, Mail::Supersede(Arc::clone(&old)));\n",
        becomes: "",
        why: "a session is taken over, and its earlier connection goes on to be written to",
    },
    // ---- history and the store ----
    Defect {
        name: "acknowledged-early",
        file: "crates/trappe/src/server/history/writer.rs",
        text: "            Some(_) => self.write(&group, &mut settled).map_err(Some),\n",
        becomes: "            Some(_) => {
                for (kept, room, batch) in group.iter().filter_map(Job::batch) {
                    let told = kept.stored(batch.end_seq()).into_iter();
                    self.tell(told.map(|told| (Arc::clone(room), told)).collect());
                }
                self.write(&group, &mut settled).map_err(Some)
            }\n",
        why: "messages are acknowledged before the transaction that has them is committed",
    },
    Defect {
        name: "commit-error-ignored",
        file: "crates/trappe/src/store/transaction.rs",
        text: "        self.inner.commit().map_err(db(\"write to the history\"))\n",
        becomes: "        let _failed = self.inner.commit();\n        Ok(())\n",
        why: "a commit whose fsync failed counts as done",
    },
    Defect {
        name: "fsync-left-out",
        file: "crates/trappe/src/store/schema.rs",
        text: "PRAGMA synchronous = FULL;\n",
        becomes: "PRAGMA synchronous = NORMAL;\n",
        why: "SQLite doesn't sync its log at each commit: a power cut takes what was acknowledged",
    },
    Defect {
        name: "lost-acknowledged",
        file: "crates/trappe/src/server/history/kept.rs",
        text: "        } else if seq <= self.forgotten || self.run_of(seq).is_some() {\n",
        becomes: "        } else if seq <= self.forgotten {\n",
        why: "what the disk refused is acknowledged like the rest",
    },
    Defect {
        name: "ids-not-stored",
        file: "crates/trappe/src/server/history/books.rs",
        text: "                transaction.sent(sid, *id, room, record.seq)\n",
        becomes: "                Ok(())\n",
        why: "ids aren't in the transaction of their messages: after a crash they are said again",
    },
    Defect {
        name: "numbers-not-reserved",
        file: "crates/trappe/src/server/history/books.rs",
        text: "transaction.room(*no, &state.room.life.name, epoch, state.until)?;",
        becomes: "transaction.room(*no, &state.room.life.name, epoch, state.next)?;",
        why: "numbers are given that aren't reserved on disk: a crash gives them again",
    },
    Defect {
        name: "unused-untold",
        file: "crates/trappe/src/store/open.rs",
        text: "                transaction.hole(room.no, &hole)?;\n                unused += 1;\n",
        becomes: "                unused += u64::from(hole.last == 0) as usize;\n",
        why: "numbers that a crash left unused aren't written down as such",
    },
    Defect {
        name: "piece-dropped-early",
        file: "crates/trappe/src/server/history/backlog.rs",
        text: "        let is_done = self.filing.last > 0 && self.filing.rooms.is_empty();\n",
        becomes: "        let is_done = self.filing.last > 0;\n",
        why: "a piece of the journal goes before all of it is filed",
    },
    Defect {
        name: "journal-not-filed",
        file: "crates/trappe/src/store/open.rs",
        text: "    file_journal(&mut store)?;\n",
        becomes: "    if version == VERSION + 1 {\n        file_journal(&mut store)?;\n    }\n",
        why: "what a crash left in the journal isn't filed at the next start",
    },
    Defect {
        name: "unfiled-read",
        file: "crates/trappe/src/server/history/kept.rs",
        text: "        settled.unfiled.map_or(settled.next, |unfiled| unfiled.min(settled.next))\n",
        becomes: "        settled.next\n",
        why: "what is in the journal alone is looked for in the tables, and missed there",
    },
    Defect {
        name: "backlog-not-rewritten",
        file: "crates/trappe/src/server/history/writer.rs",
        text: "            file(&mut self.books, &mut transaction, &mut settled, (no, unfiled))?;\n        }\n        write_lost",
        becomes: "            let _not = (no, unfiled, &mut settled, file);\n        }\n        write_lost",
        why: "what was acknowledged and not filed is taken out of the journal once the disk works again",
    },
    Defect {
        name: "desk-not-rung",
        file: "crates/trappe/src/server/history/mod.rs",
        text: "        self.desk.lock().put(asked);\n        self.asked.notify_one();\n",
        becomes: "        self.desk.lock().put(asked);\n",
        why: "who asks for what lies further back is answered only when something else wakes the archivist",
    },
    Defect {
        name: "portion-one-short",
        file: "crates/trappe/src/store/read.rs",
        text: "        Ok(Portion { gap: None, next: from + run as u64, rows })\n",
        becomes: "        Ok(Portion { gap: None, next: from + run as u64 + 1, rows })\n",
        why: "between two portions of the history one message is left out",
    },
    Defect {
        name: "pruned-untold",
        file: "crates/trappe/src/server/history/archive.rs",
        text: "            return Some(Portion::missing(from, to, Lost::Forgotten));\n        }\n        let settled",
        becomes: "            return Some(Portion { gap: None, batch: None, next: to });\n        }\n        let settled",
        why: "what retention took away before somebody read it is passed over without a word",
    },
    // ---- the client library ----
    Defect {
        name: "client-forgets-to-repeat",
        file: "crates/trappe-core/src/client/outbox.rs",
        text: "    pub(super) fn rewind(&mut self) {\n        self.cursor = 0;\n",
        becomes: "    pub(super) fn rewind(&mut self) {\n",
        why: "what wasn't acknowledged isn't said again over a new connection",
    },
    Defect {
        name: "client-repeats-blindly",
        file: "crates/trappe-core/src/client/outbox.rs",
        text: "self.sends.iter().filter(|(_, send)| send.risky)",
        becomes: "self.sends.iter().filter(|(_, send)| send.risky && send.line.is_empty())",
        why: "what may have been said in a session that is over is said again in the next",
    },
    Defect {
        name: "client-numbers-anew",
        file: "crates/trappe-core/src/client/outbox.rs",
        text: "    pub(super) fn rewind(&mut self) {\n        self.cursor = 0;\n",
        becomes: "    pub(super) fn rewind(&mut self) {
        self.cursor = 0;
        let sends = std::mem::take(&mut self.sends);
        for (id, mut send) in sends {
            send.line = send.line.replace(&format!(\"\\\"id\\\":{id}\"), &format!(\"\\\"id\\\":{}\", self.next_id));
            self.sends.insert(self.next_id, send);
            self.next_id += 1;
        }\n",
        why: "what is said again bears a new id, by which the hub can't know it",
    },
    Defect {
        name: "client-jumps-ahead",
        file: "crates/trappe-core/src/client/hear.rs",
        text: "                mark.had(seq);\n            } else if acked.len()",
        becomes: "                mark.skip(seq);\n            } else if acked.len()",
        why: "an acknowledgement counts for the messages before it, which haven't come yet",
    },
    Defect {
        name: "client-passes-on-repeats",
        file: "crates/trappe-core/src/client/hear.rs",
        text: "            && !once.is_first(sid, id)\n",
        becomes: "            && once.is_first(sid, id) && sid == 0\n",
        why: "what its sender had to say again after a crash is passed on twice",
    },
    Defect {
        name: "client-takes-part-for-all",
        file: "crates/trappe/src/client/driver.rs",
        text: "                Ok(count) => written += count,\n",
        becomes: "                Ok(_) => written = due.len(),\n",
        why: "what the socket doesn't take at once of the client's lines is never written",
    },
    Defect {
        name: "client-sleeps",
        file: "crates/trappe/src/client/shared.rs",
        text: "        if resumes {\n            self.wake.notify_one();\n        }\n        Poll::Ready",
        becomes: "        let _asleep = resumes;\n        Poll::Ready",
        why: "a client that stopped reading, since nobody took its events, never reads again",
    },
];
