//! stand-in
/// x
#[derive(Debug, clap::Args)]
pub struct ClientArgs {}
/// x
pub fn run(_: &ClientArgs) -> super::Exit { super::Exit::Failure }
