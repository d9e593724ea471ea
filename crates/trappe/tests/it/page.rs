//! The page that the hub serves, in a real Chromium: each test runs one scenario of `tests/page/` with node.
//!
//! A scenario starts its own hub and browser and ends them; it needs what `cargo xtask test` installs into `target/tools`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::hub::TRAPPE;
use crate::process::Process;
use crate::tools::{needed, netcat, tool};

/// A scenario gives up by itself after 80 s, and then ends what it started.
const SCENARIO_MAX: Duration = Duration::from_secs(90);

/// What the npm packages must have been installed from.
const LOCK: &str = include_str!("../page/package-lock.json");

/// The npm packages of exactly this lock file; without them the test that asks is skipped.
pub(crate) fn node_modules() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/node_modules");
    let from = fs::read_to_string(folder.join("package-lock.json"));
    let found = from.is_ok_and(|lock| lock == LOCK).then_some(folder);
    needed("the npm packages: cargo xtask test", found)
}

/// A folder of a scenario's own, below `target`.
fn own(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("page").join(name)
}

/// Starts `node` with `arguments` in the folder of the scenarios, as what is called `name` among them.
#[track_caller]
pub(crate) fn start(name: &str, arguments: &[&str]) -> Option<Process> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = here.join("../../target");
    let (node, _chromium) = (tool("node")?, tool("chromium")?);
    let _netcat = netcat()?;
    let packages = node_modules()?;

    fs::create_dir_all(own(name)).expect("the tests may write below target");
    let mut command = Command::new(node);
    command
        .args(arguments)
        .current_dir(here.join("tests/page"))
        .env("TRAPPE", TRAPPE)
        .env("NODE_MODULES", packages)
        .env("SCREENSHOTS", target.join("screenshots"))
        .env("TMPDIR", own(name));
    Some(Process::spawn(&mut command))
}

/// Waits until what was started as `name` has ended; fails with all that it printed.
#[track_caller]
pub(crate) fn end(name: &str, process: &mut Process, within: Duration) {
    let ended = process.ended_within(within);
    // A helper of the browser may write a moment longer; what is left is in a folder of the tests' own.
    drop(fs::remove_dir_all(own(name)));
    assert_eq!(ended.code, Some(0), "\n{}{}", ended.out, ended.err);
}

/// Runs `node` with `arguments` to its end.
#[track_caller]
fn node(name: &str, arguments: &[&str]) {
    let Some(mut process) = start(name, arguments) else { return };
    end(name, &mut process, SCENARIO_MAX);
}

/// Runs one scenario.
#[track_caller]
pub(crate) fn scenario(name: &str) {
    node(name, &[&format!("{name}.mjs")]);
}

#[test]
fn a_complaint_of_a_page_fails_its_scenario() {
    scenario("complaints");
}

#[test]
fn a_page_of_the_hubs_own_talks_with_netcat() {
    scenario("doors");
}

#[test]
fn two_pages_and_netcat_talk_in_rooms_and_alone() {
    scenario("talk");
}

#[test]
fn a_page_outlives_the_hub_and_says_what_it_is_waiting_for() {
    scenario("restart");
}

#[test]
fn a_page_that_lost_its_connection_resumes_without_loss_or_repeat() {
    scenario("resume");
}

#[test]
fn names_and_messages_full_of_markup_stay_text() {
    scenario("markup");
}

#[test]
fn axe_finds_nothing_in_any_state_of_the_page() {
    scenario("access");
}

#[test]
fn the_page_is_light_and_nothing_of_it_is_inline_or_from_elsewhere() {
    scenario("weight");
}

#[test]
fn everything_is_done_by_the_keyboard_alone() {
    scenario("keys");
}

#[test]
fn the_live_hub_moves_and_the_wire_shows_cuts_and_ends() {
    scenario("live");
}

#[test]
fn a_page_that_nobody_sees_stops_the_live_stream() {
    scenario("hidden");
}

#[test]
fn where_there_is_no_live_view_the_page_says_why() {
    scenario("refused");
}

#[test]
fn two_thousand_members_and_a_flood_of_messages_harm_nothing() {
    scenario("crowd");
}

#[test]
fn the_pages_modules_keep_their_laws_without_a_browser() {
    node("logic", &["--test", "logic.test.mjs"]);
}
