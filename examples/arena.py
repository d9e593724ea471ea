#!/usr/bin/env python3
"""Twenty bots that walk in an arena, each of them a member of a trappe hub by UDP; and the page that shows them.

    python3 arena.py                # says how to start the hub, and where to look
    python3 arena.py --loss 0.2     # the same over a network that loses every fifth datagram, both ways

Each bot is a socket of its own and a member of the room `arena`. Thirty times a second it sets one value of the room's
shared state: `/set bot-3#17 512,88`, bot 3 is at 512,88. The number after the `#` counts up: should a datagram overtake
another, the older place doesn't replace the newer. What is lost is lost; the next one is there in 33 ms.

Look at it from anywhere: `nc localhost 5566`, then `/join arena`, then `/get`. Only the standard library is used.
"""

import argparse
import math
import random
import re
import selectors
import signal
import socket
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

WIDTH, HEIGHT = 1000, 600  # the arena; arena.js draws the same
SPEED = 120  # of a bot, in the arena's units a second
RETRY = 0.5  # seconds until what may have been lost is said again
PING = 1  # seconds until a member that all is well with asks for a sign of life
SILENCE = 6  # seconds without one after which we join anew: the hub may have forgotten us


class Bot:
    """One member: a socket, a place, and what is known of how the hub sees it."""

    def __init__(self, number, family, hub, loss):
        self.name = f"bot-{number}"
        self.loss = loss
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.connect(hub)
        self.socket.setblocking(False)
        self.x, self.y = random.uniform(0, WIDTH), random.uniform(0, HEIGHT)
        self.heading = random.uniform(0, 2 * math.pi)
        self.version = 0
        self.heard = self.asked = -math.inf  # when, by the monotonic clock
        self.named = False

    def send(self, text):
        """Sends one datagram, unless the bad network that is played here has lost it."""
        if random.random() >= self.loss:
            try:
                self.socket.send(text.encode())
            except ConnectionRefusedError:
                self.heard = -math.inf  # no hub is there (any more): join anew
            except OSError:
                pass  # no room in the kernel: lost like those that are lost on their way

    def hear(self, now):
        """Takes in what has come."""
        while True:
            try:
                text = self.socket.recv(2048).decode(errors="replace")
            except ConnectionRefusedError:
                self.heard = -math.inf
                return
            except OSError:
                return  # nothing more
            if random.random() < self.loss:
                continue
            if text.startswith("/join "):
                self.send(text)  # "is this address yours?": what was asked goes back as it is
                continue
            self.heard = now
            # An answer that has our name in it: the hub calls us by it. Nobody else is told of itself.
            if text.startswith("* ") and re.search(rf"\b{self.name}\b", text):
                self.named = True

    def is_member(self, now):
        return now - self.heard < SILENCE

    def tend(self, now):
        """Joins until something is heard, then takes its name, then listens for signs of life."""
        settled = self.is_member(now) and self.named
        if now - self.asked < (PING if settled else RETRY):
            return
        self.asked = now
        if not self.is_member(now):
            self.named = False
            self.send("/join arena")
        else:
            self.send("/ping" if self.named else f"/nick {self.name}")

    def walk(self, seconds):
        """Goes on, in a slightly other direction; walls throw it back."""
        self.heading += random.gauss(0, 1.5) * math.sqrt(seconds)
        self.x += math.cos(self.heading) * SPEED * seconds
        self.y += math.sin(self.heading) * SPEED * seconds
        if not 0 <= self.x <= WIDTH:
            self.x, self.heading = min(max(self.x, 0), WIDTH), math.pi - self.heading
        if not 0 <= self.y <= HEIGHT:
            self.y, self.heading = min(max(self.y, 0), HEIGHT), -self.heading

    def set(self, value):
        """Sets its value in the room's shared state; an empty one takes it away."""
        self.version = (self.version + 1) % 2**32
        self.send(f"/set {self.name}#{self.version} {value}")

    def leave(self):
        """Takes its value away and goes: three times, since nothing tells whether it was lost."""
        self.loss = 0
        for _ in range(3):
            self.set("")
        self.send("/quit")


def walk(bots, rate, seconds):
    """Lets all bots walk, at `rate` steps a second, for so many seconds."""
    ears = selectors.DefaultSelector()
    for bot in bots:
        ears.register(bot.socket, selectors.EVENT_READ, bot)
    step = time.monotonic()
    end = step + seconds
    members = told = -1
    while step < end:
        for bot in bots:
            bot.tend(step)
            bot.walk(1 / rate)
            if bot.is_member(step):
                bot.set(f"{bot.x:.0f},{bot.y:.0f}")
        members = sum(bot.is_member(step) and bot.named for bot in bots)
        if members != told and members in (0, len(bots)):
            told = members
            print(f"all {members} bots are there" if members else "waiting for the hub", flush=True)
        step = max(step + 1 / rate, time.monotonic())  # whoever is late doesn't hurry to make up for it
        while True:
            for key, _ in ears.select(max(0, step - time.monotonic())):
                key.data.hear(time.monotonic())
            if time.monotonic() >= step:
                break


class Page(SimpleHTTPRequestHandler):
    """Serves the files of the page, and no other of their folder."""

    def do_GET(self):
        self.path = self.path.partition("?")[0]
        if self.path == "/":
            self.path = "/arena.html"
        if self.path in ("/arena.html", "/arena.js", "/arena.css"):
            super().do_GET()
        else:
            self.send_error(404)

    def log_message(self, *_):
        pass


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hub", default="localhost:5566", metavar="HOST:PORT", help="[%(default)s]")
    parser.add_argument("--bots", type=int, default=20, metavar="N", help="how many [%(default)s]")
    parser.add_argument("--rate", type=float, default=30, metavar="N", help="steps a second [%(default)s]")
    parser.add_argument("--loss", type=float, default=0, metavar="SHARE", help="0.2: one in five is lost [0]")
    parser.add_argument("--seconds", type=float, default=math.inf, metavar="N", help="end after these [never]")
    parser.add_argument("--web", type=int, default=8000, metavar="PORT", help="where the page is [%(default)s]")
    given = parser.parse_args()
    if given.rate <= 0 or given.bots < 1 or not 0 <= given.loss < 1:
        parser.error("--rate above 0, --bots from 1, --loss from 0 to below 1")
    return given


def main():
    given = arguments()
    host, _, port = given.hub.rpartition(":")
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_DGRAM)
    family, _, _, _, hub = min(found, key=lambda it: it[0] != socket.AF_INET)
    page = partial(Page, directory=Path(__file__).parent)
    web = ThreadingHTTPServer(("localhost", given.web), page)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    origin = f"http://localhost:{web.server_port}"
    elsewhere = "" if port == "5566" else f" --port {port}"
    print(f"the hub:  trappe server{elsewhere} --allow-origin {origin}")
    print(f"the page: {origin}/?hub={given.hub}", flush=True)

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    bots = [Bot(number + 1, family, hub, given.loss) for number in range(given.bots)]
    try:
        walk(bots, given.rate, given.seconds)
    except KeyboardInterrupt:
        pass
    for bot in bots:
        bot.leave()


if __name__ == "__main__":
    main()
