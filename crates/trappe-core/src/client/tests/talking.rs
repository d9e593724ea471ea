//! What is said and heard, over connections that come and go.

use super::check;

#[test]
fn a_client_asks_for_json_says_who_it_is_and_says_its_messages_in_order() {
    check(
        r#"open
        send lobby un
        send lobby deux
        > {"op":"send","room":"lobby","text":"un","id":1}
        > {"op":"send","room":"lobby","text":"deux","id":2}
        < {"ev":"ack",L,"seq":2,"id":2}
        < {"ev":"msg",L,"seq":3,"from":"bob","sid":2,TS,"text":"salut","id":1}
        < {"ev":"ack",L,"seq":1,"id":1}
        = sent 2 E@2
        = msg lobby E@3 salut
        = sent 1 E@1"#,
    );
}

#[test]
fn a_session_that_is_resumed_goes_on_where_it_was_and_says_again_what_was_not_acknowledged() {
    check(
        r#"open
        send lobby un
        send lobby deux
        > {"op":"send","room":"lobby","text":"un","id":1}
        > {"op":"send","room":"lobby","text":"deux","id":2}
        < {"ev":"msg",L,"seq":1,"from":"bob","sid":2,TS,"text":"salut","id":1}
        = msg lobby E@1 salut
        < {"ev":"ack",L,"seq":2,"id":1}
        = sent 1 E@2
        < {"ev":"msg",L,"seq":4,"from":"bob","sid":2,TS,"text":"encore","id":2}
        = msg lobby E@4 encore
        lost
        = again 1 500ms the connection ended
        send lobby trois
        +0.5s
        = connect
        connected
        > /format json
        > {"op":"hello","session":"s1","rooms":[{"room":"lobby","after":"E@2"}],"id":#2}
        < {"ev":"ack","op":"format"}
        < {"ev":"msg",L,"seq":9,"from":"eve","sid":3,TS,"text":"before the hello: of no room"}
        < {"ev":"hello","session":"s1","sid":1,"name":"client-1","resumed":true,"rooms":[{"room":"lobby","pos":"E@2"}],"id":#2}
        = connected client-1 resumed lobby=E@2
        > {"op":"send","room":"lobby","text":"deux","id":2}
        > {"op":"send","room":"lobby","text":"trois","id":3}
        < {"ev":"msg",L,"seq":3,"from":"client-1","sid":1,TS,"text":"deux","id":2,"old":true,"own":true}
        < {"ev":"msg",L,"seq":4,"from":"bob","sid":2,TS,"text":"encore","id":2,"old":true}
        < {"ev":"msg",L,"seq":5,"from":"bob","sid":2,TS,"text":"neuf","id":3,"old":true}
        = msg lobby E@5 neuf old
        < {"ev":"ack",L,"seq":3,"id":2}
        = sent 2 E@3
        < {"ev":"live",L,"pos":"E@5","id":#2}
        = live lobby E@5
        < {"ev":"ack",L,"seq":6,"id":3}
        = sent 3 E@6"#,
    );
}

#[test]
fn a_session_that_is_lost_leaves_in_doubt_what_was_on_its_way_and_says_the_rest() {
    check(
        r#"open
        send lobby un
        > {"op":"send","room":"lobby","text":"un","id":1}
        lost
        = again 1 500ms the connection ended
        send lobby deux
        +0.5s
        = connect
        connected
        > /format json
        > {"op":"hello","session":"s1","rooms":[{"room":"lobby","after":"E@0"}],"id":#2}
        < {"ev":"hello","session":"s2","sid":4,"name":"client-4","rooms":[{"room":"lobby","pos":"E@0"}],"id":#2}
        = sent 1 Unconfirmed
        = connected client-4 lobby=E@0
        < {"ev":"gap",L,"cause":"epoch","oldest":"F@1","id":#2}
        = gap lobby Epoch None None
        > {"op":"send","room":"lobby","text":"deux","id":2}
        < {"ev":"msg",L,"seq":1,"from":"bob","sid":2,TS,"text":"a","id":1,"old":true}
        = msg lobby F@1 a old
        < {"ev":"live",L,"pos":"F@1","id":#2}
        = live lobby F@1
        < {"ev":"ack",L,"seq":2,"id":2}
        = sent 2 F@2"#,
    );
}

#[test]
fn what_is_said_again_or_comes_again_is_passed_on_once() {
    check(
        r#"open
        < {"ev":"msg",L,"seq":1,"from":"bob","sid":2,TS,"text":"a","id":1}
        < {"ev":"msg",L,"seq":1,"from":"bob","sid":2,TS,"text":"a","id":1}
        = msg lobby E@1 a
        < {"ev":"gap",L,"from":2,"to":100,"cause":"unused"}
        < {"ev":"gap",L,"from":2,"to":100,"cause":"unused"}
        = gap lobby Unused Some(2) Some(100)
        < {"ev":"msg",L,"seq":101,"from":"bob","sid":2,TS,"text":"a","id":1}
        < {"ev":"msg",L,"seq":102,"from":"http",TS,"text":"a"}
        < {"ev":"msg",L,"seq":103,"from":"http",TS,"text":"a"}
        = msg lobby E@102 a
        = msg lobby E@103 a
        < {"ev":"gap",L,"from":104,"to":110,"cause":"slow"}
        = gap lobby Slow Some(104) Some(110)
        < {"ev":"gap",L,"cause":"state"}
        = gap lobby State None None
        < {"ev":"msg","room":"ailleurs","seq":1,"from":"bob","sid":2,TS,"text":"of no room"}"#,
    );
}

/// Bob says something; the connection breaks, and the next one's hello is `hello`.
fn after_a_break(hello: &str, then: &str) -> String {
    format!(
        r#"open
        < {{"ev":"msg",L,"seq":1,"from":"bob","sid":2,TS,"text":"un","id":1}}
        = msg lobby E@1 un
        lost
        = again 1 500ms the connection ended
        +0.5s
        = connect
        connected
        > /format json
        > {{"op":"hello","session":"s1","rooms":[{{"room":"lobby","after":"E@1"}}],"id":#2}}
        < {hello}
        {then}"#
    )
}

const RESUMED: &str = r#"{"ev":"hello","session":"s1","sid":1,"name":"client-1","resumed":true,"rooms":[{"room":"lobby","pos":"E@1"}],"id":#2}
        = connected client-1 resumed lobby=E@1"#;
const NEW: &str = r#"{"ev":"hello","session":"s2","sid":1,"name":"client-1","rooms":[{"room":"lobby","pos":"E@1"}],"id":#2}
        = connected client-1 lobby=E@1"#;
const NEXT_LIFE: &str = r#"< {"ev":"gap",L,"cause":"epoch","oldest":"F@1","id":#2}
        = gap lobby Epoch None None
        < {"ev":"live",L,"pos":"F@0","id":#2}
        = live lobby F@0"#;

#[test]
fn what_is_said_again_in_a_rooms_next_life_is_passed_on_once() {
    // A crash took the room, and not the sessions: bob, who is who he was, says it again.
    let said = r#"
        < {"ev":"msg",L,"seq":1,"from":"bob","sid":2,TS,"text":"un","id":1}
        < {"ev":"msg",L,"seq":2,"from":"bob","sid":2,TS,"text":"deux","id":2}
        = msg lobby F@2 deux"#;
    check(&after_a_break(RESUMED, &format!("{NEXT_LIFE}{said}")));
}

#[test]
fn a_hub_that_forgot_everybody_gives_their_numbers_to_others() {
    // Another is bob's number now.
    let said = r#"
        < {"ev":"msg",L,"seq":1,"from":"eve","sid":2,TS,"text":"autre","id":1}
        = msg lobby F@1 autre"#;
    check(&after_a_break(NEW, &format!("{NEXT_LIFE}{said}")));
    // The connection breaks before that life is told, which the next one does; the new session goes on meanwhile.
    let again = r#"lost
        = again 2 1s the connection ended
        +1s
        = connect
        connected
        > /format json
        > {"op":"hello","session":"s2","rooms":[{"room":"lobby","after":"E@1"}],"id":#3}
        < {"ev":"hello","session":"s2","sid":1,"name":"client-1","resumed":true,"rooms":[{"room":"lobby","pos":"E@1"}],"id":#3}
        = connected client-1 resumed lobby=E@1"#;
    check(&after_a_break(NEW, &format!("{again}\n{NEXT_LIFE}{said}")));
    // A session that ran out while the hub lived: everybody else's numbers are theirs still, also after a later crash.
    let live = r#"< {"ev":"live",L,"pos":"E@1","id":#2}
        = live lobby E@1"#;
    let said = r#"
        < {"ev":"msg",L,"seq":1,"from":"bob","sid":2,TS,"text":"un","id":1}"#;
    check(&after_a_break(NEW, &format!("{live}\n{again}\n{NEXT_LIFE}{said}")));
}

#[test]
fn each_refusal_ends_what_was_refused() {
    check(
        r#"open
        send lobby un
        send lobby deux
        send lobby trois
        > {"op":"send","room":"lobby","text":"un","id":1}
        > {"op":"send","room":"lobby","text":"deux","id":2}
        > {"op":"send","room":"lobby","text":"trois","id":3}
        full lobby quatre
        < {"ev":"error","code":"not-stored","text":"","room":"lobby","op":"send","id":1}
        < {"ev":"error","code":"stale-id","text":"","op":"send","id":2}
        < {"ev":"error","code":"too-long","text":""}
        < {"ev":"error","code":"odd","text":""}
        = sent 1 not stored
        = sent 2 Unconfirmed
        = sent 3 refused too-long
        = event refused odd
        send nulle-part a
        > {"op":"send","room":"nulle-part","text":"a","id":4}
        < {"ev":"error","code":"not-in-room","text":"","op":"send","id":4}
        < {"ev":"error","code":"not-in-room","text":"","op":"send","id":4}
        = sent 4 refused not-in-room"#,
    );
}

#[test]
fn rooms_are_entered_left_and_asked_about_over_a_broken_connection() {
    check(
        r#"open
        join jardin
        > {"op":"join","room":"jardin","id":#2}
        lost
        = again 1 500ms the connection ended
        leave lobby
        +0.5s
        = connect
        connected
        > /format json
        > {"op":"hello","session":"s1","rooms":[],"id":#4}
        < {"ev":"hello","session":"s1","sid":1,"name":"client-1","resumed":true,"rooms":[{"room":"lobby","pos":"E@0"}],"id":#4}
        = done
        = connected client-1 resumed
        > {"op":"leave","room":"lobby","id":#5}
        > {"op":"join","room":"jardin","id":#2}
        < {"ev":"leave","room":"lobby","from":"client-1","sid":1,"id":#5,"own":true}
        < {"ev":"join","room":"Jardin","from":"client-1","sid":1,"pos":"E@7","members":1,"id":#2,"own":true}
        = entered Jardin E@7
        < {"ev":"msg","room":"Jardin","seq":8,"from":"http",TS,"text":"a"}
        = msg Jardin E@8 a
        history jardin
        history JARDIN
        join jardin E@6
        > {"op":"history","room":"jardin","n":10,"id":#6}
        < {"ev":"msg","room":"Jardin","seq":8,"from":"http",TS,"text":"a","old":true}
        < {"ev":"msg","room":"Jardin","seq":9,"from":"http",TS,"text":"b"}
        < {"ev":"history","room":"Jardin","count":1,"pos":"E@8","id":#6}
        = msg Jardin E@9 b
        = found a
        > {"op":"history","room":"JARDIN","n":10,"id":#7}
        < {"ev":"history","room":"Jardin","count":0,"pos":"E@8","id":#7}
        = found
        > {"op":"join","room":"jardin","after":"E@6","id":#8}
        < {"ev":"join","room":"Jardin","from":"client-1","sid":1,"pos":"E@9","members":1,"id":#8,"own":true}
        = entered Jardin E@9
        history jardin
        < {"ev":"msg","room":"Jardin","seq":7,"from":"client-1","sid":1,TS,"text":"mien","id":1,"old":true,"own":true}
        = msg Jardin E@7 mien own old
        < {"ev":"msg","room":"Jardin","seq":8,"from":"http",TS,"text":"a","old":true}
        < {"ev":"msg","room":"Jardin","seq":9,"from":"http",TS,"text":"b","old":true}
        < {"ev":"live","room":"Jardin","pos":"E@9","id":#8}
        = msg Jardin E@8 a old
        = msg Jardin E@9 b old
        = live Jardin E@9
        > {"op":"history","room":"jardin","n":10,"id":#9}
        lost
        = unanswered Lost
        = again 2 1s the connection ended"#,
    );
}

#[test]
fn a_room_that_is_entered_again_passes_on_nothing_twice_unless_a_position_is_asked_for() {
    check(
        r#"open
        < {"ev":"msg",L,"seq":1,"from":"bob","sid":2,TS,"text":"un","id":1}
        = msg lobby E@1 un
        join lobby
        > {"op":"join","room":"lobby","id":#2}
        < {"ev":"join",L,"from":"client-1","sid":1,"pos":"E@1","members":2,"id":#2,"own":true}
        = entered lobby E@1
        < {"ev":"msg",L,"seq":2,"from":"bob","sid":2,TS,"text":"un","id":1}
        < {"ev":"msg",L,"seq":3,"from":"bob","sid":2,TS,"text":"deux","id":2}
        = msg lobby E@3 deux
        join lobby E@2
        > {"op":"join","room":"lobby","after":"E@2","id":#3}
        < {"ev":"join",L,"from":"client-1","sid":1,"pos":"E@3","members":2,"id":#3,"own":true}
        = entered lobby E@3
        < {"ev":"msg",L,"seq":3,"from":"bob","sid":2,TS,"text":"deux","id":2,"old":true}
        = msg lobby E@3 deux old
        < {"ev":"live",L,"pos":"E@3","id":#3}
        = live lobby E@3"#,
    );
}

#[test]
fn state_that_is_followed_is_followed_again_after_a_reconnect() {
    check(
        r#"open
        follow lobby
        > {"op":"get","room":"lobby","id":#2}
        < {"ev":"ack","op":"get","count":1,"id":#2}
        < {"ev":"state",L,"seq":4,"key":"k","from":"bob","sid":2,TS,"text":"un"}
        = snapshot lobby 1
        = done
        = state k un
        lost
        = again 1 500ms the connection ended
        +0.5s
        = connect
        connected
        > /format json
        > {"op":"hello","session":"s1","rooms":[{"room":"lobby","after":"E@0"}],"id":#3}
        < {"ev":"hello","session":"s1","sid":1,"name":"client-1","resumed":true,"rooms":[{"room":"lobby","pos":"E@0"}],"id":#3}
        = connected client-1 resumed lobby=E@0
        > {"op":"get","room":"lobby","id":#4}
        < {"ev":"ack","op":"get","count":0,"id":#4}
        < {"ev":"later","x":1}
        = snapshot lobby 0
        = unknown {"ev":"later","x":1}"#,
    );
}
