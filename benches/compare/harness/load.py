"""Load: wrk and h2load, and what neither of them can make."""

import json
import re
import socket
import ssl
import subprocess
import sys
import threading
import time

from .common import BIG, HERE, MIB, TEXT, Failed, fail
from .running import insecure_context


def tool(plan, command, seconds):
    """Runs a load generator on the load cores; it is killed when it takes far longer than it should."""
    process = subprocess.Popen(["taskset", "-c", ",".join(map(str, sorted(plan.load_cpus))), *map(str, command)],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        output, _ = process.communicate(timeout=seconds * 3 + 20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise Failed(f"{command[0]} did not end in time") from None
    if process.returncode:
        raise Failed(f"{command[0]} ended with {process.returncode}: {output.strip()[-200:]}")
    return output


def wrk(path, connections=64, close=False, post=False):
    def load(running, seconds):
        script = running.plan.folder / f"wrk-{close:d}{post:d}.lua"
        script.write_text(
            ('wrk.headers["Connection"] = "close"\n' if close else "")
            + ('wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/x-www-form-urlencoded"\n'
               'wrk.body = "grant_type=authorization_code&client_id=client-1&client_secret=secret&code=0123456789abcdef'
               '&redirect_uri=https%3A%2F%2Frp.example.org%2Fcallback&code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"\n'
               if post else "")
            + 'done = function(s, l) local e = s.errors; io.write(string.format("RESULT %d %d %d %d %d %d %d\\n", s.requests,'
              ' s.duration, l:percentile(50), l:percentile(99), e.connect + e.read + e.write, e.timeout, e.status)) end\n')
        output = tool(running.plan, ["wrk", "-t", 1, "-c", connections, "-d", f"{seconds}s", "-s", script, running.url(path)], seconds)
        requests, duration, p50, p99, broken, late, status = map(int, re.search(r"^RESULT (.*)$", output, re.M)[1].split())
        if not requests:
            fail("wrk got no answer in time")
        if broken or late or status:
            fail(f"wrk saw {broken} socket errors, {late} time-outs, {status} answers that are not 2xx or 3xx")
        return dict(requests=requests, seconds=duration / 1e6, p50_ms=p50 / 1e3, p99_ms=p99 / 1e3)
    return load


def h2load(path, clients=8, streams=8):
    def load(running, seconds):
        log = running.plan.folder / "h2load.log"
        log.unlink(missing_ok=True)
        output = tool(running.plan, ["h2load", "-t", 1, "-c", clients, "-m", streams, "-D", seconds, f"--log-file={log}", running.url(path)], seconds)
        if "Application protocol: h2" not in output:
            fail("it was not HTTP/2")
        counts = {name: int(count) for count, name in re.findall(r"(\d+) (done|failed|errored|timeout|[2345]xx)", output)}
        if any(counts[name] for name in ("failed", "errored", "timeout", "3xx", "4xx", "5xx")) or not counts["2xx"]:
            fail(f"h2load saw {counts}")
        latencies = sorted(int(line.split()[2]) for line in log.read_text().splitlines() if line.split()[1] == "200")
        return dict(requests=counts["2xx"], seconds=float(seconds), p50_ms=latencies[len(latencies) // 2] / 1e3,
                    p99_ms=latencies[len(latencies) * 99 // 100] / 1e3)
    return load


def paced(path, rate, clients=16):
    """A fixed rate that every candidate can keep: what a request waits when nobody is at the limit."""
    def load(running, seconds):
        log = running.plan.folder / "paced.log"
        log.unlink(missing_ok=True)
        count = rate * seconds
        output = tool(running.plan, ["h2load", "--h1", "-t", 1, "-c", clients, "-n", count, f"--rps={rate / clients:g}", f"--log-file={log}", running.url(path)], seconds)
        rows = [line.split() for line in log.read_text().splitlines()]
        if f"{count} succeeded" not in output or any(row[1] != "200" for row in rows):
            fail(f"not all of {count} requests succeeded")
        latencies = sorted(int(row[2]) for row in rows)
        return dict(requests=count, seconds=float(seconds), p50_ms=latencies[count // 2] / 1e3, p99_ms=latencies[count * 99 // 100] / 1e3)
    return load


def own(kind, count, threads):
    """A load that no tool at hand can make: it runs this program again, on the load cores."""
    def load(running, seconds):
        output = tool(running.plan, [sys.executable, HERE / "bench", "_load", kind, running.port, count, threads], seconds)
        return json.loads(output)
    return load


def own_load(kind, port, count, threads):
    context = insecure_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    chunk = memoryview((TEXT * (MIB // len(TEXT) + 1))[:MIB])
    left, lock, latencies, problems, moved = [count], threading.Lock(), [], [], [0]

    def head(sock):
        data = b""
        while b"\r\n\r\n" not in data:
            more = sock.recv(65536)
            if not more:
                raise Failed("the answer ended in its head")
            data += more
        text, _, rest = data.partition(b"\r\n\r\n")
        if text.startswith(b"HTTP/1.1 100"):
            return head(sock)
        if not text.startswith(b"HTTP/1.1 200"):
            raise Failed(f"it answered {text[:60]}")
        return rest

    def once():
        request = b"%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n%s\r\n"
        with socket.create_connection(("127.0.0.1", port), 20) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if kind == "tls":
                sock = context.wrap_socket(sock, server_hostname="localhost")
                if sock.session_reused:
                    raise Failed("the handshake was resumed")
                # The host that the handshake names: another one is misdirected (RFC 9110 §15.5.20).
                sock.sendall(request.replace(b"127.0.0.1", b"localhost") % (b"GET", b"/small", port, b""))
                rest = head(sock)
                length = len(rest)
                while more := sock.recv(65536):
                    length += len(more)
                if length < 1024:
                    raise Failed(f"the body has {length} bytes")
                return length
            if kind == "down":
                sock.sendall(request % (b"GET", b"/big", port, b""))
                length, buffer = len(head(sock)), bytearray(MIB)
                while length < BIG and (read := sock.recv_into(buffer)):
                    length += read
                if length != BIG:
                    raise Failed(f"{length} bytes came instead of {BIG}")
                return length
            sock.sendall(request % (b"POST", b"/upload", port, b"Content-Type: application/octet-stream\r\nContent-Length: %d\r\n" % BIG))
            for _ in range(BIG // MIB):
                sock.sendall(chunk)
            answer = head(sock)
            while more := sock.recv(65536):
                answer += more
            if b'"received":%d}' % BIG not in answer:
                raise Failed(f"the upstream says {answer[-80:]}")
            return BIG

    def work():
        while True:
            with lock:
                if not left[0] or problems:
                    return
                left[0] -= 1
            start = time.monotonic()
            try:
                length = once()
            except (OSError, Failed) as error:
                problems.append(str(error))
                return
            with lock:
                latencies.append(time.monotonic() - start)
                moved[0] += length

    begin = time.monotonic()
    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seconds = time.monotonic() - begin
    if problems:
        raise SystemExit(problems[0])
    latencies.sort()
    print(json.dumps(dict(requests=count, seconds=seconds, bytes=moved[0], p50_ms=latencies[count // 2] * 1e3, p99_ms=latencies[count * 99 // 100] * 1e3)))
