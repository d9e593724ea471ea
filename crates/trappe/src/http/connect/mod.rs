//! `GET /connect`: ready-made clients for this very hub, each one file that needs no library.
//!
//! A client is a template; what it is filled with can end no literal and no comment in any of the languages, whoever chose
//! it ([`plain`]).

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use trappe_core::{
    command::Lang,
    words::{Value, say},
};

use super::guard::{Authority, Host};
use crate::client::Address;

/// One client of the page.
struct Kind {
    /// How the address of the file calls it: `/connect/NAME`.
    name: &'static str,
    /// Its heading.
    title: &'static str,
    file_name: &'static str,
    /// How it is run, where a shell runs it; else the sentence that tells how.
    run: Run,
    template: &'static str,
}

impl Kind {
    /// Whether it speaks by datagrams: then it goes to its room by a line that says so.
    fn is_udp(&self) -> bool {
        self.template.contains("@UDP@/join ")
    }
}

enum Run {
    Shell(&'static str),
    Sentence(&'static str),
}

const KINDS: [Kind; 7] = [
    Kind {
        name: "nc",
        title: "nc",
        file_name: "nc.sh",
        run: Run::Shell("sh nc.sh bonjour"),
        template: include_str!("nc.sh"),
    },
    Kind {
        name: "python",
        title: "Python",
        file_name: "client.py",
        run: Run::Shell("python3 client.py bonjour"),
        template: include_str!("client.py"),
    },
    Kind {
        name: "python-udp",
        title: "Python, UDP",
        file_name: "client_udp.py",
        run: Run::Shell("python3 client_udp.py bonjour"),
        template: include_str!("client_udp.py"),
    },
    Kind {
        name: "javascript",
        title: "JavaScript",
        file_name: "client.js",
        run: Run::Sentence("connect-javascript"),
        template: include_str!("client.js"),
    },
    Kind {
        name: "rust",
        title: "Rust",
        file_name: "client.rs",
        run: Run::Shell("rustc client.rs && ./client bonjour"),
        template: include_str!("client.rs"),
    },
    Kind {
        name: "c",
        title: "C",
        file_name: "client.c",
        run: Run::Shell("cc -o client client.c && ./client bonjour"),
        template: include_str!("client.c"),
    },
    Kind {
        name: "arduino",
        title: "Arduino (ESP32)",
        file_name: "client.ino",
        run: Run::Sentence("connect-arduino"),
        template: include_str!("client.ino"),
    },
];

/// The room in which everybody begins: nobody has to go there.
const LOBBY: &str = "lobby";

/// What an address may hold as it is, beside letters and digits (RFC 3986 §2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What the clients are made for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The hub's name or address as whoever asks reached it, without a port; an IPv6 address with or without brackets.
    pub(crate) host: &'a str,
    /// Its port.
    pub(crate) port: u16,
    /// The room to be in.
    pub(crate) room: &'a str,
    /// The language of what is explained; the code is the same in each.
    pub(crate) lang: Lang,
    /// Whether it takes datagrams.
    pub(crate) udp: bool,
}

/// One client, ready to be saved and run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Snippet {
    /// The file, with its last newline.
    pub(crate) body: String,
    /// The same plain text for each: a browser shows it, and no page of another site can run it as a script.
    pub(crate) content_type: &'static str,
    /// What the file is called.
    pub(crate) file_name: &'static str,
}

/// Those clients that the hub would hear.
fn kinds(place: &Place<'_>) -> impl Iterator<Item = &'static Kind> {
    let udp = place.udp;
    KINDS.iter().filter(move |kind| udp || !kind.is_udp())
}

/// The client called `name`: `nc`, `python`, `python-udp`, `javascript`, `rust`, `c` or `arduino`.
pub(crate) fn snippet(name: &str, place: &Place<'_>) -> Option<Snippet> {
    let kind = kinds(place).find(|kind| kind.name == name)?;
    Some(Snippet {
        body: Filling::new(place).fill(kind.template),
        content_type: "text/plain; charset=utf-8",
        file_name: kind.file_name,
    })
}

/// All clients in one text, each under its heading and how to fetch and run it.
pub(crate) fn page(place: &Place<'_>) -> String {
    let filling = Filling::new(place);
    let mut text = format!("{}\n{}\n", filling.title(), filling.say("connect-each"));
    for kind in kinds(place) {
        let Kind { title, .. } = kind;
        let [fetch, run] = [filling.fetch(kind), filling.run(kind)];
        let body = filling.fill(kind.template);
        write!(text, "\n== {title} ==\n{fetch}\n{run}\n\n{body}").expect("a String takes it");
    }
    text
}

/// The same for a browser: a whole document without a script or a style, with a link to each file.
pub(crate) fn html(place: &Place<'_>) -> String {
    let filling = Filling::new(place);
    let mut text = format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n<p>{}</p>\n",
        place.lang.as_str(),
        escaped(&filling.say("connect-each")),
        title = escaped(&filling.title()),
    );
    for kind in kinds(place) {
        let Kind { name, title, file_name, .. } = kind;
        let href = escaped(&filling.path(kind));
        let [fetch, run] = [escaped(&filling.fetch(kind)), escaped(&filling.run(kind))];
        let body = escaped(&filling.fill(kind.template));
        write!(
            text,
            "<h2 id=\"{name}\">{title}</h2>\n<p><a href=\"{href}\">{file_name}</a></p>\n\
             <pre>{fetch}\n{run}</pre>\n<pre>{body}</pre>\n",
        )
        .expect("a String takes it");
    }
    text + "</main>\n</body>\n</html>\n"
}

/// What the templates are filled with.
struct Filling {
    lang: Lang,
    udp: bool,
    /// The host as sockets take it: without brackets.
    host: String,
    /// Host and port as URLs and people write them.
    address: Address,
    room: String,
}

impl Filling {
    fn new(place: &Place<'_>) -> Self {
        let host = plain(place.host).replace(['[', ']'], "");
        let address = Address { host: host.clone(), port: place.port };
        Self {
            lang: place.lang,
            udp: place.udp,
            host,
            address,
            room: plain(place.room).replace([':', '[', ']'], ""),
        }
    }

    fn say(&self, id: &'static str) -> String {
        say(self.lang, id, &[])
    }

    fn say_where(&self, id: &'static str) -> String {
        let address = self.address.to_string();
        let arguments = [("address", Value::from(&address)), ("room", Value::from(&self.room))];
        say(self.lang, id, &arguments)
    }

    fn title(&self) -> String {
        self.say_where("connect-title")
    }

    /// Where the file of `kind` is on this hub.
    fn path(&self, kind: &Kind) -> String {
        let room = utf8_percent_encode(&self.room, UNRESERVED);
        format!("/connect/{}?room={room}", kind.name)
    }

    /// The command that fetches the file. Nothing in the quotes could end them: [`plain`], and what is percent-encoded.
    fn fetch(&self, kind: &Kind) -> String {
        format!("curl -sS 'http://{}{}' -o {}", self.address, self.path(kind), kind.file_name)
    }

    fn run(&self, kind: &Kind) -> String {
        match kind.run {
            Run::Shell(command) => command.to_owned(),
            Run::Sentence(id) => self.say(id),
        }
    }

    /// Fills one template: what stands between two `@` is replaced, in one pass, so that nothing that was put in is read
    /// again. Lines that say nothing here are left out: going to the lobby, where no datagram has to ask for it, what is
    /// about datagrams where there are none, and a warning that isn't due.
    fn fill(&self, template: &str) -> String {
        let is_lobby = self.room.eq_ignore_ascii_case(LOBBY);
        let is_far = !is_loopback(&self.host);
        let is_due = |line: &&str| {
            let udp = line.contains("@UDP@");
            let goes_there = line.contains("/join @ROOM@") && !udp;
            !(is_lobby && goes_there || is_far && line.contains("@BOARD@") || udp && !self.udp)
        };
        let mut text = String::with_capacity(2 * template.len());
        for line in template.split_inclusive('\n').filter(is_due) {
            for (index, piece) in line.split('@').enumerate() {
                if index % 2 == 0 {
                    text.push_str(piece);
                } else {
                    text.push_str(&self.value(piece));
                }
            }
        }
        text
    }

    fn value(&self, placeholder: &str) -> String {
        match placeholder {
            "HOST" => self.host.clone(),
            "PORT" => self.address.port.to_string(),
            "ADDRESS" => self.address.to_string(),
            "ROOM" => self.room.clone(),
            // It marks a line, and puts nothing in.
            "UDP" => String::new(),
            "WHAT" => self.say_where("connect-what"),
            "JAVASCRIPT" => self.say("connect-javascript"),
            "ARDUINO" => self.say("connect-arduino"),
            "BOARD" => say(self.lang, "connect-board", &[("host", Value::from(&self.host))]),
            "WIFI" => self.say("connect-wifi"),
            "PASSWORD" => self.say("connect-password"),
            other => other.to_owned(),
        }
    }
}

/// What of `text` can stand in a literal of any of the languages, in quotes or in none, and in a comment: letters, marks and
/// digits of any script, and what hosts and names hold beside them. Of what was validated before, this drops nothing.
fn plain(text: &str) -> String {
    let is_plain = |c: char| match c {
        _ if c.is_ascii() => c.is_ascii_alphanumeric() || "-_.:[]".contains(c),
        // Lines end at these two for some; the others of their kind are controls.
        '\u{2028}' | '\u{2029}' => false,
        _ => !c.is_control(),
    };
    text.chars().filter(|&c| is_plain(c)).collect()
}

/// Whether a board that is given this host would look for the hub on itself.
fn is_loopback(host: &str) -> bool {
    let authority = Authority::parse(host).map(|it| it.host);
    match authority.or_else(|| host.parse().ok().map(Host::V6)) {
        Some(Host::V4(address)) => address.is_loopback(),
        Some(Host::V6(address)) => address.is_loopback(),
        Some(Host::Name(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// `text` as text or as a quoted attribute of HTML.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests;
