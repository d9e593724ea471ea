//! What each message is taken for.

use proptest::prelude::*;

use super::*;
use crate::limits::{HISTORY_DEFAULT, SEARCH_CHARS, SEARCH_DEFAULT};
use crate::words::help;

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn at(text: &str) -> At {
    text.parse().expect("a position")
}

fn usage(command: &str) -> (&'static str, &'static str) {
    let command = COMMANDS.iter().find(|c| c.name == command).expect("a command");
    (command.name, command.usage)
}

fn missing(command: &str) -> Refusal {
    let (command, usage) = usage(command);
    Refusal::MissingArgument { command, usage }
}

fn too_many(command: &str) -> Refusal {
    let (command, usage) = usage(command);
    Refusal::TooManyArguments { command, usage }
}

fn bad(command: &str, given: &str) -> Refusal {
    let (command, usage) = usage(command);
    Refusal::BadArgument { command, given: given.into(), usage }
}

fn bad_name(given: &str, why: NameError) -> Refusal {
    Refusal::BadName { given: given.into(), why }
}

fn key(text: &str) -> StateKey {
    StateKey::parse(text).expect("a key")
}

fn set(text: &str, version: Option<u32>, value: &str) -> Request {
    Request::Set { key: key(text), version, value: value.as_bytes().into() }
}

fn search(words: &str) -> Request {
    Request::Search { words: words.into(), count: SEARCH_DEFAULT }
}

fn bad_key(given: &str, why: StateKeyError) -> Refusal {
    Refusal::BadKey { given: given.into(), why }
}

fn bad_version(given: &str) -> Refusal {
    Refusal::BadVersion { given: given.into() }
}

fn unknown(word: &str) -> Refusal {
    Refusal::UnknownCommand { word: word.into() }
}

#[test]
fn speech_is_passed_on_byte_for_byte() {
    for message in [
        &b""[..],
        b"bonjour",
        b"quit",
        b" /join x",
        b"a/b",
        b"/",
        b"//",
        b"/ join",
        b"/1st",
        b"/-x",
        b"/usr/bin/x",
        b"//usr/bin/x",
        b"///join x",
        b"/join\tx",
        b"/join\rx",
        b"/join: x",
        b"/joi\xc3\xa9 x",
        b"/join x\ny",
        b"/join\n",
        b"//join x\ny",
        b"\xff\xfe",
        b"/\xff",
        b"/msg\0bob",
    ] {
        assert_eq!(parse(message), Parsed::Speech(message), "{}", message.escape_ascii());
    }
}

#[test]
fn a_doubled_slash_says_a_command() {
    for (message, said) in [
        (&b"//join x"[..], &b"/join x"[..]),
        (b"//JOIN", b"/JOIN"),
        (b"//nonsense at all", b"/nonsense at all"),
        (b"//msg bob \xff", b"/msg bob \xff"),
    ] {
        assert_eq!(parse(message), Parsed::Speech(said), "{}", message.escape_ascii());
    }
}

#[test]
fn a_command_is_read_in_full() {
    let text = Box::<str>::from;
    let bytes = |text: &str| text.as_bytes().into();
    for (message, request) in [
        ("/nick alice", Request::Nick(name("alice"))),
        ("/NICK  alice ", Request::Nick(name("alice"))),
        ("/nom e\u{301}lise", Request::Nick(name("élise"))),
        ("/nick é", Request::Nick(name("é"))),
        ("/join salle", Request::Join { room: name("salle"), after: None }),
        ("/join salle 0", Request::Join { room: name("salle"), after: Some(at("0")) }),
        (
            "/salon salle 7f3ak2m7qd@12",
            Request::Join { room: name("salle"), after: Some(at("7F3AK2M7QD@12")) },
        ),
        ("/leave", Request::Leave),
        ("/leave ", Request::Leave),
        ("/Sortir", Request::Leave),
        ("/msg bob salut  toi ", Request::Msg { to: text("bob"), body: bytes("salut  toi ") }),
        ("/msg  client-17  x", Request::Msg { to: text("client-17"), body: bytes(" x") }),
        ("/mp bob /quit", Request::Msg { to: text("bob"), body: bytes("/quit") }),
        ("/who", Request::Who(None)),
        ("/qui Salle", Request::Who(Some(text("Salle")))),
        ("/rooms", Request::Rooms),
        ("/salons", Request::Rooms),
        ("/history", Request::History(HISTORY_DEFAULT)),
        ("/history 1", Request::History(1)),
        ("/historique 007", Request::History(7)),
        ("/search mot", search("mot")),
        ("/CHERCHER  rendez-vous  été ", search("rendez-vous  été")),
        ("/search \"deux mots\" -x* OR", search("\"deux mots\" -x* OR")),
        ("/resume 18446744073709551615", Request::Resume(At { epoch: None, seq: u64::MAX })),
        (
            "/reprendre aaaaaaaaaa@1",
            Request::Resume(At { epoch: Some(Epoch::from_random(0)), seq: 1 }),
        ),
        ("/set score 3", set("score", None, "3")),
        ("/SET  score  3  # 4 ", set("score", None, " 3  # 4 ")),
        ("/set score ", set("score", None, "")),
        ("/set Score#0 à 8 h", set("Score", Some(0), "à 8 h")),
        ("/set e\u{301}tage/2:porte#007 x", set("étage/2:porte", Some(7), "x")),
        ("/set a#4294967295 ", set("a", Some(u32::MAX), "")),
        ("/set a /quit", set("a", None, "/quit")),
        ("/set a \tx\r", set("a", None, "\tx\r")),
        ("/get", Request::Get(None)),
        ("/get ", Request::Get(None)),
        ("/GET  Score ", Request::Get(Some(key("Score")))),
        ("/get e\u{301}tage", Request::Get(Some(key("étage")))),
        ("/udp", Request::Udp),
        ("/UDP ", Request::Udp),
        ("/format RAW", Request::Format(Format::Raw)),
        ("/format text", Request::Format(Format::Text)),
        ("/format Json", Request::Format(Format::Json)),
        ("/framing auto", Request::Framing(Framing::Auto)),
        ("/framing Line", Request::Framing(Framing::Line)),
        ("/framing chunk", Request::Framing(Framing::Chunk)),
        ("/framing len32", Request::Framing(Framing::Len32)),
        ("/framing nul", Request::Framing(Framing::Nul)),
        ("/lang en", Request::Lang(Lang::En)),
        ("/lang FR", Request::Lang(Lang::Fr)),
        ("/echo on", Request::Echo(true)),
        ("/echo OFF", Request::Echo(false)),
        ("/ack on", Request::Ack(true)),
        ("/quiet off", Request::Quiet(false)),
        ("/me  danse", Request::Me(text(" danse"))),
        ("/ping", Request::Ping(text(""))),
        ("/ping  a b ", Request::Ping(text(" a b "))),
        ("/why", Request::Why(None)),
        ("/why bob", Request::Why(Some(text("bob")))),
        ("/help", Request::Help(None)),
        ("/aide /QUI", Request::Help(Some(text("who")))),
        ("/help nick", Request::Help(Some(text("nick")))),
        ("/quit", Request::Quit(text(""))),
        ("/quitter à demain", Request::Quit(text("à demain"))),
    ] {
        assert_eq!(parse(message.as_bytes()), Parsed::Request(request), "{message:?}");
    }
}

#[test]
fn a_bad_command_is_refused_and_never_spoken() {
    use NameError::{Character, Reserved, Scripts, TooLong};
    let position = |given: &str| Refusal::BadPosition { given: given.into() };
    let long = "a".repeat(40);
    for (message, refusal) in [
        ("/mgs bob secret", unknown("mgs")),
        ("/Etc", unknown("Etc")),
        ("/nick", missing("nick")),
        ("/nick  ", missing("nick")),
        ("/nick alice bob", too_many("nick")),
        ("/nick a/b", bad_name("a/b", Character('/'))),
        ("/nick a\u{202e}b", bad_name("a\u{202e}b", Character('\u{202e}'))),
        ("/nick a\u{a0}b", bad_name("a\u{a0}b", Character('\u{a0}'))),
        ("/nick a\0", bad_name("a\0", Character('\0'))),
        ("/nick \u{430}lice", bad_name("\u{430}lice", Scripts)),
        ("/nick client-17", bad_name("client-17", Reserved)),
        ("/nom Serveur", bad_name("Serveur", Reserved)),
        (&format!("/nick {long}"), bad_name(&long, TooLong)),
        ("/join", missing("join")),
        ("/join a b c", too_many("join")),
        ("/join #a", bad_name("#a", Character('#'))),
        ("/join a x", position("x")),
        ("/join a 18446744073709551616", position("18446744073709551616")),
        ("/leave now", too_many("leave")),
        ("/msg", missing("msg")),
        ("/msg bob", missing("msg")),
        ("/msg bob ", missing("msg")),
        ("/msg bob    ", missing("msg")),
        ("/who a b", too_many("who")),
        ("/rooms all", too_many("rooms")),
        ("/history 0", bad("history", "0")),
        ("/history 000", bad("history", "000")),
        ("/history -1", bad("history", "-1")),
        ("/history +1", bad("history", "+1")),
        ("/history 1.5", bad("history", "1.5")),
        ("/history ١", bad("history", "١")),
        ("/history dix", bad("history", "dix")),
        ("/history 1 2", too_many("history")),
        ("/history 99999999999999999999", bad("history", "99999999999999999999")),
        ("/search", missing("search")),
        ("/search  \t ", missing("search")),
        ("/search \u{a0}", missing("search")),
        ("/resume", missing("resume")),
        ("/resume -1", position("-1")),
        ("/resume +1", position("+1")),
        ("/resume @", position("@")),
        ("/resume @1", position("@1")),
        ("/resume aaaaaaaaaa@", position("aaaaaaaaaa@")),
        ("/resume aaaaaaaaaa@+1", position("aaaaaaaaaa@+1")),
        ("/resume aaaaaaaaa1@1", position("aaaaaaaaa1@1")),
        ("/resume aaaaaaaaa@1", position("aaaaaaaaa@1")),
        ("/resume éaaaaaaaa@1", position("éaaaaaaaa@1")),
        ("/resume aaaaaaaaaa@1@1", position("aaaaaaaaaa@1@1")),
        ("/resume 99999999999999999999", position("99999999999999999999")),
        ("/resume 1 2", too_many("resume")),
        ("/format", missing("format")),
        ("/format xml", bad("format", "xml")),
        ("/format json5", bad("format", "json5")),
        ("/format raw json", too_many("format")),
        ("/framing", missing("framing")),
        ("/framing len16", bad("framing", "len16")),
        ("/framing auto line", too_many("framing")),
        ("/lang", missing("lang")),
        ("/lang fr_FR.UTF-8", bad("lang", "fr_FR.UTF-8")),
        ("/echo", missing("echo")),
        ("/echo oui", bad("echo", "oui")),
        ("/ack 1", bad("ack", "1")),
        ("/quiet on off", too_many("quiet")),
        ("/me", missing("me")),
        ("/me \t ", missing("me")),
        ("/why a b", too_many("why")),
        ("/help nonsense", bad("help", "nonsense")),
        ("/help auth", Refusal::NotYet { what: "/auth" }),
        ("/help a b", too_many("help")),
        ("/auth secret", Refusal::NotYet { what: "/auth" }),
        ("/AUTH", Refusal::NotYet { what: "/auth" }),
    ] {
        assert_eq!(parse(message.as_bytes()), Parsed::Bad(refusal), "{message:?}");
    }
}

#[test]
fn a_bad_command_about_state_is_refused_and_changes_nothing() {
    use StateKeyError::{Character, Empty, Marks, TooLong};
    let long = "a".repeat(65);
    for (message, refusal) in [
        ("/set", missing("set")),
        ("/set ", missing("set")),
        ("/set score", missing("set")),
        ("/set  score", missing("set")),
        ("/set score#3", missing("set")),
        ("/set score\t3", missing("set")),
        ("/set score\t3 4", bad_key("score\t3", Character('\t'))),
        ("/set a=b x", bad_key("a=b", Character('='))),
        ("/set a\u{202e} x", bad_key("a\u{202e}", Character('\u{202e}'))),
        ("/set \u{301} x", bad_key("\u{301}", Marks)),
        ("/set # x", bad_key("", Empty)),
        ("/set #1 x", bad_key("", Empty)),
        ("/set a,b#x y", bad_key("a,b", Character(','))),
        ("/set a# x", bad_version("")),
        ("/set a#-1 x", bad_version("-1")),
        ("/set a#+1 x", bad_version("+1")),
        ("/set a#1.5 x", bad_version("1.5")),
        ("/set a#x y", bad_version("x")),
        ("/set a#1#2 x", bad_version("1#2")),
        ("/set a#١ x", bad_version("١")),
        ("/set a#4294967296 x", bad_version("4294967296")),
        (&format!("/set {long} x"), bad_key(&format!("{}…", "a".repeat(63)), TooLong)),
        ("/get a b", too_many("get")),
        ("/get a#1", bad_key("a#1", Character('#'))),
        ("/udp on", too_many("udp")),
    ] {
        assert_eq!(parse(message.as_bytes()), Parsed::Bad(refusal), "{message:?}");
    }
}

#[test]
fn what_is_searched_for_has_a_longest_length() {
    let most = "é".repeat(SEARCH_CHARS);
    let asked = format!("/search {most}");
    assert_eq!(parse(asked.as_bytes()), Parsed::Request(search(&most)));
    let shown = format!("{}…", "é".repeat(63));
    let asked = format!("/search {most}é");
    assert_eq!(parse(asked.as_bytes()), Parsed::Bad(bad("search", &shown)));
}

#[test]
fn a_command_that_is_not_utf8_is_refused_by_its_name() {
    for (message, refusal) in [
        (&b"/msg bob \xff"[..], Refusal::NotUtf8 { command: "msg" }),
        (b"/nom Andr\xe9", Refusal::NotUtf8 { command: "nick" }),
        (b"/leave \xc3", Refusal::NotUtf8 { command: "leave" }),
        (b"/set a caf\xe9", Refusal::NotUtf8 { command: "set" }),
        (b"/get \xff", Refusal::NotUtf8 { command: "get" }),
        (b"/nonsense \xff", unknown("nonsense")),
    ] {
        assert_eq!(parse(message), Parsed::Bad(refusal), "{}", message.escape_ascii());
    }
}

#[test]
fn what_is_given_back_is_cut() {
    let huge = "é".repeat(60_000);
    let shown = format!("{}…", "é".repeat(63));
    let word = "a".repeat(60_000);
    for (message, refusal) in [
        (format!("/nick {huge}"), bad_name(&shown, NameError::TooLong)),
        (format!("/msg {huge} x"), bad_name(&shown, NameError::TooLong)),
        (format!("/who {huge}"), bad_name(&shown, NameError::TooLong)),
        (format!("/echo {huge}"), bad("echo", &shown)),
        (format!("/help {huge}"), bad("help", &shown)),
        (format!("/get {huge}"), bad_key(&shown, StateKeyError::TooLong)),
        (format!("/set a#{huge} x"), bad_version(&shown)),
        (format!("/resume {huge}"), Refusal::BadPosition { given: shown.as_str().into() }),
        (format!("/{word}"), unknown(&format!("{}…", "a".repeat(63)))),
    ] {
        assert_eq!(parse(message.as_bytes()), Parsed::Bad(refusal));
    }
    assert_eq!(&*cut(&"é".repeat(GIVEN_CHARS)), "é".repeat(GIVEN_CHARS), "what fits is whole");
}

#[test]
fn each_command_answers_to_its_name_and_alias_alone() {
    let mut words: Vec<&str> =
        COMMANDS.iter().flat_map(|c| [Some(c.name), c.alias]).flatten().collect();
    words.extend(LATER.iter().map(|what| &what[1..]));
    let all = words.len();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), all, "no word has two meanings");
    for command in COMMANDS {
        assert!(
            command.usage.split(' ').next() == Some(&format!("/{}", command.name)),
            "{}",
            command.name
        );
        for word in [Some(command.name), command.alias].into_iter().flatten() {
            let found = find(&word.to_ascii_uppercase()).expect("a command");
            assert_eq!(found.name, command.name);
        }
    }
}

#[test]
fn each_command_has_its_help_in_each_language() {
    for command in COMMANDS {
        for lang in Lang::ALL {
            assert!(help(lang, command.name).is_some(), "{} {lang:?}", command.name);
        }
    }
}

#[test]
fn each_refusal_has_its_own_code() {
    for (message, code) in [
        ("/nonsense", "unknown-command"),
        ("/nick", "missing-argument"),
        ("/echo maybe", "bad-argument"),
        ("/leave now", "too-many-arguments"),
        ("/nick server", "bad-name"),
        ("/resume x", "bad-position"),
        ("/set a= b", "bad-key"),
        ("/set a#b c", "bad-version"),
        ("/auth a", "not-yet"),
    ] {
        let Parsed::Bad(refusal) = parse(message.as_bytes()) else { panic!("{message} is taken") };
        assert_eq!(refusal.code(), code);
    }
    assert_eq!(Refusal::NotUtf8 { command: "me" }.code(), "not-utf8");
}

#[test]
fn values_are_written_as_they_are_read() {
    for lang in Lang::ALL {
        assert_eq!(lang.as_str().parse(), Ok(lang));
    }
    for format in Format::ALL {
        assert_eq!(format.as_str().parse(), Ok(format));
    }
    assert_eq!(Lang::default(), Lang::Fr);
    let error = "x".parse::<Lang>().expect_err("no language");
    assert_eq!(error.to_string(), "\"x\" is not a language (fr, en)");
    let error = "xml".parse::<Format>().expect_err("no format");
    assert_eq!(error.to_string(), "\"xml\" is not a format (text, raw, json)");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(message in prop::collection::vec(any::<u8>(), 0..80)) {
        let slashed = [b"/", &*message].concat();
        for message in [&message, &slashed] {
            if let Parsed::Speech(said) = parse(message) {
                prop_assert!(message.ends_with(said) && message.len() - said.len() <= 1);
            }
        }
    }

    #[test]
    fn no_arguments_make_a_command_panic_or_speech(which in 0..COMMANDS.len(), rest in "[^\n]{0,40}") {
        let message = format!("/{} {rest}", COMMANDS[which].name);
        prop_assert!(!matches!(parse(message.as_bytes()), Parsed::Speech(_)));
    }

    #[test]
    fn what_begins_without_a_slash_is_speech(message in "[^/].{0,40}") {
        prop_assert_eq!(parse(message.as_bytes()), Parsed::Speech(message.as_bytes()));
    }

    #[test]
    fn any_command_can_be_said(rest in "[a-zA-Z][a-zA-Z0-9-]{0,8}( [^\n]{0,20})?") {
        let message = format!("//{rest}");
        prop_assert_eq!(parse(message.as_bytes()), Parsed::Speech(&message.as_bytes()[1..]));
    }

    #[test]
    fn a_value_is_taken_as_it_was_typed(
        text in "[A-Za-z0-9._:/-]{1,64}",
        version in prop::option::of(any::<u32>()),
        value in "[^\n]{0,20}",
    ) {
        let typed = version.map_or_else(|| text.clone(), |version| format!("{text}#{version}"));
        let message = format!("/set {typed} {value}");
        prop_assert_eq!(parse(message.as_bytes()), Parsed::Request(set(&text, version, &value)));
    }

    #[test]
    fn an_epoch_is_written_as_it_is_read(random in any::<u64>(), seq in any::<u64>()) {
        let epoch = Epoch::from_random(random);
        let written = epoch.to_string();
        prop_assert_eq!(written.len(), 10);
        prop_assert_eq!(written.to_ascii_uppercase().parse(), Ok(epoch));
        prop_assert_eq!(Epoch::from_random(random & ((1 << 50) - 1)), epoch);
        prop_assert_eq!(format!("{epoch}@{seq}").parse(), Ok(At { epoch: Some(epoch), seq }));
        prop_assert_eq!(seq.to_string().parse(), Ok(At { epoch: None, seq }));
    }
}
