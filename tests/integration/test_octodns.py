"""octoDNS writes a zone whose primary is the log: it lists by AXFR, and writes by UPDATE.

It comes from the Python registry, in the versions below, into build/octodns; kept there for the next run.
"""

import os
import subprocess

import pytest

import origin as origins
import process
import python_home
from test_update import EDITOR, SECRET, ZONE, primary  # noqa: F401  pylint: disable=unused-import

REQUIREMENTS = ["octodns==1.22.0", "octodns-bind==1.1.0", "dnspython==2.9.2"]

CONFIG = """
providers:
  files: {{ class: octodns.provider.yaml.YamlProvider, directory: {directory}, default_ttl: 300, enforce_order: false }}
  log:
    class: octodns_bind.Rfc2136Provider
    host: {host}
    port: {port}
    key_name: {key}
    key_secret: {secret}
    key_algorithm: hmac-sha256
zones:
  {zone}: {{ sources: [files], targets: [log] }}
"""

FIRST = """
'': { type: NS, values: [ns.example.com.] }
ns: { type: A, value: 192.0.2.53 }
www: [{ type: A, values: [192.0.2.1, 192.0.2.2] }, { type: AAAA, value: '2001:db8::1' }]
alias: { type: CNAME, value: www.example.com. }
'*.wild': { type: A, value: 192.0.2.42 }
mail: { type: MX, values: [{ preference: 10, exchange: mx.example.com. }] }
_sip._tcp: { type: SRV, values: [{ priority: 1, weight: 2, port: 5060, target: www.example.com. }] }
"""
SECOND = FIRST.replace("192.0.2.2]", "192.0.2.3]").replace("alias:", "other:")


def octodns():
    """The path of octodns-sync."""
    return python_home.program("octodns-sync", REQUIREMENTS, "octodns")


@pytest.fixture
def sync(primary, tmp_path):  # noqa: F811
    """The origin, and a function that brings a zone's file into it; returns what octoDNS says."""
    origin = primary(update=[f"grant {EDITOR} zonesub ANY"], transfer_keys=[EDITOR])
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(directory=tmp_path, host=origin.address[0], port=origin.address[1], key=EDITOR,
                                    secret=SECRET, zone=ZONE))

    def run(zone, *arguments):
        (tmp_path / f"{ZONE}yaml").write_text(zone)
        done = subprocess.run([octodns(), "--config-file", config, *arguments], capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr
    return origin, run


@pytest.mark.timeout(240)
def test_octodns(sync):
    """What it was told is in the log, and it finds that itself: nothing is left to do after it."""
    origin, run = sync
    origin.update(("delete", "text"))  # of more than one string: octoDNS takes it for one, and would delete that
    run(FIRST, "--doit", "--force")  # of the zone that is there, most goes
    records = origin.log_records()
    data = {(name.removesuffix(ZONE).rstrip("."), rtype, text) for name, rtype, _, text in records if rtype != "SOA"}
    assert data == {
        ("", "NS", "ns.example.com."), ("ns", "A", "192.0.2.53"), ("www", "A", "192.0.2.1"), ("www", "A", "192.0.2.2"),
        ("www", "AAAA", "2001:db8::1"), ("alias", "CNAME", "www.example.com."), ("*.wild", "A", "192.0.2.42"),
        ("mail", "MX", "10 mx.example.com."), ("_sip._tcp", "SRV", "1 2 5060 www.example.com.")}
    versions = len(origins.log_of(origin.topic, ZONE))
    assert "No changes were planned" in run(FIRST, "--doit")
    assert len(origins.log_of(origin.topic, ZONE)) == versions
    run(SECOND, "--doit")
    names = {(name, text) for name, _, _, text in origin.log_records()}
    assert (f"www.{ZONE}", "192.0.2.3") in names and (f"other.{ZONE}", f"www.{ZONE}") in names
    assert (f"www.{ZONE}", "192.0.2.2") not in names and (f"alias.{ZONE}", f"www.{ZONE}") not in names
    assert "No changes were planned" in run(SECOND, "--doit")
