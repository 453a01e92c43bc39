"""Names that are answered without cache and upstream: special use, hosts files, local records; zones asked elsewhere."""

import os
import time

import pytest

import freshet
import process
import scripted as s
import wire
from query import addresses, ask, rcode, ttls
from test_program import config_file, expect_refusal, minimal, reload, run  # pylint: disable=unused-import


@pytest.fixture
def upstream(scripted):
    """Answers everything, so that what does not ask it shows."""
    scripted.script("*", s.answer(rcode="NXDOMAIN"))
    scripted.set("www.example.com.", "A", "192.0.2.1")
    scripted.script("www.example.com.", s.lookup)
    return scripted


def stub(upstream, **options):
    config = freshet.stub([upstream], workers=1)
    config["tiers"][0].update(options)
    return config


@pytest.fixture
def hosts_file(rundir):
    path = os.path.join(rundir, "hosts")

    def write(text):
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path
    return write


def soa_owner(response):
    return [str(rrset.name) for rrset in response.authority]


# --- special use


def test_special_names_never_leave_the_machine(upstream, freshetd):
    daemon = freshetd(stub(upstream))
    assert addresses(ask(daemon, "localhost.")) == ["127.0.0.1"]
    assert addresses(ask(daemon, "a.LOCALHOST.", "AAAA")) == ["::1"]
    assert addresses(ask(daemon, "1.0.0.127.in-addr.arpa.", "PTR")) == ["localhost."]
    for name, zone in (("x.test.", "test."), ("invalid.", "invalid."), ("a.b.onion.", "onion."),
                       ("9.1.168.192.in-addr.arpa.", "168.192.in-addr.arpa."),
                       ("nas.home.arpa.", "home.arpa.")):
        response = ask(daemon, name)
        assert rcode(response) == "NXDOMAIN" and soa_owner(response) == [zone]
    assert upstream.count() == 0
    assert rcode(ask(daemon, "nothing.example.")) == "NXDOMAIN" and upstream.count() == 1
    tier = daemon.status()["tiers"][0]
    assert tier["local"] == 8 and tier["misses"] == 1
    assert daemon.metric("freshet_local_total", tier="os") == 8


def test_special_use_may_be_off(upstream, freshetd):
    daemon = freshetd(stub(upstream, special_use="false"))
    assert rcode(ask(daemon, "localhost.")) == "NXDOMAIN" and upstream.count("localhost.") == 1


def test_zones_of_the_feed_are_not_hidden(upstream, freshetd):
    config = stub(upstream)
    config["feed"] = {"brokers": "127.0.0.1:1", "zones": ["Corp.Test.", "10.in-addr.arpa."]}
    daemon = freshetd(config)
    upstream.set("www.corp.test.", "A", "192.0.2.3")
    upstream.script("www.corp.test.", s.lookup)
    assert addresses(ask(daemon, "www.corp.test.")) == ["192.0.2.3"]
    ask(daemon, "1.10.in-addr.arpa.", "PTR")
    ask(daemon, "1.16.172.in-addr.arpa.", "PTR")
    ask(daemon, "other.test.")
    assert upstream.count("1.10.in-addr.arpa.") > 0, "asked, and perhaps again: its answer may be slow"
    assert upstream.count("1.16.172.in-addr.arpa.") == upstream.count("other.test.") == 0


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_replies_are_of_the_usual_form(upstream, freshetd, tcp):
    local = [f'big.lan. TXT "{n:02}{"x" * 200}"' for n in range(30)]
    daemon = freshetd(stub(upstream, local=local))
    response = ask(daemon, "LocalHost.", tcp=tcp, want_dnssec=True)
    assert response.edns == 0 and response.payload == 1232
    assert str(response.answer[0].name) == "LocalHost.", "as the client spells it"
    assert not ask(daemon, "localhost.", tcp=tcp, edns=False).edns >= 0
    big = ask(daemon, "big.lan.", "TXT", tcp=tcp)
    assert bool(big.flags & 0x0200) is not tcp, "TC"
    assert len(big.answer[0] if tcp else big.answer) == (30 if tcp else 0)
    assert rcode(ask(daemon, "localhost.", tcp=tcp, rd=False)) == "REFUSED"


# --- hosts files and records


def test_hosts_file(upstream, freshetd, hosts_file):
    path = hosts_file("127.0.0.1 localhost\n192.0.2.7 nas.lan nas # the box\n2001:db8::7 nas.lan\n"
                      "this is wrong\n192.0.2.8 b..ad other\n")
    daemon = freshetd(stub(upstream, hosts=[path]))
    assert addresses(ask(daemon, "NAS.lan.")) == addresses(ask(daemon, "nas.")) == ["192.0.2.7"]
    assert ttls(ask(daemon, "nas.")) == [60]
    assert addresses(ask(daemon, "nas.lan.", "AAAA")) == ["2001:db8::7"]
    assert addresses(ask(daemon, "7.2.0.192.in-addr.arpa.", "PTR")) == ["nas.lan."]
    assert addresses(ask(daemon, "other.")) == ["192.0.2.8"]
    no_data = ask(daemon, "nas.lan.", "MX")
    assert rcode(no_data) == "NOERROR" and not no_data.answer and not no_data.authority
    assert upstream.count() == 0
    warnings = daemon.records(file=path)
    assert [(record["line"], record["why"]) for record in warnings] == [
        ("4", "does not begin with an address"), ("5", "has what is not a host name")]


def test_a_hosts_file_with_many_bad_lines_does_not_flood_the_log(upstream, freshetd, hosts_file):
    daemon = freshetd(stub(upstream, hosts=[hosts_file("bad\n" * 1000 + "192.0.2.7 nas\n")]))
    assert addresses(ask(daemon, "nas.")) == ["192.0.2.7"]
    assert [record.get("line", record.get("count")) for record in daemon.records()
            if "file" in record] == [str(n) for n in range(1, 11)] + ["990"]


def test_local_names_win_over_what_is_cached(upstream, freshetd, hosts_file):
    """From the first query after the reload on; what is not local any more is asked for again."""
    path = hosts_file("")
    config = stub(upstream, hosts=[path])
    daemon = freshetd(config)
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]
    hosts_file("192.0.2.99 www.example.com\n")
    reload(daemon, config)
    process.eventually(lambda: addresses(ask(daemon, "www.example.com.")) == ["192.0.2.99"])
    assert rcode(ask(daemon, "www.example.com.", "AAAA")) == "NOERROR"
    assert upstream.count() == 1
    hosts_file("")
    reload(daemon, config)
    process.eventually(lambda: addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"])


def test_a_changed_hosts_file_is_read_again(upstream, freshetd, hosts_file):
    daemon = freshetd(stub(upstream, hosts=[hosts_file("192.0.2.7 nas\n")]))
    assert addresses(ask(daemon, "nas.")) == ["192.0.2.7"]
    hosts_file("192.0.2.70 nas\n")
    process.eventually(lambda: addresses(ask(daemon, "nas.")) == ["192.0.2.70"], within=10)
    assert daemon.records(msg="hosts files read again")[0]["names"] != "0"
    os.unlink(hosts_file(""))
    process.eventually(lambda: rcode(ask(daemon, "nas.")) == "NXDOMAIN", within=10)
    time.sleep(6)  # a look later: that it is gone was said once
    assert len(daemon.records(why="No such file or directory")) == 1


def test_hosts_files_that_cannot_be_read(upstream, freshetd, rundir):
    daemon = freshetd(stub(upstream, hosts=[rundir, f"{rundir}/none", "/dev/zero"]))
    assert len([record for record in daemon.records() if "left out" in record["msg"]]) == 3
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]


def test_local_records(upstream, freshetd):
    config = stub(upstream, local=["printer.lan. 300 IN A 192.0.2.9", "ipp.lan CNAME printer.lan.",
                                   "_ipp._tcp.lan. SRV 0 0 631 printer.lan.",
                                   "www.example.com. A 198.51.100.1"])
    daemon = freshetd(config)
    response = ask(daemon, "ipp.lan.")
    assert addresses(response, "CNAME") == ["printer.lan."] and addresses(response) == ["192.0.2.9"]
    assert ttls(response) == [3600, 300]
    assert addresses(ask(daemon, "_ipp._tcp.lan.", "SRV")) == ["0 0 631 printer.lan."]
    assert addresses(ask(daemon, "www.example.com.")) == ["198.51.100.1"] and upstream.count() == 0
    assert rcode(ask(daemon, "ftp.lan.")) == "NXDOMAIN"
    assert rcode(ask(daemon, "a.printer.lan.")) == "NXDOMAIN" and upstream.count() == 2
    config["tiers"][0]["local"] = ["printer.lan. A 192.0.2.10"]
    reload(daemon, config)
    process.eventually(lambda: addresses(ask(daemon, "printer.lan.")) == ["192.0.2.10"])
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]


def test_many_local_names(upstream, freshetd, hosts_file):
    path = hosts_file("".join(f"0.0.0.0 ads{n}.example.com\n" for n in range(50_000)))
    daemon = freshetd(stub(upstream, hosts=[path]))
    replies = wire.ask_all(daemon, [f"ads{n}.example.com." for n in range(0, 50_000, 50)])
    assert len(replies) == 1000
    assert upstream.count() == 0
    assert addresses(ask(daemon, "ads49999.example.com.")) == ["0.0.0.0"]
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]


def test_bad_records_are_refused(run, config_file, upstream, freshetd):
    config = minimal()
    config["tiers"][0]["local"] = ["a.lan. A 192.0.2.1", "b.lan. A nonsense"]
    path = config_file(config)
    for options in (["-n"], []):
        expect_refusal(run(*options, "-c", path), path, "tiers[0].local[1]",
                       '"b.lan. A nonsense"', "RDATA")
    daemon = freshetd(stub(upstream))
    log = reload(daemon, stub(upstream, local=["a.lan."]))
    assert "refused" in log and "tiers[0].local[0]" in freshet.log_fields(log)["error"]


# --- zones asked elsewhere


@pytest.fixture
def corp():
    """The servers of corp.example. and deep.corp.example., and of what else a test sends them."""
    servers = [s.Scripted(zones=["corp.example.", "corp.test."]) for _ in range(2)]
    for number, server in enumerate(servers):
        for name in ("corp.example.", "www.corp.example.", "a.deep.corp.example."):
            server.set(name, "A", f"10.0.0.{number + 1}")
    yield servers
    for server in servers:
        server.stop()


def forward(name, server):
    return {"name": name, "forward": [freshet.address_text(server.address)]}


def test_the_longest_zone_is_asked(upstream, corp, freshetd):
    daemon = freshetd(stub(upstream, routes=[forward("corp.example.", corp[0]),
                                            forward("Deep.CORP.example", corp[1])]))
    assert addresses(ask(daemon, "corp.example.")) == ["10.0.0.1"]
    assert addresses(ask(daemon, "WWW.Corp.example.")) == ["10.0.0.1"]
    assert addresses(ask(daemon, "a.deep.corp.example.")) == ["10.0.0.2"]
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]
    assert rcode(ask(daemon, "notcorp.example.")) == "NXDOMAIN"
    assert [corp[0].count(), corp[1].count(), upstream.count()] == [2, 1, 2]
    listed = {server["address"]: server["sent"]
              for server in daemon.status()["tiers"][0]["upstreams"]}
    assert listed == {freshet.address_text(upstream.address): 2,
                      freshet.address_text(corp[0].address): 2,
                      freshet.address_text(corp[1].address): 1}
    assert addresses(ask(daemon, "www.corp.example.")) == ["10.0.0.1"]
    assert corp[0].count() == 2, "cached as any other"


def test_a_zone_for_everything(upstream, corp, freshetd):
    daemon = freshetd(stub(upstream, routes=[forward(".", corp[0])]))
    assert addresses(ask(daemon, "www.corp.example.")) == ["10.0.0.1"]
    assert upstream.count() == 0


def test_a_zone_wins_over_special_use(upstream, corp, freshetd):
    corp[0].set("9.168.192.in-addr.arpa.", "PTR", "nas.corp.example.")
    daemon = freshetd(stub(upstream, routes=[forward("168.192.in-addr.arpa.", corp[0]),
                                            forward("corp.test.", corp[1])]))
    assert addresses(ask(daemon, "9.168.192.in-addr.arpa.", "PTR")) == ["nas.corp.example."]
    corp[1].set("corp.test.", "A", "10.0.0.9")
    assert addresses(ask(daemon, "corp.test.")) == ["10.0.0.9"]
    assert rcode(ask(daemon, "other.test.")) == "NXDOMAIN"
    assert upstream.count() == 0


def test_chains_between_zones(upstream, corp, freshetd):
    """Each name of a chain is asked of those who know it; what others say of it is not believed."""
    upstream.script("in.example.", s.answer("in.example. 60 CNAME www.corp.example.",
                                            "www.corp.example. 60 A 203.0.113.66"))
    upstream.script("denied.example.", s.answer("denied.example. 60 CNAME www.corp.example.",
                                                rcode="NXDOMAIN"))
    corp[0].script("out.corp.example.", s.answer("out.corp.example. 60 CNAME www.example.com.",
                                                 "www.example.com. 60 A 203.0.113.66"))
    corp[0].script("far.corp.example.", s.answer("far.corp.example. 60 CNAME x.deep.corp.example."))
    corp[1].script("x.deep.corp.example.", s.answer("x.deep.corp.example. 60 CNAME in.example."))
    daemon = freshetd(stub(upstream, routes=[forward("corp.example.", corp[0]),
                                            forward("deep.corp.example.", corp[1])]))
    for name, expected in (("in.example.", "10.0.0.1"), ("denied.example.", "10.0.0.1"),
                           ("out.corp.example.", "192.0.2.1"), ("far.corp.example.", "10.0.0.1")):
        response = ask(daemon, name)
        assert rcode(response) == "NOERROR" and addresses(response) == [expected], name
    assert len(ask(daemon, "far.corp.example.").answer) == 4


def test_a_dead_zone_is_no_harm_to_others(upstream, corp, freshetd):
    config = stub(upstream, routes=[forward("corp.example.", corp[0])])
    config["resolve_timeout"] = "500ms"
    corp[0].script("*", s.drop())
    corp[0].script("www.corp.example.", s.drop())
    daemon = freshetd(config)
    assert rcode(ask(daemon, "www.corp.example.")) == "SERVFAIL"
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]
    assert upstream.count("www.corp.example.") == 0, "its names stay with it"


def test_reload_takes_zones(upstream, corp, freshetd):
    config = stub(upstream, routes=[forward("corp.example.", corp[0])])
    daemon = freshetd(config)
    assert addresses(ask(daemon, "www.corp.example.")) == ["10.0.0.1"]
    for n in range(20):
        config["tiers"][0]["routes"] = [forward("corp.example.", corp[(n + 1) % 2]),
                                       forward("other.example.", corp[n % 2])]
        reload(daemon, config)
    process.eventually(lambda: addresses(ask(daemon, "a.deep.corp.example.")) == ["10.0.0.1"])
    del config["tiers"][0]["routes"]
    reload(daemon, config)
    process.eventually(lambda: rcode(ask(daemon, f"n{time.time_ns()}.corp.example.")) == "NXDOMAIN"
                       and upstream.count())


def test_many_zones(upstream, corp, freshetd):
    zones = [forward(f"z{n}.example.", corp[n % 2]) for n in range(1000)]
    corp[0].set("z998.example.", "A", "10.0.0.1")
    corp[1].set("a.z999.example.", "A", "10.0.0.2")
    daemon = freshetd(stub(upstream, routes=zones))
    assert addresses(ask(daemon, "z998.example.")) == ["10.0.0.1"]
    assert addresses(ask(daemon, "a.z999.example.")) == ["10.0.0.2"]
    assert rcode(ask(daemon, "z1000.example.")) == "NXDOMAIN" and upstream.count() == 1
    assert len(daemon.status()["tiers"][0]["upstreams"]) == 3
