//! Append, seal and wake under every interleaving that shuttle finds: no lost wake-up, and one order for all.

use std::sync::{Arc, atomic::AtomicUsize};

use shuttle::thread;
use trappe_core::{
    command::Epoch,
    message::{Author, Entry},
    name::Name,
    room::{
        batch::{Batch, Life},
        log::{Log, Retain},
    },
};

use super::{Post, Publish, Tail};

const WORKERS: usize = 2;
const LINES: usize = 3;

enum Mail {
    Said,
    Batch(Arc<Batch>),
}

struct Posts(Vec<Post<Mail>>);

impl Publish for Posts {
    fn deliver(&self, worker: usize, batch: &Arc<Batch>, ring: bool) {
        let mail = Mail::Batch(Arc::clone(batch));
        if ring { self.0[worker].send(mail) } else { self.0[worker].leave(mail) }
    }

    fn observe(&self, _: &Arc<Batch>) {}
}

/// What a worker's pump does, until it has seen all that is said.
fn pump(tail: &Tail<()>, posts: &Posts, me: usize) -> Vec<u64> {
    let mut seen = Vec::new();
    let mut mail = Vec::new();
    while seen.len() < WORKERS * LINES {
        posts.0[me].bell.wait();
        loop {
            posts.0[me].take(&mut mail);
            if mail.is_empty() {
                break;
            }
            for mail in mail.drain(..) {
                match mail {
                    Mail::Said => tail.seal(posts, Some(me)),
                    Mail::Batch(batch) => {
                        seen.extend(batch.records.iter().map(|r| r.author.number * 100 + r.seq))
                    }
                }
            }
        }
    }
    seen
}

fn world() {
    let name = Name::parse("r").expect("a name");
    let life = Life::new(name, Epoch::from_random(1), Arc::new(AtomicUsize::new(0)));
    let retain = Retain { messages: 100, bytes: 1 << 20 };
    let mut log = Log::new(life, retain, 1 << 20, WORKERS);
    for worker in 0..WORKERS {
        log.enter(worker, worker as u64 + 1);
    }
    let tail = Arc::new(Tail::new(log));
    let posts = Arc::new(Posts((0..WORKERS).map(|_| Post::default()).collect()));
    let senders = (0..WORKERS).map(|worker| {
        let (tail, posts) = (Arc::clone(&tail), Arc::clone(&posts));
        thread::spawn(move || {
            for _ in 0..LINES {
                let author = Author { number: worker as u64 + 1, name: None };
                let entry = Entry::speech(author, None, b"x");
                if tail.append(&*posts, 0, entry, worker).wake {
                    posts.0[worker].send(Mail::Said);
                }
            }
        })
    });
    let senders: Vec<_> = senders.collect();
    let pumps = (0..WORKERS).map(|me| {
        let (tail, posts) = (Arc::clone(&tail), Arc::clone(&posts));
        thread::spawn(move || pump(&tail, &posts, me))
    });
    let pumps: Vec<_> = pumps.collect();
    for sender in senders {
        sender.join().expect("a sender says all it has to say");
    }
    let seen: Vec<_> =
        pumps.into_iter().map(|p| p.join().expect("a pump comes to the end")).collect();
    assert_eq!(seen[0], seen[1], "all workers see one order");
}

#[test]
fn no_wake_up_is_lost_and_all_workers_see_one_order() {
    shuttle::check_random(world, 2000);
    shuttle::check_pct(world, 2000, 3);
}
