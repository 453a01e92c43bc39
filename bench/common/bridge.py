"""Tells a resolver that knows nothing of Kafka what has changed: what an operator would script.

    bridge.py --brokers LIST --topic TOPIC --notify HOST:PORT
    bridge.py --brokers LIST --topic TOPIC --unbound SOCKET --flush zone|name [--program CONFIG]

--notify sends a NOTIFY (RFC 1996) for the zone of each change set. --unbound does what
`unbound-control flush_zone ZONE` or `unbound-control flush NAME` does, over the same socket in the
same words, without the cost of starting that program each time; with --program it is started. What has come by the time the
resolver has done the last is done once for each zone, or name. Prints "ready", and at the end what
it did. Ends on SIGTERM.
"""

import argparse
import json
import signal
import socket
import struct
import subprocess

import confluent_kafka

NOTIFY = 0x2400  # the opcode, and AA


def wire_name(name):
    labels = [label for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"


class Notify:
    """Sends NOTIFYs; whether one arrived shows in its answer, and is counted."""

    def __init__(self, target):
        host, port = target.rsplit(":", 1)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect((host, int(port)))
        self._socket.setblocking(False)
        self._number = self.done = self.answered = 0

    def __call__(self, messages):
        for zone in {message["zone"] for message in messages}:
            self._number = (self._number + 1) & 0xffff
            header = struct.pack("!6H", self._number, NOTIFY, 1, 0, 0, 0)
            self._socket.send(header + wire_name(zone) + struct.pack("!2H", 6, 1))
            self.done += 1
        self._count()

    def _count(self):
        try:
            while self._socket.recv(512):
                self.answered += 1
        except OSError:
            pass

    def summary(self):
        self._count()
        return f"{self.done} NOTIFYs, {self.answered} answered"


class Flush:
    """unbound-control's words, one connection for each as there."""

    def __init__(self, path, what, config=None):
        self._path, self._what, self._config = path, what, config
        self.done = self.refused = 0

    def _targets(self, messages):
        if self._what == "zone":
            return {("flush_zone", message["zone"]) for message in messages}
        return {("flush", change["name"]) for message in messages
                for change in message["changes"]}

    def __call__(self, messages):
        for command, target in self._targets(messages):
            self.done += 1
            self.refused += not self._say(command, target).startswith(b"ok")

    def _say(self, command, target):
        if self._config:
            return subprocess.run(["/usr/sbin/unbound-control", "-c", self._config, command, target],
                                  stdout=subprocess.PIPE, check=False).stdout
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.connect(self._path)
            sock.sendall(f"UBCT1 {command} {target}\n".encode())
            return sock.makefile("rb").read()

    def summary(self):
        return f"{self.done} flushes of a {self._what}, {self.refused} refused"


def follow(brokers, topic, **options):
    """A consumer of all partitions, from their ends as they are now."""
    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": brokers, "group.id": "bridge", "enable.auto.commit": False,
        "socket.nagle.disable": True, **options})
    partitions = []
    for number in consumer.list_topics(topic, timeout=10).topics[topic].partitions:
        partition = confluent_kafka.TopicPartition(topic, number)
        _, partition.offset = consumer.get_watermark_offsets(partition, timeout=10)
        partitions.append(partition)
    consumer.assign(partitions)
    return consumer


def batch(consumer):
    """The next messages: waits for one, takes what else is there."""
    messages = []
    message = consumer.poll(0.5)
    while message is not None and len(messages) < 1000:
        if message.error() is None:
            messages.append(json.loads(message.value()))
        message = consumer.poll(0)
    return [message for message in messages if message["changes"]]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", required=True)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--notify", metavar="HOST:PORT")
    action.add_argument("--unbound", metavar="SOCKET")
    parser.add_argument("--flush", choices=["zone", "name"], default="zone")
    parser.add_argument("--program", metavar="CONFIG", help="start unbound-control for each")
    return parser.parse_args()


def main():
    args = arguments()
    act = Notify(args.notify) if args.notify else Flush(args.unbound, args.flush, args.program)
    over = []
    signal.signal(signal.SIGTERM, lambda *_: over.append(True))
    consumer = follow(args.brokers, args.topic)
    print("ready", flush=True)
    while not over:
        messages = batch(consumer)
        if messages:
            act(messages)
    print(act.summary(), flush=True)


if __name__ == "__main__":
    main()
