//! `trappe server`.

use std::{
    ffi::OsStr,
    net::IpAddr,
    path::{Path, PathBuf},
};

use clap::{
    Args, Command,
    builder::{OsStringValueParser, TypedValueParser},
    error::{Error as ClapError, ErrorKind as Clap},
};
use ipnet::IpNet;
use trappe_core::{
    command::{Format, Lang},
    framing::Framing,
    keep::Keep,
    limits::{
        GREET_DEFAULT, GREET_MAX, HISTORY_ROOM_BYTES_DEFAULT, HISTORY_TOTAL_BYTES_DEFAULT,
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
    server::{self, Config, Listen, Only, OpenError, SocketError, StartError},
};

const EXAMPLES: &str = "\
Examples:
  trappe server                           every address, port 5566; only this machine may connect
  trappe server --data /var/lib/trappe    what is said is kept there, and outlives the server
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
    /// Where the server keeps whatever it keeps; turns history on [default: the first folder of `STATE_DIRECTORY`, which systemd
    /// sets; else nothing is kept]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// No history on disk, although there is a folder for data
    #[arg(long, conflicts_with_all = ["keep", "keep_total"])]
    no_history: bool,
    /// What history keeps of a room: any of a count, an age (s, min, h, d) and a size, or `all`; what isn't named sets no bound
    /// [default: 1GiB, of any count and age]
    #[arg(long, value_name = "Nmsg,AGE,SIZE", value_parser = parse::<Keep>)]
    keep: Option<Keep>,
    /// The same for all rooms together [default: 10GiB]
    #[arg(long, value_name = "Nmsg,AGE,SIZE", value_parser = parse::<Keep>)]
    keep_total: Option<Keep>,
    /// Messages of the room that a client in text gets with its welcome, up to 100; 0: none [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(..=GREET_MAX as i64))]
    greet: Option<u16>,
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

/// So many bytes, of any count and age.
fn bytes(bytes: u64) -> Keep {
    Keep { bytes: Some(bytes), ..Keep::default() }
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

/// Where data is kept: as typed, else where systemd says, which may name several folders.
pub(super) fn data(typed: Option<&Path>, state_directory: Option<&OsStr>) -> Option<PathBuf> {
    let of_systemd = || std::env::split_paths(state_directory?).next();
    typed.map(Path::to_owned).or_else(of_systemd).filter(|path| !path.as_os_str().is_empty())
}

/// History needs a place. Said here, since the place may be the environment's: clap looks at what is typed alone.
fn check_keep(args: &ServerArgs, data: Option<&Path>) -> Result<(), ClapError> {
    if data.is_some() || args.keep.is_none() && args.keep_total.is_none() {
        return Ok(());
    }
    let why = "--keep and --keep-total say how much history keeps on disk, and there is none: \
               --data DIR says where\n";
    Err(ClapError::raw(Clap::MissingRequiredArgument, why).with_cmd(&Command::new("server")))
}

/// Runs the server until it is told to stop.
pub(super) fn run(args: &ServerArgs) -> Exit {
    let data = data(args.data.as_deref(), std::env::var_os("STATE_DIRECTORY").as_deref());
    if let Err(error) = check_keep(args, data.as_deref()) {
        // Standard error is gone: nobody is left to be told.
        drop(error.print());
        return Exit::Usage;
    }
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
        history: data.is_some() && !args.no_history,
        data,
        keep: args.keep.unwrap_or(bytes(HISTORY_ROOM_BYTES_DEFAULT)),
        keep_total: args.keep_total.unwrap_or(bytes(HISTORY_TOTAL_BYTES_DEFAULT)),
        greet: args.greet.map_or(GREET_DEFAULT, usize::from),
        raw_gap_skip: args.raw_gap == "skip",
        notices: !args.no_notices,
        quiet: args.quiet,
        lang: lang(args.lang),
    };
    let started = |begun: server::Begun<'_>| {
        for line in begun.lines {
            // A closed standard output is no reason not to serve.
            let _closed = out::say(line);
        }
    };
    match server::run(&config, server::Orders { signals: true, told: None }, started) {
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
        StartError::Data { path, source } => data_sentence(path, source, lang),
        other => other.to_string(),
    }
}

/// Why nothing can be kept in the folder `path`, and the way out.
pub(super) fn data_sentence(path: &Path, error: &OpenError, lang: Lang) -> String {
    let at =
        |path: &Path, id: &'static str| say(lang, id, &[("path", shown(path).as_str().into())]);
    let file = path.join("history.db");
    match error {
        OpenError::NoParent => at(path, "cli-data-parent"),
        OpenError::NotAFolder => at(path, "cli-data-not-folder"),
        OpenError::Link(link) => at(link, "cli-data-link"),
        OpenError::Owner(_) => at(path, "cli-data-owner"),
        OpenError::Denied => at(path, "cli-data-denied"),
        OpenError::Foreign => at(&file, "cli-data-foreign"),
        OpenError::Newer(_) => at(&file, "cli-data-newer"),
        OpenError::Used { pid } => {
            let pid = pid.map_or_else(|| "?".to_owned(), |pid| pid.to_string());
            let path = shown(path);
            say(
                lang,
                "cli-data-used",
                &[("path", path.as_str().into()), ("pid", pid.as_str().into())],
            )
        }
        other => {
            let (path, error) = (shown(path), other.to_string());
            let args = [("path", path.as_str().into()), ("error", error.as_str().into())];
            say(lang, "cli-data-other", &args)
        }
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
    use std::ffi::OsString;

    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        server: ServerArgs,
    }

    fn typed(line: &[&str]) -> Result<ServerArgs, ClapError> {
        Line::try_parse_from([&["server"], line].concat()).map(|line| line.server)
    }

    #[test]
    fn data_is_kept_where_it_is_typed_or_where_systemd_says() {
        for (typed, state_directory, wanted) in [
            (None, None, None),
            (Some("d"), None, Some("d")),
            (Some("d"), Some("/var/lib/trappe"), Some("d")),
            (None, Some("/var/lib/trappe"), Some("/var/lib/trappe")),
            (None, Some("/var/lib/a:/var/lib/b"), Some("/var/lib/a")),
            (None, Some(""), None),
        ] {
            let state_directory = state_directory.map(OsString::from);
            let found = data(typed.map(Path::new), state_directory.as_deref());
            assert_eq!(found.as_deref(), wanted.map(Path::new));
        }
    }

    #[test]
    fn what_history_keeps_needs_a_place() {
        for line in [&["--keep", "30d"][..], &["--keep-total", "10GiB"]] {
            let args = typed(line).expect("it is typed correctly");
            let error = check_keep(&args, None).expect_err("there is no history");
            assert!(error.to_string().contains("--data DIR"), "{error}");
            assert!(check_keep(&args, Some(Path::new("d"))).is_ok());
        }
        assert!(check_keep(&typed(&[]).expect("nothing is typed"), None).is_ok());
    }

    #[test]
    fn options_of_history_that_mean_nothing_are_refused() {
        for line in [
            &["--data"][..],
            &["--data="],
            &["--data", "d", "--no-history", "--keep", "30d"],
            &["--data", "d", "--keep", "30m"],
            &["--data", "d", "--keep", "0msg"],
            &["--data", "d", "--keep", "30d,2h"],
            &["--data", "d", "--keep-total", "10"],
            &["--greet", "101"],
            &["--greet=-1"],
        ] {
            assert!(typed(line).is_err(), "{line:?}");
        }
        let keep = typed(&["--data", "d", "--keep", "100000msg,30d,1GiB"]).map(|args| args.keep);
        assert_eq!(keep.expect("right").expect("given").to_string(), "100000msg,30d,1GiB");
    }

    #[test]
    fn help_names_the_defaults_that_are() {
        let help = Line::command().render_help().to_string();
        // Wherever its lines are broken.
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for default in [
            format!("[default: {},", bytes(HISTORY_ROOM_BYTES_DEFAULT)),
            format!("[default: {}]", bytes(HISTORY_TOTAL_BYTES_DEFAULT)),
            format!("up to {GREET_MAX}; 0: none [default: {GREET_DEFAULT}]"),
        ] {
            assert!(help.contains(&default), "{default}: {help}");
        }
    }

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
