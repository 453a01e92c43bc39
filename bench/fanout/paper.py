"""On paper: what more instances than fit on this machine would take, from the costs of one.

Figures of the broker's processor time, all measured, and three assumptions, which the text says: cores of a broker,
the share of them that may be busy, and how often something changes.

    waiting(L, W)   = rest + survey * 3 / L + fetch / W    seconds a second, for one subscriber that only waits:
                                                           lease L, fetch.wait.max.ms W
    following(r)    = waiting + r * delivery               and while r sets a second are published
    fan-out of a broker k = share * cores / following(r)

A tree of regions: each region has a broker of its own, to which a mirror copies the topic. To the level above a
mirror is one more subscriber. Levels are added from the leaves up until one broker is left.
"""

import math

CORES = 4  # of a broker
SHARE = 0.5  # of them busy, so that bursts and the loss of a neighbour find room
RATES = (1, 10)  # change sets a second
DIRECT, TREE = 10_000, 1_000_000
FETCH_WAIT_S = 0.5  # librdkafka's default
LONG_WAIT_S = 5
SHORT_LEASE, LONG_LEASE = 3000, 30000
LONG_WAIT = f"fetch.wait.max.ms={LONG_WAIT_S * 1000}"
SETTINGS = ((3, FETCH_WAIT_S), (30, FETCH_WAIT_S), (30, LONG_WAIT_S))  # lease and wait, seconds


def was_full(row):
    """No processor was left idle: what a delivery costs beside waiting cannot be told from such a step."""
    return any(row[part]["busy"] > 0.97 * row[part]["seconds"] * row["cores"]
               for part in ("idle", "spent"))


def find(rows, count, lease_ms, properties=()):
    return next((row for row in rows if row["count"] == count and row["lease_ms"] == lease_ms
                 and row["properties"] == list(properties)), None)


def family(rows, count):
    """The steps with this count that differ in one setting each; None: not all there, or one was full."""
    some = (find(rows, count, SHORT_LEASE), find(rows, count, LONG_LEASE),
            find(rows, count, LONG_LEASE, [LONG_WAIT]))
    return some if all(some) and not any(map(was_full, some)) else None


def split(short, long, patient, who):
    """Seconds of one survey, one empty fetch, one delivery; what is left of waiting is the rest."""
    idle = [row["costs"][f"{who}_idle_us_per_s"] / 1e6 for row in (short, long, patient)]
    survey = max(0, (idle[0] - idle[1]) / (short["surveys_per_s"] - long["surveys_per_s"]))
    fetch = max(0, (idle[1] - idle[2]) / (1 / FETCH_WAIT_S - 1 / LONG_WAIT_S))
    rest = max(0, idle[2] - survey * patient["surveys_per_s"] - fetch / LONG_WAIT_S)
    return {"survey": survey, "fetch": fetch, "rest": rest,
            "delivery": long["costs"][f"{who}_us_per_delivery"] / 1e6}


def costs(rows):
    """Of the largest count with all settings and room to spare. None: there is none."""
    for count in sorted({row["count"] for row in rows}, reverse=True):
        some = family(rows, count)
        if some:
            return {"count": count,
                    **{who: split(*some, who) for who in ("broker", "subscribers")}}
    return None


def waiting(cost, setting):
    lease_s, wait_s = setting
    return cost["rest"] + cost["survey"] * 3 / lease_s + cost["fetch"] / wait_s


def fan_out(cost, setting, rate):
    """Subscribers that one broker can have."""
    return math.floor(SHARE * CORES / (waiting(cost, setting) + rate * cost["delivery"]))


def free_cores():
    """Of a broker at its share: what is left for a wave of deliveries."""
    return CORES * (1 - SHARE)


def direct(cost, setting, rate):
    """All on one cluster, each on a replica near it; surveys go to the leader."""
    k = fan_out(cost, setting, rate)
    return {"setting": setting, "rate": rate, "fan_out": k, "brokers": math.ceil(DIRECT / k),
            "cores_waiting": DIRECT * waiting(cost, setting),
            "cores_changes": DIRECT * rate * cost["delivery"],
            "leader_cores": DIRECT * cost["survey"] * 3 / setting[0]}


def levels(count, k):
    """Brokers of each level, leaves first."""
    out = [math.ceil(count / k)]
    while out[-1] > 1:
        out.append(math.ceil(out[-1] / k))
    return out


def hop(rows):
    """One level: from the call that publishes to the acknowledgement, and to a lone subscriber's having it, ms."""
    one = min(rows, key=lambda row: row["count"])["steady"]
    return one["acked"], one["median"]


def tree(rows, cost, setting, rate):
    k = fan_out(cost, setting, rate)
    brokers = levels(TREE, k)
    acked, applied = hop(rows)
    wave = k * cost["delivery"] / free_cores() * 1000  # until the last of k is served
    return {"setting": setting, "rate": rate, "fan_out": k, "levels": brokers,
            "brokers": sum(brokers), "hops": len(brokers), "wave_ms": wave,
            "last_ms": len(brokers) * applied + wave}


def predicted_last(rows, cost, row):
    """Milliseconds to the last of a step: broker and instances share the cores that waiting leaves free."""
    free = row["cores"] - row["idle"]["busy"] / row["idle"]["seconds"]
    each = cost["broker"]["delivery"] + cost["subscribers"]["delivery"]
    return hop(rows)[1] + row["count"] * each / free * 1000


def predicted(cost, row):
    """Cores that a step's waiting should take, of broker and instances, and what it took."""
    setting = (row["lease_ms"] / 1000, LONG_WAIT_S if row["properties"] else FETCH_WAIT_S)
    return [(who, row["count"] * waiting(cost[who], setting),
             row["idle"][who] / row["idle"]["seconds"]) for who in ("broker", "subscribers")]
