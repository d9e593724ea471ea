//! The figures of one cell as a table, and what they say of the goals.

use std::time::Duration;

use super::super::{as_float, median};
use super::senders::Found;
use super::{Goal, Row};

/// What has the goals to reach: each sender in its own room, ten rooms, one …
const OURS: &[&str] = &["trappe-text", "trappe-ten", "trappe-room"];
/// … and what it is compared with.
const THEIRS: &str = "redis";
/// From this share of a core on, in percent, the client may be what is measured.
const CLIENT_PERCENT: f64 = 85.0;

/// Medians; *of the limit*: of what the disk allowed one by one around each run; *of redis*: within each repetition.
pub(super) fn table(rows: &[Row]) -> String {
    let header = [
        "",
        "messages/s",
        "of the limit",
        "of redis",
        "CPU/message",
        "server, of a core",
        "client",
        "others",
        "messages/flush",
    ];
    let mut lines = vec![header.map(str::to_owned)];
    for row in rows {
        let own = |of: &dyn Fn(&Found) -> f64, decimals: usize, unit: &str| {
            let value = median(row.runs.iter().flatten().map(|run| of(&run.found)));
            shown(value, decimals, unit)
        };
        let core =
            |spent: Duration, found: &Found| 100.0 * spent.as_secs_f64() / found.took.as_secs_f64();
        lines.push([
            row.name.to_owned(),
            own(&Found::rate, 0, ""),
            shown(of_limit(row), 2, ""),
            shown(of_redis(row, rows), 2, " ×"),
            own(&|found| found.cpu.as_secs_f64() * 1e6 / as_float(found.messages), 1, " µs"),
            own(&|found| core(found.cpu, found), 0, " %"),
            own(&|found| core(found.client, found), 0, " %"),
            own(&|found| found.beside, 0, " %"),
            own(
                &|found| {
                    let flushes = found.flushes.filter(|&count| count > 0);
                    flushes.map_or(f64::NAN, |flushes| as_float(found.messages) / as_float(flushes))
                },
                1,
                "",
            ),
        ]);
    }
    markdown(&lines)
}

fn of_limit(row: &Row) -> Option<f64> {
    median(row.runs.iter().flatten().map(|run| run.found.rate() / run.limit))
}

fn of_redis(row: &Row, rows: &[Row]) -> Option<f64> {
    let theirs = rows.iter().find(|row| row.name == THEIRS)?;
    let paired = row.runs.iter().zip(&theirs.runs);
    median(paired.filter_map(|(own, theirs)| {
        Some(own.as_ref()?.found.rate() / theirs.as_ref()?.found.rate())
    }))
}

fn shown(value: Option<f64>, decimals: usize, unit: &str) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.decimals$}{unit}"))
}

/// A table in Markdown that can also be read as it is.
fn markdown<const N: usize>(lines: &[[String; N]]) -> String {
    let width = |column: usize| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0).max(3)
    };
    let row = |line: &[String; N]| {
        let cells = line.iter().enumerate().map(|(column, cell)| {
            let wide = width(column);
            if column == 0 { format!("| {cell:<wide$} |") } else { format!(" {cell:>wide$} |") }
        });
        cells.chain(["\n".to_owned()]).collect::<String>()
    };
    let rule = (0..N).map(|column| {
        let dashes = "-".repeat(width(column));
        if column == 0 { format!("|-{dashes}-|") } else { format!("-{dashes}:|") }
    });
    let rule: String = rule.chain(["\n".to_owned()]).collect();
    let mut text: Vec<String> = lines.iter().map(row).collect();
    text.insert(1.min(text.len()), rule);
    text.concat()
}

/// Whether the goals are reached, and whether the client was in the way; nothing of what wasn't measured.
pub(super) fn verdict(rows: &[Row], goal: Goal) -> String {
    let yes = |reached: bool| if reached { "reached" } else { "MISSED" };
    let mut lines = Vec::new();
    for row in rows.iter().filter(|row| OURS.contains(&row.name)) {
        let mut say = |words: String, reached: bool| {
            lines.push(format!("{}: {words} wanted: {}\n", row.name, yes(reached)));
        };
        let rate = median(row.runs.iter().flatten().map(|run| run.found.rate()));
        match (goal, rate, of_limit(row)) {
            (Goal::Share(goal), _, Some(share)) => {
                say(format!("{share:.2} of the limit, {goal}"), share >= goal);
            }
            (Goal::Rate(goal), Some(rate), _) => {
                say(format!("{rate:.0} messages/s, {goal:.0}"), rate >= goal);
            }
            _ => {}
        }
        if let Some(ratio) = of_redis(row, rows) {
            say(format!("{ratio:.2} × redis, more than 1"), ratio > 1.0);
        }
    }
    for row in rows {
        let client =
            median(row.runs.iter().flatten().map(|run| core(run.found.client, &run.found)));
        if client.is_some_and(|it| it > CLIENT_PERCENT) {
            lines.push(format!(
                "{}: the CLIENT has no core left: it is what limits this\n",
                row.name
            ));
        }
    }
    lines.concat()
}

/// A share of one core, in percent.
fn core(spent: Duration, found: &Found) -> f64 {
    100.0 * spent.as_secs_f64() / found.took.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::super::Run;
    use super::*;

    fn run(messages: u64, limit: f64) -> Run {
        let found = Found {
            messages,
            took: Duration::from_secs(2),
            cpu: Duration::from_millis(500),
            client: Duration::from_millis(200),
            beside: 3.0,
            flushes: Some(1000),
        };
        Run { found, limit }
    }

    fn rows() -> [Row; 3] {
        let two = |first, second| vec![Some(run(first, 1e4)), Some(run(second, 1e4)), None];
        let mut theirs = two(5_000, 20_000);
        theirs[2] = Some(run(9_000, 1e4));
        [
            Row { name: OURS[0], runs: two(10_000, 20_000) },
            Row { name: THEIRS, runs: theirs },
            Row { name: "nats", runs: vec![None, None, None] },
        ]
    }

    #[test]
    fn the_table_gives_medians_and_pairs_the_runs() {
        let table = table(&rows());
        let words: Vec<Vec<&str>> =
            table.lines().map(|line| line.split('|').map(str::trim).collect()).collect();
        assert_eq!(
            words[2][1..10],
            [OURS[0], "7500", "0.75", "1.50 ×", "37.5 µs", "25 %", "10 %", "3 %", "15.0"]
        );
        assert_eq!(words[4][1..4], ["nats", "–", "–"]);
        assert!(words[1][1].chars().all(|c| c == '-') && words[1][2].ends_with(':'), "{table}");
        let widths: Vec<usize> = table.lines().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|&width| width == widths[0]), "{table}");
    }

    #[test]
    fn a_goal_is_named_with_what_was_reached() {
        let said = verdict(&rows(), Goal::Share(0.6));
        assert!(said.contains("0.75 of the limit, 0.6 wanted: reached"), "{said}");
        assert!(said.contains("1.50 × redis, more than 1 wanted: reached"), "{said}");
        let said = verdict(&rows(), Goal::Rate(80_000.0));
        assert!(said.contains("7500 messages/s, 80000 wanted: MISSED"), "{said}");
        assert_eq!(verdict(&rows()[2..], Goal::Share(0.6)), "");
    }
}
