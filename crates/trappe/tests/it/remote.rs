//! Peers that aren't on this machine: refused until `--open`. The hub and the peer share a network namespace of their own, in
//! which the address they use is none of loopback's.

use std::process::Command;

use crate::hub::{Hub, TRAPPE};
use crate::process::Process;
use crate::tools::{netcat, skipped, tool};

/// An address of the documentation (RFC 5737): no machine has it.
const ADDRESS: &str = "192.0.2.7";

/// A hub inside a network namespace that has `ADDRESS`; `None`, said as skipped, where that isn't permitted.
fn hub_in_a_namespace(args: &[&str]) -> Option<Hub> {
    hub_after(&format!("ip link set lo up && ip address add {ADDRESS}/32 dev lo"), args)
}

/// A hub inside a network namespace that `setup` prepared.
fn hub_after(setup: &str, args: &[&str]) -> Option<Hub> {
    let (unshare, _ip, _nsenter) = (tool("unshare")?, tool("ip")?, tool("nsenter")?);
    let root = Command::new(&unshare).args(["--net", "true"]).output();
    if !root.is_ok_and(|output| output.status.success()) {
        skipped("root (a network namespace of its own)");
        return None;
    }
    let script = format!("{setup} && exec \"$0\" server --port 0 \"$@\"");
    let mut command = Command::new(unshare);
    command.args(["--net", "sh", "-c", &script, TRAPPE]).args(args).env_remove("TRAPPE_LANG");
    Some(Hub::launch(&mut command))
}

/// A netcat inside the hub's namespace, connected to `address`.
fn netcat_inside(hub: &Hub, address: &str) -> Option<Process> {
    let (netcat, id, port) = (netcat()?, hub.id().to_string(), hub.port().to_string());
    let mut command = Command::new("nsenter");
    command.args(["--target", &id, "--net"]).arg(netcat).args([address, &port]);
    Some(Process::spawn(&mut command))
}

#[test]
fn a_peer_of_another_machine_is_told_why_and_what_to_do() {
    let Some(hub) = hub_in_a_namespace(&[]) else { return };
    for _ in 0..3 {
        let Some(mut remote) = netcat_inside(&hub, ADDRESS) else { return };
        remote.write("bonjour d'ailleurs\n");
        let refusal = remote.out.line(|line| line.starts_with("! "));
        assert!(refusal.contains("--open"), "{refusal}");
        remote.end();
    }
    let Some(mut local) = netcat_inside(&hub, "127.0.0.1") else { return };
    local.write("bonjour d'ici\n");
    hub.wait_console(|line| line.ends_with("> bonjour d'ici"));
    assert!(hub.console().iter().all(|line| !line.contains("d'ailleurs")), "{:#?}", hub.console());

    // Said once for an address, not once for a connection.
    let talk = [hub.console(), hub.log()].concat();
    let said = talk.iter().filter(|line| line.contains(ADDRESS) && line.contains("--open"));
    assert_eq!(said.count(), 1, "{talk:#?}");
}

#[test]
fn an_http_request_from_another_machine_is_refused_in_its_own_tongue() {
    let Some(hub) = hub_in_a_namespace(&[]) else { return };
    let Some(mut remote) = netcat_inside(&hub, ADDRESS) else { return };
    remote.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    let status = remote.out.line(|line| line.starts_with("HTTP/1.1 "));
    assert!(status.starts_with("HTTP/1.1 403 "), "{status}");
    remote.out.line(|line| line.contains("--open"));
}

#[test]
fn a_silent_peer_of_another_machine_is_refused_as_well() {
    let Some(hub) = hub_in_a_namespace(&[]) else { return };
    let Some(remote) = netcat_inside(&hub, ADDRESS) else { return };
    let refusal = remote.out.line(|line| line.starts_with("! "));
    assert!(refusal.contains("--open"), "{refusal}");
}

#[test]
fn an_explicit_host_is_no_consent() {
    let Some(hub) = hub_in_a_namespace(&["--host", ADDRESS]) else { return };
    let Some(mut remote) = netcat_inside(&hub, ADDRESS) else { return };
    remote.write("bonjour\n");
    remote.out.line(|line| line.starts_with("! ") && line.contains("--open"));
}

#[test]
fn with_open_a_peer_of_another_machine_is_a_member_like_all_others() {
    let Some(hub) = hub_in_a_namespace(&["--open"]) else { return };
    let Some(mut remote) = netcat_inside(&hub, ADDRESS) else { return };
    remote.write("bonjour d'ailleurs\n");
    hub.wait_console(|line| line.contains(ADDRESS));
    hub.wait_console(|line| line.ends_with("> bonjour d'ailleurs"));
}

#[test]
fn where_there_is_no_ipv6_ipv4_alone_is_bound() {
    let setup = "ip link set lo up && echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6";
    let Some(hub) = hub_after(setup, &[]) else { return };
    let Some(mut local) = netcat_inside(&hub, "127.0.0.1") else { return };
    local.write("bonjour\n");
    hub.wait_console(|line| line == "<client-1> bonjour");
}

#[test]
fn with_open_too_only_this_machine_may_watch() {
    let Some(hub) = hub_in_a_namespace(&["--open"]) else { return };
    for path in ["/live", "/tap"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {ADDRESS}\r\n\r\n");
        let Some(mut remote) = netcat_inside(&hub, ADDRESS) else { return };
        remote.write(&request);
        remote.out.line(|line| line.starts_with("HTTP/1.1 403 "));
        remote.out.line(|line| line.contains("\"code\":\"local-only\""));
        let Some(mut local) = netcat_inside(&hub, "127.0.0.1") else { return };
        local.write(&request);
        local.out.line(|line| line.starts_with("HTTP/1.1 200 "));
    }
    let tap = |address: &str| {
        let mut command = Command::new("nsenter");
        let (id, port) = (hub.id().to_string(), hub.port().to_string());
        command.args(["--target", &id, "--net", TRAPPE, "tap", "--host", address, "--port", &port]);
        Process::spawn(command.env_remove("TRAPPE_LANG"))
    };
    let ended = tap(ADDRESS).end();
    assert_eq!((ended.code, &*ended.out), (Some(1), ""), "{ended:?}");
    assert!(ended.err.starts_with("local-only "), "{ended:?}");
    let Some(mut member) = netcat_inside(&hub, ADDRESS) else { return };
    member.write("bonjour\n");
    hub.wait_console(|line| line.ends_with("> bonjour"));
    let allowed = tap("127.0.0.1");
    allowed.out.line(|line| line.contains(&format!(" : tcp {ADDRESS}:")));
    member.write("d'ailleurs\n");
    allowed.out.line(|line| line.ends_with("  d'ailleurs"));
}
