"""What a process holds, looked at again and again, and whether it grows."""

import os
import time
from pathlib import Path

from harness.processes import memory

ESTABLISHED = "01"


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def connections_to(port):
    """TCP connections of this machine that lead to a port, seen from the end that opened them."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(1 for row in rows if int(row[2].rpartition(":")[2], 16) == port and row[3] == ESTABLISHED)


def sample(pid, begin, **more):
    """What the process `pid` holds now."""
    usage = memory(pid)
    return dict(seconds=round(time.monotonic() - begin, 1), rss_mib=usage["rss_mib"], pss_mib=usage["pss_mib"], descriptors=descriptors(pid),
                threads=threads(pid), **more)


def grown(samples, slack):
    """What has grown by more than a tenth and its slack, in words."""
    problems = []
    # The first fifth is for filling pools and caches.
    settled = samples[len(samples) // 5:]
    half = len(settled) // 2
    for key, much in slack.items():
        before = max(sample[key] for sample in settled[:half])
        after = max(sample[key] for sample in settled[half:])
        if after > before * 1.1 + much:
            problems.append(f"{key} grew from {before} to {after}")
    return problems
