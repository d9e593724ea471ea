//! The client library over a network that cuts, and against what is no hub.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use trappe::client::{Client, Ended, Event, Events, Lost};

use crate::client_lab::{Heard, House, run, said, soon, to, until};
use crate::client_proxy::{Cut, Proxy, Random};

/// Takes events until somebody says `fin`.
fn listen(mut events: Events) -> JoinHandle<Heard> {
    tokio::spawn(async move {
        let mut heard = Heard::default();
        while !heard.texts.contains_key("fin") {
            let event = events.next().await.expect("the client lives");
            heard.take(&event);
        }
        heard
    })
}

#[test]
fn over_a_network_that_cuts_28_times_each_message_is_said_and_heard_once() {
    const CLIENTS: usize = 7;
    const CUTS: usize = 4;
    const SAYS: usize = 150;
    let seed = 0x7261_7070_6521;
    println!("seed {seed:#x}");
    run(async {
        let house = House::kept();
        let mut random = Random(seed);
        let (mut proxies, mut members) = (Vec::new(), Vec::new());
        let (mut talkers, mut listeners) = (Vec::new(), Vec::new());
        for _ in 0..CLIENTS {
            let plan = (0..CUTS).map(|_| Cut {
                up: 500 + random.up_to(4000),
                down: 500 + random.up_to(8000),
                reset: random.next().is_multiple_of(2),
            });
            let proxy = Proxy::start(house.port(), plan.collect(), random.next()).await;
            // No first cut comes before the greeting: everybody is there before anybody talks.
            let (client, events) = to(proxy.port).connect().await.expect("it is there");
            proxies.push(proxy);
            listeners.push(listen(events));
            members.push(client);
        }
        for (n, client) in members.into_iter().enumerate() {
            talkers.push(tokio::spawn(async move {
                for says in 0..SAYS {
                    soon_sent(&client, &format!("c{n} {says}")).await;
                }
                client
            }));
        }
        let mut clients = Vec::new();
        for talker in talkers {
            clients.push(talker.await.expect("everything is acknowledged"));
        }
        let (last, _) = house.options().connect().await.expect("it is there");
        soon_sent(&last, "fin").await;
        for (n, listener) in listeners.into_iter().enumerate() {
            let heard = listener.await.expect("it was promised nothing that it didn't get");
            heard.check_once();
            for from in (0..CLIENTS).filter(|&from| from != n) {
                for says in 0..SAYS {
                    let text = format!("c{from} {says}");
                    assert!(heard.texts.contains_key(&text), "c{n} never heard {text:?}");
                }
            }
        }
        assert_eq!(proxies.iter().map(Proxy::cuts).sum::<usize>(), CLIENTS * CUTS);
    });
}

async fn soon_sent(client: &Client, text: &str) {
    let sent = tokio::time::timeout(Duration::from_mins(1), client.send("lobby", text)).await;
    sent.expect("it ends in time").expect("it is acknowledged");
}

#[test]
fn a_connection_that_is_cut_anywhere_in_the_handshake_is_made_again() {
    run(async {
        let house = House::kept();
        let (witness, mut events) = house.options().connect().await.expect("it is there");
        // Bytes to the hub, bytes to the client: in the op that asks for JSON, in the hello, before and in its
        // answer, after it.
        let points = [
            (1, 999_999),
            (13, 999_999),
            (14, 999_999),
            (60, 999_999),
            (200, 1),
            (200, 28),
            (200, 90),
            (200, 190),
            (999_999, 260),
            (260, 999_999),
        ];
        let mut all = Vec::new();
        for (nth, (up, down)) in points.into_iter().enumerate() {
            // Something is said before the first cut; what follows is said in between.
            let first = Cut { up: 600, down: 1 << 20, reset: nth % 2 == 0 };
            let second = Cut { up, down, reset: nth % 2 == 1 };
            let proxy = Proxy::start(house.port(), vec![first, second], nth as u64).await;
            let (client, events) = to(proxy.port).connect().await.expect("it is there");
            all.push(tokio::spawn(async move {
                for n in 0..20 {
                    soon_sent(&client, &format!("{nth}: {n}")).await;
                }
                assert_eq!(proxy.cuts(), 2, "cut {nth}");
                drop(events);
            }));
        }
        for client in all {
            client.await.expect("everything is acknowledged");
        }
        soon_sent(&witness, "moi").await;
        let (last, _) = house.options().connect().await.expect("it is there");
        soon_sent(&last, "fin").await;
        let mut heard = Heard::default();
        while !heard.texts.contains_key("fin") {
            heard.take(&events.next().await.expect("the client lives"));
        }
        heard.check_once();
        heard.texts.retain(|text, _| text.contains(": "));
        assert_eq!(heard.texts.len(), points.len() * 20, "{:?}", heard.texts.keys());
    });
}

/// What is no hub: it reads the two lines of the greeting, says `answer` with the hello's number in the place of
/// `ID`, and waits.
async fn pretend(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    let port = listener.local_addr().expect("it is bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let mut hello = String::new();
            // An empty line, /format json, and the hello.
            for _ in 0..3 {
                hello.clear();
                stream.read_line(&mut hello).await.expect("the client greets");
            }
            let hello: serde_json::Value = serde_json::from_str(&hello).expect("an op");
            let id = hello["id"].to_string();
            let text = String::from_utf8(answer.clone());
            let bytes = text.map_or_else(std::string::FromUtf8Error::into_bytes, |text| {
                text.replace("ID", &id).into_bytes()
            });
            // It may be given up in the middle.
            drop(stream.get_mut().write_all(&bytes).await);
            drop(stream.read_to_end(&mut Vec::new()).await);
        }
    });
    port
}

const HELLO: &str = r#"{"ev":"hello","session":"s","sid":1,"name":"client-1","rooms":[{"room":"lobby","pos":"aaaaaaaaaa@0"}],"id":ID}"#;

#[test]
fn bytes_that_no_hub_says_end_the_connection_with_the_reason_and_nothing_else() {
    run(async {
        let ts = r#""from":"b","ts":"2026-11-23T17:18:45.656Z""#;
        let ends: Vec<Vec<u8>> = vec![
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(),
            b"\0\x01\x02\xff\n".to_vec(),
            [HELLO.as_bytes(), b"\nbonjour\n"].concat(),
            [HELLO.as_bytes(), b"\n[1,2,3]\n"].concat(),
            [HELLO.as_bytes(), b"\n", "[".repeat(500_000).as_bytes(), b"\n"].concat(),
            [HELLO.as_bytes(), b"\n", "x".repeat(3 << 20).as_bytes()].concat(),
            format!(
                "{HELLO}\n{{\"ev\":\"msg\",\"room\":\"lobby\",\"seq\":1,{ts},\"b64\":\"?\"}}\n"
            )
            .into_bytes(),
            format!(
                "{HELLO}\n{{\"ev\":\"msg\",\"room\":\"lobby\",\"seq\":1e99,{ts},\"text\":\"\"}}\n"
            )
            .into_bytes(),
            format!("{HELLO}\n{{\"ev\":\"ack\",\"room\":\"lobby\",\"seq\":-1}}\n").into_bytes(),
        ];
        for answer in ends {
            let port = pretend(answer.clone()).await;
            let (client, mut events) = to(port).retry(0).start();
            let sent = client.submit("lobby", "a").await.expect("taken");
            let why = until(&mut events, |event| match event {
                Event::Ended(why) => Some(why.clone()),
                _ => None,
            })
            .await;
            let Ended::GaveUp { why, .. } = why else { panic!("{why:?}") };
            assert!(
                matches!(why, Lost::NotAnEvent(_) | Lost::LineTooLong(_)),
                "{why:?} after {answer:?}"
            );
            assert!(soon(sent).await.is_err());
        }
    });
}

#[test]
fn what_a_hub_says_out_of_turn_changes_nothing() {
    run(async {
        let ts = r#""from":"b","ts":"2026-11-23T17:18:45.656Z""#;
        let odd = [
            r#"{"ev":"ack","room":"lobby","seq":9007199254740991,"id":9007199254740991}"#,
            r#"{"ev":"ack","room":"lobby","seq":0,"id":0}"#,
            r#"{"ev":"ack","op":"get","count":3,"id":77}"#,
            r#"{"ev":"hello","session":"t","sid":2,"name":"x","rooms":[],"id":1}"#,
            r#"{"ev":"live","room":"ailleurs","pos":"aaaaaaaaaa@0"}"#,
            r#"{"ev":"gap","room":"lobby","from":18446744073709551615,"to":1,"cause":"jamais"}"#,
            r#"{"ev":"who","room":"lobby","count":0,"members":[],"id":99}"#,
            r#"{"ev":"error","code":"too-long","text":""}"#,
            r#"{"ev":"leave","room":"ailleurs","from":"x","own":true}"#,
            r#"{"ev":"join","room":"ailleurs","from":"x","pos":"aaaaaaaaaa@0","members":1,"own":true,"id":3}"#,
            r#"{"ev":"state","room":"lobby","seq":1,"key":"k","from":"b","ts":"2026-11-23T17:18:45.656Z","text":"","id":5}"#,
        ];
        let last = format!(
            "{{\"ev\":\"msg\",\"room\":\"lobby\",\"seq\":9007199254740990,{ts},\"text\":\"fin\"}}"
        );
        let port = pretend(format!("{HELLO}\n{}\n{last}\n", odd.join("\n")).into_bytes()).await;
        let (_client, mut events) = to(port).retry(0).connect().await.expect("it greets");
        assert_eq!(said(&mut events).await, "fin");
    });
}

#[test]
fn who_says_nothing_as_a_hub_is_given_up() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let error = to(port).connect().await.map(drop).expect_err("it isn't accepted");
        assert!(error.to_string().contains("no greeting"), "{error}");
    });
}
