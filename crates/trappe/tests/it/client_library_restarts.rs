//! The client library and a hub that is killed and started again.

use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, spawn_blocking};
use trappe::client::{AskError, DrainError, Ended, Event, Events, Lost, SendError};

use crate::client_lab::{Heard, House, run, said, soon, until};
use crate::crowd::raise_file_limit;

async fn again(mut house: House) -> House {
    // The clients go on meanwhile.
    spawn_blocking(move || {
        house.kill();
        house.begin();
        house
    })
    .await
    .expect("it starts again")
}

#[test]
fn five_kills_under_load_lose_nothing_that_was_acknowledged_and_nothing_comes_twice() {
    const NAMES: [&str; 3] = ["alice", "bob", "carol"];
    run(async {
        let mut house = House::kept();
        let ends = Arc::new(AtomicBool::new(false));
        let (mut clients, mut talkers, mut listeners) = (Vec::new(), Vec::new(), Vec::new());
        for name in NAMES {
            let options = house.options().name(name).outbox(50, 1 << 20);
            let (client, mut events) = options.connect().await.expect("it is there");
            // From here on its session is on disk.
            soon(client.send("lobby", format!("{name} est là"))).await.expect("acknowledged");
            clients.push((name, client));
            listeners.push(tokio::spawn(async move {
                let mut heard = Heard::default();
                while !heard.texts.contains_key("fin") {
                    heard.take(&events.next().await.expect("the client lives"));
                }
                heard
            }));
        }
        // Everybody is there before anybody begins.
        for (name, client) in clients {
            let ends = Arc::clone(&ends);
            talkers.push(tokio::spawn(async move {
                let mut acks = Vec::new();
                while !ends.load(Ordering::SeqCst) {
                    let text = format!("{name} {}", acks.len());
                    acks.push(client.submit("lobby", text).await.expect("the client lives"));
                }
                let count = acks.len();
                for ack in acks {
                    ack.await.expect("it is acknowledged, by whichever hub");
                }
                (client, count)
            }));
        }
        let (witness, mut events) = house.options().connect().await.expect("it is there");
        soon(witness.send("lobby", "moi")).await.expect("acknowledged");
        let mut heard = Heard::default();
        for _ in 0..5 {
            for _ in 0..300 {
                up_to(&mut heard, &mut events, |event| matches!(event, Event::Message(_))).await;
            }
            house = again(house).await;
            up_to(&mut heard, &mut events, |event| matches!(event, Event::Connected(_))).await;
            // Everybody is back before the next one.
            while witness.who("lobby").await.map_or(0, |it| it.count) <= NAMES.len() as u64 {}
        }
        for _ in 0..300 {
            up_to(&mut heard, &mut events, |event| matches!(event, Event::Message(_))).await;
        }
        ends.store(true, Ordering::SeqCst);
        let (mut clients, mut counts) = (Vec::new(), Vec::new());
        for talker in talkers {
            let (client, count) = talker.await.expect("everything is acknowledged");
            clients.push(client);
            counts.push(count);
        }
        soon(witness.send("lobby", "fin")).await.expect("it is acknowledged");
        assert_eq!(heard.reconnects, 5);
        for (nth, listener) in listeners.into_iter().enumerate() {
            let heard = listener.await.expect("it was promised nothing that it didn't get");
            heard.check_once();
            assert_eq!(heard.reconnects, 5, "{}", NAMES[nth]);
            for (from, &count) in NAMES.iter().zip(&counts).filter(|(from, _)| **from != NAMES[nth])
            {
                for n in 0..count {
                    let text = format!("{from} {n}");
                    assert!(heard.texts.contains_key(&text), "{} never heard {text:?}", NAMES[nth]);
                }
            }
        }
        println!("said: {counts:?}");
    });
}

/// Takes everything up to an event that is `wanted`.
async fn up_to(heard: &mut Heard, events: &mut Events, wanted: impl Fn(&Event) -> bool) {
    until(events, |event| {
        heard.take(event);
        wanted(event).then_some(())
    })
    .await;
}

#[test]
fn without_history_a_send_in_doubt_is_told_and_never_said_again_by_itself() {
    run(async {
        let mut house = House::new(&[]);
        let (alice, mut events) =
            house.options().name("alice").connect().await.expect("it is there");
        alice.send("lobby", "un").await.expect("acknowledged");
        house.kill();
        let why = until(&mut events, |event| match event {
            Event::Reconnecting { attempt: 1, why, .. } => Some(why.clone()),
            _ => None,
        });
        assert!(matches!(why.await, Lost::Closed | Lost::Broken(_)));
        // Never on its way: it is said in the new session.
        let later = alice.submit("lobby", "deux").await.expect("taken");
        house.begin();
        let (name, resumed) = until(&mut events, |event| match event {
            Event::Connected(it) => Some((it.name.clone(), it.resumed)),
            _ => None,
        })
        .await;
        assert!(!resumed && name.starts_with("client-"), "{name}");
        assert_eq!(soon(later).await.expect("acknowledged").seq, 1);
        assert_eq!(alice.history("lobby", 10).await.expect("there is one")[0].name, "alice");

        // On its way when the hub is killed: one that doesn't read hasn't heard it, and nobody can know that.
        house.signal("STOP");
        let doubtful = alice.submit("lobby", "trois").await.expect("taken");
        let asked = tokio::spawn({
            let alice = alice.clone();
            async move { alice.who("lobby").await }
        });
        until_written().await;
        house.kill();
        house.begin();
        assert_eq!(soon(doubtful).await, Err(SendError::Unconfirmed));
        assert_eq!(asked.await.expect("no panic").map(drop), Err(AskError::Lost));
        alice.send("lobby", "fin").await.expect("acknowledged");
        let history = alice.history("lobby", 10).await.expect("there is one");
        assert_eq!(history.iter().map(|it| it.text().into_owned()).collect::<Vec<_>>(), ["fin"]);
    });
}

/// Lets the clients' tasks, which share this one's thread, do whatever they can do.
async fn until_written() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_full_outbox_makes_senders_wait_and_who_stops_waiting_has_said_nothing() {
    run(async {
        let house = House::new(&[]);
        let (client, _) = house.options().outbox(10, 1 << 20).connect().await.expect("it is there");
        let (_other, mut events) = house.options().connect().await.expect("it is there");
        house.signal("STOP");
        let mut acks = Vec::new();
        for n in 0..10 {
            acks.push(client.try_send("lobby", format!("mot {n}")).expect("there is space"));
        }
        assert_eq!(client.try_send("lobby", "trop").map(drop), Err(SendError::Full));
        {
            let mut waits = pin!(client.send("lobby", "trop"));
            tokio::select! {
                biased;
                _ = &mut waits => panic!("there is no space"),
                () = ready(()) => {}
            }
        }
        let waits = tokio::spawn({
            let client = client.clone();
            async move { client.send("lobby", "enfin").await }
        });
        tokio::task::yield_now().await;
        house.signal("CONT");
        for ack in acks {
            soon(ack).await.expect("acknowledged");
        }
        waits.await.expect("no panic").expect("acknowledged");
        for n in 0..10 {
            assert_eq!(said(&mut events).await, format!("mot {n}"));
        }
        assert_eq!(said(&mut events).await, "enfin");
    });
}

#[test]
fn a_hub_that_is_killed_in_the_middle_of_a_drain_is_waited_for() {
    run(async {
        let mut house = House::kept();
        let (client, mut events) = house.options().connect().await.expect("it is there");
        // From here on its session is on disk.
        client.send("lobby", "mot 0").await.expect("acknowledged");
        house.signal("STOP");
        let mut acks = Vec::new();
        for n in 1..200 {
            acks.push(client.submit("lobby", format!("mot {n}")).await.expect("taken"));
        }
        let drain = tokio::spawn({
            let client = client.clone();
            async move { client.drain(Duration::from_secs(30)).await }
        });
        until_written().await;
        house.kill();
        let lost =
            until(&mut events, |event| matches!(event, Event::Reconnecting { .. }).then_some(()));
        lost.await;
        house.begin();
        drain.await.expect("no panic").expect("everything is acknowledged");
        for ack in acks {
            ack.await.expect("acknowledged");
        }
        let (other, _) = house.options().connect().await.expect("it is there");
        let history = other.history("lobby", 1000).await.expect("there is one");
        let said: Vec<_> = history.iter().map(|it| it.text().into_owned()).collect();
        assert_eq!(said, (0..200).map(|n| format!("mot {n}")).collect::<Vec<_>>());
    });
}

#[test]
fn a_drain_whose_time_is_up_says_how_much_is_in_doubt() {
    run(async {
        let mut house = House::new(&[]);
        let (client, mut events) = house.options().connect().await.expect("it is there");
        house.kill();
        let lost =
            until(&mut events, |event| matches!(event, Event::Reconnecting { .. }).then_some(()));
        lost.await;
        let never = client.submit("lobby", "a").await.expect("taken");
        let within = Duration::from_millis(300);
        let drained = soon(client.drain(within)).await;
        assert_eq!(drained, Err(DrainError::TimedOut { unacknowledged: 1, within }));
        assert_eq!(never.await, Err(SendError::NotSent));
        // Again, and after its end.
        assert!(client.drain(within).await.is_err());
    });
}

#[test]
fn who_may_try_so_often_ends_after_so_many_attempts() {
    for attempts in [0, 1, 3] {
        run(async {
            let mut house = House::new(&[]);
            let options = house.options().retry(attempts);
            let (client, mut events) = options.connect().await.expect("it is there");
            house.kill();
            let mut seen = 0;
            let why = until(&mut events, |event| match event {
                Event::Reconnecting { attempt, .. } => {
                    seen += 1;
                    assert_eq!(*attempt, seen);
                    None
                }
                Event::Ended(why) => Some(why.clone()),
                _ => None,
            })
            .await;
            assert_eq!(seen, attempts);
            assert!(
                matches!(why, Ended::GaveUp { attempts: made, .. } if made == attempts),
                "{why:?}"
            );
            assert_eq!(client.send("lobby", "a").await, Err(SendError::Closed));
        });
    }
}

#[test]
fn a_hub_that_stops_and_starts_is_come_back_to_in_the_same_place() {
    run(async {
        let mut house = House::kept();
        let (alice, _) = house.options().name("alice").connect().await.expect("it is there");
        let (_bob, mut events) = house.options().name("bob").connect().await.expect("it is there");
        alice.send("lobby", "avant").await.expect("acknowledged");
        assert_eq!(said(&mut events).await, "avant");
        house.stop();
        let why = until(&mut events, |event| match event {
            Event::Reconnecting { why, .. } => Some(why.clone()),
            _ => None,
        });
        assert!(matches!(why.await, Lost::Goodbye(it) if it.code == "shutdown"));
        house.begin();
        let back = until(&mut events, |event| match event {
            Event::Connected(it) => Some((it.resumed, it.name.clone())),
            _ => None,
        });
        assert_eq!(back.await, (true, "bob".to_owned()));
        soon(alice.send("lobby", "après")).await.expect("acknowledged");
        assert_eq!(said(&mut events).await, "après");
    });
}

#[test]
fn two_thousand_that_come_back_at_once_are_spread_and_all_served() {
    const CLIENTS: usize = 2000;
    raise_file_limit();
    run(async {
        let mut house = House::new(&[]);
        let mut all = JoinSet::new();
        let (ready, mut is_ready) = tokio::sync::mpsc::channel(CLIENTS);
        for _ in 0..CLIENTS {
            let (options, ready) = (house.options().quiet(true), ready.clone());
            all.spawn(async move {
                let (client, mut events) = options.start();
                until(&mut events, |event| matches!(event, Event::Connected(_)).then_some(()))
                    .await;
                ready.send(()).await.expect("the test waits");
                let (mut first, mut due) = (None, Instant::now());
                // Each pause that is drawn, then the connection.
                let connected = until(&mut events, |event| match event {
                    Event::Reconnecting { after, .. } => {
                        first.get_or_insert(*after);
                        due = Instant::now() + *after;
                        None
                    }
                    Event::Connected(_) => Some(Instant::now()),
                    _ => None,
                })
                .await;
                drop(client);
                (first.expect("it was lost"), due, connected)
            });
        }
        for _ in 0..CLIENTS {
            soon(is_ready.recv()).await.expect("each connects");
        }
        house = spawn_blocking(move || {
            house.kill();
            house.begin();
            house
        })
        .await
        .expect("it starts again");
        let there = Instant::now();
        let (mut pauses, mut slowest) = (Vec::new(), Duration::ZERO);
        while let Some(one) = all.join_next().await {
            let (first, due, connected) = one.expect("it comes back");
            pauses.push(first);
            slowest = slowest.max(connected.saturating_duration_since(due.max(there)));
        }
        pauses.sort_unstable();
        println!("the slowest was served {slowest:?} after its pause");
        // Unoptimized, two thousand clients on one thread need most of that time themselves.
        let bound = Duration::from_secs(if cfg!(debug_assertions) { 15 } else { 5 });
        assert!(slowest < bound, "{slowest:?}");
        // Of 500 ms, evenly: each quarter has about as many as the next.
        for quarter in 1..4_u32 {
            let pause = pauses[CLIENTS / 4 * quarter as usize];
            let even = Duration::from_millis(125) * quarter;
            assert!(pause.abs_diff(even) < Duration::from_millis(40), "{quarter}: {pause:?}");
        }
        drop(house);
    });
}
