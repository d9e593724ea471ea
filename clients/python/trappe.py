"""A client of a trappe hub that keeps talking through a hub that is killed and restarted.

    import trappe
    with trappe.connect("localhost:5566", name="alice", rooms=["lobby"]) as hub:
        print(hub.send("bonjour").result(timeout=10))      # Ack(room='lobby', epoch='36h25eidhp', seq=1)
        for message in hub.messages():
            print(message.name, message.text)

In one file, in this order: events and errors; `Room`, which knows positions and repeats; `Machine`, which decides
everything, without sockets, threads or a clock; `connect` and `Hub`, the thin shell: one thread in the background that
carries bytes between a socket and the machine. What is promised, and its limits: clients/python/README.md; the wire:
docs/protocol.md.
"""
from __future__ import annotations

import base64
import collections
import errno
import json
import os
import random
import selectors
import socket
import threading
import time
import unicodedata
from concurrent.futures import Future, TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import (Any, Callable, Deque, Dict, Iterable, Iterator, List, Mapping, Optional, Set, Tuple, Union)

__all__ = ["connect", "Hub", "Ack", "Connected", "Direct", "Ended", "Error", "Event", "Full", "Gap", "Joined", "Left",
           "Message", "Notice", "NotSent", "Reconnecting", "Refused", "Renamed", "State", "TrappeError", "Unconfirmed",
           "Unread"]


# ---- What a hub tells (events), what can go wrong (errors), and how both are read from what came over the wire ----

class TrappeError(Exception):
    """The root of all errors here."""


class Refused(TrappeError):
    """The hub said no. `code` never changes (docs/protocol.md §12), `text` is a sentence for people."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code, self.text = code, text


class Unconfirmed(TrappeError):
    """It was on its way when the connection broke, and nobody can tell any more whether it was said or done."""


class NotSent(TrappeError):
    """It never left this program: the client ended before."""


class Ended(TrappeError):
    """The client has ended for good, and doesn't reconnect; the message says why."""


class Full(TrappeError, TimeoutError):
    """The outbox stayed full: the hub doesn't acknowledge. Wait, or send less."""


class Unread(TrappeError, FutureTimeout):
    """No answer can come: events lie unread, as many as are kept, so that nothing more is read. Read events."""


class Broken(Exception):
    """What the hub said can't be."""


class _Body:
    data: bytes

    @property
    def text(self) -> Optional[str]:
        """The body as text; None where it isn't UTF-8."""
        try:
            return self.data.decode()
        except UnicodeDecodeError:
            return None


@dataclass(frozen=True)
class Message(_Body):
    """Something said in a room. `old`: before this connection, or asked for again; `own`: by this session."""
    room: str
    epoch: str
    seq: int
    name: str
    sid: Optional[int]
    ts: str
    data: bytes
    id: Optional[int] = None
    old: bool = False
    own: bool = False

    @property
    def position(self) -> str:
        """EPOCH@SEQ: `connect(rooms={room: position})` and `join(room, after=position)` go on after it."""
        return f"{self.epoch}@{self.seq}"


@dataclass(frozen=True)
class Direct(_Body):
    """Something said to this member alone."""
    name: str
    sid: Optional[int]
    ts: str
    data: bytes


@dataclass(frozen=True)
class Gap:
    """Messages that won't come. `cause` as in docs/protocol.md §6; of `unused` nothing is `missing`. Where `first` is
    None, all before `oldest` are meant; with `state`, values of `follow`: all come anew, what doesn't come is gone."""
    room: str
    cause: str
    first: Optional[int] = None
    last: Optional[int] = None
    oldest: Optional[str] = None

    @property
    def missing(self) -> Optional[int]:
        """How many messages at most; None where nobody can tell."""
        if self.cause in ("unused", "state"):
            return 0
        return None if self.first is None or self.last is None else self.last - self.first + 1


@dataclass(frozen=True)
class State(_Body):
    """A value of a room's state; an empty one takes the key away. `seq` counts the changes of this room's state."""
    room: str
    key: str
    seq: int
    name: str
    sid: Optional[int]
    data: bytes
    version: Optional[int] = None


@dataclass(frozen=True)
class Joined:
    """Somebody came."""
    room: str
    name: str
    sid: Optional[int]


@dataclass(frozen=True)
class Left:
    """Somebody went; `text` are their last words."""
    room: str
    name: str
    sid: Optional[int]
    text: Optional[str] = None


@dataclass(frozen=True)
class Renamed:
    """Somebody is called `to` now."""
    room: Optional[str]
    name: str
    to: str
    sid: Optional[int]


@dataclass(frozen=True)
class Notice:
    """A sentence for a person."""
    text: str


@dataclass(frozen=True)
class Error:
    """The hub refused something that no future waits for."""
    code: str
    text: str


@dataclass(frozen=True)
class Connected:
    """The hub knows this member. Not `resumed`: as a new one, and `unconfirmed` sends ended as Unconfirmed."""
    sid: int
    resumed: bool
    unconfirmed: int = 0


@dataclass(frozen=True)
class Reconnecting:
    """The connection broke; the next attempt, the `attempt`th in a row, is in `delay` seconds."""
    reason: str
    delay: float
    attempt: int


@dataclass(frozen=True)
class Ack:
    """A send has its place in the room's order, and is on disk where the hub keeps history. `epoch` is "" where this
    member has left the room since."""
    room: str
    epoch: str
    seq: int


Event = Union[Message, Direct, Gap, State, Joined, Left, Renamed, Notice, Error, Connected, Reconnecting]


def int_of(ev: Mapping[str, Any], key: str) -> int:
    value = ev[key]
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise Broken(f"{key} is no number")
    return value


def str_of(ev: Mapping[str, Any], key: str) -> str:
    value = ev[key]
    if type(value) is not str:
        raise Broken(f"{key} is no text")
    return value


def optional(read: Callable[[Mapping[str, Any], str], Any], ev: Mapping[str, Any], key: str) -> Any:
    return read(ev, key) if ev.get(key) is not None else None


def data_of(ev: Mapping[str, Any]) -> bytes:
    return base64.b64decode(str_of(ev, "b64"), validate=True) if "b64" in ev else str_of(ev, "text").encode()


def author_of(ev: Mapping[str, Any]) -> Tuple[str, Optional[int], str]:
    return str_of(ev, "from"), optional(int_of, ev, "sid"), str_of(ev, "ts")


def parse_position(position: str) -> Tuple[str, int]:
    epoch, at, seq = position.partition("@")
    if not at or not epoch or len(epoch) > 64 or len(seq) > 16 or not (seq.isascii() and seq.isdigit()):
        raise Broken(f"{position[:80]!r} is no position")
    return epoch, int(seq)


# ---- A room as its member knows it: up to where everything has come, and what was passed on lately ----

AHEAD_MAX = 1024  # numbers had while an earlier one is missing; past it that one is given up
SIDS_MAX, IDS_OF_SID_MAX = 4096, 1024  # of a room: what is remembered so that nothing is passed on twice


class Room:
    """Up to where everything of a room has come, and what was passed on lately."""

    def __init__(self, position: str) -> None:
        self.follows = False  # its state is
        self.asked = False  # what was said before is given because the program asked, not because a connection broke
        self.anew = False  # the hub knew nobody any more, and hasn't told yet in which life the room is
        self.said: "collections.OrderedDict[int, Dict[int, None]]" = collections.OrderedDict()  # ids, by sid
        self.move(position)

    def move(self, position: str) -> None:
        """Another place, perhaps in another life of the room."""
        self.epoch, self.seq = parse_position(position)
        self.ahead: Set[int] = set()  # had, though not all before it
        self.passed = self.seq  # the last message that came; any up to it comes again, or out of its order

    def __str__(self) -> str:
        return f"{self.epoch}@{self.seq}"

    def had(self, seq: int) -> None:
        """Not in order: a send has its number, but no ack yet, while later messages come."""
        if seq > self.seq:
            self.ahead.add(seq)
        if len(self.ahead) > AHEAD_MAX:
            self.seq = min(self.ahead) - 1
        while self.seq + 1 in self.ahead:
            self.seq += 1
            self.ahead.remove(self.seq)

    def skip(self, seq: int) -> None:
        """Those up to `seq` won't come."""
        self.seq = max(self.seq, seq)
        self.ahead = {n for n in self.ahead if n > self.seq}
        self.had(0)

    def is_repeat(self, seq: int, sid: Optional[int], id: Optional[int]) -> bool:
        """Whether it was passed on before: by its number (replayed), or its id (said again after a crash).

        One that fills a hole before what was passed on is none of others: this member said it in a session that the
        hub forgot before it acknowledged it.
        """
        again = seq <= self.passed
        self.passed = max(self.passed, seq)
        if sid is not None and id is not None:
            ids = self.said.setdefault(sid, {})
            self.said.move_to_end(sid)
            again = again or id in ids
            ids[id] = None
            if len(ids) > IDS_OF_SID_MAX:
                del ids[next(iter(ids))]
            if len(self.said) > SIDS_MAX:
                self.said.popitem(last=False)
        return again


# ---- The client as a state machine without sockets, threads or a clock: `Machine` decides; its fields tell ----

LINE_BYTES_MAX = 1 << 20  # of the hub; a longer one ends the connection
ROOMS_MAX = 64  # of the protocol
HISTORY_MAX = 1000  # messages of one answer
IN_FLIGHT_MAX = 1024  # of the protocol: the hub remembers as many ids
OUT_BYTES_MAX = 64 << 10  # lines made ready for the socket
EVENT_BYTES = 500  # what an event counts for in memory beside its line
OPEN_S, HEALTHY_S, IDLE_S, PROBE_S, BACKOFF_S, BACKOFF_S_MAX = 10.0, 5.0, 60.0, 10.0, 0.5, 20.0

# Ops whose answer may be asked for again on the next connection: doing them twice is doing them once.
SAFE = frozenset("join leave nick who rooms history search get ping why lang quiet".split())
# Ops that would change what this library relies on; each has a method, or none.
OWN_OPS = frozenset("hello send join leave nick resume format echo quit set get".split())


Then = Optional[Callable[[Any], None]]
Rooms = Union[Iterable[str], Mapping[str, Optional[str]]]


class _Op:
    """Something for the hub that isn't answered yet."""

    __slots__ = ("id", "op", "line", "future", "then", "at", "maybe", "nth", "found")

    def __init__(self, id: int, op: Dict[str, Any], future: Optional["Future[Any]"] = None, then: Then = None) -> None:
        self.id, self.op, self.future, self.then = id, op, future, then
        self.line = json.dumps({**op, "id": id}, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        self.at = 0  # where its line begins in what this connection is sent
        self.maybe = False  # some of it was written to a connection: the hub may know it
        self.nth = 0  # among the sends
        self.found: List[Dict[str, Any]] = []  # what history gave so far


class Machine:
    """What a client does, without doing it: time and what came go in, `out`, `events`, `settled`, `deadline` come out.

    `state`: waiting (to dial at `until`), connecting (until the hub's hello), open, quitting, ended (for good, by
    `error`). The parameters are those of `trappe.connect`."""

    def __init__(self, name: Optional[str] = None, rooms: Rooms = ("lobby",), *, echo: bool = False,
                 retry: Optional[int] = None, outbox: int = 1000, outbox_bytes: int = 8 << 20,
                 queue_bytes: int = 8 << 20, line_bytes: int = 64 << 10, first_id: int = 1,
                 rng: Callable[[], float] = random.random) -> None:
        rooms = [rooms] if isinstance(rooms, str) else rooms
        places = dict(rooms) if isinstance(rooms, Mapping) else dict.fromkeys(rooms)
        if not 1 <= len(places) <= ROOMS_MAX:
            raise ValueError(f"rooms: from 1 to {ROOMS_MAX} can be entered, not {len(places)}")
        try:
            self.rooms: Dict[str, Optional[Room]] = {room: Room(at) if at else None for room, at in places.items()}
        except Broken as why:
            raise ValueError(f"rooms: {why}; a position is EPOCH@SEQ") from None
        self.wanted_name, self.name, self.sid = name, name or "", 0
        self.session: Optional[str] = None
        self.echo, self.retry, self.rng = echo, retry, rng
        self.outbox, self.outbox_bytes = outbox, outbox_bytes
        self.queue_bytes, self.line_bytes = queue_bytes, line_bytes
        self.state, self.until, self.attempt = "waiting", 0.0, 0
        self.error: Optional[TrappeError] = None
        self.ready = self.draining = self.discards = False
        self.queue: Deque[_Op] = collections.deque()  # not written yet
        self.flight: Dict[int, _Op] = {}  # written, and not answered yet, in this order
        self.held_bytes = self.queued_bytes = self.sends = 0  # lines of both of these; of `events`; sends ever
        self.next_id, self.hello_id = first_id, 0
        self.out, self.flushed = bytearray(), 0  # for the socket; bytes that it has taken on this connection
        self.inbox, self.is_json = bytearray(), False
        self.hello_at: Optional[float] = None  # on this connection
        self.heard_at, self.probing = 0.0, False
        self.said_last: Optional[Refused] = None  # by the hub, before it has said hello or when it closes
        self.replays: Deque[int] = collections.deque(maxlen=2 * IN_FLIGHT_MAX)  # ids of what is given again, in order
        self.events: Deque[Tuple[Event, int]] = collections.deque()
        self.settled: List[Tuple["Future[Any]", Any, Optional[Exception]]] = []  # to be told once nothing is locked

    # What the program wants.

    @property
    def is_full(self) -> bool:
        """Whether the outbox takes no more for now."""
        return len(self.queue) + len(self.flight) >= self.outbox or self.held_bytes >= self.outbox_bytes

    def ask(self, op: Dict[str, Any], future: Optional["Future[Any]"] = None, then: Then = None) -> None:
        """Any op; its answer settles `future`, after `then` was called with it. Raises ValueError, Full, Ended."""
        if self.draining or self.state == "ended":
            does = "has ended" if self.state == "ended" else "drains"
            raise Ended(f"can't take {op['op']}: the client {does}") from self.error
        item = _Op(self.next_id, op, future, then)
        if len(item.line) > self.line_bytes:
            raise ValueError(f"{op['op']} of {len(item.line)} bytes is longer than the hub takes ({self.line_bytes}, "
                             "JSON and all); cut it, or run the hub with --max-message and connect with line_bytes")
        if self.is_full:
            count = len(self.queue) + len(self.flight)
            raise Full(f"can't take {op['op']}: {count} ops ({self.held_bytes} bytes) wait for the hub's answer; wait "
                       "for their futures, or connect with a larger outbox")
        self.next_id += 1
        if op["op"] == "send":
            self.sends += 1
            item.nth = self.sends
        self.held_bytes += len(item.line)
        self.queue.append(item)
        self._pump()

    def only_room(self, room: Optional[str]) -> str:
        """`room`, or the only one that this member is in. Raises ValueError."""
        if room is None and len(self.rooms) != 1:
            raise ValueError(f"name the room: this member is in {len(self.rooms)} ({', '.join(self.rooms)})")
        return room or next(iter(self.rooms))

    def take(self, now: float) -> Event:
        """The next event; there must be one."""
        paused = not self.reads
        event, size = self.events.popleft()
        self.queued_bytes -= size
        if paused and self.reads:
            self.heard_at, self.probing = now, False
        return event

    def drain(self, discards: bool = False) -> None:
        """Takes no more; once everything is answered, says goodbye. With `discards` events aren't kept any more."""
        self.draining, self.discards = True, self.discards or discards
        if discards:
            self.events.clear()
            self.queued_bytes = 0
        self._pump()

    def end(self, error: Optional[TrappeError] = None) -> None:
        """For good, at once."""
        if self.state == "ended":
            return
        self.state, self.error = "ended", error
        why = error or "the client was closed"
        for item in [*self.flight.values(), *self.queue]:
            maybe = item.maybe or item.id in self.flight and item.at < self.flushed
            self._settle(item, Unconfirmed(f"{item.op['op']}: on its way when {why}") if maybe else
                         NotSent(f"{item.op['op']}: never sent: {why}"))
        self.queue.clear()
        self.out.clear()

    # What the connection does.

    @property
    def reads(self) -> bool:
        """Whether the socket is to be read: else the program must take events first."""
        return self.queued_bytes < self.queue_bytes

    @property
    def deadline(self) -> Optional[float]:
        """When `tick`, or in the state waiting `dial`, is due; None: not before something else happens."""
        if self.state == "connecting" or self.state == "waiting" and self.reads:
            return self.until
        is_open = self.state in ("open", "quitting") and self.reads
        return self.heard_at + IDLE_S + PROBE_S * self.probing if is_open else None

    def tick(self, now: float) -> None:
        if self.deadline is None or now < self.deadline or self.state == "waiting":
            return
        if self.state == "connecting":
            self.lost(now, f"the hub was not reached, or didn't answer, within {OPEN_S:.0f} s")
        elif self.probing:
            self.lost(now, f"nothing came from the hub for {IDLE_S + PROBE_S:.0f} s, not even the answer to a ping")
        else:
            self.probing = True
            self.out += b'{"op":"ping"}\n'

    def dial(self, now: float) -> None:
        """A connection is being made."""
        self.state, self.until, self.hello_at = "connecting", now + OPEN_S, None
        self.said_last, self.is_json, self.flushed = None, False, 0
        self.replays.clear()
        self.inbox.clear()

    def connected(self) -> None:
        """It is there: who this is comes first. Answers are in order: the ping's shows a hello that was refused."""
        rooms = [{"room": name, "after": str(room)} if room else {"room": name} for name, room in self.rooms.items()]
        hello: Dict[str, Any] = {"op": "hello", "rooms": rooms, "id": self.next_id}
        if self.session:
            hello["session"] = self.session
        self.hello_id, self.next_id = self.next_id, self.next_id + 2
        # The empty line says that lines are what comes: else a road that cuts the first bytes in two, with a pause
        # between, would make speech of them.
        self.out += b"\n/format json\n" + _Op(self.hello_id, hello).line
        self.out += _Op(self.hello_id + 1, {"op": "ping"}).line

    def wrote(self, count: int) -> None:
        """The socket has taken the first `count` bytes of `out`."""
        del self.out[:count]
        self.flushed += count
        self._pump()

    def feed(self, now: float, data: bytes) -> None:
        """Bytes came."""
        self.heard_at, self.probing = now, False
        *lines, rest = data.split(b"\n")
        for line in lines:
            if self.state in ("waiting", "ended"):
                return
            whole, self.inbox = bytes(self.inbox) + line, bytearray()
            self._line(now, whole)
        self.inbox += rest
        if len(self.inbox) > LINE_BYTES_MAX:
            self.lost(now, f"the hub sent a line of more than {LINE_BYTES_MAX} bytes")

    def lost(self, now: float, reason: str) -> None:
        """The connection isn't there any more, or couldn't be made."""
        if self.state in ("waiting", "ended"):
            return
        if self.state == "quitting":
            return self.end()
        if self.said_last:
            reason = f"{reason} ({self.said_last})"
        if self.hello_at is not None and now - self.hello_at >= HEALTHY_S:
            self.attempt = 0
        back = []
        for item in list(self.flight.values()):
            item.maybe = item.maybe or item.at < self.flushed
            if item.future is not None and (item.op["op"] in SAFE or item.op["op"] == "send" or not item.maybe):
                back.append(item)
            else:
                self._settle(item, Unconfirmed(f"{item.op['op']}: on its way when the connection broke: {reason}"))
        self.flight.clear()
        self.queue.extendleft(reversed(back))
        self.out.clear()
        if self.retry is not None and self.attempt >= self.retry:
            return self.end(Ended(f"{reason}; not reconnected after {self.attempt} attempts in a row"))
        delay = self.rng() * min(BACKOFF_S_MAX, BACKOFF_S * 2 ** min(self.attempt, 10))
        self.attempt += 1
        self.state, self.until = "waiting", now + delay
        if self.events and isinstance(self.events[-1][0], Reconnecting):
            self.queued_bytes -= self.events.pop()[1]  # one at the end is enough, however long it takes
        self._emit(Reconnecting(reason, delay, self.attempt))
        self._finish()

    # Inside.

    def _emit(self, event: Event, size: int = 0) -> None:
        if not self.discards:
            self.events.append((event, size + EVENT_BYTES))
            self.queued_bytes += size + EVENT_BYTES

    def _settle(self, item: _Op, answer: Any) -> None:
        self.flight.pop(item.id, None)
        self.held_bytes -= len(item.line)
        if item.then:
            item.then(answer)
        if item.future is not None:
            failed = isinstance(answer, Exception)
            self.settled.append((item.future, None if failed else answer, answer if failed else None))

    def _pump(self) -> None:
        while self.state == "open" and self.queue and len(self.out) < OUT_BYTES_MAX:
            item = self.queue[0]
            oldest = next((other.nth for other in self.flight.values() if other.nth), item.nth)
            if item.nth - oldest >= IN_FLIGHT_MAX:
                break
            self.queue.popleft()
            item.at = self.flushed + len(self.out)
            self.out += item.line
            self.flight[item.id] = item
            if item.op["op"] in ("history", "search") or item.op.get("after"):
                self.replays.append(item.id)
        self._finish()

    def _finish(self) -> None:
        if self.draining and not self.queue and not self.flight and self.state in ("open", "waiting", "connecting"):
            if self.state != "open":
                return self.end()
            self.state = "quitting"
            self.out += b'{"op":"quit"}\n'

    def _line(self, now: float, line: bytes) -> None:
        if not self.is_json and not line.startswith(b"{"):
            # Text, until the format is JSON: a hub that refuses says so in an error's line.
            mark, code, text = (line.decode(errors="replace").rstrip("\r") + "  ").split(" ", 2)
            if mark == "!":
                self.said_last = Refused(code, text.strip())
                if code in ("local-only", "not-here"):
                    self.end(self.said_last)
            return
        try:
            if len(line) > LINE_BYTES_MAX:
                raise Broken(f"a line of {len(line)} bytes")
            ev = json.loads(line.decode())
            kind = str_of(ev, "ev")
            if self.state == "connecting" and kind not in ("hello", "ack", "error", "pong", "bye"):
                return  # to whom this connection is until its hello
            handler = getattr(self, "_on_" + kind, None)
            if handler:
                handler(ev, len(line), now)
            elif ev.get("id") in self.flight:
                self._answered(ev)
        except (Broken, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as why:
            self.lost(now, f"what the hub said can't be: {line[:100]!r} ({why})")
        self._pump()

    def _answered(self, ev: Dict[str, Any], *_: Any) -> Optional[_Op]:
        item = self.flight.get(ev.get("id", -1))
        if item is None:
            return None
        value: Any = ev
        if item.op["op"] in ("history", "search") and ev["ev"] in ("history", "search"):
            epoch = parse_position(str_of(ev, "pos"))[0]
            found = [self._gap(it) if it["ev"] == "gap" else self._message(it, epoch) for it in item.found]
            value = {**ev, "messages": found}
        if ev["ev"] == "error":
            error = Refused(str_of(ev, "code"), str_of(ev, "text"))
            # Of what is said again these don't tell whether it was said the first time.
            is_unsure = error.code == "stale-id" or item.nth and item.maybe and error.code == "not-in-room"
            value = Unconfirmed(f"{item.op['op']}: {error}") if is_unsure else error
        if item.id in self.replays and ev["ev"] != "join":
            self.replays.remove(item.id)
        self._settle(item, value)
        return item

    # What the hub says: a method for each event that isn't just an answer. What may be wrong is read before a change.

    def _room(self, name: str) -> Optional[Room]:
        """By any writing of its name."""
        found = self.rooms.get(name)
        return found or next((room for other, room in self.rooms.items() if _folded(other) == _folded(name)), None)

    def _on_hello(self, ev: Dict[str, Any], size: int, now: float) -> None:
        if ev.get("id") != self.hello_id or self.state != "connecting":
            return  # one that comes by itself: the one that was asked for was refused
        session, sid, name = str_of(ev, "session"), int_of(ev, "sid"), str_of(ev, "name")
        places = {str_of(it, "room"): str_of(it, "pos") for it in ev["rooms"]}
        if len(places) > ROOMS_MAX + 1 or len(session) > 1024:
            raise Broken("a hello of more than can be")
        resumed = ev.get("resumed") is True
        before = {_folded(it): room for it, room in self.rooms.items()}
        rooms = {it: before.get(_folded(it)) or Room(at) for it, at in places.items() if _folded(it) in before}
        unwanted = [it for it in places if it not in rooms]
        self.replays.extend(self.hello_id for it in rooms if before[_folded(it)])
        for room in before.values():
            if room and not resumed:
                room.anew = True
        self.rooms = dict(rooms)
        self.session, self.sid, self.name = session, sid, name
        self.hello_at, self.state = now, "open"
        lost = [] if resumed else [item for item in self.queue if item.maybe and item.op["op"] == "send"]
        self._emit(Connected(sid, resumed, len(lost)))
        for item in lost:
            self.queue.remove(item)
            self._settle(item, Unconfirmed("send: on its way when the connection broke; the hub forgot the session"))
        if self.said_last and not self.ready:
            return self.end(self.said_last)
        if self.said_last:
            self._emit(Error(self.said_last.code, self.said_last.text))
            self.said_last = None
        first: List[Tuple[Dict[str, Any], Then]] = []
        if self.wanted_name and self.wanted_name != name:
            first.append(({"op": "nick", "name": self.wanted_name}, self._named))
        else:
            self.ready = True
        if self.echo:
            first.append(({"op": "echo", "on": True}, None))
        first += [({"op": "leave", "room": room}, None) for room in unwanted]
        first += [({"op": "get", "room": it}, self._follows(it)) for it, room in rooms.items() if room.follows]
        for op, then in reversed(first):
            item = _Op(self.next_id, op, None, then)
            self.next_id += 1
            self.held_bytes += len(item.line)
            self.queue.appendleft(item)

    def _named(self, answer: Any) -> None:
        if not isinstance(answer, Exception):
            self.name, self.ready = self.wanted_name or "", True
        elif isinstance(answer, Refused) and not self.ready:
            self.end(answer)
        elif isinstance(answer, Refused):
            self._emit(Error(answer.code, answer.text))

    def _follows(self, name: str) -> Callable[[Any], None]:
        def then(answer: Any) -> None:
            room = self._room(name)
            if room and not isinstance(answer, Exception):
                if room.follows:
                    self._emit(Gap(name, "state"))
                room.follows = True
        return then

    def follow(self, room: str, future: "Future[Any]") -> None:
        """The state of a room: all of it now, then what changes, on every later connection too."""
        self.ask({"op": "get", "room": room}, future, self._follows(room))

    def nick(self, name: str, future: "Future[Any]") -> None:
        """Another name, which later connections ask for too."""
        def then(answer: Any) -> None:
            if not isinstance(answer, Exception):
                self.wanted_name = self.name = name
        self.ask({"op": "nick", "name": name}, future, then)

    def _on_pong(self, ev: Dict[str, Any], *_: Any) -> None:
        if ev.get("id") == self.hello_id + 1 and self.state == "connecting":
            self.end(self.said_last or Refused("hello", "the hub didn't answer hello, and didn't say why"))
        else:
            self._answered(ev)

    def _on_ack(self, ev: Dict[str, Any], *_: Any) -> None:
        if ev.get("op") == "format":
            self.is_json = True
        if "seq" not in ev:
            self._answered(ev)
            return
        name, seq = str_of(ev, "room"), int_of(ev, "seq")
        room = self.rooms.get(name)
        item = self.flight.get(ev.get("id", -1))
        if item:
            self._settle(item, Ack(name, room.epoch if room else "", seq))
        if room:
            room.had(seq)

    def _message(self, ev: Dict[str, Any], epoch: str) -> Message:
        name, sid, ts = author_of(ev)
        return Message(str_of(ev, "room"), epoch, int_of(ev, "seq"), name, sid, ts, data_of(ev),
                       optional(int_of, ev, "id"), ev.get("old") is True, ev.get("own") is True)

    def _gap(self, ev: Dict[str, Any]) -> Gap:
        return Gap(str_of(ev, "room"), str_of(ev, "cause"), optional(int_of, ev, "from"), optional(int_of, ev, "to"),
                   optional(str_of, ev, "oldest"))

    def _found(self, ev: Dict[str, Any], id: Any) -> bool:
        """Whether it is a part of the answer to a question of the program's."""
        item = self.flight.get(id)
        if item is None or item.op["op"] not in ("history", "search"):
            return False
        item.found.append(ev)
        if len(item.found) > 2 * HISTORY_MAX:
            raise Broken("more history than was asked for")
        return True

    def _on_msg(self, ev: Dict[str, Any], size: int, _now: float) -> None:
        room = self.rooms.get(str_of(ev, "room"))
        message = self._message(ev, room.epoch if room else "")
        if message.old and self.replays and self._found(ev, self.replays[0]):
            return
        if room:
            room.had(message.seq)
            # The program knows what it said itself, unless it asked to hear it.
            is_wanted = not message.own or self.echo or message.old and room.asked
            if room.is_repeat(message.seq, message.sid, message.id) or not is_wanted:
                return
        self._emit(message, size)

    def _on_direct(self, ev: Dict[str, Any], size: int, _now: float) -> None:
        self._emit(Direct(*author_of(ev), data_of(ev)), size)

    def _on_gap(self, ev: Dict[str, Any], size: int, _now: float) -> None:
        gap, room = self._gap(ev), self.rooms.get(str_of(ev, "room"))
        first = parse_position(gap.oldest) if gap.oldest else None
        if self._found(ev, ev.get("id")):
            return
        if room and first and first[0] != room.epoch:
            self._next_life(room, f"{first[0]}@{max(first[1] - 1, 0)}")
        elif room and first:
            room.skip(first[1] - 1)
        elif room and gap.last is not None:
            room.skip(gap.last)
        self._emit(gap, size)

    def _next_life(self, room: Room, position: str) -> None:
        """A hub that knows this session knows all members': what a crash made it forget of the room they say again,
        under the numbers and ids that they had. One that doesn't may give others these numbers."""
        room.move(position)
        if room.anew:
            room.said.clear()
        room.anew = False

    def _on_live(self, ev: Dict[str, Any], *_: Any) -> None:
        room, position = self.rooms.get(str_of(ev, "room")), str_of(ev, "pos")
        if room and parse_position(position)[0] != room.epoch:
            self._next_life(room, position)
        if room:
            room.asked = room.anew = False
        if ev.get("id") in self.replays:
            self.replays.remove(ev["id"])

    def _on_state(self, ev: Dict[str, Any], size: int, _now: float) -> None:
        name, sid, _ts = author_of(ev)
        state = State(str_of(ev, "room"), str_of(ev, "key"), int_of(ev, "seq"), name, sid, data_of(ev),
                      optional(int_of, ev, "v"))
        item = self.flight.get(ev.get("id", -1))
        if item:
            self._settle(item, state)
        else:
            self._emit(state, size)

    def _on_join(self, ev: Dict[str, Any], size: int, _now: float) -> None:
        name, item = str_of(ev, "room"), self.flight.get(ev.get("id", -1))
        if ev.get("own") is not True:
            self._emit(Joined(name, str_of(ev, "from"), optional(int_of, ev, "sid")), size)
        elif item:
            at, after, room = str_of(ev, "pos"), item.op.get("after"), self.rooms.get(name)
            if after is not None:
                at = after if "@" in str(after) else f"{parse_position(at)[0]}@{after}"
            if room is None:
                room = self.rooms[name] = Room(at)
            elif after is not None:
                room.move(at)
                room.said.clear()
            room.asked = after is not None
            self._answered(ev)

    def _on_leave(self, ev: Dict[str, Any], size: int, _now: float) -> None:
        name = str_of(ev, "room")
        if ev.get("own") is not True:
            text = optional(str_of, ev, "text")
            self._emit(Left(name, str_of(ev, "from"), optional(int_of, ev, "sid"), text), size)
        elif self._answered(ev):
            self.rooms.pop(name, None)

    def _on_nick(self, ev: Dict[str, Any], size: int, _now: float) -> None:
        if ev.get("own") is True:
            self._answered(ev)
        else:
            room, sid = optional(str_of, ev, "room"), optional(int_of, ev, "sid")
            self._emit(Renamed(room, str_of(ev, "from"), str_of(ev, "name"), sid), size)

    def _on_notice(self, ev: Dict[str, Any], size: int, _now: float) -> None:
        if not self._answered(ev):
            self._emit(Notice(str_of(ev, "text")), size)

    def _on_error(self, ev: Dict[str, Any], size: int, _now: float) -> None:
        error = Refused(str_of(ev, "code"), str_of(ev, "text"))
        if self.state == "connecting":
            self.said_last = error
        elif error.code == "too-long" and "id" not in ev and self.flight:
            # The hub read none of it, so it can't say which it was; said again it would be refused again.
            self._settle(max(self.flight.values(), key=lambda item: len(item.line)), error)
        elif not self._answered(ev):
            self._emit(Error(error.code, error.text), size)

    def _on_bye(self, ev: Dict[str, Any], _size: int, now: float) -> None:
        reason = str_of(ev, "reason")
        if reason in ("superseded", "quit") and self.state != "quitting":
            self.end(Ended(f"the hub said goodbye: {reason} ({optional(str_of, ev, 'text') or 'no more'})"))
        else:
            self.lost(now, f"the hub said goodbye: {reason}")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


# ---- The shell: sockets, and a thread ----

PORT = 5566
READ_BYTES = 64 << 10
# A wait without a time-out is given up once reading has stood still for so long, because events lie unread.
STALLED_S = 10.0

Address = Union[str, Tuple[str, int]]
Data = Union[str, bytes]


def connect(address: Address = "localhost", name: Optional[str] = None,
            rooms: Rooms = ("lobby",), *, timeout: Optional[float] = 10.0,
            retry: Optional[int] = None, echo: bool = False, outbox: int = 1000, outbox_bytes: int = 8 << 20,
            queue_bytes: int = 8 << 20, line_bytes: int = 64 << 10) -> "Hub":
    """Becomes a member, and gives it once the hub has answered.

    - `address`: "host:port", "host" (port 5566), "[::1]:5566", "unix:PATH", or (host, port).
    - `name`: the name to bear; without one the hub gives "client-N".
    - `rooms`: to enter, up to 64; as a mapping, each with the position after which to begin (`Message.position`),
      or None.
    - `timeout`: seconds for the first connection, with as many attempts as that allows; None: for ever.
    - `retry`: how many attempts in a row may fail before it ends for good; 0: it never reconnects; None: no limit.
    - `echo`: its own messages come as events too.
    - `outbox`, `outbox_bytes`: how many ops without an answer, and of how many bytes, are kept; then `send` waits.
    - `queue_bytes`: events that are kept unread; past it the socket isn't read, and the hub tells a `Gap` of what it
      couldn't keep.
    - `line_bytes`: the hub's --max-message: what is longer as a line of JSON is refused here, with ValueError.

    Raises Refused (the hub won't have the name, a room or this machine), Ended (`retry` is used up), ValueError, or
    ConnectionError when `timeout` is over, with the last reason.
    """
    first_id = int(time.time() * 1000)  # a number that no earlier life of this program has used under the same sid
    machine = Machine(name, rooms, retry=retry, echo=echo, outbox=outbox, outbox_bytes=outbox_bytes,
                      queue_bytes=queue_bytes, line_bytes=line_bytes, first_id=first_id, rng=random.random)
    hub = Hub(_address(address), machine)
    try:
        hub._wait_ready(timeout)
    except BaseException:
        hub.close()
        raise
    return hub


class Answer(Future[Any]):
    """What an op comes to: a `concurrent.futures.Future`, also for `asyncio.wrap_future`. It can't be cancelled."""

    def __init__(self, hub: "Hub") -> None:
        super().__init__()
        self._hub = hub
        self.set_running_or_notify_cancel()

    def result(self, timeout: Optional[float] = None) -> Any:
        """The answer, or its error: Refused, Unconfirmed or NotSent.

        After `timeout` seconds raises TimeoutError; Unread where the reason is that events lie unread (even without
        a time-out, once that has lasted for 10 s: nobody would ever wake it).
        """
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            left = None if until is None else max(0.0, until - time.monotonic())
            try:
                return super().result(1.0 if left is None else min(1.0, left))
            except FutureTimeout:
                if self.done():
                    continue
                stalled = self._hub._stalled_s()
                over = left is not None and left <= 1.0
                if stalled is not None and (over or left is None and stalled >= STALLED_S):
                    raise Unread("no answer can come while events lie unread, as many as are kept: read them "
                                 "(for event in hub), here or elsewhere, or connect with larger queue_bytes") from None
                if over:
                    raise


class Hub:
    """A member of a hub: made by `connect`, usable from any thread; not across a fork.

    Iterating over it gives every event, in order, and ends after `close` or `drain`; where the connection ended for
    another reason it raises that: Ended (superseded, `retry` used up) or Refused.

    `with` drains at its end (10 s, discarding events, since nobody reads them any more), or closes if an exception
    leaves it.
    """

    def __init__(self, address: Tuple[str, Any], machine: Machine) -> None:
        self._address, self._machine = address, machine
        self._changed = threading.Condition()
        self._stalled_since: Optional[float] = None
        self._woken = False
        self._mute = False  # this connection takes nothing more; what it still has for us is read to its end
        self._waker, self._sleeper = socket.socketpair()
        self._waker.setblocking(False)
        self._sleeper.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._sleeper, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="trappe", daemon=True)
        self._thread.start()

    # To say something.

    def send(self, data: Data, room: Optional[str] = None, timeout: Optional[float] = 30.0) -> "Future[Ack]":
        """Says something in a room (the only one, where none is named). The future is an `Ack` once it is in the room's
        order and, where the hub keeps history, on disk; it is said once, whatever happens to the connection meanwhile.

        While the outbox is full it waits; raises Full after `timeout` s, ValueError if it is too long or names no room,
        Ended. The future's errors: Refused; Unconfirmed (the hub lost this session: said, perhaps); NotSent.
        """
        return self._ask({"op": "send", "room": self._in_room(room), **_body(data)}, timeout)

    def direct(self, name: str, data: Data, timeout: Optional[float] = 30.0) -> "Future[Any]":
        """Says something to one member, wherever it is. It is in no history and never repeated: a connection that
        breaks before the answer makes it Unconfirmed."""
        return self._ask({"op": "msg", "to": name, **_body(data)}, timeout)

    def ask(self, op: Mapping[str, Any], timeout: Optional[float] = 30.0) -> "Future[Dict[str, Any]]":
        """Any op of docs/protocol.md §5, such as {"op": "why"}; the future is the event that answers it. Those that
        would change what this library relies on raise ValueError: they have methods."""
        if op.get("op") in OWN_OPS or type(op.get("op")) is not str or op["op"] in ("history", "search"):
            raise ValueError(f"ask can't do the op {op.get('op')!r}: use the method for it, where there is one")
        return self._ask(dict(op), timeout)

    # What is asked and answered at once: each waits for up to `timeout` s and raises as `Answer.result`.

    def join(self, room: str, after: Optional[str] = None, timeout: float = 10.0) -> None:
        """Enters one room more, after a position if one is given: what was said since then comes first, as `old`
        messages, its own among them. Where it was in the room already, they come again."""
        place = {} if after is None else {"after": after}
        self._ask({"op": "join", "room": room, **place}, timeout).result(timeout)

    def leave(self, room: Optional[str] = None, timeout: float = 10.0) -> None:
        """Leaves a room."""
        self._ask({"op": "leave", "room": self._in_room(room)}, timeout).result(timeout)

    def nick(self, name: str, timeout: float = 10.0) -> None:
        """Takes another name. Refused: it isn't free, or no name."""
        self._call(lambda future: self._machine.nick(name, future), timeout).result(timeout)

    def who(self, room: Optional[str] = None, timeout: float = 10.0) -> List[str]:
        """The names of those in a room, the first 100."""
        answer = self._ask({"op": "who", "room": self._in_room(room)}, timeout).result(timeout)
        return [str(member["name"]) for member in answer["members"]]

    def history(self, room: Optional[str] = None, n: int = 10, timeout: float = 10.0) -> List[Union[Message, Gap]]:
        """The last `n` messages (up to 1000) of a room it is in, the oldest first, and the gaps among them."""
        if not 1 <= n <= HISTORY_MAX:
            raise ValueError(f"history gives from 1 to {HISTORY_MAX} messages at once, not {n}")
        answer = self._ask({"op": "history", "room": self._in_room(room), "n": n}, timeout).result(timeout)
        return list(answer["messages"])

    def search(self, words: str, room: Optional[str] = None, count: int = 20,
               timeout: float = 10.0) -> List[Union[Message, Gap]]:
        """The newest `count` (up to 100) messages of a room that have all of these words."""
        op = {"op": "search", "room": self._in_room(room), "words": words, "count": count}
        return list(self._ask(op, timeout).result(timeout)["messages"])

    def set(self, key: str, data: Data, room: Optional[str] = None, version: Optional[int] = None,
            timeout: float = 10.0) -> None:
        """Replaces a value of a room's state; "" takes the key away. Refused `stale-version`: not newer."""
        given = {} if version is None else {"v": version}
        op = {"op": "set", "room": self._in_room(room), "key": key, **given, **_body(data)}
        self._ask(op, timeout).result(timeout)

    def get(self, key: str, room: Optional[str] = None, timeout: float = 10.0) -> Optional[State]:
        """The value of a key; None where there is none."""
        try:
            op = {"op": "get", "room": self._in_room(room), "key": key}
            state: State = self._ask(op, timeout).result(timeout)
            return state
        except Refused as refused:
            if refused.code == "no-such-key":
                return None
            raise

    def follow(self, room: Optional[str] = None, timeout: float = 10.0) -> None:
        """The state of a room comes as `State` events: all values now, then what changes. After a reconnect all come
        anew, behind a Gap `state`."""
        name = self._in_room(room)
        self._call(lambda future: self._machine.follow(name, future), timeout).result(timeout)

    # To hear something.

    def receive(self, timeout: Optional[float] = None) -> Event:
        """The next event. Raises TimeoutError after `timeout` seconds; Ended or Refused if none will come any more."""
        with self._changed:
            machine = self._machine
            if not self._changed.wait_for(lambda: machine.events or machine.state == "ended", timeout):
                raise TimeoutError(f"no event within {timeout} s")
            if not machine.events:
                raise machine.error or Ended("the client was closed")
            paused = not machine.reads
            event = machine.take(time.monotonic())
            self._stalled_since = None
        if paused:
            self._wake()
        return event

    def __iter__(self) -> Iterator[Event]:
        while True:
            try:
                event = self.receive()
            except TrappeError:
                if self._machine.error:
                    raise
                return
            yield event

    def messages(self) -> Iterator[Message]:
        """Only the messages; other events, gaps too, are passed over."""
        return (event for event in self if isinstance(event, Message))

    @property
    def name(self) -> str:
        """What it is called."""
        return self._machine.name

    @property
    def rooms(self) -> List[str]:
        """The rooms that it is in."""
        with self._changed:
            return list(self._machine.rooms)

    # To end.

    def drain(self, timeout: float = 10.0, discard: bool = False) -> None:
        """Takes no more, waits until all that was sent is answered, says goodbye and closes. Events go on coming
        meanwhile, to be read by others; with `discard` none is kept. Raises TimeoutError, after closing, with how many
        were open."""
        with self._changed:
            if self._machine.state != "ended":
                self._machine.drain(discard)
        self._wake()
        with self._changed:
            machine = self._machine
            ended = self._changed.wait_for(lambda: machine.state == "ended", timeout)
            count = len(machine.queue) + len(machine.flight)
            stalled = machine.state != "ended" and not machine.reads
        self.close()
        if not ended and count:
            hint = "; events lie unread: read them meanwhile, or drain with discard" if stalled else ""
            raise TimeoutError(f"drain: {count} ops had no answer within {timeout} s{hint}")
        if self._machine.error:
            raise self._machine.error

    def close(self) -> None:
        """Ends at once, without a word. What has no answer yet ends as Unconfirmed, or NotSent."""
        self._step(lambda _now: self._machine.end())
        self._wake()
        if threading.current_thread() is not self._thread:
            self._thread.join(1.0)

    def __enter__(self) -> "Hub":
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None and self._machine.state != "ended":
            self.drain(discard=True)
        else:
            self.close()

    # Inside.

    def _in_room(self, room: Optional[str]) -> str:
        with self._changed:
            return self._machine.only_room(room)

    def _ask(self, op: Dict[str, Any], timeout: Optional[float]) -> Answer:
        return self._call(lambda future: self._machine.ask(op, future), timeout)

    def _call(self, ask: Callable[[Answer], None], timeout: Optional[float]) -> Answer:
        """Hands something to the machine once the outbox isn't full; never waits in the thread that would empty it."""
        future = Answer(self)
        waits = 0.0 if threading.current_thread() is self._thread else timeout
        with self._changed:
            machine = self._machine
            self._changed.wait_for(lambda: not machine.is_full or machine.draining or machine.state == "ended", waits)
            ask(future)
            wakes = bool(machine.out)
        if wakes:
            self._wake()
        return future

    def _stalled_s(self) -> Optional[float]:
        """For how long nothing has been read because nobody takes events; None where it is read."""
        with self._changed:
            return None if self._stalled_since is None else time.monotonic() - self._stalled_since

    def _wait_ready(self, timeout: Optional[float]) -> None:
        machine = self._machine
        with self._changed:
            if self._changed.wait_for(lambda: machine.ready or machine.state == "ended", timeout):
                if not machine.ready:
                    raise machine.error or Ended("the client was closed")
                return
            reasons = [event.reason for event, _ in machine.events if isinstance(event, Reconnecting)]
            raise ConnectionError(f"no hub at {_shown(self._address)} within {timeout} s"
                                  + (f": {reasons[-1]}" if reasons else ""))

    def _wake(self) -> None:
        with self._changed:
            if self._woken or self._waker.fileno() < 0:
                return
            self._woken = True
            try:
                self._waker.send(b"\0")
            except OSError:
                pass  # it is awake, or has ended

    def _step(self, step: Callable[[float], Any]) -> None:
        """One input of the machine; then those who wait are told, and futures are settled with nothing locked."""
        machine = self._machine
        with self._changed:
            now = time.monotonic()
            step(now)
            stalls = machine.state in ("open", "waiting", "quitting") and not machine.reads
            self._stalled_since = (self._stalled_since or now) if stalls else None
            settled, machine.settled = machine.settled, []
            self._changed.notify_all()
        for future, answer, error in settled:
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(answer)

    def _run(self) -> None:
        sock: Optional[socket.socket] = None
        machine = self._machine
        try:
            while machine.state != "ended":
                if sock is None:
                    sock = self._dialled()
                else:
                    self._carry(sock)
                if sock is not None and machine.state in ("waiting", "ended"):
                    self._hang_up(sock)
                    sock = None
        except Exception as why:  # a defect: nobody would hear of it from this thread
            defect = Ended(f"a defect of this library: {why!r}")
            self._step(lambda _now: machine.end(defect))
        finally:
            if sock is not None:
                self._hang_up(sock)
            with self._changed:
                for closing in (self._selector, self._waker, self._sleeper):
                    closing.close()

    def _hang_up(self, sock: socket.socket) -> None:
        if sock in self._selector.get_map():
            self._selector.unregister(sock)
        sock.close()

    def _sleep(self, until: Optional[float]) -> List[Tuple[Any, int]]:
        ready = self._selector.select(None if until is None else max(0.0, until - time.monotonic()))
        for key, _ in ready:
            if key.fileobj is self._sleeper:
                with self._changed:
                    self._woken = False
                    self._sleeper.recv(16)
        return [(key.fileobj, mask) for key, mask in ready if key.fileobj is not self._sleeper]

    def _dialled(self) -> Optional[socket.socket]:
        """A connection once it is due, or None: not yet, or it can't be made."""
        machine = self._machine
        with self._changed:
            due = machine.deadline
        if due is None or time.monotonic() < due:
            self._sleep(due)
            return None
        self._mute = False
        self._step(machine.dial)
        why = f"can't reach the hub at {_shown(self._address)}: no address"
        try:
            targets = _targets(self._address)
            for left, (family, target) in zip(range(len(targets), 0, -1), targets):
                sock = socket.socket(family, socket.SOCK_STREAM)
                try:
                    sock.setblocking(False)
                    code = sock.connect_ex(target)
                    self._selector.register(sock, selectors.EVENT_WRITE)
                    # Each address has its share of the time.
                    until = time.monotonic() + (machine.until - time.monotonic()) / left
                    while machine.state == "connecting" and not self._sleep(until) and time.monotonic() < until:
                        pass
                    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or (0 if _is_connected(sock) else code)
                    code = errno.ETIMEDOUT if code == errno.EINPROGRESS else code
                    if code == 0 and machine.state == "connecting":
                        if family != getattr(socket, "AF_UNIX", None):
                            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        self._step(lambda _now: machine.connected())
                        return sock
                    why = f"can't reach the hub at {_shown(self._address)}: {os.strerror(code)}"
                except OSError as error:
                    why = f"can't reach the hub at {_shown(self._address)}: {error}"
                self._hang_up(sock)
        except OSError as error:
            why = f"can't find the hub at {_shown(self._address)}: {error}"
        self._step(lambda now: machine.lost(now, why))
        return None

    def _carry(self, sock: socket.socket) -> None:
        """Waits until the socket, the clock or the program has something, and does that."""
        machine = self._machine
        self._step(machine.tick)
        with self._changed:
            writes = bool(machine.out) and not self._mute
            wants = selectors.EVENT_READ * machine.reads | selectors.EVENT_WRITE * writes
            until, state = machine.deadline, machine.state
        if state in ("waiting", "ended"):
            return
        known = self._selector.get_map().get(sock)
        if known and not wants:
            self._selector.unregister(sock)
        elif known and known.events != wants:
            self._selector.modify(sock, wants)
        elif wants and not known:
            self._selector.register(sock, wants)
        for _, mask in self._sleep(until):
            if mask & selectors.EVENT_READ:
                self._read(sock)
            elif mask & selectors.EVENT_WRITE:
                self._write(sock)

    def _read(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            data, why = b"", f"the connection broke: {error}"
        else:
            why = "the hub closed the connection"
        self._step(lambda now: self._machine.feed(now, data) if data else self._machine.lost(now, why))

    def _write(self, sock: socket.socket) -> None:
        with self._changed:
            piece = bytes(self._machine.out[:READ_BYTES])
        try:
            count = sock.send(piece)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._mute = True
            return
        self._step(lambda _now: self._machine.wrote(count))


def _body(data: Data) -> Dict[str, str]:
    if isinstance(data, str):
        return {"text": data}
    return {"b64": base64.b64encode(data).decode()}


def _address(address: Address) -> Tuple[str, Any]:
    """("unix", path), or ("tcp", (host, port))."""
    if not isinstance(address, str):
        return "tcp", (str(address[0]), int(address[1]))
    if address.startswith("unix:"):
        return "unix", address[5:]
    host, colon, port = address.rpartition(":")
    if address.startswith("[") and address.endswith("]"):
        host, port = address[1:-1], ""
    elif not colon or ":" in host and not host.startswith("["):
        host, port = address, ""
    else:
        host = host.strip("[]")
    if port and not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError(f"{address!r} is no address of a hub: HOST:PORT, HOST or unix:PATH")
    return "tcp", (host or "localhost", int(port or PORT))


def _shown(address: Tuple[str, Any]) -> str:
    return f"unix:{address[1]}" if address[0] == "unix" else f"{address[1][0]}:{address[1][1]}"


def _targets(address: Tuple[str, Any]) -> List[Tuple[int, Any]]:
    if address[0] == "unix":
        return [(socket.AF_UNIX, address[1])]
    host, port = address[1]
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, target) for family, _, _, _, target in found[:8]]


def _is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True
