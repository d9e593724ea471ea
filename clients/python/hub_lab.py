"""For the end-to-end tests: the real hub (the binary that the variable TRAPPE names), and a road to it that breaks."""
import os
import random
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

TRAPPE = os.environ.get("TRAPPE")
needs_hub = unittest.skipUnless(TRAPPE, "needs the binary: TRAPPE=target/release/trappe")


def free_port() -> int:
    """A port that was free a moment ago, of those that the system gives only to who asks for them by number."""
    with socket.socket() as sock:
        while True:
            port = random.randrange(20000, 32000)
            try:
                sock.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Server:
    """A hub that can be killed and started again on the same port, in the same folder."""

    def __init__(self, *args: str, data: bool = True) -> None:
        self.port, self.folder = free_port(), tempfile.mkdtemp(prefix="trappe-python-")
        self.socket = os.path.join(self.folder, "hub")
        self.args = [*args, "--quiet", *(["--data", os.path.join(self.folder, "data")] if data else [])]
        self.process = None
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it and waits until it listens."""
        listen = ["--listen", self.address, "--listen", f"unix:{self.socket}"]
        command = [TRAPPE, "server", *listen, "--lang", "en", *self.args]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        told = []
        for line in self.process.stdout:
            told.append(line)
            if f":{self.port}" in line:
                break
        else:
            raise AssertionError(f"the hub doesn't listen: {told}")
        self.draining = threading.Thread(target=self.process.stdout.read, daemon=True)
        self.draining.start()

    def stop(self, signal_number: int = signal.SIGKILL) -> None:
        """Ends it and waits for that."""
        self.process.send_signal(signal_number)
        self.process.wait(20)
        self.draining.join()
        self.process.stdout.close()

    def again(self, signal_number: int = signal.SIGKILL) -> None:
        self.stop(signal_number)
        self.start()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Road:
    """A proxy that slices, delays, cuts and resets, as a seed has it. `cuts` in all; then it only slices and delays."""

    def __init__(self, port: int, cuts: int, seed: int, bytes_min: int = 2000, bytes_max: int = 60000) -> None:
        self.target, self.cuts, self.rng = port, cuts, random.Random(seed)
        self.bytes_min, self.bytes_max = bytes_min, bytes_max
        self.lock, self.ends, self.is_whole = threading.Lock(), False, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.ends = True
        self.listener.close()

    def _accept(self) -> None:
        while not self.ends:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with self.lock:
            left = self.rng.randrange(self.bytes_min, self.bytes_max) if self.cuts > 0 else None
            resets, seed = self.rng.random() < 0.5, self.rng.random()
        rng = random.Random(seed)
        try:
            hub = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            client.close()
            return
        other = {client: hub, hub: client}
        for sock in other:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while not self.ends:
                for sock in select.select(list(other), [], [], 1.0)[0]:
                    data = sock.recv(rng.choice((1, 7, 100, 1400, 65536, 65536)))
                    if left is not None:
                        data = data[:left]
                        left -= len(data)
                    if not data:
                        return
                    if rng.random() < 0.02:
                        time.sleep(rng.random() * 0.02)  # the delay is what is tested
                    other[sock].sendall(data)
                    if left == 0:
                        with self.lock:
                            self.cuts -= 1
                            if self.cuts <= 0:
                                self.is_whole.set()
                        return
        except OSError:
            pass
        finally:
            for sock in other:
                if resets:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.close()
