"""What an operator would script: for each change in the topic, tell Unbound to forget the name.

    script.py --brokers LIST --topic TOPIC --control SOCKET --config FILE [--direct]

Starts `unbound-control flush NAME` for each, or with --direct says the same over the socket itself.
Prints "ready"; ends on SIGTERM.
"""

import argparse
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "adapters"))
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import bridge  # noqa: E402
import confluent_kafka  # noqa: E402


def start_control(config):
    def act(messages):
        for name in [change["name"] for message in messages for change in message["changes"]]:
            subprocess.run(["/usr/sbin/unbound-control", "-c", config, "flush", name],
                           stdout=subprocess.DEVNULL, check=False)
    return act


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option in ("--brokers", "--topic", "--control", "--config"):
        parser.add_argument(option, required=True)
    parser.add_argument("--direct", action="store_true")
    args = parser.parse_args()
    act = bridge.Flush(args.control, "name") if args.direct else start_control(args.config)
    over = []
    signal.signal(signal.SIGTERM, lambda *_: over.append(True))
    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": args.brokers, "group.id": "script", "enable.auto.commit": False,
        "socket.nagle.disable": True})
    bridge.assign_at_end(consumer, args.topic)
    print("ready", flush=True)
    while not over:
        messages = bridge.batch(consumer)
        if messages:
            act(messages)


if __name__ == "__main__":
    main()
