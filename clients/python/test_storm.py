"""End to end: processes that go on talking while the hub is killed, or stopped, and started again."""
import signal
import unittest
import unittest.mock
from typing import Any

import trappe
from hub_lab import Server, needs_hub
from talkers import NAMES, ROOMS, Talkers


@needs_hub
class Storm(unittest.TestCase):
    def enter(self, context: Any) -> Any:
        """As `enterContext` of later Pythons."""
        self.addCleanup(context.__exit__, None, None, None)
        return context.__enter__()

    def kills(self, signal_number: int, data: bool = True) -> None:
        retain = "100msg" if data else "200000msg,100MiB"
        with Server("--retain", retain, data=data) as server, trappe.connect(server.address, "ear", ROOMS) as ear:
            with Talkers(server.port) as talkers:
                live, kills, fins = 0, 0, 0
                while fins < len(NAMES) * len(ROOMS):
                    event = ear.receive(120)
                    if not isinstance(event, trappe.Message):
                        continue
                    fins += event.text.endswith(" fin")
                    # What is said now, not what is given again: the talkers are at it.
                    live += not event.old
                    if live >= 500 * (kills + 1) and kills < 5:
                        kills += 1
                        server.again(signal_number)
                        if kills == 5:
                            talkers.tell("end")
                self.assertEqual(kills, 5)
                if data:
                    talkers.check(self, talkers.told(), crashes=signal_number == signal.SIGKILL)
                else:
                    talkers.check_forgotten(self, talkers.told())

    def test_five_kills_under_load_and_each_message_is_heard_once_in_order(self) -> None:
        self.kills(signal.SIGKILL)

    def test_five_restarts_under_load_and_each_message_is_heard_once_in_order(self) -> None:
        self.kills(signal.SIGTERM)

    def test_five_kills_of_a_hub_without_history_repeat_nothing_and_leave_nothing_open(self) -> None:
        self.kills(signal.SIGKILL, data=False)

    def test_the_first_word_of_a_room_is_heard_once_though_the_kill_takes_the_room_with_it(self) -> None:
        self.enter(unittest.mock.patch("trappe.BACKOFF_S_MAX", 0.2))  # connections break young here
        server = self.enter(Server())
        with trappe.connect(server.address, "alice") as alice, trappe.connect(server.address) as bob:
            alice.send("warm").result(30)
            for n in range(12):
                room = f"room-{n}"
                alice.join(room)
                bob.join(room)
                first = alice.send("first", room)
                heard = []
                while "second" not in heard:
                    event = bob.receive(30)
                    if isinstance(event, trappe.Message) and event.room == room:
                        heard.append(event.text)
                        if len(heard) == 1:
                            server.again()
                            first.result(30)
                            alice.send("second", room)
                self.assertEqual(heard, ["first", "second"], room)


if __name__ == "__main__":
    unittest.main()
