"""Processes: started on chosen cores, measured in CPU time and memory, ended by their ids."""

import collections
import os
import re
import signal
import subprocess
from pathlib import Path


def tree(root):
    """The process and all its descendants that live now."""
    children = collections.defaultdict(list)
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path("/proc", entry, "stat").read_text()
            except OSError:
                continue
            children[int(stat.rpartition(")")[2].split()[1])].append(int(entry))
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children[pid]
    return found


class Cpu:
    """CPU seconds of a process tree, between two looks.

    `schedstat` counts nanoseconds, but forgets threads that ended; `stat` counts ticks of 10 ms and forgets nothing.
    So the first is used as long as it agrees with the second.
    """

    def __init__(self, root):
        self.root, (self.threads, self.ticks) = root, self.look(root)

    @staticmethod
    def look(root):
        threads, ticks = {}, 0
        for pid in tree(root):
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += sum(int(field) for field in fields[11:15])
                for thread in os.listdir(f"/proc/{pid}/task"):
                    threads[pid, thread] = int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0])
            except OSError:
                continue
        return threads, ticks

    def spent(self):
        threads, ticks = self.look(self.root)
        coarse = (ticks - self.ticks) / os.sysconf("SC_CLK_TCK")
        fine = (sum(threads.values()) - sum(self.threads.values())) / 1e9
        rounding = 0.02 * (1 + len({pid for pid, _ in threads}))
        return fine if abs(fine - coarse) <= rounding + 0.02 * coarse else coarse


def memory(root):
    """PSS and RSS now, and the highest RSS so far, of the tree, in MiB."""
    total = collections.Counter()
    for pid in tree(root):
        for name, field, key in (("smaps_rollup", "Pss:", "pss"), ("status", "VmRSS:", "rss"), ("status", "VmHWM:", "peak_rss")):
            try:
                text = Path(f"/proc/{pid}/{name}").read_text()
            except OSError:
                continue
            found = re.search(rf"^{field}\s+(\d+) kB", text, re.M)
            total[key] += int(found[1]) if found else 0
    return {f"{key}_mib": round(value / 1024, 2) for key, value in total.items()}


def spawn(command, cpus, log, env=None):
    """Starts a process on the given cores. The child inherits this process's affinity, so no wrapper is in between."""
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, start_new_session=True)
    finally:
        os.sched_setaffinity(0, mine)


def stop(process):
    """Ends a process that this program started, and its children, by their ids."""
    pids = tree(process.pid)
    process.terminate()
    try:
        process.wait(4)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in pids[1:]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
