"""What one client can do to all others: each attack is a context, and lasts as long as that.

They come from ATTACKER, another network than that of the clients who are served meanwhile. Who is cut off connects
again: so does an attacker.
"""

import asyncio
import contextlib
import socket
import struct
import subprocess
import threading
import time

import dns.message

import freshet

ATTACKER, CLIENT = "127.1.0.1", "127.2.0.1"
SILENT, HUGE, SLOW = "silent.example.com.", "huge.example.com.", "slow.example.com."


def wire(name, rtype="A", number=0):
    message = dns.message.make_query(name, rtype)
    message.id = number & 0xffff
    return message.to_wire()


def framed(message):
    return struct.pack("!H", len(message)) + message


def load(server, *options):
    """The generator of bench/throughput, from an address of its own."""
    return [freshet.program("throughput/load"), f"--server={freshet.address_text(server.address)}", *options]


@contextlib.contextmanager
def random_names(server, rate):
    """So many names a second that nobody answers for."""
    child = subprocess.Popen(load(
        server, f"--source={ATTACKER}:0", f"--rate={rate}", "--unique=1", f"--suffix={SILENT}", "--seconds=600",
        "--timeout=100", "--flows=32", "--burst=16", f"--first-unique={time.time_ns() // 1000 % 10**14}"),
        stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        child.kill()
        child.wait()


class Connections(threading.Thread):
    """Many TCP connections that send the same, read nothing, and come again when they are closed."""

    def __init__(self, address, count, sent):
        super().__init__(daemon=True)
        self._address, self._count, self._sent = address, count, sent
        self._loop, self.opened = asyncio.new_event_loop(), 0
        self._tasks = []

    def run(self):
        self._tasks = [self._loop.create_task(self._one(number)) for number in range(self._count)]
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.close()

    async def _one(self, number):
        while True:
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                sock.setblocking(False)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.bind((ATTACKER, 0))
                await self._loop.sock_connect(sock, self._address)
                self.opened += 1
                await self._loop.sock_sendall(sock, self._sent(number))
                await self._until_closed(sock)
            except OSError:
                pass
            finally:
                sock.close()
            await asyncio.sleep(0.1)

    async def _until_closed(self, sock):
        """Without reading: what has come is looked at, and stays."""
        while True:
            await asyncio.sleep(0.5)
            with contextlib.suppress(BlockingIOError):
                if sock.recv(1, socket.MSG_PEEK) == b"" or sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    return

    def stop(self):
        self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in self._tasks])
        self.join()


@contextlib.contextmanager
def connections(server, count, sent):
    """`sent`: number -> bytes."""
    made = Connections(server.address, count, sent)
    made.start()
    try:
        yield
    finally:
        made.stop()


def slow_queries(server, count):
    """Each connection waits for a name of its own that nobody answers for."""
    return connections(server, count, lambda number: framed(wire(f"c{number}.{SILENT}")))


def unread_answers(server, count, each=200):
    """Each connection asks for 60,000 bytes so many times, and reads none of it."""
    return connections(server, count, lambda _: framed(wire(HUGE, "TXT")) * each)


def idle(server, count):
    return connections(server, count, lambda _: b"")


@contextlib.contextmanager
def meanwhile(attack):
    """attack(ended) in a thread, until it is told to end."""
    ended = threading.Event()
    thread = threading.Thread(target=attack, args=(ended,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def one_name(server, count, apart=2000):
    """So many queries for one name whose answer takes two seconds, again and again."""
    sockets = []
    for _ in range((count + 59999) // 60000):
        sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sockets[-1].bind((ATTACKER, 0))
        sockets[-1].connect(server.address)

    def ask(ended):
        turn = 0
        while not ended.is_set():
            turn += 1
            message = bytearray(wire(f"t{turn}-{time.time_ns()}.{SLOW}"))
            for number in range(count):
                struct.pack_into("!H", message, 0, number & 0xffff)
                with contextlib.suppress(OSError):
                    sockets[number // 60000].send(message)
                if number % apart == 0:
                    time.sleep(0.02)
            ended.wait(2.5)
    try:
        with meanwhile(ask):
            yield
    finally:
        for sock in sockets:
            sock.close()


def endless_http(address, start, piece):
    """A request to the metrics port that never ends."""
    def send(ended):
        while not ended.is_set():
            with contextlib.suppress(OSError), socket.create_connection(address, timeout=1) as sock:
                sock.sendall(start)
                while not ended.is_set():
                    sock.sendall(piece)
            ended.wait(0.05)
    return meanwhile(send)
