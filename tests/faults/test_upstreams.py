"""Faults of what the tiers ask: an authority that lags or is gone, and packets that get lost."""

import time

import pytest

from hierarchy import FAILURE, TIERS, TTL


@pytest.mark.parametrize("lag, settle", [(1.5, 2), (3, 4)])
def test_fault_authority_lags(hierarchy, row, lag, settle):
    """It gives what it had so long ago, which is no longer than `settle`: answers that a change
    evicted are asked for again every second, so soon after it has caught up all is well (P4)."""
    tiers = hierarchy(cache={"hold": "0s"}, feed={"settle": f"{settle}s"})
    with tiers.watched(drain=4000) as run:
        run.checker.order(f"lag {lag * 1000:g}")
        time.sleep(6)
        run.checker.order("lag 0")
        time.sleep(2)
    row(f"authority {lag:g} s behind, settle {settle} s", run)
    run.judge()


def test_fault_authority_lags_beyond_settle(hierarchy, row):
    """By 3 s, where 2 s were provided for: what was fetched between the two lives by its TTL, and no
    longer; nothing is held beyond it, nor passed on with more."""
    with hierarchy(cache={"hold": "0s"}).watched(drain=1000 * (TTL + 2)) as run:
        run.checker.order("lag 3000")
        time.sleep(6)
        run.checker.order("lag 0")
        time.sleep(2)
    row("authority 3 s behind, settle 2 s (unprotected)", run)
    run.judge(permitted={"P4"})
    for name in TIERS:
        assert run.tier(name)["age_ms"]["max"] / 1000 < 3 + TTL + 1


def test_fault_authority_down(hierarchy, row):
    """Silent for 6 s, longer than any TTL; tiers serve stale. What a change evicted is not given: no
    answer rather than an old one. SETs bring their data along, so most names are answered."""
    with hierarchy(cache={"serve_stale": "1h", "hold": "0s"}).watched() as run:
        run.checker.order("down")
        time.sleep(TTL + 2)
        run.checker.order("up")
        time.sleep(FAILURE)
    row(f"authority down for {TTL + 2} s", run)
    run.judge()


def test_fault_packets_lost(hierarchy, network, row):
    """30 % of the packets between the stub and its parent, each way."""
    tiers = hierarchy(network=network)
    with tiers.watched() as run:
        network.lose(tiers["regional"].address[1], 30)
        run.mark("losing")
        time.sleep(6)
        lost = network.mend()
        run.mark("mended")
        assert lost > 20, lost
        time.sleep(FAILURE)
    row("30 % packet loss to the parent", run)
    run.judge()
