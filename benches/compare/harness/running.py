"""A run, a candidate, and a candidate that runs for one sample."""

import contextlib
import copy
import http.client
import json
import os
import resource
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

from .common import BIN, HERE, QUIET, Failed
from .processes import spawn, stop


def machine():
    """CPU seconds that all cores have been busy, since boot."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def wait_for_quiet(patience):
    """The machine is shared: a sample starts when the neighbours pause, or when patience is over."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        before = machine()
        time.sleep(0.25)
        if machine() - before < 0.25 * QUIET:
            return


class Plan:
    """Cores and ports of a run."""

    def __init__(self, arguments):
        cpus = sorted(os.sched_getaffinity(0))
        self.cores, self.port, self.seconds = arguments.cores, arguments.port, arguments.seconds
        self.patience = arguments.patience
        self.descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.cpus = cpus
        self.place()
        self.folder = Path(tempfile.mkdtemp(prefix="kidstamp-bench-"))
        self.log = open(self.folder / "log", "ab")
        self.upstreams = {}
        self.certificate = None

    def place(self):
        """Shares the cores between proxy and load."""
        self.pinned = self.cores == 1 and len(self.cpus) > 1
        self.proxy_cpus = {self.cpus[0]} if self.pinned else set(self.cpus)
        self.load_cpus = set(self.cpus[1:]) if self.pinned else set(self.cpus)
        # This program polls and counts; it must not do so on the proxy's core.
        os.sched_setaffinity(0, self.load_cpus)

    @contextlib.contextmanager
    def with_cores(self, cores):
        """The same plan for another number of cores; the upstream stays where it is."""
        other = copy.copy(self)
        other.cores = cores
        other.place()
        try:
            yield other
        finally:
            self.place()

    def upstream(self, scheme, alg):
        """The fake provider whose issuer is the external URL of the proxy under test. Started when first needed."""
        if (scheme, alg) not in self.upstreams:
            port = self.port + 1000 + len(self.upstreams)
            command = [BIN / "bench-upstream", "--listen", f"127.0.0.1:{port}", "--issuer", f"{scheme}://127.0.0.1:{self.port}", "--alg", alg]
            process = spawn(command, self.load_cpus, self.log)
            wait_for(port, process, "the upstream")
            self.upstreams[scheme, alg] = process, port
        return self.upstreams[scheme, alg]

    def tls(self):
        if not self.certificate:
            cert, key = self.folder / "cert.pem", self.folder / "key.pem"
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "365",
                 "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert],
                check=True, stderr=subprocess.DEVNULL)
            self.certificate = {"TLS_CERT": str(cert), "TLS_KEY": str(key)}
        return self.certificate

    def close(self):
        for process, _ in self.upstreams.values():
            stop(process)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Candidate:
    def __init__(self, name):
        self.name, self.folder = name, HERE / "candidates" / name
        self.workloads = {}
        for line in (self.folder / "workloads").read_text().splitlines():
            name, *words = line.split("#")[0].split() or [""]
            needs = [word.removeprefix("needs=") for word in words if word.startswith("needs=")]
            if name and all(os.environ.get(variable) for variable in needs):
                self.workloads[name] = set(words)
        self.available, self.version = True, "no proxy at all"
        if (self.folder / "version").exists():
            result = subprocess.run([self.folder / "version"], capture_output=True, text=True, env=environment())
            self.available = result.returncode == 0
            self.version = " ".join((result.stdout or result.stderr).split())


class Running:
    """One candidate, started for one sample. What else it should know of that comes with `more`."""

    def __init__(self, plan, candidate, mode, **more):
        self.plan, self.candidate = plan, candidate
        self.scheme = "https" if mode == "tls" else "http"
        self.upstream, self.upstream_port = plan.upstream(self.scheme, "ES256" if mode == "es256" else "RS256")
        self.process = None
        if candidate.name == "direct":
            self.port = self.upstream_port
            return
        self.port = plan.port
        self.folder = plan.folder / "-".join([candidate.name, mode, str(plan.cores), *more])
        self.folder.mkdir(exist_ok=True)
        env = environment(PORT=self.port, UPSTREAM=f"127.0.0.1:{self.upstream_port}", DIR=self.folder, CORES=plan.cores, **more)
        if mode == "tls":
            env.update(plan.tls())
        if mode == "h2c":
            env["H2C"] = "1"
        refuse_if_taken(self.port)
        self.started = time.monotonic()
        self.process = spawn([str(candidate.folder / "start")], plan.proxy_cpus, plan.log, env)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process:
            stop(self.process)

    def ready(self):
        if self.process:
            wait_for(self.port, self.process, self.candidate.name)

    def url(self, path):
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"

    def seen(self):
        return json.loads(get(self.upstream_port, "/bench/stats")[1])

    def get(self, path, body=None):
        status, answer = get(self.port, path, body, self.scheme == "https")
        if status != 200:
            raise Failed(f"{path} answered {status}")
        return answer


def environment(**more):
    """What candidates see: nothing of the caller's proxies, and the tools that setup built."""
    env = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    env["BENCH_BIN"] = str(BIN)
    env.setdefault("KIDSTAMP_BIN", str(HERE.parents[1] / "target" / "release" / "kidstamp"))
    if (BIN / "caddy").exists():
        env.setdefault("CADDY_BIN", str(BIN / "caddy"))
    if (BIN / "envoy").exists():
        env.setdefault("ENVOY_BIN", str(BIN / "envoy"))
    env.update({key: str(value) for key, value in more.items()})
    return env


def refuse_if_taken(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise SystemExit(f"port {port} is in use; choose another with --port") from None


def wait_for(port, process, name, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise Failed(f"{name} ended with {process.returncode} instead of listening")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.002)
    raise Failed(f"{name} did not listen within {seconds} s")


def insecure_context():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def get(port, path, body=None, tls=False):
    if tls:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=insecure_context())
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
    try:
        connection.request("POST" if body else "GET", path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
