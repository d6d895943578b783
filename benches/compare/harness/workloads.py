"""The workloads, and one sample of one of them."""

import collections
import resource
import time

from .answers import check_big, check_body, check_jwks, check_token, check_upload
from .common import MIB, PAGE, QUIET, SMALL, fail
from .load import h2load, own, paced, wrk
from .processes import Cpu, memory
from .running import Running, machine, wait_for_quiet
from .special import sample_big_memory, sample_cores, sample_flood, sample_idle, sample_idle_connections, sample_start


Workload = collections.namedtuple("Workload", "about mode check warm load reaches rounds")


def workload(about, load, check, mode="plain", warm=None, reaches=None, rounds=100):
    return Workload(about, mode, check, warm, load, reaches, rounds)


small, page = check_body("/small", SMALL), check_body("/page", PAGE)
WORKLOADS = {
    "pass-1k": workload("GET 1 KiB, 64 keep-alive connections", wrk("/small"), small, warm=wrk("/small"), reaches="small"),
    "pass-64k": workload("GET 64 KiB, 64 keep-alive connections", wrk("/page"), page, warm=wrk("/page"), reaches="page"),
    "jwks": workload("GET /jwks.json, 64 keep-alive connections", wrk("/jwks.json"), check_jwks, warm=wrk("/jwks.json")),
    "token": workload("POST /token, 64 keep-alive connections", wrk("/token", post=True), check_token, warm=wrk("/token", post=True), reaches="token"),
    "token-es256": workload("the same, with tokens and keys of ES256", wrk("/token", post=True), check_token, mode="es256", warm=wrk("/token", post=True), reaches="token"),
    "big-down": workload("GET 64 MiB, 8 times, 4 at once", own("down", 8, 4), check_big, reaches="big"),
    "big-up": workload("POST 64 MiB, 8 times, 4 at once", own("up", 8, 4), check_upload, reaches="upload"),
    "connect": workload("GET 1 KiB, a new connection each, 32 at once", wrk("/small", 32, close=True), small, warm=wrk("/small", 32, close=True), reaches="small"),
    "paced": workload("GET 1 KiB at a fixed 4,000 requests/s, 16 keep-alive connections", paced("/small", 4000), small, warm=paced("/small", 4000), reaches="small"),
    "h2": workload("GET 1 KiB over TLS HTTP/2, 8 connections of 8 streams", h2load("/small"), small, "tls", h2load("/small"), "small"),
    "h2c": workload("GET 1 KiB over cleartext HTTP/2, 8 connections of 8 streams", h2load("/small"), None, "h2c", h2load("/small"), "small"),
    "tls-handshake": workload("GET 1 KiB, a full TLS 1.3 handshake each (ECDSA P-256), 8 at once", own("tls", 2500, 8), small, "tls", own("tls", 200, 8), "small"),
    "start": workload("from exec to the first right /jwks.json", None, None, rounds=0),
    "idle": workload("memory and CPU at rest, before and after load", None, small),
    "idle-connections": workload("memory of 10,000 idle keep-alive connections, one request each", None, small),
    "big-memory": workload("RSS over 20 times 64 MiB down and up", None, check_big),
    "cores": workload("GET 1 KiB with one worker, and with two", None, small),
    "flood": workload("GET 1 KiB at a fixed 500 requests/s, before and while POST /token is flooded", None, check_token),
}
SPECIAL = {"start": sample_start, "idle": sample_idle, "idle-connections": sample_idle_connections, "big-memory": sample_big_memory,
           "cores": sample_cores, "flood": sample_flood}


def sample(plan, candidate, name):
    words, workload = candidate.workloads[name], WORKLOADS[name]
    if name in SPECIAL:
        return SPECIAL[name](plan, candidate, words, workload.check)
    with Running(plan, candidate, workload.mode) as running:
        running.ready()
        note = workload.check(running, words) if workload.check else ""
        if workload.warm:
            workload.warm(running, 1)
        upstream = Cpu(running.upstream.pid)
        cpu = Cpu(running.process.pid) if running.process else None
        before = running.seen()
        busy, loads, begin = machine(), children_cpu(), time.monotonic()
        result = workload.load(running, plan.seconds)
        busy, loads, wall = machine() - busy, children_cpu() - loads, time.monotonic() - begin
        mine = loads + upstream.spent() + (cpu.spent() if cpu else 0)
        result["others"] = max(0.0, (busy - mine) / wall)
        if cpu:
            result["cpu_seconds"] = cpu.spent()
            result["busy"] = result["cpu_seconds"] / result["seconds"]
            result["cpu_per_100k"] = result["cpu_seconds"] / result["requests"] * 1e5
            if "bytes" in result and name.startswith("big"):
                result["cpu_per_gib"] = result["cpu_seconds"] / result["bytes"] * 1024 * MIB
            result.update(memory(running.process.pid))
        result["upstream_cpu_per_100k"] = upstream.spent() / result["requests"] * 1e5
        result["rps"] = result["requests"] / result["seconds"]
        after = running.seen()
        if workload.reaches:
            reached = after[workload.reaches] - before[workload.reaches]
            # wrk and h2load forget the answers that were under way when the time was over.
            if reached < result["requests"] * 0.999:
                fail(f"the upstream saw {reached} of {result['requests']} requests: they were answered from a cache")
        else:
            result["upstream_share"] = round((after["jwks"] - before["jwks"]) / result["requests"], 4)
        if note:
            result["note"] = note
        return result


def children_cpu():
    """CPU seconds of the load generators that ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def patient_sample(plan, candidate, name):
    """A second try for a sample that neighbours disturbed; the quieter one counts."""
    best = None
    for _ in range(2 if plan.patience and WORKLOADS[name].load else 1):
        if name != "start":
            wait_for_quiet(plan.patience)
        result = sample(plan, candidate, name)
        if best is None or result.get("others", 0) < best.get("others", 0):
            best = result
        if best.get("others", 0) < QUIET:
            break
    return best
