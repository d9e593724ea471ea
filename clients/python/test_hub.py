"""End to end: the client against the real hub, and against hubs that are hostile, silent or gone."""
import asyncio
import os
import socket
import subprocess
import sys
import threading
import unittest
import unittest.mock
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, Callable, List

import trappe
from hub_lab import Server, free_port, needs_hub

HERE = os.path.dirname(os.path.abspath(__file__))


class Fake:
    """A hub that does what a test tells it: `serve(sock, n)` for the nth connection, in a thread of its own."""

    def __init__(self, serve: Callable[[socket.socket, int], None]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.serve, self.count = self.listener.getsockname()[1], serve, 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.count += 1
            threading.Thread(target=self._serve, args=(sock, self.count), daemon=True).start()

    def _serve(self, sock: socket.socket, n: int) -> None:
        with sock:
            try:
                self.serve(sock, n)
            except OSError:
                pass

    def __enter__(self) -> "Fake":
        return self

    def __exit__(self, *_: Any) -> None:
        # Closed alone, a blocked accept would go on.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def greets(sock: socket.socket, resumed: bool = False) -> Any:
    """Answers the hello; gives the lines that follow."""
    lines = sock.makefile("rb")
    lines.readline(), lines.readline()  # an empty one, and /format json
    id = int(lines.readline().rsplit(b'"id":', 1)[1].split(b",")[0].strip(b"}\n"))
    lines.readline()
    more = b',"resumed":true' if resumed else b""
    sock.sendall(b'{"ev":"ack","op":"format"}\n{"ev":"hello","session":"s","sid":1,"name":"n"%s,'
                 b'"rooms":[{"room":"lobby","pos":"e@0"}],"id":%d}\n' % (more, id))
    return lines


def acknowledges(sock: socket.socket, line: bytes) -> None:
    """Each send has its id as its number."""
    id = line.rsplit(b":", 1)[1].strip(b"}\n")
    sock.sendall(b'{"ev":"ack","room":"lobby","seq":%s,"id":%s}\n' % (id, id))


def until(hub: trappe.Hub, kind: type) -> Any:
    """The next event of this kind."""
    while True:
        event = hub.receive(timeout=15)
        if isinstance(event, kind):
            return event


@needs_hub
class Real(unittest.TestCase):
    def setUp(self) -> None:
        self.server = Server()
        self.addCleanup(self.server.__exit__)

    def member(self, name: str, **options: Any) -> trappe.Hub:
        hub = trappe.connect(self.server.address, name, **options)
        self.addCleanup(hub.close)
        return hub

    def test_what_is_sent_is_acknowledged_and_heard(self) -> None:
        alice, bob = self.member("alice"), self.member("bob")
        first, second = alice.send("bonjour").result(timeout=10), alice.send(b"caf\xe9").result(timeout=10)
        self.assertEqual((first.room, first.seq, second.seq), ("lobby", 1, 2))
        one, two = until(bob, trappe.Message), until(bob, trappe.Message)
        self.assertEqual((one.name, one.text, one.position), ("alice", "bonjour", f"{first.epoch}@1"))
        self.assertEqual((two.text, two.data), (None, b"caf\xe9"))
        alice.direct("bob", "psst").result(timeout=10)
        self.assertEqual(until(bob, trappe.Direct).text, "psst")
        with self.assertRaisesRegex(trappe.Refused, "no-such-member"):
            alice.direct("nobody", "psst").result(timeout=10)

    def test_over_a_unix_socket_too(self) -> None:
        bob = self.member("bob")
        with trappe.connect(f"unix:{self.server.socket}", "alice") as alice:
            alice.send("par le fichier")
        self.assertEqual(until(bob, trappe.Message).text, "par le fichier")
        self.assertEqual(until(bob, trappe.Left).name, "alice")

    def test_rooms_names_and_who(self) -> None:
        alice, bob = self.member("alice"), self.member("bob")
        alice.join("chess")
        self.assertEqual(alice.rooms, ["lobby", "chess"])
        with self.assertRaisesRegex(ValueError, "name the room"):
            alice.send("which?")
        alice.leave("lobby")
        self.assertEqual((alice.rooms, bob.who()), (["chess"], ["bob"]))
        self.assertEqual(alice.send("alone").result(10).room, "chess")
        alice.nick("alix")
        self.assertEqual((alice.name, alice.who()), ("alix", ["alix"]))
        with self.assertRaisesRegex(trappe.Refused, "name-taken"):
            alice.nick("bob")
        with self.assertRaisesRegex(trappe.Refused, "bad-name"):
            alice.join("not a name")
        self.assertEqual(alice.ask({"op": "why"}).result(10)["name"], "alix")
        for op in ({"op": "send", "text": "x"}, {"op": "hello"}, {}, {"op": "history"}):
            with self.assertRaises(ValueError):
                alice.ask(op)
        with self.assertRaisesRegex(trappe.Refused, "name-taken"):
            trappe.connect(self.server.address, "bob")
        with self.assertRaisesRegex(trappe.Refused, "bad-name"):
            trappe.connect(self.server.address, rooms=["not a name"])

    def test_history_search_and_a_room_from_a_position_on(self) -> None:
        alice = self.member("alice")
        acks = [send.result(10) for send in [alice.send(f"mot {n}") for n in range(1, 31)]]
        self.assertEqual([it.text for it in alice.history(n=2)], ["mot 29", "mot 30"])
        found: List[str] = []
        while not found:  # what was said just now may take a moment to be found
            found = [it.text for it in alice.search("17")]
        self.assertEqual(found, ["mot 17"])
        position = f"{acks[24].epoch}@{acks[24].seq}"
        for bob in (self.member("bob", rooms={"lobby": position}), self.member("carole", rooms=["chess"])):
            if bob.name == "carole":
                bob.join("lobby", after=position)
            self.assertEqual([until(bob, trappe.Message).text for _ in range(5)], [f"mot {n}" for n in range(26, 31)])

    def test_the_state_of_a_room_also_after_the_hub_was_killed(self) -> None:
        alice, bob = self.member("alice"), self.member("bob")
        self.assertIsNone(bob.get("score"))
        bob.follow()
        alice.set("score", "3", version=7)
        state = until(bob, trappe.State)
        self.assertEqual((state.key, state.text, state.version, bob.get("score").text), ("score", "3", 7, "3"))
        with self.assertRaisesRegex(trappe.Refused, "stale-version"):
            alice.set("score", "2", version=6)
        self.server.again()
        until(alice, trappe.Connected), until(alice, trappe.Connected)
        alice.set("score", "4")
        while until(bob, trappe.State).text != "4":
            pass

    def test_a_hub_without_history_that_is_killed_makes_what_was_on_its_way_unconfirmed_or_says_it(self) -> None:
        with Server(data=False) as server, trappe.connect(server.address, "alice") as alice:
            alice.send("before").result(10)
            server.stop()
            self.assertIn("127.0.0.1", str(server.address))
            later = alice.send("while it is away")
            server.start()
            self.assertEqual(later.result(30).seq, 1, "the first of another life")
            kinds = [type(alice.receive(10)) for _ in range(4)]
            self.assertEqual([kinds[0], kinds[-1]], [trappe.Connected, trappe.Gap], kinds)

    def test_another_connection_with_the_session_ends_it_for_good(self) -> None:
        alice = self.member("alice")
        with socket.create_connection(("127.0.0.1", self.server.port)) as other:
            session = alice._machine.session
            other.sendall(b'/format json\n{"op":"hello","session":"%s"}\n' % session.encode())
            with self.assertRaisesRegex(trappe.Ended, "superseded"):
                for _ in alice:
                    pass
        with self.assertRaises(trappe.Ended):
            alice.send("too late")

    def test_as_a_member_of_asyncio(self) -> None:
        bob = self.member("bob")

        async def talk() -> int:
            alice = await asyncio.to_thread(trappe.connect, self.server.address, "alice")
            sends = [asyncio.wrap_future(alice.send(f"mot {n}")) for n in range(100)]
            acks = await asyncio.wait_for(asyncio.gather(*sends), 15)
            await asyncio.to_thread(alice.drain)
            return acks[-1].seq

        self.assertEqual(asyncio.run(talk()), 100)
        self.assertEqual([until(bob, trappe.Message).text for _ in range(100)], [f"mot {n}" for n in range(100)])

    def test_what_lies_unread_is_bounded_and_comes_whole_when_it_is_read(self) -> None:
        bob = self.member("bob", queue_bytes=100_000)
        alice = self.member("alice")
        for send in [alice.send(f"{n} {'x' * 1000}") for n in range(3000)]:
            send.result(30)
        with self.assertRaisesRegex(trappe.Unread, "read them"):
            bob.send("its answer lies behind what it doesn't read").result(2)
        with unittest.mock.patch("trappe.STALLED_S", 0.5), self.assertRaises(trappe.Unread):
            bob.send("nor without a time-out").result()
        self.assertLess(bob._machine.queued_bytes, 100_000 + 65536 * 3)
        heard = [until(bob, trappe.Message).text.split()[0] for _ in range(3000)]
        self.assertEqual(heard, [str(n) for n in range(3000)], "with history nothing is missing")

    def test_who_leaves_with_events_unread_still_has_its_last_words_confirmed(self) -> None:
        alice = self.member("alice")
        with trappe.connect(self.server.address, "bob", queue_bytes=100_000) as bob:
            for send in [alice.send(f"{n} {'x' * 1000}") for n in range(1000)]:
                send.result(30)
            last = bob.send("adieu")
        self.assertEqual(last.result(0).room, "lobby")
        self.assertEqual(until(alice, trappe.Message).text, "adieu")

    def test_its_own_words_come_back_to_who_asks_for_them(self) -> None:
        alice = self.member("alice", echo=True)
        alice.send("un").result(10)
        self.server.again()
        alice.send("deux")
        heard = [until(alice, trappe.Message), until(alice, trappe.Message)]
        self.assertEqual([(it.text, it.own) for it in heard], [("un", True), ("deux", True)])

    def test_many_threads_may_speak_and_each_of_their_words_is_said_once(self) -> None:
        alice, bob = self.member("alice", outbox=50), self.member("bob")

        def talk(of: int) -> None:
            for send in [alice.send(f"{of} {n}") for n in range(200)]:
                send.result(30)

        threads = [threading.Thread(target=talk, args=(of,)) for of in range(8)]
        for thread in threads:
            thread.start()
        heard = [until(bob, trappe.Message).text for _ in range(1600)]
        for thread in threads:
            thread.join(30)
        for of in range(8):
            self.assertEqual([it for it in heard if it.startswith(f"{of} ")], [f"{of} {n}" for n in range(200)])

    def test_as_long_as_the_hub_takes_and_not_longer(self) -> None:
        alice, bob = self.member("alice"), self.member("bob")
        rest = len('{"op":"send","room":"lobby","text":"","id":}\n') + len(str(alice._machine.next_id))
        longest = "x" * (65536 - rest)
        self.assertEqual(alice.send(longest).result(10).seq, 1)
        self.assertEqual(until(bob, trappe.Message).text, longest)
        with self.assertRaisesRegex(ValueError, "longer than the hub takes"):
            alice.send(longest + "x")
        carole = self.member("carole", line_bytes=1 << 20)
        too_long, after = carole.send("x" * 100_000), carole.send("after it")
        with self.assertRaisesRegex(trappe.Refused, "too-long"):
            too_long.result(10)
        self.assertEqual(after.result(10).seq, 2)

    @unittest.skipUnless(os.path.isdir("/proc/self/fd"), "needs /proc")
    def test_nothing_is_left_open(self) -> None:
        before = len(os.listdir("/proc/self/fd")), threading.active_count()
        for n in range(20):
            hub = trappe.connect(self.server.address)
            hub.drain() if n % 2 else hub.close()
        self.assertEqual((len(os.listdir("/proc/self/fd")), threading.active_count()), before)

    def test_acks_come_while_events_lie_unread(self) -> None:
        alice, bob = self.member("alice"), self.member("bob")
        for n in range(2000):
            alice.send(f"mot {n}")
        self.assertEqual(bob.send("in the thread that should read").result(15).room, "lobby")

    def test_the_example_of_the_readme_runs(self) -> None:
        with open(os.path.join(HERE, "README.md"), encoding="utf-8") as file:
            blocks = [it.split("```")[0] for it in file.read().split("```python\n")[1:]]
        self.assertTrue(blocks)
        for block in blocks:
            program = block.replace("localhost:5566", self.server.address)
            process = subprocess.Popen([sys.executable, "-c", program], cwd=HERE, stdout=subprocess.PIPE, text=True)
            self.addCleanup(process.stdout.close)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            eve = self.member("eve")
            self.assertIn("Ack(room='lobby'", process.stdout.readline())
            eve.send("bonjour à tous")
            self.assertEqual(process.stdout.readline(), "eve bonjour à tous\n")
            eve.send("fin")
            self.assertEqual(process.wait(15), 0)
            eve.close()


class Gone(unittest.TestCase):
    def test_without_a_hub_it_says_so_after_as_long_as_it_may(self) -> None:
        port = free_port()
        with self.assertRaisesRegex(ConnectionError, f"127.0.0.1:{port} within 0.3 s: can't reach"):
            trappe.connect(f"127.0.0.1:{port}", timeout=0.3)
        for retry in (0, 2):
            with self.assertRaisesRegex(trappe.Ended, f"can't reach.*after {retry} attempts"):
                trappe.connect(("127.0.0.1", port), retry=retry, timeout=30)
        with self.assertRaisesRegex(trappe.Ended, "can't reach the hub at unix:/nowhere/hub: .*[Nn]o such file"):
            trappe.connect("unix:/nowhere/hub", retry=0)
        for address in ("localhost:x", "localhost:99999"):
            with self.assertRaises(ValueError):
                trappe.connect(address)

    def test_addresses(self) -> None:
        for given, meant in (("h", ("h", 5566)), ("h:1", ("h", 1)), (":7", ("localhost", 7)), ("[::1]:9", ("::1", 9)),
                             ("[::1]", ("::1", 5566)), ("::1", ("::1", 5566)), (("h", 3), ("h", 3)),
                             ("", ("localhost", 5566))):
            self.assertEqual(trappe._address(given), ("tcp", meant))

    def test_what_no_hub_would_say_ends_the_connection_and_is_told(self) -> None:
        says = [b"bonjour\n", b'{"ev":"msg"}\n', b"\xff" * 100 + b"\n", b"x" * (1 << 20) + b"xx", b"[" * 99_999 + b"\n"]

        def serve(sock: socket.socket, n: int) -> None:
            greets(sock)
            if n <= len(says):
                sock.sendall(says[n - 1])
            sock.recv(1)

        with Fake(serve) as fake, unittest.mock.patch("trappe.BACKOFF_S_MAX", 0.1):
            hub = trappe.connect(("127.0.0.1", fake.port))
            for _ in says:
                until(hub, trappe.Connected)
                self.assertRegex(until(hub, trappe.Reconnecting).reason, "can't be|more than")
            until(hub, trappe.Connected)
            hub.close()
            self.assertFalse(hub._thread.is_alive())

    def test_a_full_outbox_makes_the_caller_wait_and_refuses_after_a_time_out(self) -> None:
        lets = threading.Event()

        def serve(sock: socket.socket, n: int) -> None:
            lines = greets(sock)
            lets.wait(15)
            for line in lines:
                acknowledges(sock, line)

        with Fake(serve) as fake:
            hub = trappe.connect(("127.0.0.1", fake.port), outbox=10)
            sends = [hub.send(str(n)) for n in range(10)]
            with self.assertRaisesRegex(trappe.Full, "10 ops"):
                hub.send("one too many", timeout=0.1)
            with self.assertRaises(FutureTimeout):
                sends[0].result(0.1)
            done: List[int] = []
            sends[0].add_done_callback(lambda it: done.append(it.result().seq))
            lets.set()
            last = hub.send("waits", timeout=15).result(15).seq
            self.assertEqual([it.result(15).seq for it in sends], list(range(last - 10, last)))
            self.assertEqual(done, [last - 10])
            hub.close()

    def test_a_connection_that_drops_in_the_middle_of_a_drain_is_made_again(self) -> None:
        said: List[List[bytes]] = [[], []]

        def serve(sock: socket.socket, n: int) -> None:
            for line in greets(sock, resumed=n > 1):
                said[n - 1].append(line)
                if b'"quit"' in line:
                    return sock.sendall(b'{"ev":"bye","reason":"quit","rooms":[]}\n')
                if len(said[0]) == 5 and n == 1:
                    return None
                if n == 2:
                    acknowledges(sock, line)

        with Fake(serve) as fake:
            hub = trappe.connect(("127.0.0.1", fake.port))
            sends = [hub.send(str(n)) for n in range(5)]
            hub.drain(timeout=15)
            self.assertTrue(all(it.done() and it.exception() is None for it in sends))
            self.assertEqual((fake.count, said[1]), (2, said[0] + [b'{"op":"quit"}\n']))
            with self.assertRaises(trappe.Ended):
                hub.send("too late")
            self.assertEqual([type(it) for it in hub], [trappe.Connected, trappe.Reconnecting, trappe.Connected])

    def test_a_drain_that_gets_no_answer_says_how_much_is_open(self) -> None:
        with Fake(lambda sock, _n: [None for _ in greets(sock)]) as fake:
            hub = trappe.connect(("127.0.0.1", fake.port))
            send = hub.send("x")
            with self.assertRaisesRegex(TimeoutError, "1 ops had no answer within 0.2 s"):
                hub.drain(timeout=0.2)
            self.assertIsInstance(send.exception(0), trappe.Unconfirmed)

    def test_a_reader_that_waits_is_woken_by_the_end(self) -> None:
        with Fake(lambda sock, _n: [None for _ in greets(sock)]) as fake:
            hub = trappe.connect(("127.0.0.1", fake.port))
            heard: List[Any] = []
            reader = threading.Thread(target=lambda: heard.extend(hub))
            reader.start()
            hub.close()
            reader.join(15)
            self.assertFalse(reader.is_alive())
            self.assertEqual(len(heard), 1)

    def test_retries_in_a_row_are_counted_on_a_live_connection_too(self) -> None:
        with Fake(lambda sock, _n: greets(sock).close()) as fake:
            hub = trappe.connect(("127.0.0.1", fake.port), retry=2)
            with self.assertRaisesRegex(trappe.Ended, "2 attempts in a row"):
                for _ in hub:
                    pass
            self.assertEqual(fake.count, 3)


if __name__ == "__main__":
    unittest.main()
