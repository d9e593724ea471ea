//! The lesson's client: it connects, says one sentence, and closes.

#![expect(clippy::print_stdout, reason = "it is a program for a terminal")]

use std::time::Duration;

use trappe::client::{ConnectError, Options};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let hub = std::env::args().nth(1).unwrap_or_else(|| "localhost:5566".to_owned());
    let (client, _events) = match Options::new(&hub)?.connect().await {
        Ok(connected) => connected,
        Err(ConnectError::Lost(why)) => {
            println!("Connexion au serveur échoué ! ({why})");
            return Ok(());
        }
        Err(other) => return Err(other.into()),
    };
    println!("Client connecté !");
    client.send("lobby", "Bonjour à toi, je suis le client ! :)").await?;
    client.drain(Duration::from_secs(5)).await?;
    Ok(())
}
