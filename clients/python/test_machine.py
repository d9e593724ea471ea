"""The machine of the client without sockets, threads or a clock: how it begins, speaks and hears. All in scripts."""
import itertools
import json
import unittest
from concurrent.futures import Future

import trappe
from machine_script import Script, ack, afters, msg
from trappe import OUT_BYTES_MAX, Machine
from trappe import AHEAD_MAX, IDS_OF_SID_MAX, SIDS_MAX, Room


class Beginning(unittest.TestCase):
    def test_the_first_op_is_a_hello_and_a_ping_shows_whether_it_was_refused(self) -> None:
        script = Script(rooms={"lobby": None, "chess": "e@7"})
        script.machine.dial(script.now)
        script.machine.connected()
        self.assertTrue(script.machine.out.startswith(b"\n/format json\n{"), "a pause ends no line after an empty one")
        lines = script.wrote()
        self.assertEqual(lines[0], "/format json")
        self.assertEqual([it["op"] for it in lines[1:]], ["hello", "ping"])
        self.assertEqual(lines[1]["rooms"], [{"room": "lobby"}, {"room": "chess", "after": "e@7"}])
        self.assertNotIn("session", lines[1])
        error = {"ev": "error", "code": "bad-name", "text": "no", "id": script.machine.hello_id}
        by_itself = {"ev": "hello", "session": "x", "sid": 4, "name": "n", "rooms": []}
        pong = {"ev": "pong", "text": "", "id": script.machine.hello_id + 1}
        script.says({"ev": "ack", "op": "format"}, error, by_itself, pong)
        self.assertEqual((script.machine.state, script.machine.error.code), ("ended", "bad-name"))

    def test_a_room_that_is_refused_ends_the_first_connection_and_is_told_on_a_later_one(self) -> None:
        for is_first in (True, False):
            script = Script(rooms=["lobby", "chess"])
            if not is_first:
                script.opens(lobby="e@0", chess="e@0").breaks()
            script.dials()
            full = {"ev": "error", "code": "full", "text": "no more rooms", "id": script.machine.hello_id}
            script.says({"ev": "ack", "op": "format"}, full)
            script.hello(lobby="e@0")
            self.assertEqual(script.machine.state, "ended" if is_first else "open")
            self.assertEqual(trappe.Error("full", "no more rooms") in script.events(), not is_first)
            self.assertEqual(list(script.machine.rooms), ["lobby"])

    def test_a_name_that_was_taken_later_is_asked_for_in_a_new_session(self) -> None:
        script = Script().opens()
        script.machine.nick("alix", Future())
        id = script.wrote()[-1]["id"]
        script.says({"ev": "nick", "from": "client-1", "sid": 1, "name": "alix", "id": id, "own": True})
        script.breaks().dials()
        script.hello(session="s2", sid=2)
        self.assertEqual((script.machine.name, script.wrote()[-1]["name"]), ("client-2", "alix"))

    def test_a_name_that_is_taken_ends_the_first_connection_and_is_told_on_a_later_one(self) -> None:
        for is_first in (True, False):
            script = Script(name="alice")
            script.dials()
            script.hello()
            nick = script.wrote()[-1]
            self.assertEqual((nick["op"], nick["name"], script.machine.ready), ("nick", "alice", False))
            if not is_first:
                script.says({"ev": "nick", "from": "c", "sid": 1, "name": "alice", "id": nick["id"], "own": True})
                self.assertTrue(script.machine.ready)
                script.breaks().dials()
                script.hello(session="s2", sid=2)
                nick = script.wrote()[-1]
            script.says({"ev": "error", "code": "name-taken", "text": "taken", "op": "nick", "id": nick["id"]})
            self.assertEqual(script.machine.state, "ended" if is_first else "open")
            self.assertEqual(trappe.Error("name-taken", "taken") in script.events(), not is_first)

    def test_what_the_hub_says_to_the_stranger_before_its_hello_is_nobodys(self) -> None:
        script = Script()
        script.dials()
        script.says("<bob> bonjour".encode(), b"* bob", {"ev": "ack", "op": "format"}, msg(50))
        script.hello(lobby="e@50")
        self.assertEqual(script.texts(), [])
        self.assertEqual(str(script.machine.rooms["lobby"]), "e@50")

    def test_text_that_refuses_is_the_reason(self) -> None:
        for line, state in ((b"! local-only no\r", "ended"), (b"! full no", "waiting"), (b"HTTP/1.1 400", "waiting")):
            script = Script()
            script.dials()
            script.says(line).breaks("closed")
            self.assertEqual(script.machine.state, state, line)
            if state == "waiting":
                self.assertEqual("full: no" in script.events()[0].reason, b"full" in line)

    def test_rooms_are_bounded_and_known_by_any_writing_of_their_names(self) -> None:
        for rooms in ([], [f"r{n}" for n in range(65)], {"lobby": "7"}, {"lobby": "e@x"}):
            with self.assertRaises(ValueError):
                Machine(rooms=rooms)
        script = Script(rooms=["LOBBY"]).opens(lobby="e@3")
        self.assertEqual(list(script.machine.rooms), ["lobby"])
        script.breaks()
        self.assertEqual(afters(script.dials()), {"lobby": "e@3"})

    def test_a_room_that_was_not_asked_for_is_left(self) -> None:
        script = Script(rooms=["chess"])
        script.dials()
        script.hello(chess="e@0", lobby="f@0")
        self.assertEqual([(it["op"], it["room"]) for it in script.wrote()], [("leave", "lobby")])


class Positions(unittest.TestCase):
    def test_the_mark_is_where_everything_up_to_it_has_come(self) -> None:
        had, skip = (lambda n: ("had", n)), (lambda n: ("skip", n))
        for steps, seq in (
            ([had(1), had(2)], 2),
            ([had(3), had(1)], 1),
            ([had(3), had(1), had(2)], 3),
            ([had(2), had(3), had(5), had(1)], 3),
            ([had(2), skip(4)], 4),
            ([had(6), skip(4), had(5)], 6),
            ([skip(9), skip(4)], 9),
            ([had(n) for n in range(2, AHEAD_MAX + 3)], AHEAD_MAX + 2),  # 1 is given up
        ):
            room = Room("e@0")
            for what, n in steps:
                room.skip(n) if what == "skip" else room.had(n)
            self.assertEqual(room.seq, seq, steps[:8])
            self.assertLessEqual(len(room.ahead), AHEAD_MAX)
            self.assertTrue(all(n > seq for n in room.ahead))

    def test_gaps_and_other_lives_move_the_position_and_are_told(self) -> None:
        for event, position, missing in (
            ({"from": 4, "to": 9, "cause": "slow"}, "e@9", 6),
            ({"from": 4, "to": 900, "cause": "unused"}, "e@900", 0),
            ({"cause": "forgotten", "oldest": "e@7"}, "e@6", None),
            ({"cause": "epoch", "oldest": "f@1"}, "f@0", None),
            ({"cause": "epoch", "oldest": "f@0"}, "f@0", None),
            ({"cause": "state"}, "e@3", 0),
        ):
            script = Script().opens(lobby="e@3")
            script.says({"ev": "gap", "room": "lobby", **event})
            gap = script.events()[0]
            self.assertEqual((gap.cause, gap.missing), (event["cause"], missing))
            self.assertEqual(afters(script.breaks().dials()), {"lobby": position}, event)

    def test_a_reconnect_resumes_each_room_where_it_was(self) -> None:
        script = Script(rooms=["lobby", "chess"]).opens(lobby="e@0", chess="f@5")
        script.says(msg(1), msg(6, room="chess"), msg(7, room="chess"), ack(3, 99)).breaks()
        lines = script.dials()
        self.assertEqual((lines[1]["session"], afters(lines)), ("s1", {"lobby": "e@1", "chess": "f@7"}))
        script.hello(resumed=True)
        script.says(ack(2, 98), ack(3, 99)).breaks()
        self.assertEqual(afters(script.dials()), {"lobby": "e@3"})

    def test_rooms_that_were_joined_and_left_are_those_of_the_next_connection(self) -> None:
        script = Script().opens()
        joins = script.ask({"op": "join", "room": "Chess", "after": 3})
        id = script.wrote()[-1]["id"]
        script.says({"ev": "join", "room": "chess", "from": "a", "pos": "f@9", "members": 1, "id": id, "own": True})
        leaves = script.ask({"op": "leave", "room": "lobby"})
        id = script.wrote()[-1]["id"]
        script.says({"ev": "leave", "room": "lobby", "from": "a", "id": id, "own": True})
        script.events()
        self.assertTrue(joins.done() and leaves.done())
        self.assertEqual(afters(script.breaks().dials()), {"chess": "f@3"}, "it hasn't had what it asked for yet")


class Sends(unittest.TestCase):
    def test_an_ack_settles_a_send_and_acks_come_in_any_order(self) -> None:
        script = Script().opens()
        first, second = script.send(), script.send()
        a, b = (it["id"] for it in script.wrote())
        script.says(ack(2, b), ack(1, a)).events()
        self.assertEqual(first.result(0), trappe.Ack("lobby", "e", 1))
        self.assertEqual(second.result(0), trappe.Ack("lobby", "e", 2))

    def test_what_becomes_of_a_send_when_the_connection_breaks(self) -> None:
        whole, none, one = None, 0, 1
        for taken, resumed, again, error in (
            (whole, True, True, None), (one, True, True, None), (none, True, True, None),
            (none, False, True, None), (one, False, False, trappe.Unconfirmed),
            (whole, False, False, trappe.Unconfirmed),
        ):
            script = Script().opens()
            future = script.send("mot")
            script.wrote(taken)
            script.breaks().dials()
            script.hello(resumed=resumed, session="s1" if resumed else "s2")
            said = [it["id"] for it in script.wrote() if it["op"] == "send"]
            told = [it for it in script.events() if isinstance(it, trappe.Connected)]
            what = (taken, resumed)
            self.assertEqual(len(said), int(again), what)
            self.assertEqual(told, [trappe.Connected(1, resumed, int(not again))], what)
            if again:
                script.says(ack(5, said[0])).events()
                self.assertEqual(future.result(0).seq, 5, what)
            else:
                self.assertIsInstance(future.exception(0), error, what)

    def test_said_again_it_bears_the_same_id_and_stands_before_what_is_new(self) -> None:
        script = Script().opens()
        for text in "ab":
            script.send(text)
        first = script.wrote()
        script.breaks()
        script.send("c")
        script.dials()
        script.hello(resumed=True)
        again = script.wrote()
        self.assertEqual([it["text"] for it in again], ["a", "b", "c"])
        self.assertEqual(again[:2], first)
        self.assertGreater(again[2]["id"], first[1]["id"])

    def test_what_waits_for_its_turn_stays_behind_what_is_said_again(self) -> None:
        script = Script(outbox=3000).opens()
        for n in range(1500):
            script.send(str(n))
        while script.machine.out:
            script.wrote()
        script.breaks().dials()
        script.hello(resumed=True)
        self.assertEqual([it["text"] for it in script.wrote()][:600], [str(n) for n in range(600)])
        script.breaks().dials()
        script.hello(session="s2")
        self.assertEqual(script.wrote()[0]["text"], "1024", "what had not begun to be written is simply sent")

    def test_what_is_made_ready_for_the_socket_is_bounded(self) -> None:
        script = Script().opens()
        for _ in range(500):
            script.send("x" * 1000)
        self.assertLess(len(script.machine.out), OUT_BYTES_MAX + 2000)

    def test_written_once_it_stays_unsure_over_a_connection_that_wrote_none_of_it(self) -> None:
        script = Script().opens()
        future = script.send()
        script.wrote()
        script.breaks().dials()
        script.hello(resumed=True)
        script.breaks().dials()
        script.hello(session="s2")
        script.events()
        self.assertIsInstance(future.exception(0), trappe.Unconfirmed)

    def test_refusals(self) -> None:
        no, unsure = trappe.Refused, trappe.Unconfirmed
        for code, said_again, error in (("not-stored", False, no), ("stale-id", False, unsure),
                                        ("not-in-room", False, no), ("not-in-room", True, unsure)):
            script = Script().opens()
            future = script.send()
            id = script.wrote()[0]["id"]
            if said_again:
                script.breaks().dials()
                script.hello(resumed=True)
                script.wrote()
            script.says({"ev": "error", "code": code, "text": "no", "op": "send", "id": id}).events()
            self.assertIs(type(future.exception(0)), error, code)
            self.assertFalse(script.machine.flight)

    def test_too_long_says_no_id_and_means_the_longest(self) -> None:
        script = Script(line_bytes=1000).opens()
        short, long = script.send("x"), script.send("x" * 500)
        script.wrote()
        script.says({"ev": "error", "code": "too-long", "text": "> 400"}).events()
        self.assertEqual((long.exception(0).code, short.done()), ("too-long", False))
        with self.assertRaises(ValueError):
            script.send("x" * 1000)
        with self.assertRaises(ValueError):
            script.send("\ud800")
        self.assertEqual(len(script.machine.flight), 1)

    def test_the_outbox_is_bounded_by_number_and_bytes(self) -> None:
        for options, count in (({"outbox": 5}, 5), ({"outbox_bytes": 300}, 7)):
            script = Script(**options).opens()
            for _ in range(count):
                script.send()
            with self.assertRaises(trappe.Full):
                script.send()
            ids = [it["id"] for it in script.wrote()]
            script.says(ack(1, ids[0]))
            self.assertFalse(script.machine.is_full)

    def test_at_most_1024_are_in_flight_counted_from_the_oldest(self) -> None:
        script = Script(outbox=3000).opens()
        for _ in range(1500):
            script.send()
        ids = []
        while script.machine.out:
            ids += [it["id"] for it in script.wrote()]
        self.assertEqual(len(ids), 1024)
        script.says(*(ack(n, id) for n, id in enumerate(ids[1:], 2)))
        self.assertEqual(script.wrote(), [], "the hub may forget the oldest, if later ones come")
        script.says(ack(1, ids[0]))
        self.assertEqual(len(script.wrote()), 1500 - 1024)

    def test_questions_are_asked_again_and_what_must_not_be_done_twice_is_not(self) -> None:
        for op, again in (("who", True), ("join", True), ("history", True), ("msg", False), ("set", False)):
            script = Script().opens()
            future = script.ask({"op": op, "room": "lobby"})
            script.wrote()
            script.breaks().dials()
            script.hello(resumed=True)
            self.assertEqual([it["op"] for it in script.wrote()], [op] if again else [], op)
            script.events()
            self.assertEqual(future.done(), not again)
            if not again:
                self.assertIsInstance(future.exception(0), trappe.Unconfirmed)


class Hearing(unittest.TestCase):
    def test_what_is_said_again_after_a_crash_is_passed_on_once(self) -> None:
        script = Script().opens()
        script.says(msg(1, "a", id=5), msg(2, "b", id=5, sid=8), msg(3, "c"), msg(4, "c"))
        self.assertEqual(script.texts(), ["a", "b", "c", "c"], "of another, and without an id: no repeats")
        script.breaks().dials()
        script.hello(resumed=True, lobby="e@4")
        script.says({"ev": "gap", "room": "lobby", "from": 5, "to": 99, "cause": "unused"})
        script.says(msg(100, "a", id=5, old=True), msg(101, "d", id=6), {"ev": "live", "room": "lobby", "pos": "e@101"})
        self.assertEqual(script.texts(), ["d"])
        self.assertEqual(str(script.machine.rooms["lobby"]), "e@101")

    def test_in_another_life_of_the_room_the_same_numbers_are_others_unless_the_hub_remembers_the_session(self) -> None:
        for resumed, wanted in ((True, ["a"]), (False, ["a", "b"])):
            script = Script().opens()
            script.says(msg(1, "a", id=5)).breaks().dials()
            script.hello(resumed=resumed)
            script.says({"ev": "gap", "room": "lobby", "cause": "epoch", "oldest": "f@1"}, msg(1, "b", id=5, old=True))
            self.assertEqual(script.texts(), wanted)
            self.assertEqual(str(script.machine.rooms["lobby"]), "f@1")

    def test_a_hub_that_forgot_everybody_is_known_though_the_connection_breaks_before_it_tells_of_the_other_life(
            self) -> None:
        lives = {"ev": "live", "room": "lobby", "pos": "e@1"}
        for told, wanted in (([], ["a", "b"]), ([lives], ["a"])):
            script = Script().opens().says(msg(1, "a", id=5))
            script.breaks().dials()
            script.hello(session="s2")
            script.says(*told).breaks().dials()
            script.hello(session="s2", resumed=True)
            script.says({"ev": "gap", "room": "lobby", "cause": "epoch", "oldest": "f@1"}, msg(1, "b", id=5, old=True))
            self.assertEqual(script.texts(), wanted, told)

    def test_what_came_ahead_of_an_ack_is_not_passed_on_again(self) -> None:
        script = Script().opens()
        script.send("own")
        id = script.wrote()[0]["id"]
        script.says(msg(2, "no id"))  # the own one is 1, its ack is still to come
        self.assertEqual(afters(script.breaks().dials()), {"lobby": "e@0"})
        script.hello(resumed=True)
        script.says(msg(1, "own", sid=1, id=id, old=True, own=True), msg(2, "no id", old=True), msg(3, "new", old=True))
        self.assertEqual(script.texts(), ["no id", "new"])

    def test_what_it_said_in_a_session_that_was_forgotten_does_not_come_after_what_came_after_it(self) -> None:
        script = Script().opens()
        script.send("own")
        id = script.wrote()[0]["id"]
        script.says(msg(2, "other"))  # the own one is 1, and is never acknowledged
        script.breaks().dials()
        script.hello(session="s2", sid=3)
        script.says(msg(1, "own", sid=1, id=id, old=True), msg(2, "other", old=True), msg(3, "new", old=True))
        self.assertEqual(script.texts(), ["other", "new"])

    def test_its_own_words_come_only_if_it_asked(self) -> None:
        own = {"sid": 1, "id": 7, "own": True}
        for echo, old, wanted in ((False, False, []), (False, True, []), (True, False, ["o"]), (True, True, ["o"])):
            script = Script(echo=echo).opens()
            script.says(msg(1, "o", **own, **({"old": True} if old else {})))
            self.assertEqual(script.texts(), wanted, (echo, old))
        script = Script().opens()
        script.ask({"op": "join", "room": "lobby", "after": "e@0"})
        id = script.wrote()[-1]["id"]
        script.says({"ev": "join", "room": "lobby", "from": "a", "pos": "e@1", "members": 1, "id": id, "own": True},
                    msg(1, "o", **own, old=True), {"ev": "live", "room": "lobby", "pos": "e@1", "id": id})
        self.assertEqual(script.texts(), ["o"])
        script.breaks().dials()
        script.hello(resumed=True)
        script.says(msg(2, "o", **{**own, "id": 8}, old=True))
        self.assertEqual(script.texts(), [], "that was for once")

    def test_what_is_remembered_is_bounded(self) -> None:
        room = Room("e@0")
        seqs = itertools.count(1)
        self.assertFalse(any(room.is_repeat(next(seqs), 1, id) for id in range(IDS_OF_SID_MAX + 1)))
        oldest = (room.is_repeat(next(seqs), 1, 1), room.is_repeat(next(seqs), 1, 0))
        self.assertEqual(oldest, (True, False), "the oldest is forgotten")
        self.assertFalse(any(room.is_repeat(next(seqs), sid, 7) for sid in range(2, SIDS_MAX + 2)))
        self.assertEqual((len(room.said), 1 in room.said), (SIDS_MAX, False))

    def test_history_is_an_answer_and_what_a_reconnect_brings_is_not(self) -> None:
        script = Script().opens()
        script.breaks().dials()
        script.hello(resumed=True)
        future = script.ask({"op": "history", "room": "lobby", "n": 2})
        id = script.wrote()[-1]["id"]
        live = {"ev": "live", "room": "lobby", "pos": "e@1", "id": script.machine.hello_id}
        script.says(msg(1, "new", old=True), live, msg(3, "meanwhile"),
                    msg(1, "new", old=True), msg(2, "x", old=True, own=True),
                    {"ev": "history", "room": "lobby", "count": 2, "pos": "e@2", "id": id})
        self.assertEqual(script.texts(), ["new", "meanwhile"])
        self.assertEqual([it.position for it in future.result(0)["messages"]], ["e@1", "e@2"])

    def test_the_state_is_followed_on_the_next_connection_too(self) -> None:
        script = Script().opens()
        future: Future = Future()
        script.machine.follow("lobby", future)
        script.says({"ev": "ack", "op": "get", "count": 0, "id": script.wrote()[-1]["id"]}).events()
        self.assertTrue(future.done())
        script.breaks().dials()
        script.hello(resumed=True)
        get = script.wrote()[-1]
        self.assertEqual((get["op"], get["room"]), ("get", "lobby"))
        value = {"key": "k", "from": "b", "sid": 2, "ts": "t", "text": "v"}
        script.says({"ev": "ack", "op": "get", "count": 1, "id": get["id"]},
                    {"ev": "state", "room": "lobby", "seq": 4, **value})
        gap, state = script.events()[-2:]
        self.assertEqual((gap.cause, state.key, state.data), ("state", "k", b"v"))

    def test_bodies_are_bytes_and_text_where_they_are(self) -> None:
        script = Script().opens()
        script.says(msg(1, "é"), {"ev": "msg", "room": "lobby", "seq": 2, "from": "http", "ts": "t", "b64": "Y2Fm6Q=="})
        one, two = script.events()
        self.assertEqual((one.data, one.text, two.data, two.text), ("é".encode(), "é", b"caf\xe9", None))
        self.assertEqual(json.loads(bytes(script.machine.out) or b"{}"), {})

    def test_events_that_lie_unread_stop_the_reading_and_the_reconnecting(self) -> None:
        script = Script(queue_bytes=4000).opens()
        future = script.send()
        id = script.wrote()[-1]["id"]
        script.says(*(msg(n) for n in range(1, 4)), ack(4, id))
        self.assertTrue(script.machine.reads)
        script.says(*(msg(n) for n in range(5, 20)))
        self.assertEqual((script.machine.reads, script.machine.deadline), (False, None), "silence means nothing now")
        script.breaks()
        self.assertEqual((script.machine.state, script.machine.deadline), ("waiting", None))
        self.assertEqual(len(script.texts()), 18)
        self.assertTrue(future.done() and script.machine.deadline is not None)


if __name__ == "__main__":
    unittest.main()
