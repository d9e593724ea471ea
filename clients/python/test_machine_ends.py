"""The machine of the client without sockets, threads or a clock: how connections end, and what hubs may say."""
import json
import unittest

import trappe
from machine_script import Script, ack, msg
from trappe import HISTORY_MAX, IDLE_S, LINE_BYTES_MAX, OPEN_S, PROBE_S, Machine


class Ending(unittest.TestCase):
    def test_goodbyes(self) -> None:
        for reason, state in (("superseded", "ended"), ("quit", "ended"), ("shutdown", "waiting"), ("slow", "waiting"),
                              ("silent", "waiting"), ("unheard-of", "waiting")):
            script = Script().opens()
            future = script.send()
            script.wrote()
            script.says({"ev": "bye", "reason": reason, "text": "ciao", "rooms": []}).events()
            self.assertEqual(script.machine.state, state, reason)
            self.assertEqual(future.done(), state == "ended")
            if state == "ended":
                self.assertIn(reason, str(script.machine.error))
                with self.assertRaises(trappe.Ended):
                    script.send()

    def test_delays_grow_up_to_a_cap_and_begin_anew_after_health(self) -> None:
        script = Script()
        delays = []
        for _ in range(8):
            script.machine.dial(script.now)
            script.breaks()
            delays.append(script.events()[-1].delay)
            self.assertEqual(script.machine.deadline, script.now + delays[-1])
            script.now = script.machine.until
        self.assertEqual(delays, [0.5, 1, 2, 4, 8, 16, 20, 20])
        for lasts, attempt in ((4.9, 9), (5.0, 1)):
            script.opens()
            script.now += lasts
            self.assertEqual(script.breaks().events()[-1].attempt, attempt)
        self.assertEqual(Machine(rng=lambda: 0.0).deadline, 0.0)

    def test_attempts_in_a_row_are_limited(self) -> None:
        for retry, dials in ((0, 1), (1, 2), (3, 4)):
            script, count = Script(retry=retry), 0
            while script.machine.state != "ended":
                script.now = script.machine.until
                script.machine.dial(script.now)
                script.breaks("refused")
                count += 1
            self.assertEqual(count, dials)
            self.assertIn("refused", str(script.machine.error))

    def test_a_hub_that_does_not_answer_is_given_up(self) -> None:
        script = Script()
        script.dials()
        self.assertEqual(script.machine.deadline, script.now + OPEN_S)
        script.now += OPEN_S
        script.machine.tick(script.now)
        self.assertEqual(script.machine.state, "waiting")

    def test_a_silent_connection_is_probed_and_then_given_up(self) -> None:
        for answers in (True, False):
            script = Script().opens()
            script.now += IDLE_S - 0.1
            script.machine.tick(script.now)
            self.assertEqual(script.wrote(), [])
            script.now += 0.1
            script.machine.tick(script.now)
            self.assertEqual(script.wrote(), [{"op": "ping"}])
            script.now += PROBE_S - 0.1
            if answers:
                script.says({"ev": "pong", "text": ""})
            script.now += 0.1
            script.machine.tick(script.now)
            self.assertEqual(script.machine.state, "open" if answers else "waiting")

    def test_silence_means_nothing_while_nothing_is_read(self) -> None:
        script = Script(queue_bytes=1000).opens()
        script.now += IDLE_S
        script.machine.tick(script.now)
        script.says(*(msg(n) for n in range(1, 5)))
        script.now += 1000
        script.machine.tick(script.now)
        self.assertEqual((len(script.texts()), script.machine.deadline), (4, script.now + IDLE_S))

    def test_however_long_it_takes_only_the_last_attempt_lies_unread(self) -> None:
        script = Script()
        for _ in range(100):
            script.now = script.machine.until
            script.machine.dial(script.now)
            script.breaks()
        self.assertEqual([it.attempt for it in script.events()], [100])
        self.assertEqual(script.machine.queued_bytes, 0)

    def test_a_drain_waits_for_every_ack_also_over_a_break_and_then_says_goodbye(self) -> None:
        script = Script().opens()
        future = script.send()
        script.machine.drain()
        with self.assertRaises(trappe.Ended):
            script.send()
        id = script.wrote()[0]["id"]
        script.breaks().dials()
        script.hello(resumed=True)
        self.assertEqual([it["op"] for it in script.wrote()], ["send"])
        script.says(ack(1, id)).events()
        self.assertEqual((future.result(0).seq, script.wrote()), (1, [{"op": "quit"}]))
        script.says({"ev": "bye", "reason": "quit", "rooms": []})
        self.assertEqual((script.machine.state, script.machine.error), ("ended", None))

    def test_a_drain_with_nothing_to_wait_for_ends_at_once_where_it_is_not_connected(self) -> None:
        script = Script().opens().breaks()
        script.machine.drain()
        self.assertEqual((script.machine.state, script.machine.error), ("ended", None))

    def test_close_tells_what_is_unsure_from_what_was_never_sent(self) -> None:
        script = Script().opens()
        sure, unsure = script.send(), script.send()
        script.wrote(len(script.machine.out) // 2 + 5)
        never = script.send()
        script.machine.end()
        script.events()
        self.assertEqual([type(it.exception(0)) for it in (sure, unsure, never)],
                         [trappe.Unconfirmed, trappe.Unconfirmed, trappe.NotSent])
        self.assertFalse(script.machine.out)


class Hostile(unittest.TestCase):
    def test_what_can_not_be_ends_the_connection_and_nothing_else(self) -> None:
        deep = b'{"ev":' + b"[" * 200_000
        for line in (b"", b"bonjour", b"null", b"[]", b"7", b"{}", b"\xff\xfe{\x00}", b'{"ev":7}', deep,
                     b'{"ev":"msg"}', b'{"ev":"msg","room":[],"seq":1}',
                     b'{"ev":"gap","room":"lobby","cause":"slow","to":-1}',
                     b'{"ev":"gap","room":"lobby","cause":"epoch","oldest":"@"}',
                     b'{"ev":"ack","room":"lobby","seq":1e999}',
                     b'{"ev":"ack","room":"lobby","seq":9007199254740993}', b'{"ev":"ack","op":"msg","id":{}}',
                     b'{"ev":"bye","reason":null}', b'{"ev":"error","code":1,"text":2}',
                     b'{"ev":"live","room":"lobby"}', b'{"ev":"msg","seq":' + b"9" * 5000 + b"}",
                     b'{"ev":"join","room":"lobby"}', b'{"ev":"state","room":"lobby","key":"k"}', b'{"ev":"notice"}',
                     json.dumps(msg(1, text="\ud800")).encode(), json.dumps({**msg(1), "b64": "?"}).encode()):
            script = Script().opens()
            future = script.send()
            script.wrote()
            script.says(line, msg(1, "after it nothing is read"))
            self.assertEqual(script.machine.state, "waiting", line[:60])
            events = script.events()
            self.assertIsInstance(events[0], trappe.Reconnecting, line[:60])
            self.assertEqual((len(events), future.done()), (1, False))
            script.dials()
            script.hello(resumed=True)
            self.assertEqual(len(script.wrote()), 1, "and is said again")

    def test_a_line_without_end_is_given_up_also_if_it_comes_in_pieces(self) -> None:
        for piece in (1 << 16, LINE_BYTES_MAX + 1):
            script, fed = Script().opens(), 0
            while script.machine.state == "open" and fed <= 2 * LINE_BYTES_MAX:
                script.machine.feed(script.now, b"x" * piece)
                fed += piece
            self.assertEqual(script.machine.state, "waiting")
            self.assertLessEqual(fed, LINE_BYTES_MAX + piece)
        script = Script().opens().says(json.dumps(msg(1, "x" * LINE_BYTES_MAX)).encode())
        self.assertEqual((script.machine.state, script.texts()), ("waiting", []))

    def test_more_history_than_was_asked_for_ends_the_connection(self) -> None:
        script = Script().opens()
        script.ask({"op": "history", "room": "lobby", "n": 2})
        script.wrote()
        script.says(*(msg(n, old=True) for n in range(1, 2 * HISTORY_MAX + 3)))
        self.assertEqual(script.machine.state, "waiting")

    def test_what_is_unknown_is_ignored(self) -> None:
        script = Script().opens()
        script.says({"ev": "novelty", "id": 99}, {"ev": "udp", "address": "x"}, {"ev": "pong", "text": ""}, ack(1, 77),
                    {"ev": "__init__"}, {"ev": "hello", "id": 5}, {"ev": "join", "own": True, "room": "x", "id": 99},
                    msg(1, "known", novelty=True))
        self.assertEqual((script.machine.state, list(script.machine.rooms)), ("open", ["lobby"]))
        self.assertEqual(script.texts(), ["known"])

    def test_every_cut_of_the_stream_is_the_same_stream(self) -> None:
        gap = {"ev": "gap", "room": "lobby", "from": 3, "to": 4, "cause": "slow"}
        events = [msg(1, "é\u2028"), msg(2), gap, msg(5)]
        stream = b"".join(json.dumps(it, ensure_ascii=False).encode() + b"\n" for it in events)
        whole = Script().opens()
        whole.machine.feed(whole.now, stream)
        wanted = whole.events()
        for at in range(len(stream)):
            script = Script().opens()
            script.machine.feed(script.now, stream[:at])
            script.machine.feed(script.now, stream[at:])
            self.assertEqual(script.events(), wanted)


if __name__ == "__main__":
    unittest.main()
