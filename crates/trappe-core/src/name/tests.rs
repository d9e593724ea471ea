//! What a name is and is not.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[test]
fn good_names_are_kept_in_nfc() {
    let long = "é".repeat(NAME_CHARS);
    let decomposed = "e\u{301}".repeat(NAME_CHARS);
    for (typed, kept) in [
        ("a", "a"),
        ("lobby", "lobby"),
        ("Alice", "Alice"),
        ("r2d2", "r2d2"),
        ("2", "2"),
        ("-", "-"),
        ("_x.y-z_", "_x.y-z_"),
        (".a", ".a"),
        ("..-", "..-"),
        ("e\u{301}le\u{300}ve", "élève"),
        ("Zoë", "Zoë"),
        ("Nguyễn", "Nguyễn"),
        ("Алиса", "Алиса"),
        ("Ἀλίκη", "Ἀλίκη"),
        ("أليس", "أليس"),
        ("أليس٣", "أليس٣"),
        ("أليس3", "أليس3"),
        ("שָׁלוֹם", "שָׁלוֹם"),
        ("अलिस", "अलिस"),
        ("น้ำ", "น้ำ"),
        ("ស្ត្រី", "ស្ត្រី"),
        ("アリスさん漢字", "アリスさん漢字"),
        ("サーバー", "サーバー"),
        ("한국漢字", "한국漢字"),
        ("ㄅㄆㄇ漢字", "ㄅㄆㄇ漢字"),
        ("ａｌｉｃｅ", "ａｌｉｃｅ"),
        ("client", "client"),
        ("client-", "client-"),
        ("client-x", "client-x"),
        ("client17", "client17"),
        ("client-17a", "client-17a"),
        ("servers", "servers"),
        (&long, &long),
        (&decomposed, &long),
    ] {
        let name = Name::parse(typed);
        assert_eq!(name.as_ref().map(Name::as_str), Ok(kept), "{typed:?}");
    }
}

#[test]
fn bad_names_say_which_rule_they_break() {
    use NameError::{Character, Empty, Marks, Reserved, Scripts, Start, TooLong};
    let long = "a".repeat(NAME_CHARS + 1);
    let huge = "a\u{301}".repeat(100_000);
    for (typed, why) in [
        ("", Empty),
        (&*long, TooLong),
        (&huge, TooLong),
        ("a b", Character(' ')),
        (" ", Character(' ')),
        ("a\u{a0}b", Character('\u{a0}')),
        ("a\nb", Character('\n')),
        ("a\tb", Character('\t')),
        ("a\0", Character('\0')),
        ("\u{1b}[31m", Character('\u{1b}')),
        ("a\u{7f}", Character('\u{7f}')),
        ("a\u{85}", Character('\u{85}')),
        ("a\u{ad}b", Character('\u{ad}')),
        ("a\u{200b}b", Character('\u{200b}')),
        ("a\u{200d}b", Character('\u{200d}')),
        ("a\u{202e}b", Character('\u{202e}')),
        ("a\u{2066}b", Character('\u{2066}')),
        ("\u{feff}a", Character('\u{feff}')),
        ("a\u{fe0f}", Character('\u{fe0f}')),
        ("a\u{34f}", Character('\u{34f}')),
        ("\u{3164}", Character('\u{3164}')),
        ("a\u{e0061}", Character('\u{e0061}')),
        ("<alice>", Character('<')),
        ("a/b", Character('/')),
        ("@a", Character('@')),
        ("#a", Character('#')),
        ("a:b", Character(':')),
        ("*", Character('*')),
        ("!", Character('!')),
        ("l'ami", Character('\'')),
        ("a💥", Character('💥')),
        ("ℹ", Character('ℹ')),
        ("Ⓐ", Character('Ⓐ')),
        ("🅰", Character('🅰')),
        ("🇫🇷", Character('🇫')),
        ("1\u{20e3}", Character('\u{20e3}')),
        ("x²", Character('²')),
        ("½", Character('½')),
        ("Ⅷ", Character('Ⅷ')),
        ("\u{fdfa}", Character('\u{fdfa}')),
        ("client\u{2010}17", Character('\u{2010}')),
        ("\u{e000}", Character('\u{e000}')),
        ("\u{301}a", Start),
        ("ﾞ", Start),
        ("-\u{301}", Character('\u{301}')),
        ("1\u{301}", Character('\u{301}')),
        ("a\u{316}\u{317}\u{318}\u{319}\u{31c}", Marks),
        ("é\u{316}\u{317}\u{318}\u{319}", Marks),
        ("\u{430}lice", Scripts),
        ("alic\u{435}", Scripts),
        ("αlice", Scripts),
        ("алиса-𝐚", Scripts),
        ("alice漢字", Scripts),
        ("アリス한국", Scripts),
        ("alice٣", Scripts),
        ("أليس٣۳", Scripts),
        ("server", Reserved),
        ("SERVER", Reserved),
        ("Serveur", Reserved),
        ("CONSOLE", Reserved),
        ("http", Reserved),
        ("ſerver", Reserved),
        (".", Reserved),
        ("..", Reserved),
        ("...", Reserved),
        ("．", Character('．')),
        ("…", Character('…')),
        ("ｓｅｒｖｅｒ", Reserved),
        ("client-1", Reserved),
        ("CLIENT-17", Reserved),
        ("client-017", Reserved),
        ("client-0", Reserved),
        ("client-99999999999999999999999", Reserved),
        ("ｃｌｉｅｎｔ－１７", Character('－')),
        ("ｃｌｉｅｎｔ-１７", Reserved),
    ] {
        assert_eq!(Name::parse(typed), Err(why), "{typed:?}");
    }
}

#[test]
fn the_hub_alone_names_the_author_of_a_post() {
    let http = Name::http();
    assert_eq!(http.as_str(), "http");
    assert_eq!(http.folded(), Folded::of("HTTP"));
    assert_eq!(Name::parse(http.as_str()), Err(NameError::Reserved));
}

#[test]
fn names_that_look_alike_to_the_folding_are_one() {
    for (one, other) in [
        ("Alice", "aLICE"),
        ("Straße", "STRASSE"),
        ("ὈΔΥΣΣΕΎΣ", "ὀδυσσεύς"),
        ("Élève", "e\u{301}LE\u{300}VE"),
        ("ﬁn", "FIN"),
        ("ａｌｉｃｅ", "alice"),
        ("𝐚lice", "Alice"),
        ("ｱﾘｽ", "アリス"),
    ] {
        let fold = |text: &str| Name::parse(text).expect("each is a name").folded();
        assert_eq!(fold(one), fold(other), "{one} {other}");
        assert_eq!(fold(one), Folded::of(other), "a lookup finds it as it was typed");
    }
    assert_ne!(Folded::of("alice"), Folded::of("alicé"));
}

#[test]
fn no_digit_of_any_script_makes_a_numbered_name() {
    for zero in ZEROS {
        for offset in 0..10 {
            let digit = char::from_u32(u32::from(zero) + offset).expect("a set of digits has ten");
            // The standard library and this table may be of different versions of Unicode, so only the known ones are asked.
            assert_eq!(zero_of(digit), Some(zero));
            assert!(Name::parse(&format!("client-{digit}")).is_err(), "{digit}");
        }
    }
    assert!(ZEROS.is_sorted());
}

#[test]
fn each_character_of_unicode_is_a_letter_a_mark_a_digit_or_refused() {
    for c in '\0'..=char::MAX {
        let Ok(name) = Name::parse(&c.to_string()) else { continue };
        for kept in name.as_str().chars() {
            // Nukta letters come apart in NFC, hence a mark after the letter.
            let known = kept.is_alphanumeric()
                || matches!(kept, '-' | '_' | '.')
                || is_combining_mark(kept);
            assert!(known && !kept.is_control() && !kept.is_whitespace(), "{kept:?}");
        }
        let lower: String = c.to_lowercase().collect();
        assert_eq!(name.folded(), Folded::of(&lower), "{c:?} and its lower case are one name");
    }
}

#[test]
fn a_number_is_read_in_canonical_digits_only() {
    for (text, number) in [
        ("client-17", Some(17)),
        ("CLIENT-1", Some(1)),
        ("client-１７", Some(17)),
        ("client-18446744073709551615", Some(u64::MAX)),
        ("client-18446744073709551616", None),
        ("client-0", None),
        ("client-017", None),
        ("client-", None),
        ("client-+1", None),
        ("client-1 ", None),
        ("client-٣", None),
        ("client", None),
        ("", None),
    ] {
        assert_eq!(number_of(text), number, "{text:?}");
    }
}

#[test]
fn a_taken_name_has_a_free_variant_near_it() {
    let long = "é".repeat(NAME_CHARS);
    let cut = format!("{}2", "é".repeat(NAME_CHARS - 1));
    for (name, taken, free) in [
        ("alice", &["alice"][..], Some("alice2")),
        ("Alice", &["alice", "alice2", "alice3"], Some("Alice4")),
        ("r2d2", &["r2d2"], Some("r2d2_2")),
        ("client-", &["client-"], Some("client-_2")),
        ("أليس٣", &["أليس٣"], Some("أليس٣_2")),
        (&long, &[], Some(&*cut)),
    ] {
        let taken: BTreeSet<Folded> = taken.iter().map(|text| Folded::of(text)).collect();
        let name = Name::parse(name).expect("each is a name");
        let variant = free_variant(&name, |folded| taken.contains(folded));
        assert_eq!(variant.as_ref().map(Name::as_str), free);
    }
    let name = Name::parse("alice").expect("a name");
    assert_eq!(free_variant(&name, |_| true), None, "the tries are bounded");
}

#[test]
fn a_text_longer_than_any_name_is_folded_in_bounded_memory() {
    let Folded(folded) = Folded::of(&"\u{fdfa}".repeat(1 << 20));
    assert!(folded.len() < 1 << 16);
}

/// Texts that are often names, or keys, and often just not.
pub(crate) fn likely() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        8 => prop::char::range('!', '~'),
        4 => prop::char::range('\u{a0}', '\u{6ff}'),
        2 => prop::char::range('\u{3000}', '\u{31ff}'),
        1 => any::<char>(),
    ];
    prop::collection::vec(character, 0..8).prop_map(String::from_iter)
}

proptest! {
    #[test]
    fn a_parsed_name_parses_to_itself(text in likely()) {
        if let Ok(name) = Name::parse(&text) {
            prop_assert_eq!(Name::parse(name.as_str()), Ok(name.clone()));
            prop_assert!(name.as_str().chars().count() <= NAME_CHARS);
            prop_assert_eq!(Folded::of(&text), name.folded());
        }
    }

    #[test]
    fn folding_a_folded_text_changes_nothing(text in likely()) {
        let folded = Folded::of(&text);
        prop_assert_eq!(Folded::of(&folded.0), folded);
    }

    #[test]
    fn a_free_variant_is_free_and_a_name(text in "[a-zé][a-zé0-9._-]{0,31}", taken in 0_u32..60) {
        let Ok(name) = Name::parse(&text) else { return Ok(()) };
        let tried = std::cell::Cell::new(0);
        let variant = free_variant(&name, |_| { tried.set(tried.get() + 1); tried.get() <= taken });
        let variant = variant.expect("fewer are taken than are tried");
        prop_assert_ne!(variant.folded(), name.folded());
        prop_assert_eq!(Name::parse(variant.as_str()), Ok(variant));
    }
}
