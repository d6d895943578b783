"""Tables: medians over rounds, and ratios within a round."""

import collections
import statistics

from .common import ORDER, REFERENCE
from .workloads import WORKLOADS


# What is in the tables of workloads that have their own figures: title, key, digits.
COLUMNS = {
    "idle-connections": [("connections", "connections", 0), ("**KiB each**", "kib_each", 1), ("KiB each, just after their requests", "kib_each_at_once", 1),
                         ("PSS before, MiB", "pss_before_mib", 1), ("PSS with them, MiB", "pss_after_mib", 1)],
    "big-memory": [("RSS after the first, MiB", "rss_first_mib", 1), ("RSS after the last, MiB", "rss_last_mib", 1), ("**most growth, MiB**", "growth_mib", 1)],
    "cores": [("CPU s per 100k requests, one core", "cpu_one", 2), ("two cores", "cpu_two", 2), ("**ratio**", "cores_ratio", 2)],
    "flood": [("p50 before, ms", "p50_before_ms", 2), ("p99 before, ms", "p99_before_ms", 2), ("p50 flooded, ms", "p50_flooded_ms", 2),
              ("p99 flooded, ms", "p99_flooded_ms", 2), ("**ratio of p99**", "flood_ratio", 2), ("tokens/s meanwhile", "tokens_per_s", 0)],
}


def number(value, digits=2):
    if value is None:
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{digits}f}"


def summary(data, name):
    """Per candidate: the medians over rounds, and the median of the per-round ratios to the reference."""
    by_round = collections.defaultdict(dict)
    for one in data["samples"]:
        if one["workload"] == name:
            by_round[one["candidate"]][one["round"]] = one
    reference = by_round.get(REFERENCE, {})
    result = {}
    for candidate in sorted(by_round, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name)):
        rounds = by_round[candidate]
        row = {key: statistics.median(one[key] for one in rounds.values()) for key in next(iter(rounds.values())) if is_number(rounds, key)}
        # CPU time per request hardly depends on neighbours, but rates and latencies do: these come from the quieter
        # half of the rounds. What decides is how much CPU others used, never the result.
        quieter = sorted(rounds.values(), key=lambda one: one.get("others", 0))[: (len(rounds) + 1) // 2]
        row.update({key: statistics.median(one[key] for one in quieter) for key in ("rps", "p50_ms", "p99_ms", "busy", "others") if key in row})
        for key in ("cpu_per_100k", "start_ms"):
            ratios = [one[key] / reference[number][key] for number, one in rounds.items() if key in one and number in reference and reference[number].get(key)]
            if ratios:
                row[f"{key}_ratio"], row[f"{key}_spread"] = statistics.median(ratios), (min(ratios), max(ratios))
        row["all"], row["note"] = list(rounds.values()), next((one["note"] for one in rounds.values() if one.get("note")), "")
        result[candidate] = row
    for row in result.values():
        if "rps" in row and REFERENCE in result:
            row["rps_ratio"] = row["rps"] / result[REFERENCE]["rps"]
        if "cpu_per_100k" in row and REFERENCE in result:
            least = min(one["cpu_per_100k"] for one in result[REFERENCE]["all"])
            row["least_ratio"] = min(one["cpu_per_100k"] for one in row["all"]) / least
    return result


def is_number(rounds, key):
    return all(isinstance(one.get(key), (int, float)) for one in rounds.values())


def table(data, name):
    rows = summary(data, name)
    lines = ["", f"### {name}: {WORKLOADS[name].about}", ""]
    if not rows:
        return lines + ["No candidate was measured."]
    if name == "start":
        lines += ["| candidate | ms, median | ratio to nginx | fastest | slowest | CPU ms |", "| --- | --: | --: | --: | --: | --: |"]
        for candidate, row in rows.items():
            times = [one["start_ms"] for one in row["all"]]
            lines.append(f"| {candidate} | {row['start_ms']:.1f} | {number(row.get('start_ms_ratio'))} | {min(times):.1f} | {max(times):.1f} | {row['cpu_ms']:.1f} |")
    elif name == "idle":
        lines += ["| candidate | PSS after start, MiB | RSS | PSS after load, MiB | RSS | peak RSS | CPU at rest, ms per s |", "| --- | --: | --: | --: | --: | --: | --: |"]
        for candidate, row in rows.items():
            lines.append(f"| {candidate} | {row['pss_before_mib']:.1f} | {row['rss_before_mib']:.1f} | {row['pss_after_mib']:.1f} | {row['rss_after_mib']:.1f} "
                         f"| {row['peak_rss_mib']:.1f} | {row['idle_cpu_ms_per_s']:.2f} |")
    elif name in COLUMNS:
        lines += ["| candidate | " + " | ".join(title for title, _, _ in COLUMNS[name]) + " |", "| --- |" + " --: |" * len(COLUMNS[name])]
        lines += [f"| {candidate} | " + " | ".join(number(row[key], digits) for _, key, digits in COLUMNS[name]) + " |" for candidate, row in rows.items()]
    else:
        big = name.startswith("big")
        lines += [f"| candidate | CPU s per {'GiB' if big else '100k requests'} | **ratio to nginx** (lowest–highest round) | ratio of the best rounds | busy | {'MiB/s' if big else 'req/s'} | ratio | p50 ms | p99 ms | peak RSS, MiB | others | |",
                  "| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --- |"]
        for candidate, row in rows.items():
            spread = row.get("cpu_per_100k_spread")
            ratio = f"**{row['cpu_per_100k_ratio']:.2f}** ({spread[0]:.2f}–{spread[1]:.2f})" if spread else "–"
            busy = f"{row['busy'] * 100:.0f} %" if "busy" in row else "–"
            rate = number(row["rps"] * 64, 0) if big else number(row["rps"], 0)
            note = ", ".join(filter(None, [row["note"], f"{row['upstream_share'] * 100:.0f} % reach the upstream" if "upstream_share" in row else ""]))
            lines.append(f"| {candidate} | {number(row.get('cpu_per_gib' if big else 'cpu_per_100k'), 3 if big else 2)} | {ratio} | {number(row.get('least_ratio'))} | {busy} | {rate} | {number(row.get('rps_ratio'))} "
                         f"| {number(row['p50_ms'])} | {number(row['p99_ms'])} | {number(row.get('peak_rss_mib'), 1)} | {row['others'] * 100:.0f} % | {note} |")
    if name.startswith("token") and data["sign_limit"]:
        lines += sign_table(data, rows)
    return lines


def sign_table(data, rows):
    limit = {key: statistics.median(one[key]["cpu_us"] for one in data["sign_limit"]) for key in data["sign_limit"][0]}
    lines = ["", "The limit on this core, in the same rounds:", "", "| operation | CPU µs | per core-second |", "| --- | --: | --: |"]
    lines += [f"| {key} | {value:.1f} | {1e6 / value:,.0f} |" for key, value in limit.items()]
    passing = rows.get("hyper-min") or rows.get(REFERENCE)
    resigning = {name: row for name, row in rows.items() if "re-signed" in row["note"]}
    if passing:
        base = passing["cpu_per_100k"] * 10
        for algorithm, key in (("RS256", "rs256_2048"), ("ES256", "es256")):
            verify, sign = limit[f"{key}_verify"], f"{key}_sign"
            total = base + verify + limit[sign]
            lines += ["", f"A re-signed token with {algorithm} costs at least {base:.0f} (pass) + {verify:.0f} (verify) + {limit[sign]:.0f} (sign) = "
                          f"{total:.0f} µs: {1e6 / total:,.0f} a second on one core."]
            for name, row in resigning.items():
                if row["note"].endswith(algorithm):
                    lines.append(f"**{name}: {row['cpu_per_100k'] * 10:.0f} µs, {row['cpu_per_100k'] * 10 / total:.2f} of that limit.**")
    return lines


def failures(data):
    lines = ["", "### Samples that do not count", ""] if data["failures"] else []
    return lines + [f"- {one['candidate']}, {one['workload']}, round {one['round'] + 1}: {one['reason']}" for one in data["failures"]]
