//! Every sentence that a person reads, in French and English: `words/fr.ftl` and `words/en.ftl`, in Fluent; those of the
//! page stand beside them, in `words/page-fr.ftl` and `words/page-en.ftl`.
//!
//! Error codes and the commands are not here: they never change with the language. What a sentence is *for* (a notice, an error, a log) is its
//! caller's affair.

mod page;

use std::{sync::OnceLock, time::Duration};

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use unic_langid::LanguageIdentifier;

pub use self::page::module;
use crate::{command::Lang, encode::escape::to_sentence};

/// What stands for a variable of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A text, whoever chose it: [`say`] escapes what could be taken for anything else than a part of the sentence.
    Text(&'a str),
    /// A number: plain digits without grouping, and it chooses between singular and plural.
    Number(u64),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<u16> for Value<'_> {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<usize> for Value<'_> {
    fn from(number: usize) -> Self {
        Self::Number(u64::try_from(number).unwrap_or(u64::MAX))
    }
}

/// The sentence `id` in `lang`, one line without its end, with `args` for its variables.
///
/// A wrong id or a missing variable is a mistake of ours: tests and debug builds stop there; a release says the id itself and goes on.
#[must_use]
pub fn say(lang: Lang, id: &'static str, args: &[(&'static str, Value<'_>)]) -> String {
    try_say(lang, id, args).unwrap_or_else(|why| {
        debug_assert!(false, "{why}");
        id.to_owned()
    })
}

/// What the command of this name does, in half a line; `None` if there is no such command. A name as it stands in the protocol, not an alias.
#[must_use]
pub fn help(lang: Lang, command: &str) -> Option<String> {
    // `help-intro` and `help-also` are sentences around the commands, and no commands.
    let is_command = !matches!(command, "intro" | "also");
    is_command.then(|| try_say(lang, &format!("help-{command}"), &[]).ok()).flatten()
}

/// How long something has lasted, in its two largest units: `12 s`, `3 min 12 s`, `2 h 5 min`, `4 j 2 h`.
#[must_use]
pub fn lasting(lang: Lang, duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if days > 0 {
        say(lang, "duration-days", &[("days", days.into()), ("hours", (hours % 24).into())])
    } else if hours > 0 {
        say(lang, "duration-hours", &[("hours", hours.into()), ("minutes", (minutes % 60).into())])
    } else if minutes > 0 {
        say(
            lang,
            "duration-minutes",
            &[("minutes", minutes.into()), ("seconds", (seconds % 60).into())],
        )
    } else {
        say(lang, "duration-seconds", &[("seconds", seconds.into())])
    }
}

/// Up to here a number goes through Fluent, which counts in f64, without losing a digit.
const EXACT_MAX: u64 = 1 << 53;

fn try_say(lang: Lang, id: &str, args: &[(&'static str, Value<'_>)]) -> Result<String, String> {
    let bundle = bundle(lang);
    let pattern = bundle
        .get_message(id)
        .and_then(|message| message.value())
        .ok_or_else(|| format!("no sentence is called {id}"))?;
    let mut values = FluentArgs::with_capacity(args.len());
    for &(name, value) in args {
        let value = match value {
            Value::Text(text) => FluentValue::String(to_sentence(text)),
            Value::Number(number) if number <= EXACT_MAX => FluentValue::from(number),
            // A text chooses no singular: right for such a number in both languages.
            Value::Number(number) => FluentValue::String(number.to_string().into()),
        };
        values.set(name, value);
    }
    let mut errors = Vec::new();
    let sentence = bundle.format_pattern(pattern, Some(&values), &mut errors).into_owned();
    if errors.is_empty() {
        Ok(sentence)
    } else {
        Err(format!("the sentence {id} can't be made with {args:?}: {errors:?}"))
    }
}

type Bundle = FluentBundle<FluentResource>;

/// Catalogues of one language: the hub's own sentences, and those of the page.
type Catalogues = [&'static str; 2];

const FRENCH: Catalogues = [include_str!("words/fr.ftl"), include_str!("words/page-fr.ftl")];
const ENGLISH: Catalogues = [include_str!("words/en.ftl"), include_str!("words/page-en.ftl")];

fn bundle(lang: Lang) -> &'static Bundle {
    static BUNDLES: [OnceLock<Bundle>; 2] = [OnceLock::new(), OnceLock::new()];
    match lang {
        Lang::Fr => BUNDLES[0].get_or_init(|| build(FRENCH, "fr")),
        Lang::En => BUNDLES[1].get_or_init(|| build(ENGLISH, "en")),
    }
}

fn build(catalogues: Catalogues, language: &str) -> Bundle {
    let language: LanguageIdentifier = language.parse().expect("a language tag");
    let mut bundle = Bundle::new_concurrent(vec![language]);
    // Else each variable would be wrapped in invisible bidi marks.
    bundle.set_use_isolating(false);
    for catalogue in catalogues {
        bundle.add_resource_overriding(resource(catalogue));
    }
    bundle
}

/// A part that Fluent can't read would only be missing; `the_catalogues_are_read_without_an_error` keeps that from happening.
fn resource(catalogue: &str) -> FluentResource {
    FluentResource::try_new(catalogue.to_owned()).unwrap_or_else(|(readable, _)| readable)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    const CATALOGUES: [(Lang, Catalogues); 2] = [(Lang::Fr, FRENCH), (Lang::En, ENGLISH)];

    /// The ids of a language with the variables of each, read from its lines: an id begins a line, a variable a `$`.
    fn sentences(catalogues: Catalogues) -> BTreeMap<&'static str, BTreeSet<&'static str>> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let (mut all, mut id) = (BTreeMap::<_, BTreeSet<_>>::new(), "");
        let lines = catalogues.into_iter().flat_map(str::lines);
        for line in lines.filter(|line| !line.starts_with('#')) {
            if let Some((name, _)) =
                line.split_once(" = ").filter(|(name, _)| name.chars().all(is_name))
            {
                assert!(!all.contains_key(name), "{name} stands there twice");
                id = name;
            }
            let variables = line
                .split('$')
                .skip(1)
                .map(|rest| &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())]);
            all.entry(id).or_default().extend(variables);
        }
        all.remove("");
        all
    }

    #[test]
    fn the_catalogues_are_read_without_an_error() {
        for (lang, catalogues) in CATALOGUES {
            let mut bundle = Bundle::new_concurrent(vec![]);
            for source in catalogues {
                let resource = FluentResource::try_new(source.to_owned());
                let resource = resource.map_err(|(_, errors)| errors);
                bundle
                    .add_resource(resource.expect("a catalogue parses"))
                    .expect("no id stands there twice");
            }
            assert!(sentences(catalogues).len() > 100, "{lang:?}");
        }
    }

    #[test]
    fn both_languages_have_the_same_sentences_with_the_same_variables() {
        assert_eq!(sentences(FRENCH), sentences(ENGLISH));
    }

    #[test]
    fn every_sentence_can_be_said_with_any_value_and_is_one_line() {
        let values = [
            Value::Text("x"),
            Value::Text(""),
            0_u64.into(),
            1_u64.into(),
            2_u64.into(),
            5566_u16.into(),
            1_000_000_u64.into(),
            u64::MAX.into(),
        ];
        for (lang, source) in CATALOGUES {
            for (id, variables) in sentences(source) {
                for value in values {
                    let args: Vec<_> = variables.iter().map(|&name| (name, value)).collect();
                    let said = say(lang, id, &args);
                    assert!(value == Value::Text("") || said.trim() == said, "{id}: {said:?}");
                    assert!(!said.is_empty() && said != id || id == "live", "{id}: {said:?}");
                    assert!(
                        !said.contains(['\n', '{', '}', '$', '\u{2068}', '\u{2069}']),
                        "{id}: {said:?}"
                    );
                    assert!(value == Value::Text("") || !said.contains("  "), "{id}: {said:?}");
                }
            }
        }
    }

    #[test]
    fn the_words_of_the_specification_stand_as_they_are() {
        for (id, sentence) in [
            ("server-started", "Le serveur est démarré !"),
            ("client-arrives", "Un client vient de se connecter..."),
            ("client-connected", "Client connecté !"),
            ("client-failed", "Connexion au serveur échoué !"),
            ("client-hello", "Bonjour à toi, je suis le client ! :)"),
        ] {
            assert_eq!(say(Lang::Fr, id, &[]), sentence);
        }
    }

    #[test]
    fn sentences_of_the_protocol_are_as_it_says() {
        let gap = |from: u64, to: u64| {
            [("from", from.into()), ("to", to.into()), ("count", (to - from + 1).into())]
        };
        for (lang, id, args, sentence) in [
            (Lang::Fr, "gap", &gap(1043, 1079)[..], "gap 1043..1079 (37 messages)"),
            (Lang::En, "gap", &gap(1043, 1079), "gap 1043..1079 (37 messages)"),
            (Lang::Fr, "gap", &gap(7, 7), "gap 7..7 (1 message)"),
            (Lang::En, "gap", &gap(7, 7), "gap 7..7 (1 message)"),
            (
                Lang::Fr,
                "too-long",
                &[("limit", 65536_usize.into())],
                "> 65536 octets ; message refusé",
            ),
            (
                Lang::En,
                "too-long",
                &[("limit", 65536_usize.into())],
                "> 65536 bytes; message refused",
            ),
            (Lang::Fr, "history-begin", &[("count", 10_usize.into())], "historique (10)"),
            (Lang::Fr, "history-end", &[], "fin"),
            (Lang::Fr, "live", &[], "live"),
            (Lang::En, "pong", &[("text", "a b".into())], "pong a b"),
            (
                Lang::Fr,
                "joined",
                &[("name", (&"alice".to_owned()).into())],
                "alice vient d'arriver",
            ),
            (
                Lang::Fr,
                "server-try",
                &[("command", "nc localhost 5566".into())],
                "à essayer : nc localhost 5566",
            ),
            (
                Lang::Fr,
                "cli-hint-server",
                &[("port", 5566_u16.into())],
                "lancez d'abord : trappe server",
            ),
            (
                Lang::Fr,
                "cli-hint-server",
                &[("port", 7000_u16.into())],
                "lancez d'abord : trappe server --port 7000",
            ),
            (
                Lang::Fr,
                "rooms-one",
                &[("room", "lobby".into()), ("count", 0_u64.into())],
                "lobby, 0 membre",
            ),
            (
                Lang::En,
                "rooms-one",
                &[("room", "lobby".into()), ("count", 0_u64.into())],
                "lobby, 0 members",
            ),
            (
                Lang::En,
                "rooms-one",
                &[("room", "lobby".into()), ("count", 15_000_u64.into())],
                "lobby, 15000 members",
            ),
            (
                Lang::Fr,
                "unknown-command",
                &[("word", "msgg".into())],
                "commande inconnue : /msgg ; rien n'est envoyé ; /help les liste, //msgg le dit tel quel",
            ),
        ] {
            assert_eq!(say(lang, id, args), sentence);
        }
    }

    #[test]
    fn a_number_loses_no_digit() {
        for number in [0, 1, 9_007_199_254_740_991, 9_007_199_254_740_993, u64::MAX] {
            for lang in Lang::ALL {
                assert_eq!(
                    say(lang, "history-begin", &[("count", number.into())])
                        .replace(|c: char| !c.is_ascii_digit(), ""),
                    number.to_string()
                );
            }
        }
    }

    #[test]
    fn no_text_makes_a_line_or_a_control_of_its_own() {
        assert_eq!(
            say(Lang::En, "pong", &[("text", "a\n* bob has left\x1b[2J\u{202e}".into())]),
            "pong a\\x0a* bob has left\\x1b[2J\\u{202e}"
        );
        assert_eq!(
            say(Lang::En, "pong", &[("text", "{ $name } {\"x\"}".into())]),
            "pong { $name } {\"x\"}",
            "a text is no pattern"
        );
    }

    #[test]
    fn a_wrong_id_or_a_missing_variable_is_an_error_and_not_a_panic() {
        assert!(try_say(Lang::Fr, "no-such-sentence", &[]).is_err());
        assert!(try_say(Lang::Fr, "joined", &[]).is_err());
        assert!(try_say(Lang::Fr, "joined", &[("name", "a".into()), ("more", "b".into())]).is_ok());
    }

    #[test]
    fn every_command_has_its_help() {
        for lang in Lang::ALL {
            for command in [
                "nick", "join", "leave", "msg", "who", "rooms", "history", "resume", "format",
                "framing",
            ] {
                assert!(help(lang, command).is_some(), "{command}");
            }
            for command in ["lang", "echo", "ack", "quiet", "me", "ping", "why", "help", "quit"] {
                assert!(help(lang, command).is_some(), "{command}");
            }
            assert_eq!(help(lang, "nom"), None);
            assert_eq!(help(lang, "intro"), None);
        }
    }

    #[test]
    fn a_duration_shows_its_two_largest_units() {
        for (seconds, french, english) in [
            (0, "0 s", "0 s"),
            (59, "59 s", "59 s"),
            (192, "3 min 12 s", "3 min 12 s"),
            (7500, "2 h 5 min", "2 h 5 min"),
            (352_800, "4 j 2 h", "4 d 2 h"),
        ] {
            let duration = Duration::from_secs(seconds);
            assert_eq!(
                (lasting(Lang::Fr, duration), lasting(Lang::En, duration)),
                (french.to_owned(), english.to_owned())
            );
        }
    }

    #[test]
    fn what_a_sentence_says_of_a_bound_is_the_bound() {
        use crate::limits;
        for lang in Lang::ALL {
            assert!(
                say(lang, "cut-by-pause", &[])
                    .contains(&format!(" {} ms", limits::PAUSE.as_millis()))
            );
            let history = help(lang, "history").expect("a command");
            assert!(history.contains(&format!("({} ", limits::HISTORY_DEFAULT)));
        }
    }
}
