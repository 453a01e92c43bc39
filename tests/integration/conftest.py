"""Fixtures: the servers a test needs, each ended by pid however the test ends. And time limits.

The environment chooses: KAFKA (see kafka_cluster.py) and FRESHET_BUILD (see freshet.py).
"""

import os
import shutil
import signal

import pytest

import freshet
import kafka_cluster
import knot
import pages
import process
import publisher as publishers
import scripted as scripted_server

# A shell starts a background job with SIGINT ignored, and so would be what the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

TEST_LIMIT = 60    # seconds; @pytest.mark.timeout(seconds) alters it for a test
SETUP_LIMIT = 360  # seconds; the first use of Kafka may fetch its jars

ZONES = {
    "example.com.": """
www     A 192.0.2.1
www     AAAA 2001:db8::1
mail    A 192.0.2.25
@       MX 10 mail
alias   CNAME www
far     CNAME www.example.net.
*.wild  A 192.0.2.42
a.empty A 192.0.2.43
text    TXT "one" "two"
""",
    "example.net.": """
www     A 198.51.100.1
alias   CNAME www.example.com.
""",
}


# --- servers


@pytest.fixture(scope="session")
def kafka():
    """The cluster that KAFKA asks for."""
    cluster = kafka_cluster.connect(build=freshet.build_directory())
    yield cluster
    cluster.stop()


@pytest.fixture
def broker(kafka):
    """The cluster, for tests that stop it or need its admin interface; skipped unless our own."""
    if not isinstance(kafka, kafka_cluster.KafkaBroker):
        pytest.skip("needs a Kafka broker of its own (KAFKA unset)")
    yield kafka
    if not kafka.process.alive():  # a test that failed half way must not take the others along
        kafka.start()


@pytest.fixture
def place(tmp_path):
    """A directory where the pages' commands are run; what was started there ends with the test."""
    made = pages.Place(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def dev_broker(place):
    """The address of a `freshet broker`, with the topic dns.updates."""
    address = f"127.0.0.1:{process.free_port()}"
    place.start(f"build/freshet broker --listen {address}", ready=f"bootstrap {address}")
    return address


@pytest.fixture(scope="session")
def topic(kafka):
    """The session's topic."""
    made = kafka.topic()
    yield made
    made.delete()


@pytest.fixture
def fresh_topic(kafka):
    """A topic of the test's own, empty; on the embedded broker that takes a broker of its own."""
    if isinstance(kafka, kafka_cluster.EmbeddedBroker):
        own = kafka_cluster.EmbeddedBroker(freshet.build_directory())
        yield own.topic()
        own.stop()
        return
    made = kafka.topic()
    yield made
    made.delete()


@pytest.fixture(scope="session")
def authority():
    """Knot with example.com and example.net, for tests that do not change them."""
    server = knot.Knot(ZONES)
    yield server
    server.stop()


@pytest.fixture
def own_authority():
    """The same zones on a Knot of the test's own, to change as it likes."""
    server = knot.Knot(ZONES)
    yield server
    server.stop()


@pytest.fixture
def scripted():
    """A scripted server of the test's own."""
    server = scripted_server.Scripted()
    yield server
    server.stop()


@pytest.fixture
def freshetd():
    """Starts daemons: freshetd(config, ...) -> Freshetd. All are stopped and judged at the end."""
    started = []

    def start(config, **options):
        started.append(freshet.Freshetd(config, **options))
        return started[-1]

    yield start
    failures = [failure for daemon in reversed(started) if (failure := _close(daemon))]
    if failures:
        raise failures[0]


def _close(daemon):
    try:
        daemon.close()
    except AssertionError as failure:
        return failure
    return None


@pytest.fixture
def publisher():
    """Starts odd publishers: publisher(topic, "property=value", ...) -> Publisher."""
    started = []

    def start(topic, *properties):
        started.append(publishers.Publisher(topic, *properties))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def cli():
    """Runs the tool: cli("status", ...) -> Result."""
    return freshet.Cli()


@pytest.fixture
def rundir():
    """A directory with a path short enough for a unix socket."""
    directory = process.run_directory("test")
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


# --- time limits


def pytest_configure(config):
    config.addinivalue_line("markers", f"timeout(seconds): the test's limit, if not {TEST_LIMIT}")
    signal.signal(signal.SIGTERM, _terminated)


def _terminated(_signal, _frame):
    """A run that is told to end (a CI job's time limit) still ends its servers, and their files."""
    pytest.exit("SIGTERM", returncode=pytest.ExitCode.INTERRUPTED)


def _limited(seconds):
    """Runs the wrapped phase; SIGALRM ends whatever it waits for. In the main thread only."""
    def expire(_signal, _frame):
        pytest.fail(f"time limit of {seconds} s", pytrace=True)

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item):
    yield from _limited(SETUP_LIMIT)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    marker = item.get_closest_marker("timeout")
    yield from _limited(marker.args[0] if marker else TEST_LIMIT)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    yield from _limited(TEST_LIMIT)


# --- order


# Files that take a minute or so begin first: no core is left with one of them at the end.
LONGEST = ("test_capture", "test_tolerance", "test_move", "test_link", "test_p3_everywhere", "test_odd_servers",
           "test_p4_p6_life", "test_harness", "test_bad_config", "test_invalidation", "test_p5_feed", "test_zones",
           "test_transactions", "test_dns", "test_forwarding", "test_program")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


# --- reports


def pytest_report_header():
    kafka_choice = os.environ.get("KAFKA") or "own broker"
    return f"programs: {freshet.build_directory()}/  KAFKA: {kafka_choice}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failed test shows the last lines of every server that was up."""
    report = (yield).get_result()
    if report.failed:
        for server in process.running():
            report.sections.append((f"{server.name} (pid {server.pid})", server.tail()))


def pytest_terminal_summary(terminalreporter):
    """What tests have measured (record_property("figures", ...)), wherever they ran."""
    for report in terminalreporter.getreports("passed"):
        for name, text in report.user_properties:
            if name == "figures" and report.when == "call":
                terminalreporter.write_line(text)


# Of workers, by xdist: names of servers that they left running.
LEFT_RUNNING = pytest.StashKey()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    left = getattr(node, "workeroutput", {}).get("left_running", [])
    node.config.stash.setdefault(LEFT_RUNNING, []).extend(left)


@pytest.hookimpl(trylast=True)  # after an interrupt, pytest ends the fixtures in this hook
def pytest_sessionfinish(session):
    """No server may be up when all fixtures are gone: that is a fault of the harness."""
    left = session.config.stash.get(LEFT_RUNNING, [])
    for server in process.running():
        left.append(f"{server.name} (pid {server.pid})")
        server.stop()
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_running"] = left
    for name in left:
        print(f"\nleft running: {name}")
    if left:
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
