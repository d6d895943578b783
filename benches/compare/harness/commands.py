"""The commands `run` and `list`."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from .common import BIN, HERE, ORDER, Failed
from .running import Candidate, Plan
from .tables import failures, table
from .workloads import WORKLOADS, patient_sample


def candidates(names=None):
    found = {path.name for path in (HERE / "candidates").iterdir() if (path / "workloads").exists()}
    for name in names or []:
        if name not in found:
            raise SystemExit(f"no candidate {name}; there are: {', '.join(sorted(found))}")
    ordered = [name for name in ORDER if name in found] + sorted(found - set(ORDER))
    return [Candidate(name) for name in ordered if not names or name in names]


def run(arguments):
    for name in arguments.workloads or []:
        if name not in WORKLOADS:
            raise SystemExit(f"no workload {name}; there are: {', '.join(WORKLOADS)}")
    for needed, tools in (("bench setup", [BIN / "bench-upstream"]), ("bench setup", ["wrk", "h2load", "taskset", "openssl"])):
        for one in tools:
            if not shutil.which(str(one)):
                raise SystemExit(f"{one} is missing: run {needed}")
    chosen = []
    for candidate in candidates(arguments.candidates):
        if candidate.available:
            chosen.append(candidate)
        else:
            print(f"skipped {candidate.name}: {candidate.version}", file=sys.stderr)
    names = [name for name in WORKLOADS if not arguments.workloads or name in arguments.workloads]
    data = dict(
        meta=dict(date=time.strftime("%Y-%m-%d"), cores=arguments.cores, rounds=arguments.rounds, seconds=arguments.seconds, cpus=os.cpu_count(),
                  cpu=cpu_model(), kernel=".".join(platform.release().split(".")[:2]), versions={candidate.name: candidate.version for candidate in chosen}),
        samples=[], failures=[], sign_limit=[])
    plan = Plan(arguments)
    data["meta"]["pinned"] = plan.pinned
    try:
        for name in names:
            runners = [candidate for candidate in chosen if name in candidate.workloads]
            for number in range(20 if name == "start" else min(arguments.rounds, WORKLOADS[name].rounds)):
                # The order turns with the rounds, so that nobody always comes after the same neighbour.
                turn = number % max(1, len(runners))
                for candidate in runners[turn:] + runners[:turn]:
                    try:
                        result = patient_sample(plan, candidate, name)
                        data["samples"].append(dict(candidate=candidate.name, workload=name, round=number, **result))
                    except Exception as error:  # whatever one sample meets, the others are worth having
                        error = str(error) if isinstance(error, Failed) else repr(error)
                        data["failures"].append(dict(candidate=candidate.name, workload=name, round=number, reason=error))
                        print(f"FAILED {candidate.name} {name} round {number + 1}: {error}", file=sys.stderr)
                if name.startswith("token") and (BIN / "sign-limit").exists():
                    data["sign_limit"].append(json.loads(subprocess.run(
                        ["taskset", "-c", str(min(plan.proxy_cpus)), BIN / "sign-limit", "0.25"], capture_output=True, text=True, check=True).stdout))
                print(f"{name}: round {number + 1}", file=sys.stderr)
                save(arguments.json, data)
            print("\n".join(table(data, name)), flush=True)
    except KeyboardInterrupt:
        print("stopped; what was measured is kept", file=sys.stderr)
    finally:
        plan.close()
        save(arguments.json, data)
    for line in failures(data):
        print(line)
    return 1 if data["failures"] else 0


def save(path, data):
    if path:
        Path(path).write_text(json.dumps(data, indent=1) + "\n")


def cpu_model():
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    return found[1] if found else platform.machine()


def list_all(_arguments):
    print("candidates:")
    for candidate in candidates():
        state = candidate.version if candidate.available else f"not available: {candidate.version}"
        print(f"  {candidate.name:<16}{state}\n{'':<14}{' '.join(candidate.workloads)}")
    print("workloads:")
    for name, workload in WORKLOADS.items():
        print(f"  {name:<14}{workload.about}")
    return 0
