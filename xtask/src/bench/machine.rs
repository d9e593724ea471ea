//! What a figure must be read with: the machine, what else it does, and room for its descriptors.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeValLike;
use nix::unistd::{SysconfVar, sysconf};

/// A machine of which no more than this share is busy, in percent, is left to a measurement.
const IDLE_PERCENT: f64 = 15.0;
/// How long it is looked at for that, and how long it is waited for.
const IDLE_LOOK: Duration = Duration::from_millis(250);
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Cores, processor, kernel, in one line.
pub(super) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| {
            line.strip_prefix("model name")?.split_once(':').map(|(_, model)| model.trim())
        })
        .unwrap_or(std::env::consts::ARCH);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores, {model}, {} {}", std::env::consts::OS, kernel.trim())
}

/// How busy the machine is, on average over the last minute.
pub(super) fn load() -> String {
    let averages = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let now = averages.split_whitespace().next().unwrap_or("unknown");
    format!("load {now}")
}

/// Waits until nobody else does much, but not for ever: what others do meanwhile is told with each figure.
pub(super) fn wait_until_idle() {
    let begun = Instant::now();
    while begun.elapsed() < IDLE_MAX {
        let before = Busy::now();
        std::thread::sleep(IDLE_LOOK);
        if before.percent(Duration::ZERO) <= IDLE_PERCENT {
            return;
        }
    }
}

/// User and system time of this process so far.
pub(super) fn own_cpu() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).context("asking for the own processor time")?;
    let spent = usage.user_time() + usage.system_time();
    Ok(Duration::from_micros(u64::try_from(spent.num_microseconds()).unwrap_or(0)))
}

/// What all processes together had of all cores by some moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Busy {
    at: Instant,
    spent: Duration,
}

impl Busy {
    pub(super) fn now() -> Self {
        let spent = std::fs::read_to_string("/proc/stat").ok().and_then(|stat| spent(&stat));
        Self { at: Instant::now(), spent: spent.unwrap_or_default() }
    }

    /// What was spent since then beside `ours`, in percent of all cores.
    pub(super) fn percent(self, ours: Duration) -> f64 {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let whole = self.at.elapsed() * u32::try_from(cores).unwrap_or(1);
        let others = Self::now().spent.saturating_sub(self.spent).saturating_sub(ours);
        100.0 * others.as_secs_f64() / whole.as_secs_f64().max(1e-9)
    }
}

/// The time that was spent by all, from `/proc/stat` (proc(5)): user, nice, system; then idle and waiting; interrupts,
/// and what the machine's host took.
fn spent(stat: &str) -> Option<Duration> {
    let ticks: Vec<u64> =
        stat.lines().next()?.split_whitespace().skip(1).map_while(|it| it.parse().ok()).collect();
    let [user, nice, system, _, _, irq, softirq, steal, ..] = ticks[..] else { return None };
    let second = u64::try_from(sysconf(SysconfVar::CLK_TCK).ok()??).ok()?;
    let spent = user + nice + system + irq + softirq + steal;
    Some(Duration::from_millis(spent * 1000 / second.max(1)))
}

/// Raises the limit of open files as far as it goes; the servers inherit it. Gives what it is now.
pub(super) fn raise_open_files() -> Result<u64> {
    let (_, hard) =
        getrlimit(Resource::RLIMIT_NOFILE).context("asking for the limit of open files")?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).context("raising the limit of open files")?;
    Ok(hard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_waiting_are_not_spent() {
        let stat = "cpu  1 2 3 1000 2000 4 5 6 0 0\ncpu0 1 2 3 4\n";
        let ticks = spent(stat).expect("it is whole").as_secs_f64();
        let one = spent("cpu 1 0 0 0 0 0 0 0").expect("it is whole").as_secs_f64();
        assert!((ticks / one - 21.0).abs() < 0.01, "{ticks} {one}");
        assert_eq!(spent("cpu 1 2 3"), None);
    }
}
