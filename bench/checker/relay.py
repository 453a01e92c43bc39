"""Stands between a child tier and its parent, and counts what the child asks for.

    relay = Relay(parent.address, counted=lambda name: name.startswith("n0"))
    ...the child's `parent` is relay.address...
    relay.count()          {"all": 120, "counted": 17} since reset()

`through` may make something else of a response on its way.

Messages pass as they are but for their ids, since the child asks from many ports. UDP alone: nothing here is
truncated.
"""

import socket
import threading

HEADER = 12  # bytes
IDS = 65536
BUFFER = 4 << 20


def question(message):
    """The name asked for, in lower case: "www.example.com."."""
    labels, at = [], HEADER
    while message[at]:
        labels.append(message[at + 1:at + 1 + message[at]].decode("ascii", "replace").lower())
        at += 1 + message[at]
    return ".".join(labels) + "."


class Relay:
    """One relay; ends with stop()."""

    def __init__(self, upstream, counted=lambda name: False, through=lambda response: response):
        self._counted, self._through = counted, through
        self._below = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._below.bind(("127.0.0.1", 0))
        self._above = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._above.connect(upstream)
        self.address = self._below.getsockname()
        self._clients = [None] * IDS  # by our id: who asked, with which
        self._next, self._over = 0, threading.Event()
        self._count = {"all": 0, "counted": 0}
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._ask, self._answer)]
        for sock in (self._below, self._above):
            sock.settimeout(0.1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        for thread in self._threads:
            thread.start()

    def reset(self):
        self._count = {"all": 0, "counted": 0}

    def count(self):
        return dict(self._count)

    def _receive(self, sock):
        while not self._over.is_set():
            try:
                message, sender = sock.recvfrom(65535)
            except (TimeoutError, ConnectionRefusedError):
                continue
            if len(message) > HEADER:
                yield message, sender

    def _ask(self):
        for query, client in self._receive(self._below):
            self._next = (self._next + 1) % IDS
            self._clients[self._next] = client, query[:2]
            count = self._count
            count["all"] += 1
            count["counted"] += bool(self._counted(question(query)))
            try:
                self._above.send(self._next.to_bytes(2, "big") + query[2:])
            except ConnectionRefusedError:
                pass  # nobody is there just now

    def _answer(self):
        for response, _ in self._receive(self._above):
            asked = self._clients[int.from_bytes(response[:2], "big")]
            if asked:
                self._below.sendto(asked[1] + self._through(response)[2:], asked[0])

    def stop(self):
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._below.close()
        self._above.close()
