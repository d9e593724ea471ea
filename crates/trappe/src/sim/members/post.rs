//! Who posts by HTTP, each message over a connection of its own, under a key: it tries again until it is answered.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc::UnboundedReceiver,
    task::spawn_local,
    time::{Instant, sleep},
};

use super::{Body, Order};
use crate::sim::{
    chance::Chance,
    model::{How, Place},
    net,
};

/// How long it tries: a key is good for two minutes.
const TRIES: Duration = Duration::from_secs(100);

/// What became of a request.
enum Answer {
    /// The message has a place, as the hub of this life says.
    Said(Place, u32),
    /// The disk didn't take it.
    NotStored,
    /// It may be tried again.
    None(String),
}

/// Lives until nobody gives orders any more.
pub(crate) async fn live(body: Body, mut chance: Chance, mut orders: UnboundedReceiver<Order>) {
    body.does(|doing| {
        doing.is_there = true;
        doing.rooms = [("lobby".to_owned(), None)].into();
    });
    while let Some(order) = orders.recv().await {
        if let Order::Say(room, text) = order {
            body.says(&room, &text, How::Whole);
            spawn_local(post(
                body.clone(),
                Chance::of(chance.within(0..=u64::MAX), "post"),
                room,
                text,
            ));
        }
    }
}

/// Posts one message, again and again until that is answered.
async fn post(body: Body, mut chance: Chance, room: String, text: String) {
    let began = Instant::now();
    while began.elapsed() < TRIES {
        match ask(&body, &room, &text).await {
            Answer::Said(place, hub) => return body.is_acked(&room, &text, &place, Some(hub)),
            Answer::NotStored => {
                body.gives_up(&text, "not-stored");
                if !body.world.with(|told| told.model.may_refuse()) {
                    body.breaks("the disk is well, and the hub says not-stored");
                }
                return;
            }
            Answer::None(why) => body.note(&format!("posts again: {why}")),
        }
        sleep(chance.time(Duration::from_millis(10)..=Duration::from_secs(2))).await;
    }
    body.gives_up(&text, "time");
}

async fn ask(body: &Body, room: &str, text: &str) -> Answer {
    let name = format!("post {}", body.who);
    let Ok((mut stream, _)) = net::connect(&name).await else {
        return Answer::None("nobody listens".to_owned());
    };
    let hub = body.world.hub();
    let key = text.split(' ').next().unwrap_or_default();
    let request = format!(
        "POST /rooms/{room}/messages HTTP/1.1\r\nHost: localhost:5566\r\nX-Trappe: 1\r\n\
         Idempotency-Key: {key}\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    );
    // Cut short, its first line is the beginning of a request no more than GET coffee is (docs/protocol.md §1).
    body.writes("lobby", request.lines().next().unwrap_or_default());
    let mut answer = Vec::new();
    let written = stream.write_all(request.as_bytes()).await;
    let read = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).unwrap_or_default();
    let body_of = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    match status {
        "201" => {
            let said = serde_json::from_str::<serde_json::Value>(body_of);
            let place = said
                .ok()
                .and_then(|said| Some(Place::new(said["epoch"].as_str()?, said["seq"].as_u64()?)));
            // Its end may be lost: it is asked for again.
            place.map_or_else(
                || Answer::None("half an answer".to_owned()),
                |place| Answer::Said(place, hub),
            )
        }
        "507" | "503" if body_of.contains("not-stored") => Answer::NotStored,
        _ => Answer::None(format!("{status} {written:?} {read:?} {body_of}")),
    }
}
