//! A client that keeps talking through a hub that is killed and restarted.
//!
//! [`Options`] say where the hub is and what the client is to be like; [`Options::connect`] gives a [`Client`], by
//! which a program speaks, and its [`Events`], by which it hears:
//!
//! ```no_run
//! use trappe::client::{Event, Options};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let options = Options::new("localhost:5566")?.name("alice").room("lobby");
//!     let (client, mut events) = options.connect().await?;
//!     let position = client.send("lobby", "bonjour").await?;
//!     println!("said, as number {}", position.seq);
//!     while let Some(event) = events.next().await {
//!         match event {
//!             Event::Message(message) => println!("<{}> {}", message.name, message.text()),
//!             Event::Gap(gap) if gap.misses_something() => println!("missing: {gap:?}"),
//!             Event::Reconnecting { after, why, .. } => println!("{why}; again in {after:?}"),
//!             Event::Ended(why) => println!("{why}"),
//!             _ => {}
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # What is said
//!
//! [`Client::send`] resolves when the message is acknowledged: it has its place in the room's order, once, and, where
//! the hub keeps history, is on disk. Until then the client keeps it. If the connection is lost, the client comes
//! back to its *session* and says again what wasn't acknowledged, under the same number, by which the hub drops
//! repeats. If the hub knows the session no more (more than two minutes have passed, or a hub without history was
//! restarted), what was on its way was said once or not at all, and nobody can tell: such a send ends as
//! [`SendError::Unconfirmed`], and is never repeated by itself. What was never on its way is simply said in the new
//! session.
//!
//! The outbox is bounded ([`Options::outbox`]). When it is full, [`Client::send`] and [`Client::submit`] wait, and
//! [`Client::try_send`] refuses.
//!
//! # What is heard
//!
//! Each [`Message`] of a room comes once, in the room's order. Over a reconnect the client goes on where it was; what
//! the hub has no more is a [`Gap`], so that nothing is missed without a word. A message whose sender had to say it
//! again after a crash bears the same `sid` and `id` and is passed on once (the last 1024 of a sender, of 4096
//! senders in each room, are known). The client's own messages don't come back, unless [`Options::echo`] asks for
//! them, or a position does.
//!
//! Events wait in a bounded queue; see [`Events`] for what happens when nobody takes them.
//!
//! # When the connection is lost
//!
//! The client comes back by itself, after a pause that is drawn at random and grows with each attempt
//! ([`Options::retry`]); [`Event::Reconnecting`] and [`Event::Connected`] tell. A hub that says nothing for a minute is
//! asked whether it is there, and given up 10 s later. What no hub says, and lines longer than 1 MiB, end a connection
//! too. A client ends for good ([`Event::Ended`]) when it is told to, when another connection takes its session
//! over, when the hub refuses it, or when as many attempts as it may make have failed.
//!
//! [`Client::drain`] ends it in good order, [`Client::close`] at once.
//!
//! # What it needs
//!
//! A tokio runtime; one task there has the connection. The logic is [`trappe_core::client`], without a socket or a
//! clock.

pub(crate) mod address;
pub(crate) mod connect;
mod driver;
mod events;
mod handle;
pub(crate) mod join;
mod options;
pub(crate) mod pace;
pub(crate) mod retry;
mod shared;
mod stream;
pub(crate) mod udp;

pub(crate) use address::{Address, Target, TargetError};
pub(crate) use connect::{ReachError, Reached, connect_blocking};
pub use trappe_core::client::{
    AskError, Cause, Connected, Direct, DrainError, Ended, Event, Gap, Lost, Member, Members,
    Message, Position, PositionError, Refusal, SendError, State,
};

pub use self::{
    events::Events,
    handle::{Acknowledgement, Client},
    options::{AddressError, ConnectError, Language, Options},
};
