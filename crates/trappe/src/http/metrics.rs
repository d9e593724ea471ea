//! `GET /metrics`: what the hub counts, as Prometheus and its kin read it.
//!
//! The names are a promise, like the protocol's. Base units, and no label that a client chooses: neither rooms nor names,
//! so that nobody can make the page grow. All that is written was read before: no lock is held meanwhile.

use std::{
    fmt::{Error, Write as _},
    fs,
    time::{Duration, SystemTime},
};

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use nix::sys::time::TimeVal;
use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, NoLabelSet,
        text::{encode, encode_registry},
    },
    metrics::MetricType,
    registry::{Registry, Unit},
};

use crate::server::metrics::{
    Counted, DELIVERY_BOUNDS, Dropped, Metrics, Missed, Refused, STATUS_CLASSES, Transport,
};

/// What is asked of the hub itself, since nobody counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gauges {
    /// Rooms that there are.
    pub(crate) rooms: u64,
    /// Bytes that all rooms keep.
    pub(crate) kept_bytes: u64,
    /// What the history has done; none where nothing is kept on disk.
    pub(crate) history: Option<HistoryCounts>,
}

/// What the history has done since the server began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HistoryCounts {
    pub(crate) stored: u64,
    pub(crate) lost: u64,
    pub(crate) commits: u64,
    pub(crate) waiting_bytes: u64,
    pub(crate) failing: bool,
}

/// How the page is written.
///
/// The two differ in the names of counters: `OpenMetrics` describes `x` and samples `x_total`, the older format has `x_total`
/// for both. `promtool check metrics` (2.42) reads the older one alone: of `OpenMetrics` it says "no help text" for each
/// counter, and it doesn't know the type `info`. So each is given to who asks for it, as the official libraries do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Prometheus' text format 0.0.4: for people, and whoever asks for nothing else.
    Text,
    /// `OpenMetrics` 1.0: what Prometheus asks for.
    OpenMetrics,
}

impl Form {
    /// What an `Accept` field asks for (RFC 9110 §12.5.1): `OpenMetrics` if it is named, and text isn't liked better.
    pub(crate) fn asked(accept: Option<&str>) -> Form {
        let (mut open, mut text) = (None, None);
        for range in accept.unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut quality, mut known) = (1.0_f32, true);
            for (key, value) in parts.filter_map(|part| part.split_once('=')) {
                match key.trim().to_ascii_lowercase().as_str() {
                    "q" => quality = value.trim().parse().unwrap_or(0.0),
                    "version" => known = value.trim_matches([' ', '"']).starts_with(['0', '1']),
                    _ => {}
                }
            }
            let liked = match kind.as_str() {
                "application/openmetrics-text" if known => &mut open,
                "text/plain" | "text/*" | "*/*" => &mut text,
                _ => continue,
            };
            *liked = Some(liked.map_or(quality, |before: f32| before.max(quality)));
        }
        match open {
            Some(quality) if quality > 0.0 && quality >= text.unwrap_or(0.0) => Form::OpenMetrics,
            _ => Form::Text,
        }
    }

    /// The content type of a page of this form.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Form::Text => "text/plain; version=0.0.4; charset=utf-8",
            Form::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The page of `/metrics`: all that is counted, as it is now.
pub(crate) fn page(form: Form, metrics: &Metrics, gauges: Gauges) -> String {
    write(Reading { form, counted: metrics.read(), gauges, process: Process::read() })
}

fn write(reading: Reading) -> String {
    let form = reading.form;
    let mut registry = Registry::default();
    registry.register_collector(Box::new(reading));
    let mut out = String::new();
    let written = match form {
        Form::Text => encode_registry(&mut out, &registry),
        Form::OpenMetrics => encode(&mut out, &registry),
    };
    written.expect("a String takes all that is written to it");
    out
}

/// What this process takes of its machine; what the system doesn't tell is absent.
#[derive(Clone, Copy, Debug, Default)]
struct Process {
    cpu: Option<Duration>,
    resident_bytes: Option<u64>,
    threads: Option<u64>,
    files: Option<u64>,
    files_max: Option<u64>,
}

impl Process {
    fn read() -> Process {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        Process {
            cpu: getrusage(UsageWho::RUSAGE_SELF)
                .ok()
                .map(|usage| duration(usage.user_time()) + duration(usage.system_time())),
            resident_bytes: field("VmRSS:").map(|kib| kib * 1024),
            threads: field("Threads:"),
            // Linux tells how many there are as the folder's size since 6.2; to list 15 000 of them would keep a worker from
            // its members for milliseconds, so an older kernel's hub goes without.
            files: fs::metadata("/proc/self/fd").map(|fd| fd.len()).ok().filter(|count| *count > 0),
            files_max: getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(soft, _)| soft),
        }
    }
}

fn duration(time: TimeVal) -> Duration {
    let micros = u64::try_from(time.tv_usec()).unwrap_or(0);
    Duration::from_secs(u64::try_from(time.tv_sec()).unwrap_or(0)) + Duration::from_micros(micros)
}

/// All that a page says.
#[derive(Debug)]
struct Reading {
    form: Form,
    counted: Counted,
    gauges: Gauges,
    process: Process,
}

impl Collector for Reading {
    fn encode(&self, encoder: DescriptorEncoder) -> Result<(), Error> {
        let mut writer = Writer { form: self.form, encoder };
        self.build(&mut writer)?;
        self.members(&mut writer)?;
        self.messages(&mut writer)?;
        self.connections(&mut writer)?;
        self.history(&mut writer)?;
        self.process(&mut writer)
    }
}

impl Reading {
    fn build(&self, to: &mut Writer) -> Result<(), Error> {
        let labels = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("os", std::env::consts::OS),
            ("arch", std::env::consts::ARCH),
        ];
        let help = "Which trappe this is. Always 1.";
        match self.form {
            // The older format has no type for it: a gauge of the same name.
            Form::Text => to
                .encoder
                .encode_descriptor("trappe_build_info", help, None, MetricType::Gauge)?
                .encode_family(&labels)?
                .encode_gauge(&1_u32),
            Form::OpenMetrics => to
                .encoder
                .encode_descriptor("trappe_build", help, None, MetricType::Info)?
                .encode_info(&labels),
        }
    }

    fn members(&self, to: &mut Writer) -> Result<(), Error> {
        let members = Transport::ALL.map(Transport::as_str).into_iter().zip(self.counted.members);
        // A single request is never a member.
        let members = members.filter(|(transport, _)| *transport != Transport::Http.as_str());
        let help = "Members that are here now, by how they came.";
        to.gauges("trappe_members", help, "transport", members)?;
        to.gauge("trappe_rooms", None, "Rooms that there are now.", self.gauges.rooms)?;
        let help = "What all rooms keep for history and for slow members.";
        to.gauge("trappe_kept", Some(Unit::Bytes), help, self.gauges.kept_bytes)
    }

    fn messages(&self, to: &mut Writer) -> Result<(), Error> {
        let counted = &self.counted;
        let help = "Messages taken from clients.";
        to.counter("trappe_messages", None, help, counted.messages)?;
        let help = "Messages that were refused to their sender: too long, unfinished, or not to be delivered.";
        to.counter("trappe_rejected_messages", None, help, counted.rejected)?;
        let help =
            "Messages written to members: one message to a hundred members counts a hundred.";
        to.counter("trappe_deliveries", None, help, counted.deliveries)?;
        let missed = Missed::ALL.map(Missed::as_str).into_iter().zip(counted.missed);
        let help = "Messages that members missed, and were told so, by cause.";
        to.counters("trappe_missed_messages", help, "cause", missed)?;
        let help = "Changes of rooms' shared states.";
        to.counter("trappe_state_changes", None, help, counted.changes)?;
        let help = "From a message's arrival at the hub until it is written to a member.";
        to.histogram("trappe_delivery", help, counted)?;
        let help = "Read from clients.";
        to.counter("trappe_received", Some(Unit::Bytes), help, counted.bytes_in)?;
        let help = "Written to clients.";
        to.counter("trappe_sent", Some(Unit::Bytes), help, counted.bytes_out)
    }

    fn connections(&self, to: &mut Writer) -> Result<(), Error> {
        let counted = &self.counted;
        let accepted = Transport::ALL.map(Transport::as_str).into_iter().zip(counted.connections);
        let help = "Connections accepted, by what they turned out to be.";
        to.counters("trappe_connections", help, "transport", accepted)?;
        let refused = Refused::ALL.map(Refused::as_str).into_iter().zip(counted.refused);
        to.counters("trappe_refused", "Connections refused, by reason.", "reason", refused)?;
        let dropped = Dropped::ALL.map(Dropped::as_str).into_iter().zip(counted.dropped);
        let help = "Datagrams dropped, by cause.";
        to.counters("trappe_dropped_datagrams", help, "cause", dropped)?;
        let requests = STATUS_CLASSES.into_iter().zip(counted.requests);
        let help = "HTTP requests answered, by the class of their status.";
        to.counters("trappe_http_requests", help, "code", requests)?;
        let help = "Panics, each of which cost one connection.";
        to.counter("trappe_panics", None, help, counted.panics)
    }

    /// Absent where nothing is kept on disk.
    fn history(&self, to: &mut Writer) -> Result<(), Error> {
        let Some(history) = &self.gauges.history else { return Ok(()) };
        let help = "Messages that were written to disk.";
        to.counter("trappe_history_messages", None, help, history.stored)?;
        let help = "Messages that were delivered, and that the disk didn't take.";
        to.counter("trappe_history_lost_messages", None, help, history.lost)?;
        let help = "Transactions, each of one fsync.";
        to.counter("trappe_history_commits", None, help, history.commits)?;
        let help = "What waits for the disk.";
        to.gauge("trappe_history_waiting", Some(Unit::Bytes), help, history.waiting_bytes)?;
        let help = "1 while the disk refuses to be written to.";
        to.gauge("trappe_history_failing", None, help, u64::from(history.failing))
    }

    /// The names that all Prometheus libraries give to what a process takes.
    fn process(&self, to: &mut Writer) -> Result<(), Error> {
        let began = self.counted.began.duration_since(SystemTime::UNIX_EPOCH);
        let help = "When the process began, since the epoch.";
        let began = began.unwrap_or_default().as_secs_f64();
        to.gauge("process_start_time", Some(Unit::Seconds), help, began)?;
        let process = &self.process;
        if let Some(cpu) = process.cpu {
            let help = "Processor time, of users and of the system.";
            to.counter("process_cpu", Some(Unit::Seconds), help, cpu.as_secs_f64())?;
        }
        if let Some(bytes) = process.resident_bytes {
            to.gauge("process_resident_memory", Some(Unit::Bytes), "Memory in use.", bytes)?;
        }
        if let Some(threads) = process.threads {
            to.gauge("process_threads", None, "Threads.", threads)?;
        }
        if let Some(files) = process.files {
            to.gauge("process_open_fds", None, "Open file descriptors.", files)?;
        }
        if let Some(files) = process.files_max {
            to.gauge("process_max_fds", None, "Most file descriptors that may be open.", files)?;
        }
        Ok(())
    }
}

/// Writes families in one of the two forms.
struct Writer<'a> {
    form: Form,
    encoder: DescriptorEncoder<'a>,
}

impl Writer<'_> {
    fn gauge<V: EncodeGaugeValue + Copy>(
        &mut self,
        name: &str,
        unit: Option<Unit>,
        help: &str,
        value: V,
    ) -> Result<(), Error> {
        let (name, unit) = self.described(name, unit, "");
        self.encoder
            .encode_descriptor(&name, help, unit.as_ref(), MetricType::Gauge)?
            .encode_gauge(&value)
    }

    fn gauges(
        &mut self,
        name: &str,
        help: &str,
        key: &str,
        values: impl Iterator<Item = (&'static str, u64)>,
    ) -> Result<(), Error> {
        let mut family = self.encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (label, value) in values {
            family.encode_family(&[(key, label)])?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn counter<V: EncodeCounterValue + EncodeGaugeValue + Copy>(
        &mut self,
        name: &str,
        unit: Option<Unit>,
        help: &str,
        value: V,
    ) -> Result<(), Error> {
        let (name, unit) = self.described(name, unit, "_total");
        let form = self.form;
        let mut family =
            self.encoder.encode_descriptor(&name, help, unit.as_ref(), MetricType::Counter)?;
        match form {
            // The name is whole already, and the library would add to it once more.
            Form::Text => family.encode_gauge(&value),
            Form::OpenMetrics => family.encode_counter::<NoLabelSet, V, f64>(&value, None),
        }
    }

    fn counters(
        &mut self,
        name: &str,
        help: &str,
        key: &str,
        values: impl Iterator<Item = (&'static str, u64)>,
    ) -> Result<(), Error> {
        let (name, unit) = self.described(name, None, "_total");
        let form = self.form;
        let mut family =
            self.encoder.encode_descriptor(&name, help, unit.as_ref(), MetricType::Counter)?;
        for (label, value) in values {
            let labels = [(key, label)];
            let mut sample = family.encode_family(&labels)?;
            match form {
                Form::Text => sample.encode_gauge(&value)?,
                Form::OpenMetrics => sample.encode_counter::<NoLabelSet, _, f64>(&value, None)?,
            }
        }
        Ok(())
    }

    fn histogram(&mut self, name: &str, help: &str, counted: &Counted) -> Result<(), Error> {
        let (name, unit) = self.described(name, Some(Unit::Seconds), "");
        let bounds = DELIVERY_BOUNDS.iter().map(Duration::as_secs_f64).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(counted.delivered).collect();
        let (sum, count) = (counted.delivered_in.as_secs_f64(), counted.delivered.iter().sum());
        self.encoder
            .encode_descriptor(&name, help, unit.as_ref(), MetricType::Histogram)?
            .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    /// A family's name, and the unit that the library adds to it. In the older format, which knows no units, the name says all.
    fn described(&self, name: &str, unit: Option<Unit>, ending: &str) -> (String, Option<Unit>) {
        let mut whole = name.to_owned();
        match self.form {
            Form::OpenMetrics => (whole, unit),
            Form::Text => {
                if let Some(unit) = unit {
                    write!(whole, "_{}", unit.as_str()).expect("a String takes it");
                }
                (whole + ending, None)
            }
        }
    }
}

#[cfg(test)]
mod tests;
