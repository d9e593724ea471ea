//! The three client libraries in one room, as their users have them: this program, a Python script, and the page in a
//! real Chromium, through a hub that is killed with -9 five times and started again on its port.
//!
//! In the lobby the page says something, and both others answer it twice. What a page shows has a bound, so that is not
//! much; the load is a room beside it, in which Rust and Python answer each other as fast as they can: a fixed number of
//! messages goes round, so nobody falls behind, and one that is lost or doubled is seen. At the end everybody was
//! acknowledged everything (the page shows nothing in doubt), and heard everything of each of the others once, in order.

use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, from_str};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use trappe::client::{Acknowledgement, Client, Event, Options};

use crate::client_lab::{Heard, House, run_within, soon, to};
use crate::page;
use crate::process::Process;
use crate::tools::python;

const KILLS: usize = 5;
/// What the page says between two kills. With two answers to each by two others, and the last round, it has 300 rows.
const ROUND: usize = 10;
/// Messages that go round in the room beside.
const LOAD: usize = 32;
const LOAD_ROOM: &str = "load";
/// Generous: only a failure uses it up. With many breaks in a row a client comes back after up to 20 s.
const LONG: Duration = Duration::from_mins(1);
const ALL: Duration = Duration::from_mins(4);

/// What the test tells its program.
enum Word {
    /// Sets the load going.
    Load,
    /// Says the last in both rooms, and ends.
    Fin,
}

/// What the program heard and said.
#[derive(Default)]
struct Told {
    /// Author and text, in their order.
    lobby: Vec<(String, String)>,
    load: Vec<(String, String)>,
    said: Vec<String>,
    said_load: Vec<String>,
    /// In both rooms: held to order, no repeat and no gap.
    heard: [Heard; 2],
}

/// The number in `page 7`, if that is who says it.
fn number(of: &str, name: &str, text: &str) -> Option<usize> {
    text.strip_prefix(of).filter(|_| name == of)?.trim_start().parse().ok()
}

/// The program says its next one in the room beside.
async fn go_round(client: &Client, acks: &mut Vec<Acknowledgement>, said: &mut Vec<String>) {
    let text = format!("rust {}", said.len());
    acks.push(client.submit(LOAD_ROOM, &text).await.expect("the client lives"));
    said.push(text);
}

/// The program: it answers until it is told to end; what it hears of the lobby it also tells at once, and each comeback
/// as `*`.
async fn program(
    options: Options,
    mut words: UnboundedReceiver<Word>,
    hears: Sender<String>,
) -> Told {
    let options = options.name("rust").room("lobby").room(LOAD_ROOM);
    let (client, mut events) = options.connect().await.expect("it is there");
    for room in ["lobby", LOAD_ROOM] {
        // From here on its session is on disk, and the room.
        soon(client.send(room, "rust est là")).await.expect("acknowledged");
    }
    let tell = |what: &str| drop(hears.send(what.to_owned()));
    let (mut told, mut acks) = (Told::default(), Vec::new());
    let (mut greeted, mut ends) = (false, false);
    while !ends || told.load.last().is_none_or(|(_, text)| text != "fin") {
        let event = tokio::select! {
            event = events.next() => event.expect("the client lives"),
            word = words.recv() => {
                match word.expect("the test goes on") {
                    Word::Load => for _ in 0..LOAD {
                        go_round(&client, &mut acks, &mut told.said_load).await;
                    },
                    Word::Fin => {
                        ends = true;
                        for room in [LOAD_ROOM, "lobby"] {
                            acks.push(client.submit(room, "fin").await.expect("the client lives"));
                        }
                    }
                }
                continue;
            }
        };
        let loads = matches!(&event, Event::Message(it) if it.room == LOAD_ROOM)
            || matches!(&event, Event::Gap(it) if it.room == LOAD_ROOM);
        told.heard[usize::from(loads)].take(&event);
        match event {
            Event::Message(it) if loads => {
                let text = it.text().into_owned();
                if !ends && number("python", &it.name, &text).is_some() {
                    go_round(&client, &mut acks, &mut told.said_load).await;
                }
                told.load.push((it.name, text));
            }
            Event::Message(it) => {
                let text = it.text().into_owned();
                if let Some(number) = number("page", &it.name, &text) {
                    for nth in [1, 2] {
                        let text = format!("rust {number}.{nth}");
                        told.said.push(text.clone());
                        acks.push(client.submit("lobby", text).await.expect("the client lives"));
                    }
                }
                tell(&text);
                told.lobby.push((it.name, text));
            }
            Event::Connected(it) => {
                assert_eq!(it.resumed, greeted, "its session was on disk");
                greeted = true;
                tell("*");
            }
            // A gap was looked at above.
            Event::Reconnecting { .. }
            | Event::Gap(_)
            | Event::Live { .. }
            | Event::Joined { .. }
            | Event::Left { .. }
            | Event::Renamed { .. } => {}
            other => panic!("nothing else happens: {other:?}"),
        }
    }
    for ack in acks {
        soon(ack).await.expect("each is acknowledged, by whichever hub");
    }
    told
}

/// What the program hears, as it comes.
struct Ear {
    from: Receiver<String>,
    had: Vec<String>,
}

impl Ear {
    /// Waits until it has heard `wanted` so many times in all.
    #[track_caller]
    fn until(&mut self, wanted: &str, times: usize) {
        let end = Instant::now() + LONG;
        while self.had.iter().filter(|it| *it == wanted).count() < times {
            match self.from.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(it) => self.had.push(it),
                Err(RecvTimeoutError::Timeout) => {
                    panic!("{wanted:?} never came; these did: {:#?}", self.had)
                }
                Err(RecvTimeoutError::Disconnected) => panic!("the program ended: see above"),
            }
        }
    }
}

/// Waits for a child's line that begins so, the `nth`, and gives what follows in it.
#[track_caller]
fn line(process: &Process, begins: &str, nth: usize) -> String {
    let found = process.out.wait(LONG, |lines, _| {
        lines.iter().filter_map(|line| line.strip_prefix(begins)).nth(nth).map(str::to_owned)
    });
    found.unwrap_or_else(|| {
        panic!("no {begins:?} came; but {:#?}, {:#?}", process.out.all(), process.err.all())
    })
}

/// The two answers to each thing that the page says.
fn answers(name: &str) -> Vec<String> {
    let said = 0..(KILLS + 1) * ROUND;
    said.flat_map(|n| [format!("{name} {n}.1"), format!("{name} {n}.2")]).collect()
}

/// What `name` said, in the order in which it was heard, without its greeting.
fn of<'a>(name: &str, heard: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let its = heard.into_iter().filter(|&(from, text)| from == name && !text.ends_with(" est là"));
    its.map(|(_, text)| text.to_owned()).collect()
}

/// The texts of a list.
fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("a list").iter();
    list.map(|it| it.as_str().expect("a text").to_owned()).collect()
}

/// Fails unless somebody had of somebody what that one said; tells what is wrong in a line that can be read.
#[track_caller]
fn same(who: &str, found: &[String], said: &[String]) {
    if found == said {
        return;
    }
    let missing: Vec<_> = said.iter().filter(|it| !found.contains(it)).collect();
    let mut sorted: Vec<_> = found.iter().collect();
    sorted.sort_unstable();
    let twice: Vec<_> = sorted.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    panic!("{who}: missing {missing:?}, twice {twice:?}; or not in this order: {found:?}");
}

fn pairs(told: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    told.iter().map(|(name, text)| (name.as_str(), text.as_str()))
}

/// Name and text of what the script heard in a room; its numbers have to grow.
#[track_caller]
fn heard_by_script<'a>(told: &'a Value, room: &str) -> Vec<(&'a str, &'a str)> {
    let heard = told["heard"][room].as_array().expect("a list");
    assert!(heard.iter().all(|it| it[1] == heard[0][1]), "one life of {room}");
    let seqs: Vec<_> = heard.iter().map(|it| it[2].as_u64().expect("a number")).collect();
    assert!(seqs.is_sorted_by(|a, b| a < b), "{room}: {seqs:?}");
    let text = |it: &'a Value| it.as_str().expect("a text");
    heard.iter().map(|it| (text(&it[0]), text(&it[3]))).collect()
}

#[test]
fn a_program_a_script_and_a_page_miss_and_repeat_nothing_while_the_hub_is_killed() {
    let Some(interpreter) = python() else { return };
    let mut house = House::kept();
    let port = house.port().to_string();
    let Some(mut page) = page::start("together", &["together.mjs", &port]) else { return };
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients/python");
    let mut command = Command::new(interpreter);
    command.arg("together.py").arg(&port).current_dir(clients);
    let mut script = Process::spawn(command.env("PYTHONDONTWRITEBYTECODE", "1"));
    let ((words, hear_words), (hears, from)) = (unbounded_channel(), channel());
    let options = to(house.port());
    let program = thread::spawn(move || run_within(ALL, program(options, hear_words, hears)));
    let mut ear = Ear { from, had: Vec::new() };
    ear.until("*", 1);
    line(&script, "ready", 0);
    line(&page, "ready", 0);
    let tell = |word| assert!(words.send(word).is_ok(), "the program ended: see above");
    tell(Word::Load);

    for round in 0..=KILLS {
        let (first, end) = (round * ROUND, (round + 1) * ROUND);
        page.write(format!("say {first} {end}\n"));
        // The page is in the middle of it, and the others answer. What was heard just now isn't on disk yet, as a rule:
        // the kill takes it from the hub, and whoever has heard it, the page too, hears it again.
        let third = first + 2;
        let cue =
            if round % 2 == 0 { format!("python {third}.1") } else { format!("page {third}") };
        ear.until(&cue, 1);
        if round < KILLS {
            house.kill();
            house.begin();
            // Everybody is back before the next one.
            ear.until("*", round + 2);
            line(&script, "connected", round + 1);
        }
        ear.until(&format!("page {}", end - 1), 1);
        ear.until(&format!("python {}.2", end - 1), 1);
    }
    tell(Word::Fin);
    page.write("end\n");
    let program = program.join().expect("it was promised nothing that it didn't get");
    let script_told: Value = from_str(&format!("{{{}", line(&script, "{", 0))).expect("JSON");
    let page_told: Value = from_str(&line(&page, "shown ", 0)).expect("JSON");
    page::end("together", &mut page, LONG);
    assert_eq!(script.ended_within(LONG).code, Some(0));

    // The program.
    let page_said: Vec<_> = (0..(KILLS + 1) * ROUND).map(|n| format!("page {n}")).collect();
    let script_said = [texts(&script_told["said"]["lobby"]), texts(&script_told["said"]["load"])];
    for heard in &program.heard {
        heard.check_once();
    }
    assert_eq!(program.heard[0].reconnects as usize, KILLS);
    assert_eq!(program.said, answers("rust"));
    same("rust of page", &of("page", pairs(&program.lobby)), &page_said);
    same("rust of python", &of("python", pairs(&program.lobby)), &answers("python"));
    same("rust of python", &of("python", pairs(&program.load)), &script_said[1]);
    assert_eq!(of("rust", pairs(&program.lobby)), [""; 0], "nobody hears itself");

    // The script.
    let fin = ["fin".to_owned()];
    let [lobby, load] = ["lobby", "load"].map(|room| heard_by_script(&script_told, room));
    assert_eq!(script_said[0], answers("python"));
    same("python of page", &of("page", lobby.iter().copied()), &page_said);
    same("python of rust", &of("rust", lobby.iter().copied()), &[&program.said[..], &fin].concat());
    same(
        "python of rust",
        &of("rust", load.iter().copied()),
        &[&program.said_load[..], &fin].concat(),
    );
    assert_eq!(of("python", lobby.iter().chain(&load).copied()), [""; 0], "nobody hears itself");
    let gaps = script_told["gaps"].as_array().expect("a list");
    assert!(gaps.iter().all(|gap| gap[1] == "unused" && gap[2] == 0), "{gaps:?}");
    let others = texts(&script_told["others"]);
    let back = others.iter().filter(|it| *it == "connected, resumed: True").count();
    assert_eq!(back, KILLS, "{others:?}");

    // The page: all of the three, itself too, and nothing in doubt.
    let rows = page_told["rows"].as_array().expect("a list");
    let shown: Vec<_> = rows
        .iter()
        .filter_map(|row| Some((row["from"].as_str()?, row["text"].as_str()?)))
        .collect();
    same("page of page", &of("page", shown.iter().copied()), &page_said);
    same("page of python", &of("python", shown.iter().copied()), &answers("python"));
    same("page of rust", &of("rust", shown.iter().copied()), &[&program.said[..], &fin].concat());
    let notes: Vec<_> = rows.iter().filter(|row| row["note"].is_string()).collect();
    assert!(notes.is_empty(), "{notes:?}");
    assert_eq!(page_told["lives"], 0, "it is the same room all along: {rows:#?}");
    println!("beside, {} and {} messages", program.said_load.len(), script_said[1].len());
}
