//! Both forms of the page, whole; `promtool check metrics` and the parser of Prometheus' Python library accept them as
//! they stand in the two files.

use super::*;
use crate::server::metrics::Tally;

fn reading(form: Form) -> Reading {
    let metrics = Metrics::new(2);
    for number in 0..2 {
        let shard = metrics.worker(number);
        shard.messages(21);
        shard.rejected(1);
        shard.bytes_in(1 << 40);
        shard.add(&Tally { deliveries: 2100, bytes: 5 << 40 });
        shard.missed(Missed::Slow, 37);
        shard.delivered_after(Duration::from_micros(80), 2000);
        shard.delivered_after(Duration::from_millis(30), 99);
        shard.delivered_after(Duration::from_secs(11), 1);
    }
    for transport in Transport::ALL {
        metrics.connected(transport);
    }
    metrics.came(Transport::Tcp);
    metrics.came(Transport::WebSocket);
    metrics.refused(Refused::Remote);
    metrics.answered(101);
    metrics.answered(200);
    let began = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_000_000_250);
    let process = Process {
        cpu: Some(Duration::from_millis(1250)),
        resident_bytes: Some(6 << 20),
        threads: Some(4),
        files: Some(17),
        files_max: Some(1_048_576),
    };
    let gauges = Gauges { rooms: 3, kept_bytes: 4096, history: None };
    Reading { form, counted: Counted { began, ..metrics.read() }, gauges, process }
}

/// A recorded page, with what this build and this machine are put in.
fn recorded(page: &str) -> String {
    page.replace("VERSION", env!("CARGO_PKG_VERSION"))
        .replace("OS", std::env::consts::OS)
        .replace("ARCH", std::env::consts::ARCH)
}

#[test]
fn the_older_format_is_as_recorded() {
    assert_eq!(write(reading(Form::Text)), recorded(include_str!("page.txt")));
}

#[test]
fn openmetrics_is_as_recorded() {
    assert_eq!(write(reading(Form::OpenMetrics)), recorded(include_str!("page.openmetrics")));
}

#[test]
fn both_forms_say_the_same() {
    let samples = |form: Form| -> Vec<String> {
        let page = write(reading(form));
        page.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };
    assert_eq!(samples(Form::Text), samples(Form::OpenMetrics));
}

#[test]
fn what_the_system_does_not_tell_is_absent() {
    let page = write(Reading { process: Process::default(), ..reading(Form::Text) });
    let told = page.lines().filter(|line| line.starts_with("process_")).count();
    assert_eq!(told, 1, "only when it began: {page}");
}

#[test]
fn this_process_is_measured() {
    let process = Process::read();
    assert!(process.cpu.is_some());
    assert!(process.files_max.is_some());
    assert!(process.threads.is_some_and(|threads| threads > 0), "{process:?}");
    assert!(process.resident_bytes.is_some_and(|bytes| bytes > 100_000), "{process:?}");
}

#[test]
fn a_hub_where_nothing_happened_tells_every_name() {
    let metrics = Metrics::new(1);
    let page = page(Form::OpenMetrics, &metrics, Gauges { rooms: 1, kept_bytes: 0, history: None });
    let names = [
        "trappe_members{transport=\"sse\"} 0\n",
        "trappe_missed_messages_total{cause=\"slow\"} 0\n",
        "trappe_delivery_seconds_bucket{le=\"+Inf\"} 0\n",
        "trappe_delivery_seconds_count 0\n",
        "trappe_http_requests_total{code=\"5xx\"} 0\n",
    ];
    for name in names {
        assert!(page.contains(name), "{name} isn't in {page}");
    }
}

#[test]
fn each_asks_for_the_form_that_it_reads() {
    // What Prometheus 2.42 sends, and what Prometheus 3 does.
    let prometheus_2 = "application/openmetrics-text;version=1.0.0,\
        application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
        application/openmetrics-text;version=0.0.1;q=0.5,\
        text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    let rows = [
        (None, Form::Text),
        (Some(""), Form::Text),
        (Some("*/*"), Form::Text),
        (Some("text/html,application/xhtml+xml,*/*;q=0.8"), Form::Text),
        (Some("text/plain;version=0.0.4"), Form::Text),
        (Some(prometheus_2), Form::OpenMetrics),
        (Some(prometheus_3), Form::OpenMetrics),
        (Some("application/openmetrics-text"), Form::OpenMetrics),
        (Some("Application/OpenMetrics-Text ; Version=\"1.0.0\" ; Q=1"), Form::OpenMetrics),
        (Some("text/plain, application/openmetrics-text"), Form::OpenMetrics),
        (Some("text/plain, application/openmetrics-text;q=0.9"), Form::Text),
        (Some("application/openmetrics-text;q=0"), Form::Text),
        (Some("application/openmetrics-text;q=much"), Form::Text),
        (Some("application/openmetrics-text;q=NaN"), Form::Text),
        (Some("application/openmetrics-text;version=2.0.0"), Form::Text),
        (Some("application/openmetrics-text-but-not"), Form::Text),
        (Some(",;,=;q=,"), Form::Text),
    ];
    for (accept, form) in rows {
        assert_eq!(Form::asked(accept), form, "{accept:?}");
    }
}

#[test]
fn the_content_types_are_exact() {
    assert_eq!(Form::Text.content_type(), "text/plain; version=0.0.4; charset=utf-8");
    let open = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(Form::OpenMetrics.content_type(), open);
}
