//! What was typed → what was meant, and what the exit code says.

mod client;
mod exit;
mod history;
mod out;
mod place;
mod server;
mod size;
mod tap;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use trappe_core::command::Lang;

pub use self::exit::Exit;

/// A socket hub: anything that can open a socket talks to everyone in a room, or to one other client.
#[derive(Debug, Parser)]
#[command(name = "trappe", version, before_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  trappe server                     a hub on port 5566, for this machine
  nc localhost 5566                 … and you are in
  trappe client                     the same, with trappe's own client
  trappe client -m 'Bonjour'        says one thing
  trappe tap alice                  what alice sends and is sent, byte by byte
  trappe server --open              a hub for everyone who reaches the port
  trappe history list --data DIR    what a hub has kept there";

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a hub
    Server(server::ServerArgs),
    /// Connects to a hub: a terminal, a pipe, or one message
    Client(client::ClientArgs),
    /// Shows what passes on the wire of a hub's members, byte by byte
    Tap(tap::TapArgs),
    /// Reads, checks and moves what a hub keeps on disk
    History(history::HistoryArgs),
}

/// The whole program: reads the command line, does it, and says how it went.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are data; a mistake is talk. Either may meet a closed pipe.
            let _closed = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok }.into();
        }
    };
    match cli.command {
        Command::Server(args) => server::run(&args),
        Command::Client(args) => client::run(&args),
        Command::Tap(args) => tap::run(&args),
        Command::History(args) => history::run(&args),
    }
    .into()
}

/// The language: as asked for, else `TRAPPE_LANG`, else French; the environment's locale isn't asked.
fn lang(asked: Option<Lang>) -> Lang {
    asked.or_else(|| std::env::var("TRAPPE_LANG").ok()?.parse().ok()).unwrap_or_default()
}
