"""The result of bench/fanout: tables in Markdown, which also read well on a terminal; JSON; a picture."""

import json
import os

import html_page
import paper
from table import markdown

ENOUGH = 1000  # deliveries, below which ticks of 10 ms say nothing of one
ENOUGH_WAITING = 10  # instances, likewise


def shown(ms):
    return f"{ms:.1f}" if ms < 100 else f"{ms:,.0f}"


def wait_of(row):
    return f"{int(row['properties'][0].split('=')[1]) / 1000:g}" if row["properties"] else "0.5"


def head(row):
    return [f"{row['count']:,}", f"{row['lease_ms'] / 1000:g}", wait_of(row)]


HEAD = ["instances", "lease, s", "fetch wait, s"]


def line(row):
    """One step while the run goes on."""
    s, c = row["steady"], row["costs"]
    return (f"applied after {shown(s['first'])} / {shown(s['median'])} / {shown(s['p99'])} / "
            f"{shown(s['last'])} ms (first, median, p99, last); lost {row['counted']['lost']}; idle "
            f"{c['subscribers_idle_us_per_s']:.0f} + {c['broker_idle_us_per_s']:.0f} us/s each, instance + "
            f"broker{'; no processor was left idle' if paper.was_full(row) else ''}")


# --- tables


def times_table(rows):
    table = [[*HEAD, "sets at", "acknowledged", "first", "median", "p99", "last", "worst last",
              "burst: last", "all of it"]]
    for row in rows:
        s, burst = row["steady"], row["burst"]
        table.append([*head(row), f"{s['sets']} at {row['rate']:.3g}/s",
                      *[shown(s[key]) for key in ("acked", "first", "median", "p99", "last", "worst")],
                      shown(burst["last"]), shown(1000 * row["spent_burst"]["seconds"])])
    return markdown(table)


def counts_table(rows):
    table = [[*HEAD, "sets x instances", "applied", "lost", "twice or out of order", "newest answer",
              "evicted", "old answer", "gaps", "lapses of the lease"]]
    for row in rows:
        c = row["counted"]
        table.append([*head(row), *[f"{c[key]:,}" for key in (
            "due", "applied", "lost", "wrong", "newest", "evicted", "old", "gaps", "lapses")]])
    return markdown(table)


def cost(row, key):
    enough = row["count"] * row["steady"]["sets"] >= ENOUGH and not paper.was_full(row)
    return f"{row['costs'][key]:,.0f}" if enough else "-"


def waiting_cost(row, who):
    enough = row["count"] >= ENOUGH_WAITING
    return f"{row['costs'][f'{who}_idle_us_per_s']:,.0f}" if enough else "-"


def costs_table(rows):
    table = [[*HEAD, "idle us/s: instance", "broker", "us per delivery: instance", "broker",
              "idle bytes/s", "bytes per delivery", "cores busy: idle", "of it others'", "steady",
              "of it others'"]]
    for row in rows:
        c = row["costs"]
        cores = [row[part][key] / row[part]["seconds"]
                 for part in ("idle", "spent") for key in ("busy", "others")]
        table.append([*head(row), waiting_cost(row, "subscribers"), waiting_cost(row, "broker"),
                      cost(row, "subscribers_us_per_delivery"), cost(row, "broker_us_per_delivery"),
                      f"{c['idle_bytes_out_per_s']:,}", cost(row, "bytes_out_per_delivery"),
                      *[f"{value:.2f}" for value in cores]])
    return markdown(table)


def sizes_table(rows):
    table = [[*HEAD, "KiB each", "threads each", "descriptors each", "processes", "connections",
              "broker, MiB", "until all were live, s"]]
    for row in rows:
        s = row["size"]
        table.append([*head(row), f"{s['kib']:,}", f"{s['threads']:g}", f"{s['files']:g}",
                      str(s["processes"]), f"{row['idle']['connections']:,}", f"{s['broker_mib']:,}",
                      f"{row['start_s']:g}"])
    return markdown(table)


def threads_table(row):
    table = [["thread", "of them", "us/s", "waits/s"]]
    names = sorted(row["threads"].items(), key=lambda item: -item[1]["us_per_s"])
    for name, of in names:
        table.append([name, f"{of['count']:g}", f"{of['us_per_s']:,.0f}", f"{of['waits_per_s']:.1f}"])
    return markdown(table)


def threads_part(rows):
    """Of the largest step that was not full."""
    row = max([row for row in rows if not paper.was_full(row)] or rows, key=lambda row: row["count"])
    return "\n\n".join([
        f"**Waiting, by thread**: {row['count']:,} instances, lease {row['lease_ms'] / 1000:g} s, fetch wait"
        f" {wait_of(row)} s; of one instance. `fanout` are the feed's own two, `rdk:` those of its two Kafka"
        " clients. If `rdk:main` takes half a millisecond for each wait, that is librdkafka spinning for the last"
        " fraction of a millisecond before each of its timers; releases after 2.3 wait instead (its pull request"
        " 4671). The lease has no part in it.", threads_table(row)])


# --- on paper


def us(seconds):
    return f"{seconds * 1e6:,.0f} us"


def setting_cells(item):
    return [f"{item['rate']}", f"{item['setting'][0]:g}", f"{item['setting'][1]:g}",
            f"{item['fan_out']:,}"]


PAPER_HEAD = ["sets/s", "lease, s", "fetch wait, s", "k, subscribers per broker"]


def cases(maker):
    return [maker(setting, rate) for rate in paper.RATES for setting in paper.SETTINGS]


def direct_table(broker):
    table = [[*PAPER_HEAD, "cores for waiting", "for changes", "brokers", "cores for surveys, on the leader"]]
    for item in cases(lambda setting, rate: paper.direct(broker, setting, rate)):
        table.append([*setting_cells(item), f"{item['cores_waiting']:.2f}",
                      f"{item['cores_changes']:.2f}", f"{item['brokers']}",
                      f"{item['leader_cores']:.2f}"
                      + (" (too many)" if item["leader_cores"] > paper.SHARE * paper.CORES else "")])
    return markdown(table)


def tree_table(rows, broker):
    table = [[*PAPER_HEAD, "brokers by level, top first", "brokers", "mirrors", "ms until the last of k",
              "ms to the last of all"]]
    for item in cases(lambda setting, rate: paper.tree(rows, broker, setting, rate)):
        table.append([*setting_cells(item), " > ".join(f"{n:,}" for n in reversed(item["levels"])),
                      f"{item['brokers']:,}", f"{item['brokers'] - 1:,}", shown(item["wave_ms"]),
                      shown(item["last_ms"])])
    return markdown(table)


def check_lines(rows, found):
    """The model against the steps it was not made from."""
    for row in rows:
        if row["count"] > found["count"]:
            said = ", ".join(f"{who} {want:.2f}, measured {got:.2f}"
                             for who, want, got in paper.predicted(found, row))
            yield (f"- {row['count']:,} instances, lease {row['lease_ms'] / 1000:g} s, fetch wait "
                   f"{wait_of(row)} s, cores while waiting by these figures: {said}"
                   + (" (no processor was left idle then)" if paper.was_full(row) else ""))


def last_lines(rows, found):
    """The arithmetic of the wave, done for this machine."""
    for row in rows:
        if row["count"] >= 100 and not paper.was_full(row):
            yield (f"- {row['count']:,} instances, lease {row['lease_ms'] / 1000:g} s, fetch wait "
                   f"{wait_of(row)} s, ms to the last: {shown(paper.predicted_last(rows, found, row))}, measured "
                   f"{shown(row['steady']['last'])}")


def example(rows, broker):
    setting, rate = paper.SETTINGS[2], paper.RATES[0]
    item = paper.tree(rows, broker, setting, rate)
    acked, applied = paper.hop(rows)
    rest = paper.waiting(broker, setting)
    return (
        f"For lease {setting[0]} s, fetch wait {setting[1]} s and {rate} set/s: waiting = "
        f"{us(broker['rest'])} + {us(broker['survey'])} x 3 / {setting[0]} + {us(broker['fetch'])} / "
        f"{setting[1]} = {us(rest)} a second; k = {paper.SHARE} x {paper.CORES} / ({us(rest)} + "
        f"{rate} x {us(broker['delivery'])}) = {item['fan_out']:,}; {paper.TREE:,} / k = "
        f"{item['levels'][0]:,} leaf brokers, below {' and '.join(map(str, item['levels'][1:]))}; "
        f"the last of k is served after k x {us(broker['delivery'])} / {paper.free_cores():g} free cores = "
        f"{shown(item['wave_ms'])} ms; {item['hops']} levels x {applied:.1f} ms (a lone subscriber here, "
        f"publish to applied, of which {acked:.1f} ms to the acknowledgement) + {shown(item['wave_ms'])} ms = "
        f"{shown(item['last_ms'])} ms to the last of all, networks not counted.")


def paper_part(rows):
    found = paper.costs(rows)
    if not found:
        return ("**On paper**: not worked out; it takes steps with one count, leases of 3 and 30 s and a long"
                " fetch wait, with processors to spare.")
    broker = found["broker"]
    return "\n\n".join(filter(None, [
        f"**On paper**, from the steps with {found['count']} instances. The broker's processor time: a survey"
        f" {us(broker['survey'])}, an empty fetch {us(broker['fetch'])}, a delivery {us(broker['delivery'])},"
        f" the rest of waiting {us(broker['rest'])} a second. Of an instance: a survey"
        f" {us(found['subscribers']['survey'])}, a delivery {us(found['subscribers']['delivery'])}, the rest"
        f" {us(found['subscribers']['rest'])} a second. Assumed: brokers of {paper.CORES} cores such as these,"
        f" {paper.SHARE:.0%} of them busy. One core is not worth the same everywhere, and neither k nor any"
        f" figure below was measured.",
        "How far that carries, tried on this machine; there the last is served after a lone subscriber's time +"
        " instances x (a delivery of both) / the cores that waiting and others left free:",
        "\n".join([*check_lines(rows, found), *last_lines(rows, found)]),
        f"**{paper.DIRECT:,} caches on one cluster.** Each broker has a replica, and each cache reads from the"
        " one near it (`client.rack`, KIP-392); the questions for the end of the log go to the leader all the"
        " same.\n\n" + direct_table(broker),
        f"**{paper.TREE:,} caches in a tree.** Each region has a broker with a copy of the topic, kept by a"
        " mirror (MirrorMaker 2, or any consumer that publishes again under the same keys, in order), which to"
        " the level above is one more subscriber.\n\n" + tree_table(rows, broker),
        example(rows, broker),
        "A copy is another log: other offsets, another feed id (invalidation/position.h). So a cache and its"
        " `parent` must follow the same region's topic, and a cache that moves to another region starts over, as"
        " after a gap. The lease proves that a cache has all of its region's copy; it does not prove that the"
        " mirror runs. A mirror that stands still leaves its region live and stale, so it needs a heartbeat"
        " of its own: that part does not exist yet."]))


# --- everything


def text(result):
    rows = result["rows"]
    return "\n\n".join([
        "# Fan-out: one topic, many caches",
        f"{result['machine']}; {result['when']}. Broker, publisher and all instances on it. Milliseconds since the"
        " call that publishes; of each set over the instances, then the median over the sets; \"worst last\" is"
        " the latest of any. A burst is sets published one right after the other. The broker is that of the tests:"
        " two network threads, and Java's first compiler alone, which makes it dearer than a tuned one.",
        times_table(rows),
        "**Nothing lost**: every instance against every set, and every name asked for in every instance. Evicted:"
        " the change came while the feed was not proven live, so its data was not taken, as it must be.",
        counts_table(rows),
        "**Costs**, for one instance. Per delivery: of one set to one instance, above waiting. \"-\": too few to"
        " tell from ticks of 10 ms, or no processor was left idle, so that waiting and work cannot be told"
        " apart. Cores busy are the machine's; others' are programs that are not of this bench, its publisher"
        " and the kernel's own threads.",
        costs_table(rows),
        "**Sizes**: memory is the share of the process (Pss), with one small store and marks for 256 names;"
        " freshetd's table of marks is larger by default. Until all were live: since the last was started. A"
        " partition that is empty is known to be so when its first fetch comes back, so long fetches make a feed"
        " live that much later, after each start and each gap.",
        sizes_table(rows),         threads_part(rows), paper_part(rows)]) + "\n"


def draw(rows, path):
    figure, axes = html_page.axes("Applied by the last cache (line) and by half of them (dots)", (7, 4.2),
                                  xscale="log", yscale="log", xlabel="subscribed caches",
                                  ylabel="ms since the call that publishes")
    for lease, properties, label, colour in (
            (paper.SHORT_LEASE, [], "lease 3 s", "#0b6e99"),
            (paper.LONG_LEASE, [], "lease 30 s", "#c26a00"),
            (paper.LONG_LEASE, [paper.LONG_WAIT], "lease 30 s, fetches wait 5 s", "#5a8f29")):
        some = sorted((row for row in rows if row["lease_ms"] == lease and row["properties"] == properties),
                      key=lambda row: row["count"])
        counts = [row["count"] for row in some]
        axes.plot(counts, [row["steady"]["last"] for row in some], "o-", color=colour, label=label)
        axes.plot(counts, [row["steady"]["median"] for row in some], "o:", color=colour, alpha=0.6)
    axes.legend(frameon=False)
    figure.tight_layout()
    html_page.save(figure, path)


def write(result, directory):
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "result.json"), "w", encoding="ascii") as file:
        json.dump({**result, "paper": paper.costs(result["rows"])}, file, indent=1)
    with open(os.path.join(directory, "fanout.md"), "w", encoding="utf-8") as file:
        file.write(text(result))
    draw(result["rows"], os.path.join(directory, "fanout.svg"))
    print(text(result))
