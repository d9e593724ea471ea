//! All kinds of client in one room on one port: `nc`, a browser's WebSocket, a script in JSON, `curl` that sends and
//! follows, `trappe client`. Each hears what the others say.

use std::process::Command;

use serde_json::{Value, json};

use crate::browser::{neighbour, says};
use crate::chromium::Chromium;
use crate::hub::{Hub, trappe};
use crate::process::Process;
use crate::tools::{netcat, python, tool};

/// A script in JSON: says each line of its input, and prints each event.
const SCRIPT: &str = r#"
import json, socket, sys, threading
hub = socket.create_connection(("localhost", int(sys.argv[1])))
def op(**op): hub.sendall((json.dumps(op) + "\n").encode())
def listen():
    for line in hub.makefile(encoding="utf-8"): print(line, end="", flush=True)
threading.Thread(target=listen, daemon=True).start()
hub.sendall(b"/format json\n")
op(op="nick", name="pierre")
op(op="join", room=sys.argv[2])
for line in sys.stdin: op(op="send", room=sys.argv[2], text=line.rstrip("\n"))
"#;

/// One of each, all in one room; each is there when it has been answered.
struct Room<'a> {
    hub: &'a Hub,
    /// The room as an address has it.
    path: &'a str,
    nc: Process,
    script: Process,
    client: Process,
    follower: Process,
    browser: Chromium,
}

impl Room<'_> {
    /// `None`, said as skipped, where one of the programs is missing.
    #[track_caller]
    fn fill<'a>(hub: &'a Hub, room: &str, path: &'a str) -> Option<Room<'a>> {
        let (netcat, python, curl) = (netcat()?, python()?, tool("curl")?);
        let browser = neighbour(hub)?;
        let port = hub.port().to_string();
        let mut nc = Process::run(netcat, &["127.0.0.1", &port]);
        nc.write(format!("/nick nora\n/join {room}\n"));
        nc.out.line(|line| line.starts_with("* ") && line.contains(room));
        let script = Process::run(python, &["-c", SCRIPT, &port, room]);
        let entered = format!("{{\"ev\":\"join\",\"room\":{}", json!(room));
        script.out.line(|line| line.starts_with(&entered));
        let client = ["client", "--port", &port, "--nick", "tristan", "--room", room];
        let mut client = Process::spawn(&mut trappe(&client));
        // In a pipe it prints what is said, and nothing about itself.
        client.write("me voici\n");
        nc.out.line(|line| line == "<tristan> me voici");
        let events = format!("http://localhost:{port}/rooms/{path}/events");
        // It begins after message 0, so that it is there once it has shown the first.
        let follower = Process::run(curl, &["-sSN", "-H", "Last-Event-ID: 0", &events]);
        follower.out.line(|line| line.contains("\"text\":\"me voici\""));
        browser.run(&format!("var ws = await socket('json', {}); ws.protocol", json!(path)));
        browser.run("ws.send(JSON.stringify({ op: 'nick', name: 'brigitte' }))");
        browser.run(&format!("var source = await events({})", json!(path)));
        Some(Room { hub, path, nc, script, client, follower, browser })
    }

    /// Says `text` as the one called `name`.
    #[track_caller]
    fn say(&mut self, name: &str, text: &str) {
        let line = format!("{text}\n");
        match name {
            "nora" => self.nc.write(line),
            "pierre" => self.script.write(line),
            "tristan" => self.client.write(line),
            "brigitte" => {
                let op = json!({"op": "send", "text": text}).to_string();
                self.browser.run(&format!("ws.send({})", json!(op)));
            }
            "carole" => self.post(name, text),
            _ => panic!("nobody here is called {name}"),
        }
    }

    /// Says `text` by one run of curl.
    #[track_caller]
    fn post(&self, name: &str, text: &str) {
        let url = format!("http://localhost:{}/rooms/{}/messages", self.hub.port(), self.path);
        let name = format!("X-Trappe-Name: {name}");
        let curl = ["-sS", "-d", text, "-H", "X-Trappe: 1", "-H", &name, &url];
        let ended = Process::spawn(Command::new("curl").args(curl)).end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let answer: Value = serde_json::from_str(&ended.out).expect("the answer is JSON");
        assert!(answer["seq"].is_u64() && answer["epoch"].is_string(), "{answer}");
    }

    /// Everybody but who said it hears `text` from `name`, those who follow too, under one number.
    #[track_caller]
    fn hears(&self, name: &str, text: &str) -> Value {
        let shown = format!("<{name}> {text}");
        for (own, out) in [("nora", &self.nc.out), ("tristan", &self.client.out)] {
            if own != name {
                out.line(|line| line == shown);
            }
        }
        let wanted = format!("\"text\":{}", json!(text));
        let event = |line: &str| serde_json::from_str::<Value>(line).expect("an event is JSON");
        let data =
            self.follower.out.line(|line| line.starts_with("data: ") && line.contains(&wanted));
        let mut heard = vec![event(&data["data: ".len()..]), says(&self.browser, "sse", text)];
        if name != "pierre" {
            heard.push(event(&self.script.out.line(|line| line.contains(&wanted))));
        }
        if name != "brigitte" {
            heard.push(says(&self.browser, "json", text));
        }
        for event in &heard {
            assert_eq!((&event["ev"], &event["from"]), (&json!("msg"), &json!(name)), "{event}");
            assert_eq!(event["seq"], heard[0]["seq"], "one order for all");
        }
        heard[0]["seq"].clone()
    }
}

#[test]
fn nc_a_browser_a_script_in_json_and_curl_are_in_one_room_and_each_hears_the_others() {
    for (room, path) in [("lobby", "lobby"), ("café", "caf%C3%A9")] {
        let hub = Hub::start(&[]);
        let Some(mut all) = Room::fill(&hub, room, path) else { return };
        // What the client said to be known was the first.
        let mut seq = 1;
        for name in ["nora", "pierre", "tristan", "brigitte", "carole", "nora", "brigitte"] {
            seq += 1;
            let text = format!("c'est « {name} » pour la {seq}e fois 🐟");
            all.say(name, &text);
            assert_eq!(all.hears(name, &text), seq);
        }
        // Nobody was told its own words.
        let own = [("nora", all.nc.out.all()), ("tristan", all.client.out.all())];
        for (name, lines) in own {
            let mine = lines.iter().find(|line| line.starts_with(&format!("<{name}> ")));
            assert_eq!(mine, None, "{lines:#?}");
        }
        for (name, lines) in [("pierre", all.script.out.all()), ("brigitte", all.browser.console())]
        {
            let own = |line: &&String| {
                !line.starts_with("sse")
                    && line.contains("\"ev\":\"msg\"")
                    && line.contains(&format!("\"from\":\"{name}\""))
            };
            assert_eq!(lines.iter().find(own), None, "{lines:#?}");
        }
    }
}
