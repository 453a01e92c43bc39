"""Three Kafka brokers: each message on all of them, written once two have it; one may be missing.

    cluster = ThreeBrokers(host)
    topic = cluster.topic(3)
    cluster.kill(topic.leader(0))      SIGKILL; start() brings it back with its data
    cluster.shut_down(2)               SIGTERM: it hands its partitions to others first
    topic.elect_preferred()            leaders go back to where the topic was laid out to have them

Each is broker and controller in one (KRaft), so a majority of two elects leaders. Everything else is
as in kafka_cluster.py; heaps are small.
"""

import os
import shutil
import signal
import socket
import time
import uuid

from kafka.admin import NewTopic
from kafka.errors import KafkaError
from kafka.protocol.api import Request, Response
from kafka.protocol.types import Array, Int16, Int32, Schema, String

import kafka_cluster
import process

NODES = (1, 2, 3)
HEAP = "256m"


class ElectLeadersResponse(Response):
    """Kafka protocol, key 43; the client library has none."""
    API_KEY = 43
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("results", Array(("topic", String("utf-8")), ("partitions", Array(
            ("partition", Int32), ("error_code", Int16), ("error_message", String("utf-8")))))))


class ElectLeadersRequest(Request):
    """Version 0 elects preferred leaders."""
    API_KEY = 43
    API_VERSION = 0
    RESPONSE_TYPE = ElectLeadersResponse
    SCHEMA = Schema(
        ("topics", Array(("topic", String("utf-8")), ("partitions", Array(Int32)))),
        ("timeout_ms", Int32))


ELECTION_NOT_NEEDED = 84


class ThreeBrokers(kafka_cluster.Cluster):
    """The cluster; `host` is the address its brokers listen on and are known by."""

    def __init__(self, host="127.0.0.1"):
        self.host = host
        self.directory = process.run_directory("brokers")
        self.ports = {node: process.free_port(host) for node in NODES}
        self._controllers = {node: process.free_port() for node in NODES}
        self._processes = {}
        super().__init__(",".join(f"{host}:{port}" for port in self.ports.values()))
        try:
            for node in NODES:
                self._launch(node)
            self.wait_whole(within=300)  # the first use may fetch the jars
        except BaseException:
            self.stop()
            raise

    def _properties(self, node):
        voters = ",".join(f"{n}@127.0.0.1:{port}" for n, port in self._controllers.items())
        address = f"PLAINTEXT://{self.host}:{self.ports[node]}"
        return (f"node.id={node}\n"
                f"controller.quorum.voters={voters}\n"
                f"listeners={address},CONTROLLER://127.0.0.1:{self._controllers[node]}\n"
                f"advertised.listeners={address}\n"
                "default.replication.factor=3\n"
                "min.insync.replicas=2\n"
                "transaction.state.log.replication.factor=3\n"
                "transaction.state.log.min.isr=2\n"
                "auto.leader.rebalance.enable=false\n")  # leaders move when a test says so

    def _launch(self, node):
        directory = os.path.join(self.directory, str(node))
        os.makedirs(directory, exist_ok=True)
        extra = os.path.join(directory, "extra.properties")
        with open(extra, "w", encoding="ascii") as file:
            file.write(self._properties(node))
        self._processes[node] = process.Process(
            f"broker{node}",
            ["sh", "tests/kafka/start.sh", directory, str(self.ports[node]),
             str(self._controllers[node]), extra],
            directory, {"FRESHET_KAFKA_HEAP": HEAP})

    # faults

    def kill(self, node):
        self._end(node, signal.SIGKILL)

    def shut_down(self, node):
        self._end(node, signal.SIGTERM)

    def _end(self, node, number):
        self.close_clients()
        self._processes[node].stop(number, within=30)

    def start(self, node):
        """Brings a broker back; returns once all three serve."""
        self._launch(node)
        self.wait_whole()

    def make_whole(self):
        """Starts what is down: a test that failed half way must not take the others along."""
        for node, broker in self._processes.items():
            if not broker.alive():
                self.start(node)

    def wait_whole(self, within=60):
        deadline = time.monotonic() + within
        while self._present() != set(NODES):
            for node, broker in self._processes.items():
                if not broker.alive():
                    raise process.NotReady(f"broker {node} ended\n{broker.tail()}")
            if time.monotonic() > deadline:
                raise process.NotReady(f"not three brokers after {within} s")
            time.sleep(0.1)

    def _present(self):
        """The brokers that are up; clients are costly to make: knock first."""
        try:
            for port in self.ports.values():
                socket.create_connection((self.host, port), timeout=1).close()
            return {broker["node_id"] for broker in self.admin.describe_cluster()["brokers"]}
        except (OSError, KafkaError):
            self.close_clients()
            return set()

    def request(self, node, request):
        """Sends one protocol request to one broker; its response."""
        future = self.admin._send_request_to_node(node, request)  # pylint: disable=protected-access
        self.admin._wait_for_futures([future])  # pylint: disable=protected-access
        return future.value

    def topic(self, partitions=kafka_cluster.PARTITIONS):
        return ReplicatedTopic(self, f"{kafka_cluster.UPDATES}.{uuid.uuid4().hex[:12]}", partitions)

    def stop(self):
        self.close_clients()
        for broker in self._processes.values():
            broker.stop(signal.SIGKILL)  # nothing of it is wanted again
        shutil.rmtree(self.directory, ignore_errors=True)


class ReplicatedTopic(kafka_cluster.Topic):
    """A topic that all three brokers have."""

    def _create(self):
        self.cluster.admin.create_topics([NewTopic(self.name, self.partitions, len(NODES))])
        self._wait_usable()

    def _described(self):
        """partition -> what Kafka says of it; {} while it cannot be asked."""
        try:
            (topic,) = self.cluster.admin.describe_topics([self.name])
        except (KafkaError, OSError):
            self.cluster.close_clients()
            return {}
        return {part["partition"]: part for part in topic["partitions"]}

    def leader(self, partition):
        """The broker that leads; -1: none."""
        return self._described().get(partition, {"leader": -1})["leader"]

    def wait_leader(self, partition, wanted, within=60):
        """Until wanted(node) of the leader."""
        return process.eventually(
            lambda: (node := self.leader(partition)) >= 0 and wanted(node) and node, within,
            every=0.1, what=f"a leader of {self.name}-{partition}")

    def wait_in_sync(self, within=60):
        """Until all brokers have all of it."""
        process.eventually(
            lambda: (parts := self._described()) and all(
                len(part["isr"]) == len(NODES) for part in parts.values()),
            within, every=0.1, what=f"{self.name} is in sync")

    def elect_preferred(self):
        """Makes the first replica of each partition its leader again."""
        numbers = list(range(self.partitions))
        response = self.cluster.request(NODES[0], ElectLeadersRequest(
            topics=[(self.name, numbers)], timeout_ms=10000))
        for _, parts in response.results:
            for number, error, text in parts:
                if error not in (0, ELECTION_NOT_NEEDED):
                    raise RuntimeError(f"ElectLeaders {number}: {error} {text}")

    def drop_before(self, partition, offset):
        """Deletes the messages below `offset`: it becomes the log's start."""
        response = self.cluster.request(
            self.leader(partition),
            kafka_cluster.DeleteRecordsRequest(
                topics=[(self.name, [(partition, offset)])], timeout_ms=10000))
        (_, [(_, _, error)]), = response.topics
        if error:
            raise RuntimeError(f"DeleteRecords: Kafka error {error}")
