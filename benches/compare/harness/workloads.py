"""The workloads, and one sample of one of them."""

import collections
import http.client
import resource
import time

from .answers import check_big, check_body, check_jwks, check_token, check_upload
from .common import MIB, PAGE, QUIET, SMALL, fail
from .load import h2load, own, paced, wrk
from .processes import Cpu, memory
from .running import Running, get, machine, wait_for_quiet


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
    "idle": workload("memory and CPU at rest, before and after load", None, small, rounds=2),
}


def sample(plan, candidate, name):
    words, workload = candidate.workloads[name], WORKLOADS[name]
    special = {"start": sample_start, "idle": sample_idle}.get(name)
    with Running(plan, candidate, workload.mode) as running:
        if special:
            return special(running, words)
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


def sample_start(running, words):
    """Polls until the JWKS is right: with a kid, where the candidate gives one."""
    end = running.started + 15
    while time.monotonic() < end:
        try:
            status, body = get(running.port, "/jwks.json")
            if status == 200 and ("stamped" not in words or b'"kid"' in body):
                seconds = time.monotonic() - running.started
                cpu, _ = Cpu.look(running.process.pid)
                return dict(start_ms=seconds * 1e3, cpu_ms=sum(cpu.values()) / 1e6)
        except OSError:
            pass
        except http.client.HTTPException:
            pass
        time.sleep(0.0003)
    fail("no right answer within 15 s")


def sample_idle(running, words):
    running.ready()
    small(running, words)
    time.sleep(1)
    first, cpu = memory(running.process.pid), Cpu(running.process.pid)
    time.sleep(2)
    idle = cpu.spent() / 2
    wrk("/small")(running, plan_seconds(running))
    time.sleep(2)
    last = memory(running.process.pid)
    return dict(pss_before_mib=first["pss_mib"], rss_before_mib=first["rss_mib"], pss_after_mib=last["pss_mib"], rss_after_mib=last["rss_mib"],
                peak_rss_mib=last["peak_rss_mib"], idle_cpu_ms_per_s=idle * 1e3)


def plan_seconds(running):
    return running.plan.seconds
