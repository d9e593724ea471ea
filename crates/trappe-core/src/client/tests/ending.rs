//! How a connection ends, and a client.

use super::{check, check_with, config};
use crate::client::Config;

#[test]
fn pauses_grow_and_a_connection_that_lasts_makes_them_short_again() {
    check(
        r#"open
        +4.9s
        lost
        = again 1 500ms the connection ended
        +0.5s
        = connect
        lost
        = again 2 1s the connection ended
        +1s
        = connect
        connected
        +10s
        = disconnect
        lost
        = again 3 2s no greeting came from the hub in time; is it one, and does it take JSON over lines there?
        +2s
        = connect
        +10s
        = disconnect
        lost
        = again 4 4s no answer in time
        +4s
        = connect
        connected
        > /format json
        > {"op":"hello","session":"s1","rooms":[{"room":"lobby","after":"E@0"}],"id":#3}
        < {"ev":"hello","session":"s1","sid":1,"name":"client-1","resumed":true,"rooms":[{"room":"lobby","pos":"E@0"}],"id":#3}
        = connected client-1 resumed lobby=E@0
        +5s
        lost
        = again 1 500ms the connection ended"#,
    );
}

#[test]
fn who_may_make_no_more_attempts_ends() {
    check_with(
        Config { retry: Some(2), ..config() },
        r#"open
        send lobby un
        > {"op":"send","room":"lobby","text":"un","id":1}
        who lobby
        lost
        = again 1 500ms the connection ended
        +0.5s
        = connect
        lost
        = again 2 1s the connection ended
        send lobby deux
        +1s
        = connect
        lost
        = sent 1 Unconfirmed
        = sent 2 NotSent
        = unanswered Closed
        = disconnect
        = ended GaveUp { attempts: 2, why: Closed }
        closed lobby trois"#,
    );
    let first = Config { first_or_never: true, ..config() };
    check_with(first, "= connect\nlost\n= disconnect\n= ended GaveUp { attempts: 0, why: Closed }");
    let never = Config { retry: Some(0), ..config() };
    check_with(never, "open\nlost\n= disconnect\n= ended GaveUp { attempts: 0, why: Closed }");
}

#[test]
fn a_hub_that_says_nothing_is_asked_and_then_given_up() {
    check(
        r#"open
        +59s
        < {"ev":"msg",L,"seq":1,"from":"http",TS,"text":"a"}
        = msg lobby E@1 a
        +60s
        > {"op":"ping","id":#2}
        +9s
        < {"ev":"pong","text":"","id":#2}
        +60s
        > {"op":"ping","id":#3}
        pause
        +600s
        resume
        +60s
        > {"op":"ping","id":#4}
        +10s
        = disconnect
        lost
        = again 1 500ms the hub says nothing any more"#,
    );
}

#[test]
fn what_no_hub_says_ends_the_connection_and_is_named() {
    let long = "x".repeat(crate::limits::CLIENT_LINE_BYTES + 1);
    for (said, why) in [
        ("bonjour", "what came is no event of a hub: \"bonjour\""),
        ("{\"ev\":\"msg\"}", "what came is no event of a hub: \"{\\\"ev\\\":\\\"msg\\\"}\""),
        (long.as_str(), "a line is longer than 1048576 bytes"),
        (
            "{\"ev\":\"bye\",\"reason\":\"shutdown\",\"text\":\"t\",\"rooms\":[]}",
            "the hub said goodbye (shutdown: t)",
        ),
    ] {
        check(&format!("open\n< {said}\n= disconnect\nlost\n= again 1 500ms {why}"));
    }
    // Before JSON is spoken, lines of text may come, and the reason why nothing else will.
    for (said, why) in [
        (
            "HTTP/1.1 400 Bad Request",
            "= disconnect\nlost\n= again 1 500ms what came is no event of a hub: \"HTTP/1.1 400 Bad Request\"",
        ),
        (
            "! full le hub est plein",
            "lost\n= again 1 500ms the hub refused the connection (full: le hub est plein)",
        ),
        ("* bonjour", "lost\n= again 1 500ms the connection ended"),
        (
            "! local-only non",
            "= disconnect\n= ended Refused(Refusal { code: \"local-only\", text: \"non\" })",
        ),
    ] {
        let script = format!("= connect\nconnected\n> /format json\n> {HELLO}\n< {said}\n{why}");
        check(&script);
    }
}

const HELLO: &str = r#"{"op":"hello","rooms":[{"room":"lobby"}],"id":#1}"#;

#[test]
fn a_refusal_of_the_hello_or_of_the_first_name_ends_the_client() {
    let begin = format!("= connect\nconnected\n> /format json\n> {HELLO}\n");
    check(&format!(
        "{begin}< {{\"ev\":\"error\",\"code\":\"bad-name\",\"text\":\"t\",\"op\":\"hello\",\"id\":#1}}\n= disconnect\n\
         = ended Refused(Refusal {{ code: \"bad-name\", text: \"t\" }})"
    ));
    check(&format!(
        "{begin}< {{\"ev\":\"error\",\"code\":\"full\",\"text\":\"t\",\"op\":\"hello\",\"id\":#1}}\n= disconnect\nlost\n\
         = again 1 500ms the hub refused the connection (full: t)"
    ));
    for (reason, ended) in [("superseded", "Superseded"), ("quit", "Quit")] {
        check(&format!(
            "open\n< {{\"ev\":\"bye\",\"reason\":\"{reason}\",\"text\":\"\",\"rooms\":[]}}\n= disconnect\n= ended {ended}"
        ));
    }
    let named = Config { name: Some("alice".to_owned()), ..config() };
    let hello = r#"< {"ev":"hello","session":"s1","sid":1,"name":"client-1","rooms":[{"room":"lobby","pos":"E@0"}],"id":#1}
        = connected client-1 lobby=E@0
        > {"op":"nick","name":"alice","id":#2}"#;
    check_with(
        named.clone(),
        &format!(
            "{begin}{hello}\n< {{\"ev\":\"nick\",\"from\":\"client-1\",\"sid\":1,\"name\":\"alice\",\"id\":#2,\"own\":true}}\n= ready"
        ),
    );
    check_with(
        named,
        &format!(
            "{begin}{hello}\n< {{\"ev\":\"error\",\"code\":\"name-taken\",\"text\":\"t\",\"op\":\"nick\",\"id\":#2}}\n= disconnect\n\
             = ended Refused(Refusal {{ code: \"name-taken\", text: \"t\" }})"
        ),
    );
}

#[test]
fn a_drain_waits_for_every_acknowledgement_over_a_reconnect_and_says_goodbye() {
    check(
        r#"open
        send lobby un
        > {"op":"send","room":"lobby","text":"un","id":1}
        drain 60
        closed lobby deux
        lost
        = again 1 500ms the connection ended
        +0.5s
        = connect
        connected
        > /format json
        > {"op":"hello","session":"s1","rooms":[{"room":"lobby","after":"E@0"}],"id":#2}
        < {"ev":"hello","session":"s1","sid":1,"name":"client-1","resumed":true,"rooms":[{"room":"lobby","pos":"E@0"}],"id":#2}
        = connected client-1 resumed lobby=E@0
        > {"op":"send","room":"lobby","text":"un","id":1}
        < {"ev":"ack",L,"seq":1,"id":1}
        = sent 1 E@1
        > {"op":"quit","id":#3}
        < {"ev":"bye","reason":"quit","text":"","rooms":[],"id":#3}
        = drained Ok(())
        = disconnect
        = ended Drained"#,
    );
    let late = "= sent 1 Unconfirmed\n";
    let end = "= drained Err(TimedOut { unacknowledged: 1, within: 3s })\n= disconnect\n= ended DrainTimedOut";
    // The hub is there, and says nothing; it has gone; it ends the client meanwhile.
    let said = "open\nsend lobby un\n> {\"op\":\"send\",\"room\":\"lobby\",\"text\":\"un\",\"id\":1}\ndrain 3\n";
    check(&format!("{said}+3s\n{late}> {{\"op\":\"quit\",\"id\":#2}}\n+2s\n{end}"));
    check(&format!(
        "{said}lost\n= again 1 500ms the connection ended\n+3s\n= connect\n{late}{end}"
    ));
    check(&format!(
        "{said}< {{\"ev\":\"bye\",\"reason\":\"superseded\",\"text\":\"\",\"rooms\":[]}}\n{late}\
         = drained Err(Ended {{ why: Superseded, unacknowledged: 1 }})\n= disconnect\n= ended Superseded"
    ));
    check(
        "open\ndrain 3\n> {\"op\":\"quit\",\"id\":#2}\nlost\n= drained Ok(())\n= disconnect\n= ended Drained",
    );
    check("= connect\ndrain 3\n= drained Ok(())\n= disconnect\n= ended Drained");
    check("open\nshut\n= disconnect\n= ended Closed\nshut\ndrain 3");
}
