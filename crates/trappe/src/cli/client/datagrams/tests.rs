//! What leaves in a datagram, what is made of one that comes, and how a conversation of datagrams ends.

use super::{
    super::{
        opening::Opened,
        screen::Screen,
        talk::{Outcome, Patience, Said, Source, talk},
        wire::Wire,
    },
    *,
};

/// A member, and the socket of its hub.
fn member(raw: bool) -> (Datagrams, UdpSocket) {
    let bind = || UdpSocket::bind("127.0.0.1:0").expect("loopback has free ports");
    let (hub, member) = (bind(), bind());
    for (one, other) in [(&hub, &member), (&member, &hub)] {
        one.connect(other.local_addr().expect("it is bound")).expect("it is on loopback");
        one.set_read_timeout(Some(Duration::from_secs(10))).expect("not zero");
    }
    let member = Member { socket: member, first: Vec::new() };
    let member = Datagrams::new(member, Lang::Fr, raw);
    assert_eq!(received(&member), (String::new(), false));
    (member, hub)
}

fn next(hub: &UdpSocket) -> String {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    let length = hub.recv(&mut buffer).expect("it comes in time");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

fn received(member: &Datagrams) -> (String, bool) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX + 1];
    let Arrived { length, last } = member.receive(&mut buffer).expect("it comes in time");
    (String::from_utf8_lossy(&buffer[..length]).into_owned(), last)
}

#[test]
fn a_message_leaves_without_the_end_of_its_line() {
    let (member, hub) = member(false);
    let cases: [(&[u8], &str); 5] =
        [(b"un\n", "un"), (b"un\r\n", "un"), (b"un\r", "un\r"), (b"un\n\n", "un\n"), (b"a", "a")];
    for (said, sent) in cases {
        assert_eq!(member.send(said).expect("the hub is there"), Sent::Whole);
        assert_eq!(next(&hub), sent);
    }
}

#[test]
fn what_no_datagram_holds_is_not_sent_and_the_longest_is() {
    let (member, hub) = member(false);
    let longest = [&vec![b'x'; DATAGRAM_BYTES_MAX][..], b"\r\n"].concat();
    let longer = vec![b'x'; DATAGRAM_BYTES_MAX + 1];
    assert_eq!(member.send(&longer).expect("the hub is there"), Sent::TooLong);
    assert_eq!(member.send(&longest).expect("the hub is there"), Sent::Whole);
    assert_eq!(next(&hub).len(), DATAGRAM_BYTES_MAX);
}

#[test]
fn what_arrives_is_lines_and_raw_bodies_are_kept_exact() {
    for (raw, datagram, shown) in [
        (false, "<bob> a\n", "<bob> a\n"),
        (false, "=k= 1\n=l= 2\n", "=k= 1\n=l= 2\n"),
        (false, "no end", "no end\n"),
        (false, "", ""),
        (true, "a", "a\n"),
        (true, "a\n", "a\n\n"),
        (true, "! silent a", "! silent a\n"),
    ] {
        let (member, hub) = member(raw);
        hub.send(datagram.as_bytes()).expect("the member is there");
        assert_eq!(received(&member), (shown.to_owned(), false), "{datagram:?}");
    }
}

#[test]
fn a_goodbye_is_said_once_and_its_answer_is_the_end() {
    let goodbye = "* au revoir ; votre position : 7f3ak2m9qd@1043\n";
    let (member, hub) = member(false);
    hub.send(goodbye.as_bytes()).expect("the member is there");
    assert_eq!(received(&member), (goodbye.to_owned(), false), "nobody has said goodbye");
    for _ in 0..2 {
        member.leave();
    }
    hub.send(b"<bob> a\n").expect("the member is there");
    hub.send(goodbye.as_bytes()).expect("the member is there");
    assert_eq!(received(&member), ("<bob> a\n".to_owned(), false));
    assert_eq!(received(&member), (String::new(), true));
    member.send(b"fin").expect("the hub is there");
    assert_eq!((next(&hub), next(&hub)), ("/quit".to_owned(), "fin".to_owned()));
}

#[test]
fn who_quits_in_words_is_shown_the_answer_and_quits_no_second_time() {
    let (member, hub) = member(false);
    member.send("/quit à demain\n".as_bytes()).expect("the hub is there");
    member.leave();
    hub.send(b"* goodbye; your position: 7f3ak2m9qd@1043\n").expect("the member is there");
    assert_eq!(received(&member), ("* goodbye; your position: 7f3ak2m9qd@1043\n".to_owned(), true));
    member.send(b"fin").expect("the hub is there");
    assert_eq!((next(&hub), next(&hub)), ("/quit à demain".to_owned(), "fin".to_owned()));
}

#[test]
fn a_hub_that_dismisses_us_ends_it_where_nobody_else_can_say_so() {
    for (said, datagram, last) in [
        ("bonjour", "! silent rien de vous depuis 60 s\n", true),
        ("bonjour", "! silence\n", false),
        ("bonjour", "<bob> ! silent\n", false),
        ("/FORMAT raw", "! silent bob said so", false),
        ("/format text", "! silent rien de vous\n", true),
        ("/formatx", "! silent rien de vous\n", true),
    ] {
        let (member, hub) = member(false);
        member.send(said.as_bytes()).expect("the hub is there");
        hub.send(datagram.as_bytes()).expect("the member is there");
        assert_eq!(received(&member).1, last, "{said} {datagram}");
    }
    for lang in Lang::ALL {
        let stops = format!("* {}\n", say(lang, "server-goodbye", &[]));
        assert!(is_dismissal(stops.as_bytes()) && !is_goodbye(stops.as_bytes()));
    }
}

#[test]
fn only_the_hubs_own_sentence_is_a_goodbye() {
    for (datagram, is) in [
        ("* au revoir\n", true),
        ("* goodbye", true),
        ("* goodbye; your position: 7f3ak2m9qd@1043", true),
        ("* au revoir ; votre position : a b\n", false),
        ("au revoir\n", false),
        ("<bob> au revoir\n", false),
        ("* position 7f3ak2m9qd@1043\n", false),
        ("* au revoir tout le monde\n", false),
        ("", false),
    ] {
        assert_eq!(is_goodbye(datagram.as_bytes()), is, "{datagram:?}");
    }
    assert!(!is_goodbye(b"* au revoir\xff"));
}

#[test]
fn a_minute_of_silence_ends_a_membership_by_any_clock() {
    let at = SystemTime::now();
    let after = |seconds| at + Duration::from_secs(seconds);
    assert!(!lapsed(at, at) && !lapsed(at, after(59)) && lapsed(at, after(60)));
    assert!(!lapsed(after(3600), at), "the clock was put back");
    let (member, hub) = member(false);
    member.told.lock().at = at - Duration::from_mins(2);
    assert!(member.send(b"secret").is_err() && member.renew().is_err());
    hub.set_nonblocking(true).expect("a socket can be so");
    assert!(hub.recv(&mut [0]).is_err(), "it was sent to the lobby");
}

#[test]
fn a_hub_that_is_gone_is_noticed_by_whoever_renews() {
    let (member, hub) = member(false);
    member.renew().expect("the hub is there");
    assert_eq!(next(&hub), "");
    drop(hub);
    member.put(b"").expect("nothing is known yet");
    assert!(member.renew().is_err());
}

/// Says what it is given, and waits for it.
struct Given(std::sync::mpsc::Receiver<&'static str>);

impl Source for Given {
    fn next(&mut self, said: &mut Vec<u8>) -> Said {
        let Ok(text) = self.0.recv() else { return Said::Last };
        said.extend_from_slice(text.as_bytes());
        Said::Something
    }
}

#[test]
fn who_listens_only_stays_a_member_and_leaves_in_words() {
    let (mut member, hub) = member(false);
    member.renewal = Duration::from_millis(10);
    let (give, given) = std::sync::mpsc::channel();
    let conversation = thread::spawn(move || {
        let patience = Patience::Silence(Duration::from_secs(10));
        let wire = Wire::Datagrams(member);
        talk((wire, None), Given(given), Screen::Nowhere, Opened::default(), patience, false)
    });
    assert_eq!([next(&hub), next(&hub)], ["", ""]);
    give.send("un\n").expect("it listens");
    let said = |hub| loop {
        let heard = next(hub);
        if !heard.is_empty() {
            return heard;
        }
    };
    assert_eq!(said(&hub), "un");
    drop(give);
    assert_eq!(said(&hub), "/quit");
    hub.send(b"* au revoir\n").expect("the member is there");
    let outcome = conversation.join().expect("a conversation doesn't panic");
    assert!(matches!(outcome, Outcome::Finished), "{outcome:?}");
}
