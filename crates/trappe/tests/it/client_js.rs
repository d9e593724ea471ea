//! The client library in JavaScript (`clients/js`), by node: its machine without a network, the whole against the real binary;
//! and what the hub serves of it, and of the page, is JavaScript still.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::hub::{Hub, TRAPPE};
use crate::page::node_modules;
use crate::process::Process;
use crate::tools::tool;
use crate::web;

/// The longest of the tests kills a hub five times, and waits for the clients that come back ever later.
const TESTS_MAX: Duration = Duration::from_secs(90);

/// Runs a file of `clients/js` to its end; fails with all that it printed.
#[track_caller]
fn runs(file: &str) {
    let Some(node) = tool("node") else { return };
    let Some(packages) = node_modules() else { return };
    let own = Path::new(env!("CARGO_TARGET_TMPDIR")).join("client-js");
    fs::create_dir_all(&own).expect("the tests may write below target");
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients/js");
    let mut command = Command::new(node);
    command
        // By itself, not by `node --test`: what its own node was told, the runner's children may not be.
        .args(["--import", "./old-node.mjs", file])
        .current_dir(clients)
        .env("NODE_PATH", packages)
        .env("TRAPPE", TRAPPE)
        .env("TMPDIR", own);
    let ended = Process::spawn(&mut command).ended_within(TESTS_MAX);
    assert_eq!(ended.code, Some(0), "\n{}{}", ended.out, ended.err);
}

#[test]
fn the_javascript_clients_machine_keeps_its_laws() {
    runs("trappe.test.mjs");
}

#[test]
fn the_javascript_clients_machine_outlives_a_hub_of_chance() {
    runs("chance.test.mjs");
}

#[test]
fn the_javascript_client_loses_and_doubles_nothing_through_a_real_hub() {
    runs("live.test.mjs");
}

#[test]
fn each_module_is_javascript_as_it_is_served() {
    let Some(node) = tool("node") else { return };
    let hub = Hub::start(&["--quiet"]);
    let own = Path::new(env!("CARGO_TARGET_TMPDIR")).join("served");
    fs::create_dir_all(&own).expect("the tests may write below target");
    let modules = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("web"))
        .expect("the page is there")
        .map(|entry| entry.expect("it can be listed").file_name().into_string().expect("ASCII"))
        .filter(|name| matches!(name.rsplit_once('.'), Some((_, "js"))));
    for name in modules {
        let answer = web::get(&hub, &format!("/page/{name}"));
        assert_eq!(answer.status, 200, "{name}");
        // The comment at the beginning stays where it is a licence.
        assert_eq!(answer.text().starts_with('/'), name == "preact.js", "{name}");
        // Only a module may have an `import`, and only a name that ends so is one everywhere.
        let file = own.join(name.replace(".js", ".mjs"));
        fs::write(&file, &answer.body).expect("the tests may write below target");
        let checked = Command::new(&node).arg("--check").arg(&file).output().expect("node runs");
        assert!(checked.status.success(), "{name}: {}", String::from_utf8_lossy(&checked.stderr));
    }
}
