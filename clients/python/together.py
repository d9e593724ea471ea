"""For crates/trappe/tests/it/client_together.rs: a script that answers a page and a Rust program while the hub is killed.

Its argument is the hub's port. What the page says in the lobby it answers twice; in the room `load` each message of the
Rust program's brings one of its own. It ends when that one has said `fin` in both, and tells all that it heard and said.
"""
import json
import sys

import trappe

trappe.BACKOFF_S_MAX = 0.5  # or the connections that break young would make it wait for minutes
WAIT_S = 120
hub = trappe.connect(("127.0.0.1", int(sys.argv[1])), "python", ["lobby", "load"], timeout=60)
hub.send("python est là", "lobby").result(WAIT_S)
hub.send("python est là", "load").result(WAIT_S)
print("ready", flush=True)

said = {"lobby": [], "load": []}
heard = {"lobby": [], "load": []}
gaps, others, acks = [], [], []


def say(text: str, room: str) -> None:
    acks.append(hub.send(text, room, timeout=WAIT_S))
    said[room].append(text)


open_rooms = {"lobby", "load"}
while open_rooms:
    event = hub.receive(WAIT_S)
    if isinstance(event, trappe.Message):
        heard[event.room].append((event.name, event.epoch, event.seq, event.text))
        if event.text == "fin":
            open_rooms.discard(event.room)
            if event.room == "load":
                say("fin", "load")
        elif event.room == "load" and event.name == "rust":
            say(f"python {len(said['load'])}", "load")
        elif event.name == "page" and event.text.split()[-1].isdigit():
            number = event.text.split()[-1]
            say(f"python {number}.1", "lobby")
            say(f"python {number}.2", "lobby")
    elif isinstance(event, trappe.Gap):
        gaps.append((event.room, event.cause, event.missing))
    elif isinstance(event, trappe.Connected):
        others.append(f"connected, resumed: {event.resumed}")
        print("connected", flush=True)
    elif not isinstance(event, (trappe.Joined, trappe.Left, trappe.Renamed)):
        others.append(repr(event))
for ack in acks:
    ack.result(WAIT_S)
print(json.dumps({"said": said, "heard": heard, "gaps": gaps, "others": others}), flush=True)
hub.drain()
