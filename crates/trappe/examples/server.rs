//! The lesson's server: it says that it has started, who comes, and what they say. It stops at Ctrl-C.

use trappe::server::Options;

fn main() -> anyhow::Result<()> {
    let mut options = Options::new().console(true).signals(true);
    // An address may be given; without one it is every address of this machine, port 5566.
    if let Some(address) = std::env::args().nth(1) {
        options = options.listen(&address)?;
    }
    let server = options.start()?;
    server.wait();
    Ok(())
}
