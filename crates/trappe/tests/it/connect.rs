//! `/connect`: each client that can run here is fetched from a hub, run against it, heard by a member, and hears it.
//! The one in JavaScript runs in a browser, in the tests of the page; no board is here to run the one for the ESP32.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::hub::Hub;
use crate::process::Process;
use crate::tools::{python, tool};

/// What the address of the room is, and the room.
const ROOMS: [(&str, &str); 2] = [("lobby", "lobby"), ("caf%C3%A9", "café")];

/// What `GET path` is answered with: the head, and the body.
#[track_caller]
fn get(hub: &Hub, path: &str, fields: &str) -> (String, String) {
    let mut peer = hub.connect();
    let port = hub.port();
    peer.send(format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\n{fields}\r\n"));
    let answer = String::from_utf8(peer.rest()).expect("heads and clients are UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head ends with an empty line");
    assert!(head.starts_with("HTTP/1.1 200 "), "GET {path} is answered with {answer}");
    (head.to_ascii_lowercase(), body.to_owned())
}

/// A folder of its own for the test `name`, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("connect").join(name);
    // There is none before the first run.
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).expect("the tests may write below target");
    folder
}

/// Fetches one client for each room, saves it as `file`, has `command` make it ready in its folder, and talks with it.
#[track_caller]
fn runs(name: &str, file: &str, command: impl Fn(&Path) -> Command, ends: bool) {
    for (encoded, room) in ROOMS {
        let hub = Hub::start(&["--quiet"]);
        let folder = folder(&format!("{name}-{room}"));
        let (head, body) = get(&hub, &format!("/connect/{name}?room={encoded}"), "");
        assert!(head.contains("\r\ncontent-type: text/plain; charset=utf-8"), "{head}");
        assert!(head.contains(&format!("filename=\"{file}\"")), "{head}");
        fs::write(folder.join(file), body).expect("the tests may write below target");
        talks_both_ways(&hub, room, command(&folder).current_dir(&folder), ends);
    }
}

/// What the client is given as an argument and what is typed is heard in its room; what is said there, it prints. Where its
/// input's end is its end, it ends well.
#[track_caller]
fn talks_both_ways(hub: &Hub, room: &str, command: &mut Command, ends: bool) {
    let mut alice = hub.named("alice");
    alice.ask(&format!("/join {room}"));
    let mut client = Process::spawn(command.arg("bonjour"));
    let heard = alice.line();
    assert!(heard.ends_with("> bonjour"), "{heard}");
    alice.say("très bien");
    client.out.line(|line| line.trim_end() == "<alice> très bien");
    client.write("à plus tard\n");
    let heard = alice.line();
    assert!(heard.ends_with("> à plus tard"), "{heard}");
    if ends {
        let ended = client.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}

/// Runs a compiler in `folder`, which must neither fail nor warn.
#[track_caller]
fn compile(compiler: &Path, folder: &Path, arguments: &[&str]) {
    let mut command = Command::new(compiler);
    let ended = Process::spawn(command.args(arguments).current_dir(folder)).end();
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
}

#[test]
fn the_client_for_netcat_talks_both_ways() {
    let (Some(sh), Some(_nc)) = (tool("sh"), tool("nc")) else { return };
    let command = |_: &Path| {
        let mut command = Command::new(&sh);
        command.arg("nc.sh");
        command
    };
    // Some netcats stay after the end of their input: nothing is promised of that.
    runs("nc", "nc.sh", command, false);
}

#[test]
fn the_client_in_python_talks_both_ways() {
    let Some(python) = python() else { return };
    let command = |_: &Path| {
        let mut command = Command::new(&python);
        command.arg("client.py");
        command
    };
    runs("python", "client.py", command, true);
}

#[test]
fn the_client_in_python_talks_both_ways_by_datagrams() {
    let Some(python) = python() else { return };
    let command = |_: &Path| {
        let mut command = Command::new(&python);
        command.arg("client_udp.py");
        command
    };
    // It goes on listening after the end of its input.
    runs("python-udp", "client_udp.py", command, false);
}

#[test]
fn only_a_hub_that_takes_datagrams_shows_how_to_send_them() {
    for (only, shown) in [("lines,http", false), ("http,udp", true)] {
        let hub = Hub::start(&["--quiet", "--only", only]);
        let (_, text) = get(&hub, "/connect", "");
        assert_eq!(text.contains("nc -u"), shown, "{only}: {text}");
        assert_eq!(text.contains("client_udp.py"), shown, "{only}: {text}");
    }
}

#[test]
fn the_client_in_rust_compiles_without_a_warning_and_talks_both_ways() {
    let Some(rustc) = tool("rustc") else { return };
    let command = |folder: &Path| {
        compile(&rustc, folder, &["-D", "warnings", "client.rs"]);
        Command::new(folder.join("client"))
    };
    runs("rust", "client.rs", command, true);
}

#[test]
fn the_client_in_c_compiles_without_a_warning_and_talks_both_ways() {
    let Some(cc) = tool("cc") else { return };
    let command = |folder: &Path| {
        let strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2"];
        compile(&cc, folder, &[&strict[..], &["-o", "client", "client.c"]].concat());
        Command::new(folder.join("client"))
    };
    runs("c", "client.c", command, true);
}

#[test]
fn the_clients_that_cannot_run_here_are_filled_in_for_this_hub() {
    let hub = Hub::start(&["--quiet"]);
    let port = hub.port();
    let (_, board) = get(&hub, "/connect/arduino?room=caf%C3%A9", "");
    let (_, browser) = get(&hub, "/connect/javascript?room=caf%C3%A9", "");
    for (client, wanted) in [
        (&board, format!("hub.connect(\"localhost\", {port})")),
        (&board, "hub.print(\"/join café\\n\");".to_owned()),
        (&board, "--open".to_owned()),
        (&browser, format!("\"ws://localhost:{port}/ws?room=\"")),
        (&browser, "encodeURIComponent(\"café\")".to_owned()),
    ] {
        assert!(client.contains(&wanted), "no {wanted} in {client}");
    }
}

#[test]
fn the_page_is_a_text_for_curl_and_a_document_for_a_browser() {
    let hub = Hub::start(&["--quiet"]);
    let (_, client) = get(&hub, "/connect/python?room=caf%C3%A9", "");
    let (head, text) = get(&hub, "/connect?room=caf%C3%A9", "Accept: */*\r\n");
    assert!(head.contains("\r\ncontent-type: text/plain; charset=utf-8"), "{head}");
    assert!(text.contains(&client), "{text}");
    let browser = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\nAccept-Language: en\r\n";
    let (head, html) = get(&hub, "/connect", browser);
    assert!(head.contains("\r\ncontent-type: text/html; charset=utf-8"), "{head}");
    assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"), "{html}");
    assert!(html.contains("<a href=\"/connect/python?room=lobby\">"), "{html}");
}
