"""What kidstamp is to cost, beside what it did in a run."""

import statistics

from .tables import number, summary

# As cargo builds it.
PLAIN = "kidstamp-plain"

# Work, workload, where the figure stands, goal, and floor below which it is too dear. Ratios are to nginx in the same
# round; the others are what the unit says.
GOALS = [
    ("pass-through GET 1 KiB, keep-alive", "pass-1k", "ratio", 0.9, 1.1, "× nginx"),
    ("pass-through 64 KiB", "pass-64k", "ratio", 1.0, 1.15, "× nginx"),
    ("64 MiB down, CPU per GiB", "big-down", "ratio", 0.75, 0.9, "× nginx"),
    ("64 MiB up, CPU per GiB", "big-up", "ratio", 0.5, 0.7, "× nginx"),
    ("JWKS, from memory", "jwks", "ratio", 0.4, 0.55, "× nginx"),
    ("token response re-signed, RS256-2048", "token", "limit", 1.05, 1.2, "× (pass + verify + sign)"),
    ("token response re-signed, ES256", "token-es256", "limit", 1.05, 1.2, "× (pass + verify + sign)"),
    ("new TCP connection each", "connect", "ratio", 1.0, 1.15, "× nginx"),
    ("TLS 1.3 handshake, ECDSA P-256", "tls-handshake", "ratio", 0.6, 0.8, "× nginx"),
    ("HTTP/2 over TLS, 1 KiB", "h2", "ratio", 0.72, 1.0, "× nginx"),
    ("idle, PSS after start", "idle", "pss_before_mib", 4, 8, "MiB"),
    ("idle, PSS after load", "idle", "pss_after_mib", 8, 14, "MiB"),
    ("exec to the first right JWKS", "start", "start_ms", 8, 25, "ms"),
    ("1 → 2 cores, CPU per request", "cores", "cores_ratio", 1.03, 1.1, "× one core"),
    ("10,000 idle keep-alive connections", "idle-connections", "kib_each", 8, 16, "KiB each"),
    ("RSS over 20 times 64 MiB down and up, growth", "big-memory", "growth_mib", 8, 8, "MiB"),
    ("pass-through while tokens are flooded, p99", "flood", "flood_ratio", 1.5, 3, "× before"),
]


def goals_table(data):
    """A row a goal; what was not measured says so. A program without a profile stands beside, if there was one."""
    has_plain = any(one["candidate"] == PLAIN for one in data["samples"])
    head = ["work", "measured", "lowest–highest round", "goal", "floor", ""] + ["`cargo build --release`"] * has_plain
    lines = [f"| {' | '.join(head)} |", "| --- | --: | --: | --: | --: | --- |" + " --: |" * has_plain]
    for work, workload, key, goal, floor, unit in GOALS:
        measured, spread = measure(data, workload, key)
        plain = [number(measure(data, workload, key, PLAIN)[0])] * has_plain
        figure, verdict = "not measured", ""
        if measured is not None:
            figure = f"**{number(measured)}** {unit}"
            verdict = "goal met" if measured <= goal else "floor met" if measured <= floor else "**not met**"
        lines.append(f"| {' | '.join([work, figure, spread, f'{goal:g}', f'{floor:g}', verdict, *plain])} |")
    return lines


def measure(data, workload, key, candidate="kidstamp"):
    row = summary(data, workload).get(candidate)
    if row is None:
        return None, ""
    if key == "ratio":
        if "cpu_per_100k_ratio" not in row:
            return None, ""
        low, high = row["cpu_per_100k_spread"]
        return row["cpu_per_100k_ratio"], f"{low:.2f}–{high:.2f}"
    if key == "limit":
        return limit_ratio(data, row, candidate, *ALGORITHMS[workload])
    values = [one[key] for one in row["all"]]
    digits = 2 if key.endswith("ratio") else 1
    return statistics.median(values), f"{min(values):.{digits}f}–{max(values):.{digits}f}"


# What the benchmark of one signature and one verification calls them.
ALGORITHMS = {"token": ("rs256_2048_verify", "rs256_2048_sign"), "token-es256": ("es256_verify", "es256_sign")}


def limit_ratio(data, row, candidate, verify, sign):
    """What a re-signed token costs, by what it must: own pass-through, one verification and one signature."""
    passing = summary(data, "pass-1k").get(candidate)
    if not data["sign_limit"] or passing is None:
        return None, ""
    median = lambda name: statistics.median(one[name]["cpu_us"] for one in data["sign_limit"])
    limit = passing["cpu_per_100k"] * 10 + median(verify) + median(sign)
    ratios = [one["cpu_per_100k"] * 10 / limit for one in row["all"]]
    return row["cpu_per_100k"] * 10 / limit, f"{min(ratios):.2f}–{max(ratios):.2f}"
