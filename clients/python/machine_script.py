"""For the tests of the machine: both of its sides in a script, the program's and the hub's, and its clock."""
import json
from concurrent.futures import Future
from typing import Any, List, Optional

import trappe
from trappe import Machine


class Script:
    """A machine and both sides of it: the program's, and the hub's."""

    def __init__(self, **options: Any) -> None:
        self.now = 100.0
        self.machine = Machine(rng=lambda: 1.0, **{"first_id": 1, **options})

    def wrote(self, count: Optional[int] = None) -> List[Any]:
        """The socket takes what there is, or `count` bytes of it; gives the lines, ops as objects."""
        out = bytes(self.machine.out[:count])
        self.machine.wrote(len(out))
        lines = out.decode(errors="replace").split("\n")
        return [json.loads(it) if it.startswith("{") and it.endswith("}") else it for it in lines if it]

    def dials(self) -> List[Any]:
        """A connection is made as soon as it is due; gives what is said first."""
        self.now = max(self.now, self.machine.until)
        self.machine.dial(self.now)
        self.machine.connected()
        return self.wrote()

    def says(self, *events: Any) -> "Script":
        """The hub says these."""
        lines = [it if isinstance(it, bytes) else json.dumps(it).encode() for it in events]
        self.machine.feed(self.now, b"".join(it + b"\n" for it in lines))
        return self

    def hello(self, resumed: bool = False, session: str = "s1", sid: int = 1, **rooms: str) -> None:
        """The hub's answer to the hello."""
        places = [{"room": room, "pos": pos} for room, pos in (rooms or {"lobby": "e@0"}).items()]
        who = {"session": session, "sid": sid, "name": f"client-{sid}", **({"resumed": True} if resumed else {})}
        id = self.machine.hello_id
        self.says({"ev": "ack", "op": "format"}, {"ev": "hello", **who, "rooms": places, "id": id},
                  {"ev": "pong", "text": "", "id": id + 1})

    def opens(self, **rooms: str) -> "Script":
        """The first connection."""
        self.dials()
        self.hello(**rooms)
        self.events()
        return self

    def breaks(self, reason: str = "cut") -> "Script":
        self.machine.lost(self.now, reason)
        return self

    def send(self, text: str = "x", room: str = "lobby") -> Future:
        return self.ask({"op": "send", "room": room, "text": text})

    def ask(self, op: dict) -> Future:
        future: Future = Future()
        self.machine.ask(op, future)
        return future

    def events(self) -> List[Any]:
        """What the program is told meanwhile; futures are settled."""
        for future, answer, error in self.machine.settled:
            future.set_exception(error) if error else future.set_result(answer)
        self.machine.settled.clear()
        events = []
        while self.machine.events:
            events.append(self.machine.take(self.now))
        return events

    def texts(self) -> List[Any]:
        return [it.text for it in self.events() if isinstance(it, trappe.Message)]


def msg(seq: int, text: str = "", room: str = "lobby", sid: Optional[int] = 9, **more: Any) -> dict:
    by = {} if sid is None else {"sid": sid}
    return {"ev": "msg", "room": room, "seq": seq, "from": "bob", **by, "ts": "t", "text": text or f"m{seq}", **more}


def ack(seq: int, id: int, room: str = "lobby") -> dict:
    return {"ev": "ack", "room": room, "seq": seq, "id": id}


def afters(lines: List[Any]) -> dict:
    """The positions that a hello asks for."""
    hello = next(it for it in lines if isinstance(it, dict) and it["op"] == "hello")
    return {it["room"]: it.get("after") for it in hello["rooms"]}
