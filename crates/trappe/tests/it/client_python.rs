//! The client library for Python (`clients/python`): its own tests, run against the real binary.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::hub::TRAPPE;
use crate::process::Process;
use crate::tools::python;

/// How long one file of tests may take; only a failure uses it up.
const TESTS: Duration = Duration::from_mins(5);

/// What this file runs, each in a test of its own.
const FILES: [&str; 5] =
    ["test_hub", "test_machine", "test_machine_ends", "test_road", "test_storm"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients/python")
}

/// Runs the tests of one file; none may fail, and none may be left out.
#[track_caller]
fn passes(file: &str) {
    let Some(python) = python() else { return };
    let mut command = Command::new(python);
    command.args(["-m", "unittest", file]).current_dir(folder());
    command.env("TRAPPE", TRAPPE).env("PYTHONDONTWRITEBYTECODE", "1");
    let ended = Process::spawn(&mut command).ended_within(TESTS);
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    assert!(ended.err.ends_with("\nOK\n"), "some were left out: {}", ended.err);
}

#[test]
fn the_machine_of_the_python_client_decides_as_its_scripts_say() {
    passes("test_machine");
    passes("test_machine_ends");
}

#[test]
fn the_python_client_says_hears_and_ends_as_it_promises() {
    passes("test_hub");
}

#[test]
fn processes_of_the_python_client_lose_and_repeat_nothing_while_the_hub_is_killed() {
    passes("test_storm");
}

#[test]
fn processes_of_the_python_client_lose_and_repeat_nothing_over_a_road_that_cuts() {
    passes("test_road");
}

#[test]
fn each_file_of_python_tests_is_run_here() {
    let entries = fs::read_dir(folder()).expect("it is committed");
    let names =
        entries.map(|it| it.expect("it is there").file_name().to_string_lossy().into_owned());
    let tests: BTreeSet<String> = names
        .filter_map(|name| name.strip_suffix(".py").map(str::to_owned))
        .filter(|name| name.starts_with("test_"))
        .collect();
    assert_eq!(tests, FILES.map(str::to_owned).into());
}
