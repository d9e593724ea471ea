//! The rules of the API, and how it is read, on planted lists and pages.

use super::html::items;
use super::*;

fn api(version: &str, now: &[&str], accepted: &str) -> Api {
    let now = now.iter().map(|line| (*line).to_owned()).collect();
    let mut api = Api { version: version.to_owned(), now, ..Api::default() };
    api.promise(accepted);
    api
}

#[test]
fn what_is_gone_takes_a_version_that_says_so_and_what_is_new_takes_none() {
    let kept = "a: pub fn f()";
    for (before, after, may_break) in [
        ("0.1.0", "0.1.0", false),
        ("0.1.0", "0.1.9", false),
        ("0.1.9", "0.2.0", true),
        ("0.1.0", "1.0.0", true),
        ("0.0.1", "0.0.2", true),
        ("1.2.3", "1.9.0", false),
        ("1.2.3", "2.0.0-rc.1", true),
        ("2.0.0", "1.0.0", false),
    ] {
        let accepted = format!("{before}\n{kept}\na: pub fn g()\n");
        for now in [&[kept][..], &[kept, "a: pub fn g(x: u8)"]] {
            let refusal = api(after, now, &accepted).refusal().expect("versions");
            assert_eq!(refusal.is_empty(), may_break, "{before} {after} {now:?}: {refusal}");
            assert!(may_break || refusal.starts_with("- a: pub fn g()\n"), "{refusal}");
        }
        let more = api(after, &[kept, "a: pub fn g()", "b"], &accepted);
        assert_eq!(more.refusal().expect("versions"), "");
        assert_eq!(more.difference(), "+ b\n");
    }
    assert_eq!(api("0.1.0", &[kept], "").refusal().expect("nothing was promised"), "");
    assert!(api("0.1.0", &[kept], "0.x\na\n").refusal().is_err());
}

#[test]
fn both_sides_of_a_change_are_shown_and_what_is_the_same_is_not() {
    let changed = api("0.1.0", &["a", "b2", "c"], "0.1.0\na\nb\nc\n");
    assert_eq!(changed.difference(), "- b\n+ b2\n");
    assert_eq!(api("0.1.0", &["a"], "0.1.0\na\n").difference(), "");
}

#[test]
fn a_dependency_is_never_accepted_but_for_the_one_that_is_meant() {
    let mut api = api("0.1.0", &[], "");
    api.foreign = [FOREIGN[0].to_owned(), "trappe::f: pub fn f() -> Bytes".to_owned()].into();
    for words in [api.foreign(), api.refusal().expect("versions")] {
        assert_eq!(words, "names what belongs to a dependency: trappe::f: pub fn f() -> Bytes\n");
    }
}

/// The items of planted pages: a function, re-exports, and an enum with what `declared` says.
fn planted(declared: &str) -> Vec<(String, bool)> {
    let index = "<dl><dt><a class=\"fn\" href=\"fn.f.html\" title=\"fn trappe::f\">f</a></dt>\
         <dt id=\"reexport.B\"><code>pub use bytes::B;</code></dt>\
         <dt><a class=\"enum\" href=\"enum.Word.html\" title=\"enum trappe::Word\">W<wbr>ord</a></dt></dl>";
    let f = "<pre class=\"rust item-decl\"><code>pub fn f&lt;T: Stream&gt;(\n    a: &amp;\
         <a class=\"struct\" href=\"x\" title=\"struct core::pin::Pin\">Pin</a>&lt;T&gt;,\n) -&gt; Bytes</code></pre>";
    let word = format!(
        "<pre class=\"rust item-decl\"><code>{declared}</code></pre><section id=\"variant.One\"></section>\
         <section id=\"variant.Two\"></section><h3 class=\"code-header\">impl Word</h3>\
         <h4 class=\"code-header\">pub fn two() -&gt; Self</h4><h3 class=\"code-header\">impl \
         <a class=\"trait\" href=\"x\" title=\"trait core::marker::Send\">Send</a> for Word</h3>\
         <h4 class=\"code-header\">fn not_shown()</h4><h3 class=\"code-header\">impl !Sync for Word</h3>\
         <h2 id=\"blanket-implementations\"></h2><h3 class=\"code-header\">impl&lt;T&gt; Any for T</h3>"
    );
    let read = |page: &Path| match page.to_str() {
        Some("trappe/index.html") => Ok(index.to_owned()),
        Some("trappe/fn.f.html") => Ok(f.to_owned()),
        Some("trappe/enum.Word.html") => Ok(word.clone()),
        _ => bail!("no page {page:?}"),
    };
    items(&read).expect("pages").into_iter().collect()
}

#[test]
fn pages_become_lines_and_a_foreign_name_is_seen_wherever_it_stands() {
    let lines = planted(
        "pub enum Word {<details><summary>Show 2</summary>\n    One(Vec&lt;u8&gt;),\n    Two,\n}",
    );
    let expected = [
        ("trappe: pub use bytes::B;", true),
        ("trappe::Word: impl Send for Word", false),
        ("trappe::Word: pub enum Word { One(Vec<u8>), Two, }", true),
        ("trappe::Word: pub fn two() -> Self", false),
        ("trappe::f: pub fn f<T: Stream>(a: &Pin<T>) -> Bytes", true),
    ];
    assert_eq!(lines, expected.map(|(line, foreign)| (line.to_owned(), foreign)));
}

#[test]
fn what_may_grow_has_a_line_for_each_part() {
    let lines = planted(
        "<div class=\"code-attribute\">#[non_exhaustive]</div>pub enum Word {\n    One(u8, fn(u8) -&gt; u8),\n    \
         Two {\n        a: Vec2,\n    },\n}",
    );
    let of_word: Vec<(&str, bool)> = lines
        .iter()
        .filter_map(|(line, foreign)| Some((line.strip_prefix("trappe::Word: ")?, *foreign)))
        .filter(|(line, _)| !line.starts_with("impl") && !line.starts_with("pub fn"))
        .collect();
    assert_eq!(
        of_word,
        [
            ("#[non_exhaustive] pub enum Word { .. }", false),
            ("One(u8, fn(u8) -> u8)", false),
            ("Two { a: Vec2, }", true),
        ]
    );
}
