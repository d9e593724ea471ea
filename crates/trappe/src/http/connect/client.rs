//! @WHAT@
//! rustc client.rs && ./client bonjour
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::{env, process, thread};

fn main() -> io::Result<()> {
    let mut hub = TcpStream::connect(("@HOST@", @PORT@))?;
    let mut heard = hub.try_clone()?;
    let listener = thread::spawn(move || {
        io::copy(&mut heard, &mut io::stdout()).expect("stdout can be written");
        process::exit(0);
    });
    hub.write_all("/join @ROOM@\n".as_bytes())?;
    let words: Vec<String> = env::args().skip(1).collect();
    if !words.is_empty() {
        hub.write_all((words.join(" ") + "\n").as_bytes())?;
    }
    io::copy(&mut io::stdin(), &mut hub)?;
    hub.shutdown(Shutdown::Write)?;
    listener.join().expect("it ends the program");
    Ok(())
}
