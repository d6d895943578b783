"""The report of one or more runs, as Markdown."""

import json
import signal
from pathlib import Path

from .common import ORDER
from .goals import goals_table
from .tables import failures, number, summary, table
from .workloads import SPECIAL, WORKLOADS


def report(arguments):
    """Several files with the same number of cores become one set of tables."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `bench report … | head` is no error
    sets = {}
    for path in arguments.files:
        data = json.loads(Path(path).read_text())
        known = sets.setdefault(data["meta"]["cores"], data)
        if known is data:
            continue
        known["meta"]["versions"].update(data["meta"]["versions"])
        for one in data["samples"] + data["failures"]:
            one["round"] += 1000 * len(sets) * (arguments.files.index(path) + 1)
        for part in ("samples", "failures", "sign_limit"):
            known[part] += data[part]
    for cores, data in sorted(sets.items()):
        meta = data["meta"]
        print(f"\n## {cores} core{'s' if cores > 1 else ''}{', pinned' if meta['pinned'] else ', not pinned'}\n")
        print(f"{meta['date'][:7]}, {meta['cpus']} shared cores ({meta['cpu']}), Linux {'.'.join(meta['kernel'].split('.')[:2])}, loads of {meta['seconds']} s.\n")
        print("| candidate | version |\n| --- | --- |")
        for name, version in meta["versions"].items():
            print(f"| {name} | {version} |")
        overview(data)
        if any(one["candidate"] == "kidstamp" for one in data["samples"]):
            print("\n### kidstamp beside its goals\n")
            print("\n".join(goals_table(data)))
        for name in WORKLOADS:
            if any(one["workload"] == name for one in data["samples"]):
                rounds = len({one["round"] for one in data["samples"] if one["workload"] == name})
                lines = table(data, name)
                lines[1] += f" ({rounds} rounds)"
                print("\n".join(lines))
        print("\n".join(failures(data)))
    return 0


def overview(data):
    """One line a workload: the CPU ratio to the reference."""
    names = [name for name in WORKLOADS if name not in SPECIAL and any(one["workload"] == name for one in data["samples"])]
    columns = [name for name in ORDER if name != "direct" and any(one["candidate"] == name for one in data["samples"])]
    print("\n### CPU per request, ratio to nginx (lower is better)\n")
    print("| workload | " + " | ".join(columns) + " |\n| --- |" + " --: |" * len(columns))
    for name in names:
        rows = summary(data, name)
        print(f"| {name} | " + " | ".join(number(rows.get(column, {}).get("cpu_per_100k_ratio")) for column in columns) + " |")
