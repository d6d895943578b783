"""Workloads that are more than one load on one running candidate."""

import http.client
import select
import socket
import threading
import time

from .common import MIB, SMALL, fail
from .load import own, paced, wrk
from .processes import Cpu, memory
from .running import Running, get


def sample_start(plan, candidate, words, _check):
    """Polls until the JWKS is right: with a kid, where the candidate gives one."""
    with Running(plan, candidate, "plain") as running:
        end = running.started + 15
        while time.monotonic() < end:
            try:
                status, body = get(running.port, "/jwks.json")
                if status == 200 and ("stamped" not in words or b'"kid"' in body):
                    seconds = time.monotonic() - running.started
                    cpu, _ = Cpu.look(running.process.pid)
                    return dict(start_ms=seconds * 1e3, cpu_ms=sum(cpu.values()) / 1e6)
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.0003)
    fail("no right answer within 15 s")


def sample_idle(plan, candidate, words, check):
    with Running(plan, candidate, "plain") as running:
        running.ready()
        check(running, words)
        time.sleep(1)
        first, cpu = memory(running.process.pid), Cpu(running.process.pid)
        time.sleep(2)
        idle = cpu.spent() / 2
        wrk("/small")(running, plan.seconds)
        time.sleep(2)
        last = memory(running.process.pid)
        return dict(pss_before_mib=first["pss_mib"], rss_before_mib=first["rss_mib"], pss_after_mib=last["pss_mib"], rss_after_mib=last["rss_mib"],
                    peak_rss_mib=last["peak_rss_mib"], idle_cpu_ms_per_s=idle * 1e3)


def sample_idle_connections(plan, candidate, words, check):
    """Each connection makes one request and stays. The load is this program, which may have as many descriptors as the system gives it.

    nginx ends idle connections when it has less than a sixteenth of its places left, so there are some more."""
    count = min(10_000, plan.descriptors - 500)
    with Running(plan, candidate, "plain", CONNECTIONS=count * 5 // 4) as running:
        running.ready()
        check(running, words)
        wrk("/small", 8)(running, 1)
        time.sleep(2)
        first = memory(running.process.pid)
        clients = []
        try:
            for _ in range(count):
                clients.append(socket.create_connection(("127.0.0.1", running.port), 20))
                ask(clients[-1], running.port)
            peak = memory(running.process.pid)
            time.sleep(4)
            last = memory(running.process.pid)
            gone = poll_ended(clients)
            if gone:
                fail(f"{gone} of {count} connections did not stay open")
            # They are not only open: the next request is answered on the same one.
            for client in clients[:: max(1, count // 100)]:
                ask(client, running.port)
        finally:
            for client in clients:
                client.close()
        kib = lambda memory: (memory["pss_mib"] - first["pss_mib"]) * 1024 / count
        return dict(connections=count, kib_each=kib(last), kib_each_at_once=kib(peak), pss_before_mib=first["pss_mib"], pss_after_mib=last["pss_mib"])


def ask(client, port):
    """One request on a connection that stays."""
    client.sendall(b"GET /small HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n" % port)
    answer = b""
    while not answer.endswith(SMALL):
        more = client.recv(65536)
        if not more:
            fail("a connection ended instead of answering")
        answer += more


def poll_ended(clients):
    """How many connections the other side has ended."""
    poll = select.poll()
    for client in clients:
        poll.register(client, select.POLLIN)
    return len(poll.poll(0))


def sample_big_memory(plan, candidate, words, check):
    """A body that streams leaves nothing behind, however often: growth is counted from what the first ones took."""
    with Running(plan, candidate, "plain") as running:
        running.ready()
        check(running, words)
        rss = []
        for number in range(21):
            for kind in ("down", "up"):
                own(kind, 1, 1)(running, plan.seconds)
            rss.append(memory(running.process.pid)["rss_mib"])
        return dict(rss_first_mib=rss[0], rss_last_mib=rss[-1], growth_mib=max(rss) - rss[0], bytes_moved=len(rss) * 2 * 64 * MIB)


def sample_cores(plan, candidate, words, check):
    """CPU per request with one worker on a core of its own, and with two on cores that they share with the load."""
    cost = {}
    for cores in (1, 2):
        with plan.with_cores(cores) as wider, Running(wider, candidate, "plain") as running:
            running.ready()
            check(running, words)
            wrk("/small")(running, 1)
            cpu = Cpu(running.process.pid)
            result = wrk("/small")(running, plan.seconds)
            cost[cores] = cpu.spent() / result["requests"] * 1e5
    return dict(cpu_one=cost[1], cpu_two=cost[2], cores_ratio=cost[2] / cost[1])


def sample_flood(plan, candidate, words, check):
    """Latency of what only passes, before and while as many tokens are asked for as the candidate can hand out."""
    with Running(plan, candidate, "plain") as running:
        running.ready()
        check(running, words)
        calm = paced("/small", 500, 8)
        calm(running, 1)
        before = calm(running, plan.seconds)
        flood, failures = {}, []

        def pour():
            try:
                flood.update(wrk("/token", 32, post=True)(running, plan.seconds + 2))
            except Exception as error:
                failures.append(error)

        thread = threading.Thread(target=pour)
        thread.start()
        time.sleep(1)
        during = calm(running, plan.seconds)
        thread.join()
        if failures:
            raise failures[0]
        return dict(p50_before_ms=before["p50_ms"], p99_before_ms=before["p99_ms"], p50_flooded_ms=during["p50_ms"], p99_flooded_ms=during["p99_ms"],
                    flood_ratio=during["p99_ms"] / before["p99_ms"], tokens_per_s=flood["requests"] / flood["seconds"])
