//! Many lives, in processes of their own: what one of them breaks is nobody else's affair, and one that doesn't end
//! is ended.

use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
};

use serde_json::{Value, json};

use super::{PATIENCE, differs, life, members::Tally, twice_sentence};

/// What is said of a life that doesn't come to an end.
pub(super) const ENDLESS: &str =
    "it doesn't come to an end: nothing happens any more, or something for ever";

/// A process that lives lives.
struct Worker {
    process: Child,
    seeds: ChildStdin,
    lived: Receiver<String>,
}

/// What came of all of them.
#[derive(Default)]
struct Sum {
    lives: u64,
    broken: u64,
    tally: Tally,
    digest: u64,
}

/// Lives `count` lives from `first` on, `jobs` at a time. Gives whether all promises held.
///
/// # Errors
/// There can't be another process, or nobody hears what is told.
pub(super) fn run(first: u64, count: u64, jobs: usize, twice: bool) -> io::Result<bool> {
    let next = AtomicU64::new(first);
    let sum = Mutex::new(Sum::default());
    let done: io::Result<Vec<()>> = thread::scope(|scope| {
        let work = || -> io::Result<()> {
            let mut worker = None;
            loop {
                let seed = next.fetch_add(1, Relaxed);
                if seed >= first + count {
                    return Ok(());
                }
                live_in(&mut worker, seed, twice, &sum)?;
            }
        };
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|it| it.join().expect("it only tells what others do")).collect()
    });
    done?;
    let sum = sum.into_inner().expect("nobody panics while holding it");
    let mut out = io::stdout();
    writeln!(
        out,
        "{}, {} broke a promise",
        summary(sum.lives, &sum.tally, sum.digest),
        sum.broken
    )?;
    Ok(sum.broken == 0)
}

/// Has one life lived by a worker, which is made if there is none, and is none any more if it ended.
fn live_in(
    worker: &mut Option<Worker>,
    seed: u64,
    twice: bool,
    sum: &Mutex<Sum>,
) -> io::Result<()> {
    let mut at_work = match worker.take() {
        Some(worker) => worker,
        None => Worker::start(twice)?,
    };
    // One that has ended says so by its silence.
    let _ended = writeln!(at_work.seeds, "{seed}");
    let patience = if twice { 2 * PATIENCE } else { PATIENCE };
    let (lived, ended) = match at_work.lived.recv_timeout(patience) {
        Ok(line) => (serde_json::from_str(&line).unwrap_or_default(), None),
        Err(RecvTimeoutError::Timeout) => (Value::Null, Some(ENDLESS.to_owned())),
        Err(RecvTimeoutError::Disconnected) => {
            let status = at_work.process.wait()?;
            (Value::Null, Some(format!("the process itself has ended: {status}")))
        }
    };
    if ended.is_none() {
        *worker = Some(at_work);
    } else {
        drop(at_work.process.kill());
        at_work.process.wait()?;
    }
    let mut sum = sum.lock().expect("nobody panics while holding it");
    sum.lives += 1;
    sum.digest ^= lived["digest"]
        .as_u64()
        .unwrap_or_default()
        .rotate_left(u32::try_from(seed % 64).unwrap_or(0));
    for (what, count) in lived["tally"].as_object().into_iter().flatten() {
        let known = life::COUNTED.iter().find(|known| *known == what);
        if let Some(known) = known {
            *sum.tally.entry(known).or_default() += count.as_u64().unwrap_or_default();
        }
    }
    if let Some(broken) = ended.or_else(|| lived["broken"].as_str().map(str::to_owned)) {
        sum.broken += 1;
        let broken = broken.replace('\n', " ");
        writeln!(io::stdout(), "seed {seed} broke a promise: {broken} (again: --seed {seed})")?;
    }
    Ok(())
}

impl Worker {
    fn start(twice: bool) -> io::Result<Worker> {
        let mut command = Command::new(env::current_exe()?);
        command.arg("--child").args(twice.then_some("--twice"));
        // Panics are told with the life in which they are.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn()?;
        let seeds = process.stdin.take().expect("it was asked for");
        let told = BufReader::new(process.stdout.take().expect("it was asked for"));
        let (tell, lived) = channel();
        thread::spawn(move || {
            // Until it ends, or nobody wants to know any more.
            for line in told.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Worker { process, seeds, lived })
    }
}

/// Lives what standard input asks for, a seed on each line, and tells each on a line.
///
/// # Errors
/// Nobody hears it.
pub(super) fn obey(twice: bool) -> io::Result<()> {
    for line in io::stdin().lines() {
        let Ok(seed) = line?.trim().parse() else { continue };
        let lived = life::live(seed);
        let broken =
            lived.broken.or_else(|| (twice && differs(seed, lived.digest)).then(twice_sentence));
        let told = json!({"broken": broken, "tally": lived.tally, "digest": lived.digest});
        let mut out = io::stdout();
        writeln!(out, "{told}")?;
        out.flush()?;
    }
    Ok(())
}

/// What happened, in numbers.
pub(super) fn summary(lives: u64, tally: &Tally, digest: u64) -> String {
    let counted = life::COUNTED.iter().map(|what| {
        let count = tally.get(what).copied().unwrap_or_default();
        format!(", {count} {what}")
    });
    format!("{lives} lives (all of it in one number: {digest:016x}){}", counted.collect::<String>())
}
