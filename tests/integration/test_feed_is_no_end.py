"""A resolver never ends because of its feed: whatever the brokers do, it goes on as a cache by TTL, and says why."""

import json
import os
import socket
import threading

import pytest

import freshet
import process
from process import eventually
from query import addresses, ask

NAME = "www.example.com."


@pytest.fixture
def upstream(scripted):
    scripted.set(NAME, "A", "192.0.2.1")
    return scripted


def expect_alive(daemon, may_do=False):
    """It answers, has said that there is no feed and why, and ends in order. `may_do`: that depends on the library."""
    def is_settled():
        feed = daemon.status()["feed"]
        return feed["state"] in ("cold", "lost") and feed["reason"] or may_do and feed["state"] == "live"
    eventually(is_settled, within=20)
    eventually(lambda: any(record for record in daemon.records() if "feed is" in record["msg"]
                           or "kafka client" in record["msg"]), within=20)
    assert addresses(ask(daemon, NAME)) == ["192.0.2.1"]
    daemon.stop()


@pytest.mark.parametrize("properties", [
    ["security.protocol=sasl_plaintext", "sasl.mechanisms=PLAIN", "sasl.username=u", "sasl.password=hunter2"],
    ["security.protocol=sasl_plaintext", "sasl.mechanisms=SCRAM-SHA-256", "sasl.username=u", "sasl.password=hunter2"],
    ["security.protocol=ssl"],
    ["api.version.request=false", "broker.version.fallback=0.8.0"],
    ["topic.blacklist=.*"],
], ids=["PLAIN", "SCRAM", "TLS", "an old protocol", "a list of topics"])
def test_brokers_that_do_not_take_us(upstream, freshetd, topic, properties):
    """SASL and TLS to a listener that has neither: what a broker says to a client that it refuses."""
    config = freshet.stub([upstream], topic)
    config["feed"]["rdkafka"] = properties + config["feed"].get("rdkafka", [])
    daemon = freshetd(config)
    expect_alive(daemon, may_do="api.version.request=false" in properties)  # newer librdkafkas ignore it
    assert "hunter2" not in daemon.log


def test_a_broker_that_speaks_something_else(upstream, freshetd):
    """It says what it has to say at once, and it is not Kafka's protocol."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def greet():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"220 mail.example.com ESMTP\r\n" + bytes(range(256)))
        threading.Thread(target=greet, daemon=True).start()
        config = freshet.stub([upstream])
        config["feed"] = {"brokers": freshet.address_text(server.getsockname()), "zones": ["example.com."]}
        expect_alive(freshetd(config))


@pytest.mark.skipif("thread" in freshet.build_directory(),
                    reason="librdkafka 2.0 leaves a thread behind (its issue 4362)")
def test_a_topic_that_goes_away(upstream, freshetd, fresh_topic):
    daemon = freshetd(freshet.stub([upstream], fresh_topic))
    eventually(lambda: daemon.status()["feed"]["state"] == "live", within=20)
    ask(daemon, NAME)
    fresh_topic.delete()
    try:
        expect_alive(daemon)
    finally:
        fresh_topic._create()  # for its fixture to delete


@pytest.mark.parametrize("properties", [["nonsense.x=1"], ["sasl.password hunter2"],
                                        ["security.protocol=ssl", "ssl.ca.location=/nowhere"]])
def test_bad_properties_at_a_reload(upstream, freshetd, topic, properties):
    config = freshet.stub([upstream], topic)
    daemon = freshetd(config)
    eventually(lambda: daemon.status()["feed"]["state"] == "live", within=20)
    config["feed"]["rdkafka"] = properties
    daemon.configure(config)
    daemon.sighup()
    daemon.wait_log("reload refused")
    assert "hunter2" not in daemon.log
    assert daemon.status()["feed"]["state"] == "live" and addresses(ask(daemon, NAME)) == ["192.0.2.1"]


def test_a_secret_that_is_gone_at_a_reload(upstream, freshetd, topic, rundir, cli):
    """It was read at the start, by whoever may; a reload and the tool, which asks no broker, need it no more."""
    path = os.path.join(rundir, "secret")
    with open(path, "w", encoding="ascii") as file:
        file.write("hunter2")
    config = freshet.stub([upstream], topic)
    config["feed"]["rdkafka"] = [f"sasl.password=file:{path}"]
    daemon = freshetd(config)
    os.unlink(path)
    daemon.sighup()
    daemon.wait_log("msg=reloaded")
    config_path = os.path.join(daemon.directory, "freshet.yaml")
    assert cli("status", "-c", config_path).code == 0
    refused = cli("flush", NAME, "-c", config_path)
    assert refused.code != 0 and path in refused.stderr, refused
    assert "hunter2" not in daemon.log
    assert addresses(ask(daemon, NAME)) == ["192.0.2.1"]
    assert json.dumps(daemon.status()).count("hunter2") == 0
    process.eventually(lambda: daemon.status()["feed"]["state"] == "live", within=20)
