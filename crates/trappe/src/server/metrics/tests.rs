//! What is counted is what is read.

use super::*;

#[test]
fn each_label_stands_at_its_own_place() {
    for (at, transport) in Transport::ALL.into_iter().enumerate() {
        assert_eq!(transport as usize, at, "{transport:?}");
    }
    for (at, cause) in Missed::ALL.into_iter().enumerate() {
        assert_eq!(cause as usize, at, "{cause:?}");
    }
    for (at, reason) in Refused::ALL.into_iter().enumerate() {
        assert_eq!(reason as usize, at, "{reason:?}");
    }
    assert!(DELIVERY_BOUNDS.is_sorted());
}

#[test]
fn a_reading_sums_all_workers() {
    let metrics = Metrics::new(3);
    for number in 0..3 {
        let shard = metrics.worker(number);
        shard.messages(1);
        shard.rejected(2);
        shard.bytes_in(3);
        shard.add(&Tally { deliveries: 4, bytes: 5 });
        shard.add(&Tally::default());
        shard.missed(Missed::Forgotten, 6);
        shard.delivered_after(Duration::from_millis(7), 4);
    }
    let read = metrics.read();
    let sums = [read.messages, read.rejected, read.bytes_in, read.deliveries, read.bytes_out];
    assert_eq!(sums, [3, 6, 9, 12, 15]);
    assert_eq!(read.missed, [0, 18, 0, 0]);
    assert_eq!(read.delivered.iter().sum::<u64>(), read.deliveries);
    assert_eq!(read.delivered_in, Duration::from_millis(7 * 12));
}

#[test]
fn a_delivery_is_in_the_first_bucket_that_holds_its_time() {
    let rows = [
        (Duration::ZERO, 0),
        (Duration::from_micros(100), 0),
        (Duration::from_nanos(100_001), 1),
        (Duration::from_millis(10), 6),
        (Duration::from_secs(10), 15),
        (Duration::from_nanos(10_000_000_001), 16),
        (Duration::MAX, 16),
    ];
    for (after, bucket) in rows {
        let metrics = Metrics::new(1);
        metrics.worker(0).delivered_after(after, 9);
        let mut expected = [0; DELIVERY_BUCKETS];
        expected[bucket] = 9;
        assert_eq!(metrics.read().delivered, expected, "{after:?}");
    }
}

#[test]
fn times_below_a_microsecond_are_not_lost_in_the_sum() {
    let metrics = Metrics::new(1);
    metrics.worker(0).delivered_after(Duration::from_nanos(999), 1000);
    assert_eq!(metrics.read().delivered_in, Duration::from_micros(999));
}

#[test]
fn whoever_came_and_went_is_no_member() {
    let metrics = Metrics::new(1);
    metrics.came(Transport::Tcp);
    metrics.came(Transport::Events);
    metrics.came(Transport::Tcp);
    metrics.went(Transport::Tcp);
    assert_eq!(metrics.read().members, [1, 0, 0, 1, 0, 0]);
}

#[test]
fn an_answer_is_counted_in_the_class_of_its_status() {
    let metrics = Metrics::new(1);
    for status in [101, 200, 201, 304, 400, 404, 431, 503, 999, 0] {
        metrics.answered(status);
    }
    assert_eq!(metrics.read().requests, [2, 2, 1, 3, 2]);
}

#[test]
fn connections_refusals_and_panics_are_counted_apart() {
    let metrics = Metrics::new(1);
    metrics.connected(Transport::Http);
    metrics.refused(Refused::Tls);
    metrics.refused(Refused::Tls);
    metrics.panicked();
    let read = metrics.read();
    assert_eq!(read.connections, [0, 0, 0, 0, 1, 0]);
    assert_eq!(read.refused, [0, 0, 0, 2, 0]);
    assert_eq!(read.panics, 1);
}

#[test]
fn two_workers_never_share_a_line_of_cache() {
    assert_eq!(align_of::<Shard>(), 128);
    assert!(size_of::<Shard>() <= 256);
}
