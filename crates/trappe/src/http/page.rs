//! `GET /`: the page, its files and its words. Everything that it needs lies in this program.
//!
//! The files are those of the folder `web`, without their comments: there is no build. In a debug build they are read
//! from there at each request, so that a change is seen by loading the page anew. Two of them are the client library, links
//! to `clients/js`: so there is one copy of it, and it is in the package.

mod lean;

use std::fmt::Write as _;

use rust_embed::RustEmbed;
use trappe_core::{command::Lang, words};

use super::{answer::Answer, head::Head};

#[derive(RustEmbed)]
#[folder = "web"]
struct Web;

/// Somebody else's modules, with the licence at their beginning: served as they are.
const OTHERS: &[&str] = &["preact.js"];

/// What the page may do: its own scripts and styles, connections to its own hub, and nothing written in line. Nobody may frame
/// it, so that no click on it is somebody else's.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// The document itself, in `lang`. `live`: whoever asks may see the live hub, and the wire of its members.
pub(super) fn document(lang: Lang, live: bool) -> Answer {
    let bytes = Web::get("index.html").map(|file| file.data).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.split_inclusive('\n').filter(|line| !line.starts_with("<!--"));
    let html = lines
        .collect::<String>()
        .replace("%LANG%", lang.as_str())
        .replace("%LIVE%", if live { "yes" } else { "no" });
    let answer = Answer::new(200, "text/html; charset=utf-8", html).policy(POLICY);
    // One address has a document for each language, and another for programs (`clients`).
    answer.with("vary", "Accept, Accept-Language").with("referrer-policy", "no-referrer")
}

/// One of its files. None: there is none of that name.
pub(super) fn file(head: &Head, name: &str) -> Option<Answer> {
    let (_, extension) = name.rsplit_once('.')?;
    let content_type = match extension {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    };
    let file = Web::get(name)?;
    let tag = file.metadata.sha256_hash()[..16].iter().fold(String::new(), |mut tag, byte| {
        write!(tag, "{byte:02x}").expect("a String takes it");
        tag
    });
    let body = match str::from_utf8(&file.data) {
        Ok(text) if has_comments(name) => lean::lean(text).into_bytes(),
        _ => file.data.into_owned(),
    };
    Some(cached(head, content_type, &tag, body))
}

/// Whether it is a file of ours that is served without its comments.
fn has_comments(name: &str) -> bool {
    !OTHERS.contains(&name) && matches!(name.rsplit_once('.'), Some((_, "js" | "css")))
}

/// The sentences of the page, `fr.js` or `en.js`.
pub(super) fn words(head: &Head, name: &str) -> Option<Answer> {
    let lang: Lang = name.strip_suffix(".js")?.parse().ok()?;
    // They change with the program only.
    let tag = concat!("words-", env!("CARGO_PKG_VERSION"));
    let tag = if cfg!(debug_assertions) { "" } else { tag };
    let module = words::module(lang);
    Some(cached(head, "text/javascript; charset=utf-8", tag, module))
}

/// What a browser may keep, but has to ask after: a hub that was made anew may have another.
fn cached(head: &Head, content_type: &'static str, tag: &str, body: Vec<u8>) -> Answer {
    if tag.is_empty() {
        return Answer::new(200, content_type, body).policy(POLICY);
    }
    let tag = format!("\"{tag}\"");
    let known =
        head.list("if-none-match").any(|known| known.trim().trim_start_matches("W/") == tag);
    let answer = if known { Answer::empty(304) } else { Answer::new(200, content_type, body) };
    answer.policy(POLICY).cache("no-cache").with("etag", tag)
}
