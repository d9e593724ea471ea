//! What every client holds, and what none does. Whether they run is for the end-to-end tests.

use super::*;

fn place<'a>(host: &'a str, room: &'a str) -> Place<'a> {
    Place { host, port: 5599, room, lang: Lang::Fr, udp: true }
}

fn bodies(place: &Place<'_>) -> Vec<(&'static str, String)> {
    let body = |name| snippet(name, place).expect("it has a template").body;
    KINDS.iter().map(|kind| (kind.name, body(kind.name))).collect()
}

#[test]
fn each_client_is_filled_in_short_and_ends_its_last_line() {
    for lang in Lang::ALL {
        for (name, body) in bodies(&Place { lang, ..place("hub.example.org", "café") }) {
            for wanted in ["hub.example.org", "5599", "café"] {
                assert!(body.contains(wanted), "{name} lacks {wanted}: {body}");
            }
            assert!(!body.contains('@'), "{name} has a placeholder left: {body}");
            assert!(body.lines().count() <= 25, "{name} has {} lines", body.lines().count());
            assert!(body.ends_with('\n') && !body.contains(['\r', '\t']), "{name}: {body}");
        }
    }
}

#[test]
fn nobody_goes_to_the_lobby_and_everybody_to_another_room() {
    let joins = |room| {
        let bodies = bodies(&place("localhost", room)).into_iter();
        // Who speaks by datagrams has to ask for every room; in the one for nc it stands in a comment.
        let joins = |line: &str| line.contains(&format!("/join {room}")) && !line.starts_with('#');
        let says = |(name, body): (_, String)| (name, body.lines().any(joins));
        let others = |(name, _): &(_, bool)| !["javascript", "python-udp"].contains(name);
        bodies.map(says).filter(others).collect::<Vec<_>>()
    };
    assert!(joins("lobby").iter().all(|(_, joins)| !joins), "{:?}", joins("lobby"));
    assert!(joins("Lobby").iter().all(|(_, joins)| !joins), "{:?}", joins("Lobby"));
    assert!(joins("café").iter().all(|(_, joins)| *joins), "{:?}", joins("café"));
}

#[test]
fn by_datagrams_each_room_is_asked_for_and_ten_lines_do_it() {
    for room in ["lobby", "café"] {
        let place = place("localhost", room);
        let [nc, python] =
            ["nc", "python-udp"].map(|name| snippet(name, &place).expect("it has a template").body);
        let typed = format!("\n# UDP: nc -u 'localhost' 5599 (/join {room})\n");
        assert!(nc.contains(&typed), "{nc}");
        assert!(python.contains(&format!(r#"hub.send("/join {room}\n".encode())"#)), "{python}");
        let code = python.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        assert!(code.count() <= 10, "{python}");
    }
}

#[test]
fn where_no_datagrams_are_taken_nobody_is_shown_how_to_send_them() {
    let place = Place { udp: false, ..place("localhost", "café") };
    assert_eq!(snippet("python-udp", &place), None);
    for text in [page(&place), html(&place)] {
        assert!(text.contains("client.py") && !text.to_lowercase().contains("udp"), "{text}");
    }
}

#[test]
fn an_ipv6_address_has_brackets_in_urls_only() {
    for host in ["::1", "[::1]"] {
        let [nc, js] = ["nc", "javascript"]
            .map(|name| snippet(name, &place(host, "lobby")).expect("it has a template").body);
        assert!(nc.ends_with("| nc '::1' 5599\n"), "{nc}");
        assert!(js.contains("\"ws://[::1]:5599/ws?room=\""), "{js}");
        assert!(page(&place(host, "lobby")).contains("curl -sS 'http://[::1]:5599/connect/nc?"));
    }
}

#[test]
fn a_board_is_told_where_the_hub_is_not() {
    let told = [
        ("localhost", true),
        ("a.localhost", true),
        ("127.0.0.1", true),
        ("127.1.2.3", true),
        ("::1", true),
        ("[::1]", true),
        ("192.168.1.20", false),
        ("hub.example.org", false),
        ("fe80::1", false),
    ];
    for (host, warned) in told {
        let body = snippet("arduino", &place(host, "lobby")).expect("it has a template").body;
        assert_eq!(body.contains("--open"), warned, "{host}: {body}");
    }
}

#[test]
fn nothing_that_is_filled_in_ends_a_literal_or_a_comment() {
    let hostile = "a\"; rm '-rf' `x` $(y) \\ */ // # \n\r\0 <script> & % @PORT@ \u{2028}é";
    let place = place(hostile, hostile);
    let filled = "arm-rfxyscriptPORTé";
    for (name, body) in bodies(&place) {
        let clean = KINDS.iter().find(|kind| kind.name == name).expect("it has one").template;
        let count = |text: &str, c: char| text.matches(c).count();
        for c in ['"', '`', '\\', '$', '<', '&'] {
            let sentences = count(&Filling::new(&place).value("WHAT"), c);
            assert!(count(&body, c) <= count(clean, c) + sentences, "{name}, {c:?}: {body}");
        }
        assert!(body.contains(filled), "{name}: {body}");
    }
    let html = html(&place);
    assert!(!html.contains("<script") && html.contains(filled), "{html}");
}

#[test]
fn the_page_holds_every_client_and_how_to_run_it() {
    let place = place("localhost", "café");
    let text = page(&place);
    assert!(
        text.starts_with("clients prêts à l'emploi pour ce hub : localhost:5599, salon café\n")
    );
    for (name, body) in bodies(&place) {
        assert!(text.contains(&body), "{name}");
        let fetch = format!("curl -sS 'http://localhost:5599/connect/{name}?room=caf%C3%A9' -o ");
        assert!(text.contains(&fetch), "{name}: {text}");
    }
    assert!(text.contains("\npython3 client.py bonjour\n"));
}

#[test]
fn the_page_for_a_browser_is_the_same_escaped_and_linked() {
    let place = Place { lang: Lang::En, ..place("localhost", "café") };
    let html = html(&place);
    assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"));
    for (name, body) in bodies(&place) {
        assert!(html.contains(&format!("<pre>{}</pre>", escaped(&body))), "{name}");
        assert!(html.contains(&format!("<a href=\"/connect/{name}?room=caf%C3%A9\">")), "{name}");
    }
    for never in ["<script", "<style", " style=", " on", "&amp;amp;"] {
        let tags = html.split('<').filter_map(|it| it.split('>').next());
        assert!(tags.into_iter().all(|tag| !format!("<{tag}").contains(never)), "{never}: {html}");
    }
    assert_eq!(
        escaped("<a href='b'>\"&\"</a>"),
        "&lt;a href=&#39;b&#39;&gt;&quot;&amp;&quot;&lt;/a&gt;"
    );
}

#[test]
fn a_client_that_is_not_there_is_none() {
    for name in ["", "perl", "Python", "../nc", "nc.sh"] {
        assert_eq!(snippet(name, &place("localhost", "lobby")), None, "{name}");
    }
}
