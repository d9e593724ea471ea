//! `trappe server`.

use std::{net::IpAddr, path::Path};

use clap::{
    Args,
    builder::{OsStringValueParser, TypedValueParser},
};
use ipnet::IpNet;
use trappe_core::{
    command::{Format, Lang},
    framing::Framing,
    limits::{
        KEEP_BYTES_MAX, LAG_ROOM_BYTES_DEFAULT, LAG_ROOM_BYTES_MIN, LAG_TOTAL_BYTES_DEFAULT,
        MESSAGE_BYTES_DEFAULT, MESSAGE_BYTES_MAX, RETAIN_BYTES_DEFAULT, RETAIN_MESSAGES_DEFAULT,
        RETAIN_MESSAGES_MAX, SOCKET_PATH_BYTES, WORKERS,
    },
    words::say,
};

use super::{exit::Exit, lang, out, size};
use crate::{
    client::address::PORT_DEFAULT,
    net::address::{host_name, origin, shown},
    server::{self, Config, Listen, Only, SocketError, StartError},
};

const EXAMPLES: &str = "\
Examples:
  trappe server                           every address, port 5566; only this machine may connect
  trappe server --open                    everyone who reaches the port may connect
  trappe server --port 0                  the system chooses a free port, and it is printed
  trappe server --host 127.0.0.1 --host ::1
  trappe server --listen unix:/run/trappe.sock --listen 5566
  trappe server --quiet --format raw      a bus for programs: bodies alone";

/// The options of `trappe server`.
#[expect(clippy::struct_excessive_bools, reason = "each is one switch of the command line")]
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct ServerArgs {
    /// Address to listen on, may be repeated [default: every address]
    #[arg(long, value_name = "ADDR")]
    host: Vec<IpAddr>,
    /// Port to listen on; 0 lets the system choose [default: 5566]
    #[arg(long)]
    port: Option<u16>,
    /// Another address to listen on, or a Unix socket; may be repeated; alone, without --host and --port, instead of theirs
    #[arg(long, value_name = "[HOST]:PORT|unix:PATH", value_parser = listen())]
    listen: Vec<Listen>,
    /// Speaks only these [default: lines,http,ws,udp]
    #[arg(long, value_name = "lines,http,ws,udp", value_parser = parse::<Only>)]
    only: Option<Only>,
    /// A name under which browsers may reach the hub, beside localhost and addresses; may be repeated
    #[arg(long, value_name = "NAME", value_parser = host_name)]
    allow_host: Vec<String>,
    /// A web site whose pages may talk to the hub, beside its own (`*`: any); may be repeated
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    allow_origin: Vec<String>,
    /// Serves /echo, which says back what it is told: for test suites of the WebSocket protocol
    #[arg(long, hide = true)]
    echo: bool,
    /// Networks whose addresses need not be proved by UDP, beside this machine's own: 10.0.0.0/8,192.168.1.0/24
    #[arg(long, value_name = "NET", value_delimiter = ',')]
    udp_trust: Vec<IpNet>,
    /// Lets everyone connect who reaches the port, not only this machine
    #[arg(long)]
    open: bool,
    /// Threads that serve clients [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=WORKERS as i64))]
    workers: Option<u16>,
    /// How clients are written to until they ask otherwise: text for eyes, raw and json for programs
    #[arg(long, value_name = "text|raw|json", default_value = "text", value_parser = parse::<Format>)]
    format: Format,
    /// Where a message ends, until a client asks otherwise
    #[arg(long, value_name = "auto|line|chunk|len32|nul", default_value = "auto", value_parser = parse::<Framing>)]
    framing: Framing,
    /// The longest message
    #[arg(long, value_name = "SIZE", default_value = "64KiB", value_parser = message_size)]
    max_message: usize,
    /// What a room keeps for /history and /resume
    #[arg(long, value_name = "N msg,SIZE", default_value = "1000msg,1MiB", value_parser = retain)]
    retain: (u64, u64),
    /// How far behind a client may fall in its room, and what all rooms may keep together
    #[arg(long, value_name = "SIZE,SIZE", default_value = "8MiB,256MiB", value_parser = lag)]
    lag: (usize, usize),
    /// What becomes of a raw client that falls further behind: closed, or it goes on without what it missed
    #[arg(long, value_name = "close|skip", default_value = "close", value_parser = ["close", "skip"])]
    raw_gap: String,
    /// No notices of arrival and departure
    #[arg(long)]
    no_notices: bool,
    /// Prints nothing more once it has started
    #[arg(short, long)]
    quiet: bool,
    /// Language of sentences [default: `TRAPPE_LANG`, else fr]
    #[arg(long, value_name = "fr|en", value_parser = parse::<Lang>)]
    lang: Option<Lang>,
    /// Says more on standard error; twice, still more
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|e: T::Err| e.to_string())
}

/// A path may be of any bytes: text won't do.
fn listen() -> impl TypedValueParser<Value = Listen> {
    OsStringValueParser::new().try_map(|typed| Listen::parse(&typed))
}

fn message_size(text: &str) -> Result<usize, String> {
    match size::bytes(text)? {
        bytes @ 1..=MESSAGE_BYTES_MAX => Ok(bytes),
        _ => Err(format!(
            "expected 1 to {MESSAGE_BYTES_MAX} bytes (such as {}KiB)",
            MESSAGE_BYTES_DEFAULT >> 10
        )),
    }
}

/// `1000msg,1MiB`: either part may be left out.
fn retain(text: &str) -> Result<(u64, u64), String> {
    let mut kept = (RETAIN_MESSAGES_DEFAULT, RETAIN_BYTES_DEFAULT);
    for part in text.split(',') {
        match part.strip_suffix("msg") {
            Some(number) => {
                let number = number.parse().ok().filter(|n| *n <= RETAIN_MESSAGES_MAX);
                kept.0 =
                    number.ok_or_else(|| format!("expected up to {RETAIN_MESSAGES_MAX}msg"))?;
            }
            None => kept.1 = bounded(size::bytes(part)?)?,
        }
    }
    Ok((kept.0 as u64, kept.1 as u64))
}

/// `8MiB,256MiB`: the second may be left out.
fn lag(text: &str) -> Result<(usize, usize), String> {
    let (room, total) = if let Some((room, total)) = text.split_once(',') {
        (size::bytes(room)?, size::bytes(total)?)
    } else {
        let room = size::bytes(text)?;
        (room, room.max(LAG_TOTAL_BYTES_DEFAULT))
    };
    if room < LAG_ROOM_BYTES_MIN || total < room {
        let least = LAG_ROOM_BYTES_MIN >> 10;
        return Err(format!(
            "expected at least {least}KiB for a room, and no less for all (such as {}MiB,{}MiB)",
            LAG_ROOM_BYTES_DEFAULT >> 20,
            LAG_TOTAL_BYTES_DEFAULT >> 20
        ));
    }
    Ok((bounded(room)?, bounded(total)?))
}

fn bounded(bytes: usize) -> Result<usize, String> {
    if bytes <= KEEP_BYTES_MAX {
        Ok(bytes)
    } else {
        Err(format!("expected at most {}GiB", KEEP_BYTES_MAX >> 30))
    }
}

/// Runs the server until it is told to stop.
pub(super) fn run(args: &ServerArgs) -> Exit {
    log(args.verbose);
    let config = Config {
        hosts: args.host.clone(),
        port: args
            .port
            .or((args.listen.is_empty() || !args.host.is_empty()).then_some(PORT_DEFAULT)),
        listen: args.listen.clone(),
        only: args.only.unwrap_or_default(),
        allow_hosts: args.allow_host.clone(),
        allow_origins: args.allow_origin.clone(),
        echo: args.echo,
        udp_trust: args.udp_trust.clone(),
        open: args.open,
        workers: args.workers.map_or_else(cores, usize::from),
        format: args.format,
        framing: args.framing,
        message_bytes: args.max_message,
        retain_messages: args.retain.0,
        retain_bytes: args.retain.1,
        lag_room_bytes: args.lag.0,
        lag_total_bytes: args.lag.1,
        raw_gap_skip: args.raw_gap == "skip",
        notices: !args.no_notices,
        quiet: args.quiet,
        lang: lang(args.lang),
    };
    let started = |lines: &[String]| {
        for line in lines {
            // A closed standard output is no reason not to serve.
            let _closed = out::say(line);
        }
    };
    match server::run(&config, started) {
        Ok(server::Stopped::Drained) => Exit::Ok,
        Ok(server::Stopped::AtOnce) => Exit::Interrupted,
        Err(error) => {
            out::talk(&sentence(&error, config.lang));
            Exit::Failure
        }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS)
}

/// What went wrong, with the port and the way out.
fn sentence(error: &StartError, lang: Lang) -> String {
    match error {
        StartError::PortUsed { port, holder: Some(who) } => {
            say(lang, "cli-port-used-by", &[("port", (*port).into()), ("who", who.as_str().into())])
        }
        StartError::PortUsed { port, holder: None } => {
            say(lang, "cli-port-used", &[("port", (*port).into())])
        }
        StartError::PortDenied { port } => {
            say(lang, "cli-port-denied", &[("port", (*port).into())])
        }
        StartError::AddressUnknown { address, port } => {
            let address = address.to_string();
            say(
                lang,
                "cli-address-unknown",
                &[("address", address.as_str().into()), ("port", (*port).into())],
            )
        }
        StartError::Socket { path, source } => socket_sentence(path, source, lang),
        other => other.to_string(),
    }
}

/// Why there can be no socket at `path`, and the way out.
fn socket_sentence(path: &Path, error: &SocketError, lang: Lang) -> String {
    let id = match error {
        SocketError::Used => "cli-socket-used",
        SocketError::Link => "cli-socket-link",
        SocketError::Folder => "cli-socket-folder",
        SocketError::File => "cli-socket-file",
        SocketError::Long => "cli-socket-long",
        SocketError::Nowhere => "cli-socket-nowhere",
        SocketError::Denied => "cli-socket-denied",
        // The system's own words: there are too many causes for sentences of ours.
        other => return format!("unix:{}: {other}", shown(path)),
    };
    let (path, limit) = (shown(path), SOCKET_PATH_BYTES);
    say(lang, id, &[("path", path.as_str().into()), ("limit", limit.into())])
}

/// Logs go to standard error, escaped; warnings always, more with `-v`.
fn log(verbose: u8) {
    use tracing::Level;
    let level = match verbose {
        0 => Level::WARN,
        1 => Level::INFO,
        2 => Level::DEBUG,
        _ => Level::TRACE,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    // Only a test that runs several servers in one process has set one before.
    let _already = subscriber.try_init();
}

#[cfg(test)]
mod tests {
    use super::{lag, retain};

    #[test]
    fn what_is_kept_is_read_as_it_is_typed() {
        assert_eq!(retain("1000msg,1MiB"), Ok((1000, 1 << 20)));
        assert_eq!(retain("5msg"), Ok((5, 1 << 20)));
        assert_eq!(retain("2MiB"), Ok((1000, 2 << 20)));
        assert!(retain("many").is_err());
        assert_eq!(lag("8MiB,256MiB"), Ok((8 << 20, 256 << 20)));
        assert_eq!(lag("1MiB"), Ok((1 << 20, 256 << 20)));
        assert!(lag("1KiB").is_err());
        assert!(lag("8MiB,1MiB").is_err());
    }
}
