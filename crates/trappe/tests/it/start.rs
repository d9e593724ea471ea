//! How `trappe server` starts, and how it says that it can't.

use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::process::Command;

use crate::hub::{Hub, TRAPPE, trappe};
use crate::peer::Peer;
use crate::process::{Ended, Process};
use crate::tools::{skipped, tool};

const STARTED: &str = "Le serveur est démarré !";

#[track_caller]
fn run(args: &[&str]) -> Ended {
    Process::spawn(&mut trappe(args)).end()
}

/// The one sentence that a failure to start is told with.
#[track_caller]
fn only_sentence(ended: &Ended) -> &str {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(!ended.out.contains(STARTED), "it says that it started: {ended:?}");
    let mut lines = ended.err.lines();
    let sentence = lines.next().expect("it says why");
    assert_eq!(lines.next(), None, "one sentence, not more: {ended:?}");
    sentence
}

#[test]
fn the_first_line_is_the_lessons_sentence_and_then_it_listens() {
    let hub = Hub::start(&[]);
    assert!(hub.console()[0].starts_with(STARTED), "{:?}", hub.console());
    Peer::member(hub.port());
}

#[test]
fn the_lines_after_the_first_say_where_who_may_connect_and_what_to_try() {
    let hub = Hub::start(&[]);
    hub.member();
    hub.wait_console(|line| line.contains("--open"));
    let what_to_try = format!("nc localhost {}", hub.port());
    hub.wait_console(|line| line.contains(&what_to_try));
    let start = hub.console().iter().take_while(|line| !line.contains("client vient")).count();
    assert!((3..=4).contains(&start), "{:?}", hub.console());
}

#[test]
fn with_open_it_says_that_every_machine_may_connect() {
    let hub = Hub::start(&["--open", "--host", "127.0.0.1"]);
    let line = hub.wait_console(|line| line.contains("--open"));
    assert!(line.contains("toute machine"), "{line}");
}

#[test]
fn the_environments_language_is_not_asked_but_ours_is() {
    let start = ["server", "--port", "0", "--host", "127.0.0.1"];
    let hub = Hub::launch(trappe(&start).env("LANG", "en_US.UTF-8").env("LC_ALL", "en_US.UTF-8"));
    assert!(hub.console()[0].starts_with(STARTED), "{:?}", hub.console());

    let by_variable = Hub::launch(trappe(&start).env("TRAPPE_LANG", "en"));
    let by_flag = Hub::start(&["--lang", "en"]);
    for hub in [by_variable, by_flag] {
        assert!(!hub.console()[0].starts_with(STARTED), "{:?}", hub.console());
        let answer = hub.connect().ask("/nick");
        assert!(answer.iter().all(|line| !line.contains("manque")), "{answer:?}");
    }
}

#[test]
fn by_default_both_families_are_bound() {
    let hub = Hub::start(&[]);
    Peer::member(hub.port());
    // Where the machine has no IPv6, IPv4 alone is right.
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        let stream = TcpStream::connect((Ipv6Addr::LOCALHOST, hub.port()));
        Peer::over(stream.expect("it listens on IPv6 too")).ready();
    }
}

#[test]
fn a_host_binds_that_address_alone() {
    let hub = Hub::start(&["--host", "127.0.0.1"]);
    Peer::member(hub.port());
    assert!(TcpStream::connect((Ipv6Addr::LOCALHOST, hub.port())).is_err());
    assert!(TcpStream::connect(("127.0.0.2", hub.port())).is_err());
}

#[test]
fn several_hosts_are_all_bound_on_one_port() {
    let hub = Hub::start(&["--host", "127.0.0.1", "--host", "127.0.0.2"]);
    let mut first = Peer::member(hub.port());
    let second = TcpStream::connect(("127.0.0.2", hub.port())).expect("the second host is bound");
    let mut second = Peer::over(second);
    second.ready();
    second.say("par l'autre porte");
    assert_eq!(first.line(), "<client-2> par l'autre porte");
}

#[test]
fn port_0_lets_the_system_choose_and_two_hubs_never_meet() {
    let (one, two) = (Hub::start(&[]), Hub::start(&[]));
    assert_ne!(one.port(), two.port());
}

#[test]
fn a_port_in_use_ends_with_one_sentence_that_names_it_and_exit_1() {
    let hub = Hub::start(&[]);
    let port = hub.port().to_string();
    let ended = run(&["server", "--port", &port]);
    let sentence = only_sentence(&ended);
    assert!(sentence.contains(&port) && sentence.contains("--port"), "{sentence}");
    Peer::member(hub.port());
}

#[test]
fn a_port_that_another_program_holds_on_one_address_is_in_use_too() {
    let holder = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    let port = holder.local_addr().expect("it is bound").port().to_string();
    let ended = run(&["server", "--host", "127.0.0.1", "--port", &port]);
    assert!(only_sentence(&ended).contains(&port), "{ended:?}");
}

#[test]
fn a_port_that_is_not_permitted_is_one_sentence_and_exit_1() {
    let Some(setpriv) = tool("setpriv") else { return };
    let from = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if from.is_ok_and(|port| port.trim().parse::<u16>().is_ok_and(|port| port <= 80)) {
        skipped("a system that reserves port 80");
        return;
    }
    // Without this capability not even the superuser may; others lack it anyway, and can't give it up.
    let without = ["--bounding-set", "-net_bind_service"];
    let dropped = Command::new(&setpriv).args(without).arg("true").status();
    let mut command = Command::new(setpriv);
    if dropped.is_ok_and(|status| status.success()) {
        command.args(without);
    }
    command.arg(TRAPPE).args(["server", "--host", "127.0.0.1", "--port", "80"]);
    let ended = Process::spawn(command.env_remove("TRAPPE_LANG")).end();
    let sentence = only_sentence(&ended);
    assert!(sentence.contains("80") && sentence.contains("1024"), "{sentence}");
}

#[test]
fn a_port_is_free_again_as_soon_as_its_hub_ended() {
    let hub = Hub::start(&[]);
    let port = hub.port().to_string();
    let mut peer = hub.member();
    drop(hub);
    // The hub closed first, so that its side of this connection is what would hold the port.
    peer.rest();
    let again = Hub::launch(&mut trappe(&["server", "--port", &port]));
    assert_eq!(again.port().to_string(), port);
}

#[test]
fn an_address_of_another_machine_is_one_sentence_and_exit_1() {
    let ended = run(&["server", "--host", "192.0.2.1", "--port", "5599"]);
    let sentence = only_sentence(&ended);
    assert!(sentence.contains("192.0.2.1") && sentence.contains("5599"), "{sentence}");
}

#[test]
fn what_was_typed_wrongly_is_exit_2() {
    let cases: &[&[&str]] = &[
        &["nonsense"],
        &["server", "--nonsense"],
        &["server", "--port", "99999"],
        &["server", "--port", "http"],
        &["server", "--format", "xml"],
        &["server", "--framing", "morse"],
        &["server", "--lang", "tlh"],
        &["server", "--workers", "0"],
        &["server", "--max-message", "0"],
        &["server", "--max-message", "9TiB"],
        &["server", "--retain", "beaucoup"],
        &["server", "--lag", "1MiB,"],
        &["server", "--host"],
        &["client", "a:1", "--host", "b"],
        &["client", "localhost:http"],
    ];
    for case in cases {
        let ended = run(case);
        assert_eq!(ended.code, Some(2), "{case:?}: {ended:?}");
        assert!(!ended.err.trim().is_empty() && ended.out.is_empty(), "{case:?}: {ended:?}");
    }
}

#[test]
fn the_help_begins_with_examples() {
    for case in [&["--help"][..], &["server", "--help"], &["client", "--help"]] {
        let ended = run(case);
        assert_eq!(ended.code, Some(0), "{case:?}: {ended:?}");
        assert!(ended.out.contains("trappe "), "{case:?}: {ended:?}");
    }
}
