//! The client library against the real hub: what it promises when nothing goes wrong.

use std::time::Duration;

use trappe::client::{AskError, ConnectError, Ended, Event, Lost, SendError};

use crate::client_lab::{House, run, said, soon, to, until};
use crate::kept_hub::Folder;

#[test]
fn what_one_says_the_others_hear_and_an_acknowledgement_says_where() {
    run(async {
        let house = House::new(&[]);
        let (alice, mut hears_alice) =
            house.options().name("alice").connect().await.expect("it is there");
        let (bob, mut hears_bob) =
            house.options().name("bob").room("lobby").connect().await.expect("it is there");
        let first = alice.send("lobby", "bonjour").await.expect("acknowledged");
        let second = alice.send("LOBBY", "une ligne\net l'autre").await.expect("acknowledged");
        assert_eq!((first.seq, second.seq, &first.epoch), (1, 2, &second.epoch));
        let message = until(&mut hears_bob, |event| match event {
            Event::Message(message) => Some(message.clone()),
            _ => None,
        })
        .await;
        assert_eq!((message.name.as_str(), &message.text()[..]), ("alice", "bonjour"));
        assert_eq!((&message.position, message.own, message.old), (&first, false, false));
        assert_eq!(said(&mut hears_bob).await, "une ligne\net l'autre");
        bob.send("lobby", b"caf\xe9").await.expect("acknowledged");
        let body = until(&mut hears_alice, |event| match event {
            Event::Message(message) => Some(message.body.clone()),
            _ => None,
        });
        assert_eq!(body.await, b"caf\xe9");
    });
}

#[test]
fn a_client_is_in_several_rooms_and_asks_what_it_wants_to_know() {
    run(async {
        let house = House::new(&[]);
        let (alice, mut events) =
            house.options().name("alice").connect().await.expect("it is there");
        let (bob, mut hears_bob) =
            house.options().name("bob").connect().await.expect("it is there");
        let place = alice.join("jardin").await.expect("a name");
        assert_eq!(place.seq, 0);
        alice.send("jardin", "seule").await.expect("acknowledged");
        alice.send("lobby", "ensemble").await.expect("acknowledged");
        let members = alice.who("jardin").await.expect("there is one");
        assert_eq!((members.count, members.listed[0].name.as_str()), (1, "alice"));
        let history = bob.history("lobby", 10).await.expect("there is one");
        assert_eq!(
            history.iter().map(|it| it.text().into_owned()).collect::<Vec<_>>(),
            ["ensemble"]
        );
        assert!(history[0].old && !history[0].own && !history[0].position.epoch.is_empty());
        // Bob comes later, and from the beginning.
        bob.join_after("jardin", &place).await.expect("a position");
        let old = until(&mut hears_bob, |event| match event {
            Event::Message(message) if message.room == "jardin" => Some(message.old),
            _ => None,
        });
        assert!(old.await);
        let live = until(&mut hears_bob, |event| match event {
            Event::Live { room, position } => Some((room.clone(), position.seq)),
            _ => None,
        });
        assert_eq!(live.await, ("jardin".to_owned(), 1));
        bob.direct("alice", "psst").await.expect("she is there");
        let direct = until(&mut events, |event| match event {
            Event::Direct(direct) => Some((direct.name.clone(), direct.text().into_owned())),
            _ => None,
        });
        assert_eq!(direct.await, ("bob".to_owned(), "psst".to_owned()));
        assert_eq!(bob.nick("robert").await.as_deref(), Ok("robert"));
        assert!(bob.ask(r#"{"op":"rooms"}"#).await.expect("an answer").contains("jardin"));
        alice.leave("jardin").await.expect("she was there");
        let refused = alice.send("jardin", "encore").await.expect_err("she isn't there");
        assert!(
            matches!(&refused, SendError::Refused(it) if it.code == "not-in-room"),
            "{refused}"
        );
        let nobody = bob.direct("personne", "a").await.expect_err("nobody is called so");
        assert!(
            matches!(&nobody, AskError::Refused(it) if it.code == "no-such-member"),
            "{nobody}"
        );
    });
}

#[test]
fn the_state_of_a_room_is_set_asked_for_and_followed() {
    run(async {
        let house = House::new(&[]);
        let (alice, _) = house.options().name("alice").connect().await.expect("it is there");
        let (bob, mut events) = house.options().connect().await.expect("it is there");
        alice.set("lobby", "but", "un").await.expect("there is space");
        let value = bob.get("lobby", "but").await.expect("it has a value");
        assert_eq!((value.value.as_slice(), value.name.as_str()), (&b"un"[..], "alice"));
        bob.subscribe("lobby").await.expect("it is in the room");
        let keys = until(&mut events, |event| match event {
            Event::Snapshot { keys, .. } => Some(*keys),
            _ => None,
        });
        assert_eq!(keys.await, 1);
        alice.set_version("lobby", "but", 7, "deux").await.expect("it is newer");
        let old = alice.set_version("lobby", "but", 6, "trois").await.expect_err("it is older");
        assert!(matches!(&old, AskError::Refused(it) if it.code == "stale-version"), "{old}");
        let second = until(&mut events, |event| match event {
            Event::State(state) if state.value == b"deux" => Some(state.version),
            _ => None,
        });
        assert_eq!(second.await, Some(7));
        let none = bob.get("lobby", "rien").await.expect_err("it has no value");
        assert!(matches!(&none, AskError::Refused(it) if it.code == "no-such-key"), "{none}");
    });
}

#[test]
fn own_messages_come_back_to_who_asks_for_them_in_their_places() {
    run(async {
        let house = House::new(&[]);
        let (alice, mut events) = house.options().echo(true).connect().await.expect("it is there");
        let (bob, _) = house.options().connect().await.expect("it is there");
        for n in 0..10 {
            alice.send("lobby", format!("a{n}")).await.expect("acknowledged");
            bob.send("lobby", format!("b{n}")).await.expect("acknowledged");
        }
        for n in 0..10 {
            assert_eq!(said(&mut events).await, format!("a{n}"));
            assert_eq!(said(&mut events).await, format!("b{n}"));
        }
    });
}

#[test]
fn a_hub_on_a_unix_socket_is_reached_by_its_path() {
    run(async {
        let folder = Folder::new();
        let path = folder.path("s");
        let listen = format!("unix:{}", path.display());
        let house = House::new(&["--listen", &listen]);
        let options = trappe::client::Options::new(&listen).expect("a path");
        let (client, _) = options.connect().await.expect("it is there");
        let (_other, mut events) = house.options().connect().await.expect("it is there");
        client.send("lobby", "par le fichier").await.expect("acknowledged");
        assert_eq!(said(&mut events).await, "par le fichier");
    });
}

#[test]
fn what_cannot_be_connected_to_is_an_error_that_says_why() {
    run(async {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let port = free.local_addr().expect("it is bound").port();
        drop(free);
        let refused = to(port).connect().await.map(drop).expect_err("nobody is there");
        assert!(matches!(&refused, ConnectError::Lost(Lost::Unreachable(_))), "{refused:?}");
        let told = refused.to_string();
        assert!(
            told.contains(&format!("127.0.0.1:{port} refused")) && told.contains("trappe server"),
            "{told}"
        );

        let house = House::new(&[]);
        let (_alice, _events) = house.options().name("alice").connect().await.expect("it is there");
        for (options, code) in [
            (house.options().name("Alice"), "name-taken"),
            (house.options().name("a b"), "bad-name"),
            (house.options().room("a b"), "bad-name"),
        ] {
            let refused = options.connect().await.map(drop).expect_err("it won't do");
            assert!(
                matches!(&refused, ConnectError::Refused(it) if it.code == code),
                "{refused:?}"
            );
        }
        for wrong in ["", "a:b:c", "host:0", "unix:"] {
            let error = trappe::client::Options::new(wrong).expect_err("no address");
            assert!(error.to_string().contains("no address of a hub: "), "{error}");
        }
    });
}

#[test]
fn what_is_too_long_is_refused_here_or_by_the_hub_and_nothing_else_suffers() {
    run(async {
        let house = House::new(&["--max-message", "1KiB"]);
        let (client, _) = house.options().connect().await.expect("it is there");
        let (other, mut events) = house.options().connect().await.expect("it is there");
        let here = client.send("lobby", vec![b'x'; 70_000]).await.expect_err("too long");
        assert!(matches!(here, SendError::TooLong { max: 65_536, .. }), "{here}");
        let sends = [
            client.submit("lobby", "un").await.expect("taken"),
            client.submit("lobby", vec![b'x'; 2000]).await.expect("taken"),
            client.submit("lobby", "deux").await.expect("taken"),
        ];
        let mut outcomes = Vec::new();
        for send in sends {
            outcomes.push(send.await.map(|position| position.seq));
        }
        assert_eq!((&outcomes[0], &outcomes[2]), (&Ok(1), &Ok(2)));
        assert!(
            matches!(&outcomes[1], Err(SendError::Refused(it)) if it.code == "too-long"),
            "{outcomes:?}"
        );
        let long = other.set("lobby", "k", vec![b'x'; 2000]).await.expect_err("too long");
        assert!(matches!(&long, AskError::Refused(it) if it.code == "too-long"), "{long}");
        assert_eq!(
            (said(&mut events).await, said(&mut events).await),
            ("un".to_owned(), "deux".to_owned())
        );
    });
}

#[test]
fn who_drains_has_said_everything_and_who_closes_ends_at_once() {
    run(async {
        let house = House::kept();
        let (alice, mut hears_alice) = house.options().connect().await.expect("it is there");
        let (bob, mut hears_bob) = house.options().connect().await.expect("it is there");
        let mut acks = Vec::new();
        for n in 0..500 {
            acks.push(alice.submit("lobby", format!("mot {n}")).await.expect("taken"));
        }
        soon(alice.drain(Duration::from_secs(20))).await.expect("all is acknowledged");
        for ack in acks {
            ack.await.expect("acknowledged");
        }
        assert_eq!(alice.send("lobby", "encore").await, Err(SendError::Closed));
        assert_eq!(alice.who("lobby").await.map(drop), Err(AskError::Closed));
        let why = until(&mut hears_alice, |event| match event {
            Event::Ended(why) => Some(why.clone()),
            _ => None,
        });
        assert_eq!(why.await, Ended::Drained);
        assert_eq!(hears_alice.next().await, None);
        for n in 0..500 {
            assert_eq!(said(&mut hears_bob).await, format!("mot {n}"));
        }
        bob.close();
        let why = until(&mut hears_bob, |event| match event {
            Event::Ended(why) => Some(why.clone()),
            _ => None,
        });
        assert_eq!(why.await, Ended::Closed);
    });
}

#[test]
fn a_session_that_is_taken_over_ends_the_client_that_had_it() {
    run(async {
        let house = House::new(&[]);
        let (client, mut events) = house.options().connect().await.expect("it is there");
        let why = client.ask(r#"{"op":"quit"}"#).await.expect_err("it has a method of its own");
        assert!(matches!(why, AskError::Invalid(_)), "{why}");
        // Both handles are gone: so is the member.
        drop(client);
        let (other, _) = house.options().connect().await.expect("it is there");
        assert_eq!(
            other.who("lobby").await.expect("there is one").count,
            2,
            "its events are still taken"
        );
        events = {
            drop(events);
            let (_, events) = house.options().name("témoin").connect().await.expect("it is there");
            events
        };
        let left = until(&mut events, |event| matches!(event, Event::Connected(_)).then_some(()));
        left.await;
        while other.who("lobby").await.expect("there is one").count > 2 {}
    });
}

#[test]
fn who_takes_no_events_loses_none_and_can_still_send() {
    const SAID: usize = 4000;
    run(async {
        let house = House::new(&[]);
        let (alice, _) = house.options().connect().await.expect("it is there");
        let (bob, mut events) = house.options().connect().await.expect("it is there");
        let mut acks = Vec::new();
        for n in 0..SAID {
            acks.push(
                alice.submit("lobby", format!("{n} {}", "x".repeat(1000))).await.expect("taken"),
            );
        }
        for ack in acks {
            soon(ack).await.expect("acknowledged");
        }
        // Far more waits for bob than his queue takes; his own acknowledgement comes behind it.
        soon(bob.send("lobby", "moi aussi")).await.expect("acknowledged");
        for n in 0..SAID {
            let text = said(&mut events).await;
            assert_eq!(text.split(' ').next(), Some(n.to_string().as_str()));
        }
    });
}
