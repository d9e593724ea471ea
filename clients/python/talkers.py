"""For the end-to-end tests: processes that talk with each other, and what must be true of all that they heard."""
import json
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = ["alice", "bob", "carole"]
ROOMS = ["lobby", "chess"]

# Speaks in two rooms in turn until it is told to end, and hears the others up to their last; tells all of that.
TALKER = """
import json, sys
sys.path.insert(0, sys.argv[1])
import trappe
port, me, names = int(sys.argv[2]), sys.argv[3], sys.argv[4].split(",")
import threading
trappe.BACKOFF_S_MAX = 0.5  # or the connections that break young would make it wait for minutes
ROOMS = ["lobby", "chess"]
hub = trappe.connect(("127.0.0.1", port), me, ROOMS, timeout=60)
sends, heard, gaps, events = [], [], [], []
print("ready", flush=True)
sys.stdin.readline()
ends = threading.Event()
threading.Thread(target=lambda: [sys.stdin.readline(), ends.set()], daemon=True).start()
def talk():
    while not ends.is_set() and len(sends) < 100_000:
        sends.append(hub.send(f"{me} {len(sends)}", ROOMS[len(sends) % 2], timeout=120))
    for room in ROOMS:
        sends.append(hub.send(f"{me} fin", room, timeout=120))
talking = threading.Thread(target=talk)
talking.start()
waits = {(name, room) for name in names if name != me for room in ROOMS}
while waits:
    event = hub.receive(timeout=120)
    if isinstance(event, trappe.Message):
        heard.append((event.room, event.epoch, event.seq, event.text))
        if event.text.endswith(" fin"):
            waits.discard((event.text[:-4], event.room))
    elif isinstance(event, trappe.Gap):
        gaps.append((event.room, event.cause, event.missing))
    elif not isinstance(event, (trappe.Joined, trappe.Left, trappe.Renamed)):
        events.append(repr(event))
talking.join()
acks = []
for send in sends:
    try:
        ack = send.result(timeout=120)
        acks.append((ack.room, ack.epoch, ack.seq))
    except trappe.Unconfirmed:
        acks.append(None)
json.dump({"heard": heard, "acks": acks, "gaps": gaps, "events": events}, sys.stdout)
hub.drain()
"""


class Talkers:
    """One process for each name; they begin together."""

    def __init__(self, port: int) -> None:
        self.processes = {}
        for name in NAMES:
            command = [sys.executable, "-c", TALKER, HERE, str(port), name, ",".join(NAMES)]
            self.processes[name] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for process in self.processes.values():
            assert process.stdout.readline() == "ready\n"
        self.tell("go")

    def tell(self, word: str) -> None:
        """To go, then to end."""
        for process in self.processes.values():
            process.stdin.write(f"{word}\n")
            process.stdin.flush()

    def told(self) -> dict:
        """What each tells when it is done."""
        return {name: json.loads(process.communicate(timeout=180)[0]) for name, process in self.processes.items()}

    def __enter__(self) -> "Talkers":
        return self

    def __exit__(self, *_) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()

    def check(self, test: unittest.TestCase, told: dict, crashes: bool) -> None:
        """Each message was acknowledged, and heard once and in order by both others; where its ack says, unless a crash
        of the hub made its sender say it again."""
        said = {}
        for name, one in told.items():
            said[name] = [f"{name} {n}" for n in range(len(one["acks"]) - 2)] + [f"{name} fin"] * 2
        for name, one in told.items():
            test.assertEqual(len({tuple(ack) for ack in one["acks"]}), len(said[name]), "no place is given twice")
            test.assertEqual([gap for gap in one["gaps"] if gap[2] != 0], [], f"{name}: {one['events']}")
            if not crashes:
                acked = {tuple(ack) for other in NAMES if other != name for ack in told[other]["acks"]}
                test.assertEqual({tuple(it[:3]) for it in one["heard"]}, acked)
            for at, room in enumerate(ROOMS):
                heard = [it for it in one["heard"] if it[0] == room]
                test.assertEqual(len({it[1] for it in heard}), 1, "one epoch")
                seqs = [it[2] for it in heard]
                test.assertEqual(seqs, sorted(set(seqs)), f"{name}: in order")
                for other in NAMES:
                    texts = [it[3] for it in heard if it[3].startswith(f"{other} ")]
                    wanted = [] if other == name else said[other][at:-2:2] + [f"{other} fin"]
                    test.assertEqual(texts, wanted, f"{name} hears {other} in {room}: once each, in order")

    def check_forgotten(self, test: unittest.TestCase, told: dict) -> None:
        """Of a hub without history that was killed: nothing is heard twice or out of order, and all that was
        acknowledged in the last life of a room is heard, where its ack says."""
        for name, one in told.items():
            for room in ROOMS:
                epoch = [it[1] for it in one["heard"] if it[0] == room][-1]
                for other in NAMES:
                    heard = [it for it in one["heard"] if it[0] == room and it[3].startswith(f"{other} ")]
                    numbers = [int(it[3].split()[1]) for it in heard if not it[3].endswith(" fin")]
                    test.assertEqual(numbers, sorted(set(numbers)), f"{name} hears {other} in {room}")
                    acked = {tuple(ack) for ack in told[other]["acks"] if ack and ack[:2] == [room, epoch]}
                    last_life = {tuple(it[:3]) for it in heard if it[1] == epoch}
                    test.assertTrue(other == name or acked and acked <= last_life, f"{name} hears {other} in {room}")
