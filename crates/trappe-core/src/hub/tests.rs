//! The hub's promises, as scripts: on each line what is asked, `->`, and what comes of it.

use super::*;

mod bounds;

const NOW: Duration = Duration::from_secs(1);

/// A connection is what its number was when it arrived, a room is its name, a session's state its token.
pub(super) type TestHub = Hub<u64, String, String>;

pub(super) fn name(text: &str) -> Name {
    Name::parse(text).expect("a name of the test is a name")
}

pub(super) fn hub() -> TestHub {
    Hub::new(name("lobby"), "lobby".to_owned())
}

fn error(error: &HubError) -> String {
    match error {
        HubError::NameTaken { free: Some(free) } => format!("taken, {free} is free"),
        other => other.to_string(),
    }
}

fn words<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { "-".to_owned() } else { items.join(" ") }
}

fn names(rooms: &[(u32, String)]) -> String {
    words(rooms.iter().map(|(_, room)| room))
}

fn called(number: u64, name: Option<&Name>) -> String {
    name.map_or_else(|| format!("client-{number}"), Name::to_string)
}

/// Asks one thing of the hub; says what came of it.
fn ask(hub: &mut TestHub, now: &mut Duration, line: &str) -> String {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let mut rest = rest.split(' ');
    let mut text = || rest.next().expect("the line has all that its verb needs");
    let member = |text: &str| text.parse::<u64>().expect("members are given by their numbers");
    match verb {
        "arrive" => hub.arrive(|number| number).map_or_else(|e| error(&e), |n| n.to_string()),
        "nick" => match hub.rename(member(text()), name(text())) {
            Ok(()) => "ok".to_owned(),
            Err(e) => error(&e),
        },
        "go" => {
            let (number, room) = (member(text()), text());
            match hub.go(*now, number, &name(room), |_| room.to_owned()) {
                Ok(Went { from, to, is_new, count }) => {
                    let how = if is_new { "new" } else { "was" };
                    format!("{how} in {} from {}, {count} there", to.1, names(&from))
                }
                Err(e) => error(&e),
            }
        }
        "join" => {
            let (number, room) = (member(text()), text());
            match hub.join(number, &name(room), |_| room.to_owned()) {
                Ok(Joined { room, is_new, count, .. }) => {
                    let how = if is_new { "new" } else { "was" };
                    format!("{how} in {room}, {count} there")
                }
                Err(e) => error(&e),
            }
        }
        "leave" => {
            let (number, room) = (member(text()), text());
            let id = hub.room_named(room).map_or(u32::MAX, |(id, ..)| id);
            if hub.leave(*now, number, id) { "left" } else { "wasn't there" }.to_owned()
        }
        "open" => {
            let room = text();
            match hub.open(*now, &name(room), |_| room.to_owned()) {
                Ok((_, room)) => room,
                Err(e) => error(&e),
            }
        }
        "depart" => {
            let number = member(text());
            let connection = rest.next().map_or(number, member);
            match hub.depart(*now, number, |&handle| handle == connection) {
                Some(was) => {
                    format!("{} from {}", called(number, was.name.as_ref()), names(&was.rooms))
                }
                None => "nobody".to_owned(),
            }
        }
        "session" => {
            let (number, token) = (member(text()), text());
            hub.begin_session(number, token.into(), token.to_owned());
            hub.session_of(number).map_or("none", |(token, _)| token).to_owned()
        }
        "take" => {
            let (token, by) = (text(), member(text()));
            match hub.take_over(*now, token, by, by) {
                Some(over) => {
                    assert_eq!(over.state, token);
                    let old = over.old.map_or("away".to_owned(), |old| format!("old {old}"));
                    let who = called(over.number, over.name.as_ref());
                    let (left, left_by) = (names(&over.old_rooms), names(&over.by_rooms));
                    format!("{} {who}, {old} in {left}, new in {left_by}", over.number)
                }
                None => "none".to_owned(),
            }
        }
        "later" => {
            *now += Duration::from_secs(member(text()));
            "ok".to_owned()
        }
        "sweep" => {
            hub.sweep(*now);
            "ok".to_owned()
        }
        "find" => hub.find(text()).map_or("nobody".to_owned(), |(number, member)| {
            format!("{number} by {}", member.handle)
        }),
        "who" => hub.who(text()).map_or("no room".to_owned(), |(_, who)| {
            words(who.first.iter().map(|who| called(who.number, who.name.as_ref())))
        }),
        "in" => words(hub.rooms_of(member(text())).map(|(_, name, _)| name)),
        "rooms" => words(hub.rooms().first.iter().map(|(name, count)| format!("{name}:{count}"))),
        "count" => hub.count().to_string(),
        other => panic!("no such verb: {other}"),
    }
}

fn check(script: &str) {
    let (mut hub, mut now) = (hub(), NOW);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (asked, expected) = line.split_once(" -> ").expect("a line says what comes of it");
        assert_eq!(ask(&mut hub, &mut now, asked), expected, "{line}");
        hub.audit();
    }
}

impl TestHub {
    /// What is written twice says the same in both places.
    pub(super) fn audit(&self) {
        self.rooms.audit();
        let mut named = self.sessions.audit();
        for number in named.keys() {
            assert!(!self.members.contains_key(number), "who is away has no connection");
        }
        named.extend(self.members.iter().map(|(&number, m)| (number, m.name.clone())));
        let named = named.into_iter().filter_map(|(number, name)| Some((name?.folded(), number)));
        assert_eq!(named.collect::<BTreeMap<_, _>>(), self.names);
        for (&number, member) in &self.members {
            assert!(member.places.len() <= ROOMS_OF_MEMBER);
            for id in member.places.iter() {
                let room = self.rooms.get(id).expect("a member is in rooms that there are");
                assert!(room.members.contains(&number), "{number} is in {:?}", room.name);
            }
        }
        let inside = self.rooms.listed().first.iter().map(|(_, count)| count).sum::<usize>();
        let places = self.members.values().map(|member| member.places.len()).sum::<usize>();
        assert!(inside <= places && (self.rooms.listed().count > LISTED || inside == places));
    }
}

#[test]
fn members_are_numbered_from_one_and_no_number_comes_again() {
    check(
        "arrive -> 1
         arrive -> 2
         depart 2 -> client-2 from -
         arrive -> 3
         find client-2 -> nobody
         find CLIENT-3 -> 3 by 3
         find client-03 -> nobody
         count -> 2",
    );
}

#[test]
fn who_arrives_is_in_no_room() {
    check(
        "arrive -> 1
         in 1 -> -
         who lobby -> -
         leave 1 lobby -> wasn't there
         go 1 lobby -> new in lobby from -, 1 there
         in 1 -> lobby",
    );
}

#[test]
fn a_name_is_one_members_in_any_case_until_it_leaves() {
    check(
        "arrive -> 1
         arrive -> 2
         nick 1 Éloïse -> ok
         nick 2 éLOÏSE -> taken, éLOÏSE2 is free
         nick 2 éLOÏSE2 -> ok
         nick 1 éloïse -> ok
         nick 1 ada -> ok
         nick 2 Éloïse -> ok
         depart 2 -> Éloïse from -
         nick 1 éloïse -> ok
         find ÉLOÏSE -> 1 by 1
         find ada -> nobody",
    );
}

#[test]
fn who_goes_to_a_room_leaves_all_others() {
    check(
        "arrive -> 1
         arrive -> 2
         go 1 lobby -> new in lobby from -, 1 there
         go 2 lobby -> new in lobby from -, 2 there
         go 1 salon -> new in salon from lobby, 1 there
         who lobby -> client-2
         join 1 Atelier -> new in Atelier, 1 there
         join 1 lobby -> new in lobby, 2 there
         go 1 atelier -> was in Atelier from salon lobby, 1 there
         go 1 atelier -> was in Atelier from -, 1 there
         in 1 -> Atelier
         rooms -> Atelier:1 lobby:1 salon:0",
    );
}

#[test]
fn who_joins_a_room_stays_in_all_others() {
    check(
        "arrive -> 1
         join 1 b -> new in b, 1 there
         join 1 lobby -> new in lobby, 1 there
         join 1 a -> new in a, 1 there
         join 1 B -> was in b, 1 there
         in 1 -> b lobby a
         leave 1 b -> left
         leave 1 b -> wasn't there
         in 1 -> lobby a
         leave 1 a -> left
         join 1 b -> new in b, 1 there
         in 1 -> lobby b
         leave 1 nowhere -> wasn't there
         depart 1 -> client-1 from lobby b
         rooms -> a:0 b:0 lobby:0",
    );
}

#[test]
fn a_room_that_is_opened_has_nobody_in_it_and_expires_like_the_others() {
    check(
        "open Salon -> Salon
         rooms -> lobby:0 Salon:0
         later 599 -> ok
         sweep -> ok
         open salon -> Salon
         later 599 -> ok
         sweep -> ok
         who salon -> -
         later 1 -> ok
         sweep -> ok
         who salon -> no room
         open salon -> salon
         arrive -> 1
         join 1 salon -> new in salon, 1 there
         later 1000 -> ok
         open salon -> salon
         sweep -> ok
         who salon -> client-1
         leave 1 salon -> left
         later 600 -> ok
         sweep -> ok
         open lobby -> lobby
         rooms -> lobby:0",
    );
}

#[test]
fn who_has_gone_enters_no_room_and_takes_no_name() {
    check(
        "arrive -> 1
         depart 1 -> client-1 from -
         go 1 salon -> the member has gone
         join 1 salon -> the member has gone
         nick 1 ada -> the member has gone
         session 1 t -> none
         leave 1 lobby -> wasn't there
         depart 1 -> nobody
         rooms -> lobby:0
         arrive -> 2
         nick 2 ada -> ok",
    );
}

#[test]
fn a_member_has_one_session_and_a_token_is_one_members() {
    check(
        "arrive -> 1
         arrive -> 2
         session 1 t -> t
         session 1 u -> t
         session 2 t -> none
         take u 2 -> none
         session 2 u -> u",
    );
}

#[test]
fn without_a_session_a_name_is_free_at_once() {
    check(
        "arrive -> 1
         nick 1 ada -> ok
         arrive -> 2
         depart 1 -> ada from -
         nick 2 ada -> ok",
    );
}

#[test]
fn who_is_away_is_found_by_nobody_and_keeps_its_name() {
    check(
        "arrive -> 1
         arrive -> 2
         nick 1 ada -> ok
         session 1 t -> t
         join 1 lobby -> new in lobby, 1 there
         join 1 salon -> new in salon, 1 there
         depart 1 -> ada from lobby salon
         find ada -> nobody
         find client-1 -> nobody
         nick 2 Ada -> taken, Ada2 is free
         nick 1 eve -> the member has gone
         join 1 lobby -> the member has gone
         rooms -> lobby:0 salon:0
         in 1 -> -
         count -> 1
         depart 1 -> nobody
         later 119 -> ok
         sweep -> ok
         nick 2 Ada -> taken, Ada2 is free
         session 1 u -> t
         later 1 -> ok
         sweep -> ok
         nick 2 Ada -> ok
         session 1 u -> none",
    );
}

#[test]
fn a_session_that_is_away_is_taken_over_with_its_number_and_its_name() {
    check(
        "arrive -> 1
         nick 1 ada -> ok
         session 1 t -> t
         join 1 salon -> new in salon, 1 there
         depart 1 -> ada from salon
         arrive -> 2
         nick 2 eve -> ok
         session 2 u -> u
         join 2 lobby -> new in lobby, 1 there
         later 119 -> ok
         take t 2 -> 1 ada, away in -, new in lobby
         find ada -> 1 by 2
         find eve -> nobody
         find client-2 -> nobody
         in 1 -> -
         rooms -> lobby:0 salon:0
         session 1 v -> t
         count -> 1
         later 1000 -> ok
         sweep -> ok
         nick 1 eve -> ok
         arrive -> 3
         take u 3 -> none",
    );
}

#[test]
fn a_live_connection_is_superseded_and_then_departs_nobody() {
    check(
        "arrive -> 1
         nick 1 ada -> ok
         session 1 t -> t
         join 1 lobby -> new in lobby, 1 there
         join 1 salon -> new in salon, 1 there
         arrive -> 2
         join 2 lobby -> new in lobby, 2 there
         take t 2 -> 1 ada, old 1 in lobby salon, new in lobby
         join 1 lobby -> new in lobby, 1 there
         depart 1 1 -> nobody
         depart 2 2 -> nobody
         find ada -> 1 by 2
         who lobby -> ada
         arrive -> 3
         take t 3 -> 1 ada, old 2 in lobby, new in -
         depart 1 2 -> nobody
         depart 1 3 -> ada from -
         arrive -> 4
         take t 4 -> 1 ada, away in -, new in -",
    );
}

#[test]
fn no_session_is_taken_over_by_a_wrong_token_its_own_member_or_nobody() {
    check(
        "arrive -> 1
         session 1 t -> t
         join 1 lobby -> new in lobby, 1 there
         take t 1 -> none
         arrive -> 2
         take T 2 -> none
         depart 2 -> client-2 from -
         take t 2 -> none
         who lobby -> client-1
         find client-1 -> 1 by 1",
    );
}

#[test]
fn a_session_that_was_away_for_two_minutes_is_not_taken_over_before_the_sweep_either() {
    check(
        "arrive -> 1
         nick 1 ada -> ok
         session 1 t -> t
         depart 1 -> ada from -
         arrive -> 2
         later 120 -> ok
         take t 2 -> none
         find client-2 -> 2 by 2
         sweep -> ok
         take t 2 -> none
         nick 2 ada -> ok",
    );
}
