"""The Kafka side of a test: a cluster to connect to, and topics to write, read and break.

The environment variable KAFKA chooses the cluster:

    unset       a real broker, started here by tests/kafka/start.sh
    4.4.0       the same of that version
    embedded    `freshet broker`, the mock cluster of librdkafka; one fixed topic
    host:port   a cluster that is already there; topics made here are deleted again

A Topic is used the same way on all three, except where a method says that it needs a real broker.
"""

import contextlib
import os
import shutil
import signal
import socket
import time
import uuid

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewPartitions, NewTopic
from kafka.errors import KafkaError
from kafka.partitioner.default import murmur2
from kafka.protocol.api import Request, Response
from kafka.protocol.types import Array, Int16, Int32, Int64, Schema, String

import changes
import process

PARTITIONS = 3
UPDATES = "dns.updates"

# A protocol version said outright: probing for it costs a second on some brokers. 1.0 has record
# headers; Kafka 3.9, 4.4 and librdkafka's mock cluster speak it.
API_VERSION = (1, 0, 0)


def partition_of(zone, partitions=PARTITIONS):
    """Where the Java clients put this key: murmur2 without its sign bit, modulo the partitions."""
    return (murmur2(zone.encode()) & 0x7FFFFFFF) % partitions


def connect(environment=os.environ, build="build"):
    """The cluster that KAFKA asks for, ready to use."""
    choice = environment.get("KAFKA", "")
    if choice == "embedded":
        return EmbeddedBroker(build)
    return ExternalCluster(choice) if ":" in choice else KafkaBroker(choice)


class DeleteRecordsResponse(Response):
    """Kafka protocol, key 21; the client library has none."""
    API_KEY = 21
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("topics", Array(("topic", String("utf-8")), ("partitions", Array(
            ("partition", Int32), ("low_watermark", Int64), ("error_code", Int16))))))


class DeleteRecordsRequest(Request):
    API_KEY = 21
    API_VERSION = 0
    RESPONSE_TYPE = DeleteRecordsResponse
    SCHEMA = Schema(
        ("topics", Array(("topic", String("utf-8")), ("partitions", Array(
            ("partition", Int32), ("offset", Int64))))),
        ("timeout_ms", Int32))


class Cluster:
    """What all three have in common: a bootstrap address and clients made when first needed."""

    consumer_properties = []

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self._producer = None
        self._admin = None

    @property
    def admin(self):
        if self._admin is None:
            self._admin = KafkaAdminClient(
                bootstrap_servers=self.bootstrap, api_version=API_VERSION, request_timeout_ms=20000)
        return self._admin

    @property
    def producer(self):
        if self._producer is None:
            self._producer = KafkaProducer(
                bootstrap_servers=self.bootstrap, api_version=API_VERSION, acks="all", retries=0,
                max_block_ms=10000, request_timeout_ms=20000)
        return self._producer

    def topic(self, partitions=PARTITIONS, **configs):
        """A new topic with a name of its own; `configs` are Kafka's, with underscores for dots."""
        return Topic(self, f"{UPDATES}.{uuid.uuid4().hex[:12]}", partitions, configs=configs)

    def close_clients(self):
        if self._producer:
            self._producer.close(timeout=2)
        if self._admin:
            self._admin.close()
        self._producer = self._admin = None

    def stop(self):
        self.close_clients()


class ExternalCluster(Cluster):
    """One that is already there. Never stopped; pausing it is not ours to do."""


class LocalBroker(Cluster):
    """A cluster of one process of ours, which a test may also take away for a while."""

    process = None

    @contextlib.contextmanager
    def paused(self):
        """Inside, the broker is silent without closing a connection (SIGSTOP)."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def stop(self):
        self.close_clients()
        if self.process:
            self.process.stop(within=15)


class KafkaBroker(LocalBroker):
    """Apache Kafka: one KRaft node with its data in a temporary directory."""

    def __init__(self, version="", properties=""):
        self.version = version  # "": the one that start.sh has
        self.directory = process.run_directory("kafka")
        self._properties = os.path.join(self.directory, "more.properties")
        with open(self._properties, "w", encoding="ascii") as file:
            file.write(properties)
        self._ports = (process.free_port(), process.free_port())
        super().__init__(f"127.0.0.1:{self._ports[0]}")
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def start_as(self, host, within=60):
        """Starts it again after halt(), and has it call itself `host`, which our own clients may not know."""
        ports = [str(port) for port in self._ports]
        self.process = process.Process(
            "broker", ["sh", "tests/kafka/start.sh", self.directory, *ports, self._properties], self.directory,
            {"FRESHET_KAFKA_VERSION": self.version, "FRESHET_KAFKA_ADVERTISED": host})
        self.process.wait_ready(lambda: "Kafka Server started" in self.process.output("stdout")
                                + self.process.output("stderr"), within)

    def start(self, within=300):
        """Starts the broker, again after halt(). The limit is long since it may fetch the jars."""
        ports = [str(port) for port in self._ports]
        self.process = process.Process(
            "broker", ["sh", "tests/kafka/start.sh", self.directory, *ports, self._properties], self.directory,
            {"FRESHET_KAFKA_VERSION": self.version})
        self.process.wait_ready(self._answers, within)

    def halt(self):
        """Ends the broker and its connections; start() brings it back with the same data."""
        self.close_clients()
        self.process.stop(within=15)

    def _answers(self):
        """Whether a metadata request names the broker. Clients are costly to make: knock first."""
        try:
            socket.create_connection(("127.0.0.1", self._ports[0]), timeout=1).close()
        except OSError:
            time.sleep(0.05)
            return False
        try:
            return bool(self.admin.describe_cluster()["brokers"])
        except KafkaError:
            self.close_clients()
            return False

    def stop(self):
        super().stop()
        shutil.rmtree(self.directory, ignore_errors=True)


class EmbeddedBroker(LocalBroker):
    """`freshet broker`: ready when it prints its bootstrap line. It has no admin interface."""

    # The mock cluster holds an empty fetch for all of this time, new message or not.
    consumer_properties = ["fetch.wait.max.ms=1"]

    def __init__(self, build="build", topic=UPDATES, partitions=PARTITIONS):
        self._build = build
        self._name, self._partitions = topic, partitions
        self.process = process.Process(
            "broker", [os.path.join(build, "freshet"), "broker", "--topic", topic,
                       "--partitions", str(partitions)])
        try:
            self.process.wait_ready(lambda: "\n" in self.process.output("stdout"), within=10)
            super().__init__(self._read_bootstrap())
        except BaseException:
            self.process.stop()
            raise

    def _read_bootstrap(self):
        word, address = self.process.output("stdout").splitlines()[0].split()
        if word != "bootstrap":
            raise process.NotReady(f"`freshet broker` printed {word} {address}")
        return address

    def topic(self, partitions=PARTITIONS):
        """The topic the broker was started with: each embedded broker has just the one."""
        if partitions != self._partitions:
            raise ValueError(f"the embedded broker has {self._partitions} partitions")
        return Topic(self, self._name, partitions, create=False)


class Topic:
    """One topic of a cluster. Offsets and partitions are Kafka's; nothing here is cached."""

    def __init__(self, cluster, name, partitions, create=True, configs=None):
        self.cluster, self.name, self.partitions = cluster, name, partitions
        self._configs = {name.replace("_", "."): str(value) for name, value in (configs or {}).items()}
        self._created = create
        if create:
            self._create()

    @property
    def bootstrap(self):
        return self.cluster.bootstrap

    @property
    def consumer_properties(self):
        """What a librdkafka consumer of this topic wants set, as "property=value"."""
        return self.cluster.consumer_properties

    def _create(self):
        self.cluster.admin.create_topics([NewTopic(self.name, self.partitions, 1, topic_configs=self._configs)])
        self._wait_usable()

    def _wait_usable(self):
        """Creation is asynchronous twice over: a leader is named first, and opens its log later."""
        process.eventually(lambda: self._known() == set(range(self.partitions)), within=20,
                           what=f"{self.name} has its partitions and their leaders")
        process.eventually(self._has_ends, within=20, what=f"{self.name} has ends")

    def _has_ends(self):
        try:
            return bool(self.end_offsets())
        except KeyError:  # the broker that the consumer asked has not heard of a partition yet
            return False

    def _known(self):
        """The partitions that have a leader."""
        for topic in self.cluster.admin.describe_topics([self.name]):
            if topic["error_code"] == 0:
                return {p["partition"] for p in topic["partitions"] if p["leader"] >= 0}
        return set()

    def publish(self, zone, change_list, serial=1, **fields):
        """Sends one change set; returns Kafka's (topic, partition, offset...) once acknowledged."""
        message = changes.change_set(zone, change_list, serial, **fields)
        return self.send(zone, changes.encode(message))

    def send(self, key, value, headers=None, partition=None):
        """Sends any bytes, or text, as a message; headers default to a change set's."""
        key, value = (text.encode() if isinstance(text, str) else text for text in (key, value))
        future = self.cluster.producer.send(
            self.name, key=key, value=value, partition=partition,
            headers=changes.headers() if headers is None else headers)
        return future.get(timeout=20)

    @contextlib.contextmanager
    def _consumer(self):
        consumer = KafkaConsumer(
            bootstrap_servers=self.bootstrap, api_version=API_VERSION, group_id=None,
            enable_auto_commit=False, fetch_max_wait_ms=50)
        try:
            parts = [TopicPartition(self.name, number) for number in range(self.partitions)]
            consumer.assign(parts)
            yield consumer, parts
        finally:
            consumer.close()

    def end_offsets(self):
        """partition -> offset of the next message."""
        with self._consumer() as (consumer, parts):
            return {p.partition: end for p, end in consumer.end_offsets(parts).items()}

    def read(self, count, start=None, within=10.0):
        """At least `count` messages from `start` (partition -> offset; default: all there is).

        Returns them by time of arrival, with .key .value .headers .partition .offset .timestamp.
        """
        deadline = time.monotonic() + within
        messages = []
        with self._consumer() as (consumer, parts):
            if start is None:
                consumer.seek_to_beginning()
            for part in parts if start is not None else ():
                consumer.seek(part, start.get(part.partition, 0))
            while len(messages) < count:
                if time.monotonic() > deadline:
                    raise AssertionError(f"{len(messages)} of {count} messages in {within} s")
                for batch in consumer.poll(timeout_ms=200).values():
                    messages += batch
        return sorted(messages, key=lambda m: (m.timestamp, m.partition, m.offset))

    def delete(self):
        """Removes a topic made here, and waits until it is gone."""
        if not self._created:
            return
        self.cluster.admin.delete_topics([self.name])
        process.eventually(lambda: not self._known(), within=20, what=f"{self.name} is gone")

    def recreate(self):
        """Deletes the topic and makes it again: same name, offsets from 0. Needs a real broker."""
        self.delete()
        self._create()

    def add_partitions(self, total):
        """Raises the partition count to `total`. Needs a real broker."""
        self.cluster.admin.create_partitions({self.name: NewPartitions(total)})
        self.partitions = total
        self._wait_usable()

    def drop_before(self, partition, offset):
        """Deletes the messages below `offset`: it becomes the log's start. Needs a real broker."""
        request = DeleteRecordsRequest(
            topics=[(self.name, [(partition, offset)])], timeout_ms=10000)
        admin = self.cluster.admin
        node = admin.describe_cluster()["brokers"][0]["node_id"]
        future = admin._send_request_to_node(node, request)  # pylint: disable=protected-access
        admin._wait_for_futures([future])  # pylint: disable=protected-access
        (_, [(_, _, error)]), = future.value.topics
        if error:
            raise RuntimeError(f"DeleteRecords: Kafka error {error}")
