//! Where a command connects to: a hub's host and port, or its Unix socket; and why it couldn't.

use std::{
    ffi::OsStr,
    fmt, io,
    net::TcpStream,
    path::{Path, PathBuf},
    time::Instant,
};

use clap::{
    Command,
    builder::{OsStringValueParser, TypedValueParser},
    error::{Error as ClapError, ErrorKind as Clap},
};
use trappe_core::{command::Lang, words::say};

use super::out;
use crate::{
    client::{
        Address, ReachError, Reached, Target,
        address::{HOST_DEFAULT, PORT_DEFAULT},
        connect_blocking,
    },
    net::{
        address::{quoted, shown, unix_path},
        unix,
    },
};

/// What was typed for a hub.
#[derive(Debug, Clone)]
pub(super) enum Typed {
    /// `HOST[:PORT]`.
    Host(Target),
    /// `unix:PATH`.
    Socket(PathBuf),
}

impl Typed {
    /// Reads it; a path may be of any bytes.
    fn parse(typed: &OsStr) -> Result<Typed, String> {
        match unix_path(typed) {
            Some(path) if path.as_os_str().is_empty() => {
                Err("the path of a socket is missing: such as unix:/run/trappe.sock".to_owned())
            }
            Some(path) => Ok(Typed::Socket(path.to_owned())),
            None => {
                let text = typed.to_str().ok_or_else(|| "it isn't UTF-8".to_owned())?;
                text.parse()
                    .map(Typed::Host)
                    .map_err(|error: crate::client::TargetError| error.to_string())
            }
        }
    }
}

/// Reads what is typed for a hub. The path of a socket may be of any bytes: text won't do.
pub(super) fn typed() -> impl TypedValueParser<Value = Typed> {
    OsStringValueParser::new().try_map(|typed| Typed::parse(&typed))
}

/// What is meant by it.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// A host and a port.
    Hub(Address),
    /// The path of a socket.
    Socket(PathBuf),
}

/// Why there is no connection.
pub(super) enum Failure<'a> {
    /// To a host and a port.
    Hub(&'a Address, ReachError),
    /// To a socket: what the system said.
    Socket(&'a Path, io::Error),
}

impl Place {
    /// All that the command line says about it, together: to the `command` that is named in what is wrong with it.
    pub(super) fn of(
        command: &'static str,
        target: Option<&Typed>,
        host: Option<&Target>,
        port: Option<u16>,
    ) -> Result<Place, ClapError> {
        let conflict =
            |why| Err(ClapError::raw(Clap::ArgumentConflict, why).with_cmd(&Command::new(command)));
        let typed = match (target, host) {
            (Some(Typed::Socket(_)), _) if port.is_some() => {
                return conflict("a socket has no port: unix:PATH and --port exclude each other\n");
            }
            (Some(Typed::Socket(path)), _) => return Ok(Place::Socket(path.clone())),
            (Some(Typed::Host(target)), _) | (None, Some(target)) => Some(target),
            (None, None) => None,
        };
        let port = match (typed.and_then(|target| target.port), port) {
            (Some(_), Some(_)) => {
                return conflict("the port is given twice: after the host, and with --port\n");
            }
            (port, None) | (None, port) => port.unwrap_or(PORT_DEFAULT),
        };
        let host = typed.map_or(HOST_DEFAULT, |target| &target.host).to_owned();
        Ok(Place::Hub(Address { host, port }))
    }

    /// Connects. A socket answers at once or not at all.
    pub(super) fn connect(&self) -> Result<Reached<TcpStream>, Failure<'_>> {
        match self {
            Place::Hub(address) => {
                connect_blocking(address).map_err(|error| Failure::Hub(address, error))
            }
            Place::Socket(path) => {
                let began = Instant::now();
                let stream = unix::connect(path).map_err(|error| Failure::Socket(path, error))?;
                Ok(Reached { stream, took: began.elapsed() })
            }
        }
    }
}

/// As it is typed: `localhost:5566`, `unix:/run/trappe.sock`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Hub(address) => address.fmt(f),
            Place::Socket(path) => write!(f, "unix:{}", shown(path)),
        }
    }
}

impl Failure<'_> {
    /// Says why, and what to do.
    pub(super) fn explain(&self, lang: Lang) {
        match self {
            Failure::Hub(to, error) => explain_hub(error, to, lang),
            Failure::Socket(path, error) => explain_socket(error, path, lang),
        }
    }
}

fn explain_hub(error: &ReachError, to: &Address, lang: Lang) {
    let address = to.to_string();
    match error {
        ReachError::Refused { .. } => {
            out::talk(&say(lang, "cli-refused", &[("address", (&address).into())]));
            out::talk(&say(lang, "cli-hint-server", &[("port", to.port.into())]));
        }
        ReachError::TimedOut { .. } => {
            out::talk(&say(lang, "cli-timeout", &[("address", (&address).into())]));
        }
        ReachError::Unresolved { host, .. } => {
            out::talk(&say(lang, "cli-unresolved", &[("host", host.into())]));
        }
        // The system's own words: there are too many causes for sentences of ours.
        ReachError::Failed { source, .. } => out::talk(&format!("{address}: {source}")),
    }
}

fn explain_socket(error: &io::Error, path: &Path, lang: Lang) {
    let address = format!("unix:{}", shown(path));
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
            let command = format!("trappe server --listen unix:{}", quoted(path));
            out::talk(&say(lang, "cli-refused", &[("address", (&address).into())]));
            out::talk(&say(lang, "cli-hint-socket", &[("command", (&command).into())]));
        }
        _ => out::talk(&format!("{address}: {error}")),
    }
}
