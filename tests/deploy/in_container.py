"""Runs the program the way a container does, without one: as the image's user, with the keys as a Kubernetes Secret
lays them out, before an IdP that answers as Pocket-ID 0.8.0 does. All on loopback, in a temporary folder.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import tomllib
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from outcome import Failed, expect

# RFC 7638, section 3.1: a public key without its kid, as Pocket-ID 0.8.0 publishes its own, and its thumbprint.
KEY = {
    "kty": "RSA",
    "use": "sig",
    "alg": "RS256",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3o"
    "knjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6"
    "qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awap"
    "JzKnqDKgw",
    "e": "AQAB",
}
THUMBPRINT = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def config_check(binary, configuration):
    with container(binary, configuration) as box:
        done = box.run("config", "check", str(box.file))
        expect(done.returncode == 0, f"kidstamp config check: {done.stdout}{done.stderr}")


def sidecar(binary, configuration, user, group):
    (issuer,) = tomllib.loads(configuration)["issuer"]
    with container(binary, configuration, user, group) as box, idp(issuer["issuer"]) as upstream:
        box.environment["KIDSTAMP_UPSTREAM"] = upstream
        expect(box.run("health", "--live").returncode != 0, "health says that kidstamp is live before it runs")
        with box.serve() as process:
            box.until("health", "--live")
            box.until("health", "--ready")
            keys = box.jwks()
            expect(all(key.get("kid") for key in keys), f"a key without kid in {keys}")
            stamped = [key["kid"] for key in keys if key.get("n") == KEY["n"]]
            expect(stamped == [THUMBPRINT], f"the IdP's key is published as {stamped}")
            expect(len(keys) == 2, f"{len(keys)} keys are published: the IdP's and ours are 2")
            written = box.files_open_for_writing(process.pid)
            expect(not written, f"kidstamp writes {written}: the root file system is read-only")

            process.send_signal(signal.SIGTERM)
            box.until("health", "--ready", succeeds=False)
            expect(box.run("health", "--live").returncode == 0, "not live while it drains")
            expect(box.jwks() == keys, "not served while it drains")
            drain = float(tomllib.loads(configuration)["server"]["drain_delay"].rstrip("s"))
            try:
                process.wait(drain + 10)
            except subprocess.TimeoutExpired:
                raise Failed(f"still running {drain + 10} s after SIGTERM") from None
            expect(process.returncode == 0, f"exit status {process.returncode} after SIGTERM: {box.log()}")


class Container:
    def __init__(self, folder, binary, user, group):
        self.folder, self.user, self.group = folder, user, group
        self.binary = str(folder / "kidstamp")
        # The user may not be allowed to look into the folder that the program was built in.
        shutil.copy(binary, self.binary)
        self.file = folder / "kidstamp.toml"
        self.listen, admin = free_port(), free_port()
        self.environment = {
            "KIDSTAMP_CONFIG": str(self.file),
            "KIDSTAMP_LISTEN": f"127.0.0.1:{self.listen}",
            "KIDSTAMP_ADMIN": f"127.0.0.1:{admin}",
        }
        self.stderr = folder / "log"

    def options(self):
        options = {"env": self.environment, "cwd": "/"}
        if os.geteuid() == 0 and self.user is not None:
            options |= {"user": self.user, "group": self.group, "extra_groups": []}
        return options

    def run(self, *arguments):
        command = [self.binary, *arguments]
        return subprocess.run(command, **self.options(), text=True, capture_output=True, timeout=20)

    @contextmanager
    def serve(self):
        with self.stderr.open("wb") as log:
            self.process = subprocess.Popen([self.binary, "serve"], **self.options(), stdout=log, stderr=log)
        try:
            yield self.process
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()

    def until(self, *arguments, succeeds=True):
        end = time.monotonic() + 20
        while (self.run(*arguments).returncode == 0) != succeeds:
            if time.monotonic() > end or self.process.poll() is not None:
                raise Failed(f"kidstamp {' '.join(arguments)} never {'succeeds' if succeeds else 'fails'}: {self.log()}")
            time.sleep(0.1)

    def jwks(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.listen}/.well-known/jwks.json", timeout=10) as answer:
            return json.load(answer)["keys"]

    def log(self):
        return self.stderr.read_text()[-2000:]

    def files_open_for_writing(self, pid):
        """Regular files, other than the standard streams."""
        files = []
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            flags = Path(f"/proc/{pid}/fdinfo/{descriptor.name}").read_text().split("flags:")[1].split()[0]
            if int(descriptor.name) > 2 and descriptor.is_file() and int(flags, 8) & os.O_ACCMODE:
                files.append(os.readlink(descriptor))
        return files


@contextmanager
def container(binary, configuration, user=None, group=None):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        box = Container(folder, binary, user, group)
        keys = secret(box, folder / "keys")
        (issuer,) = tomllib.loads(configuration)["issuer"]
        box.file.write_text(configuration.replace(issuer["keys"], str(keys)))
        yield box


def secret(box, folder):
    """A new key, in a folder such as the kubelet mounts: root's, of the pod's fsGroup, and a symbolic link to each
    file. The folder has no write protection of its own; the mount, which this can't imitate, is read-only."""
    made = box.folder / "made"
    made.mkdir(mode=0o700)
    done = subprocess.run([box.binary, "keys", "generate", "--dir", str(made)], env={}, text=True, capture_output=True)
    expect(done.returncode == 0, f"kidstamp keys generate: {done.stdout}{done.stderr}")
    version = folder / "..2026_11_23_10_00_00.1"
    version.mkdir(parents=True)
    (folder / "..data").symlink_to(version.name)
    for file in made.iterdir():
        copy = Path(shutil.copy(file, version / file.name))
        copy.chmod(0o440)
        (folder / file.name).symlink_to(f"..data/{file.name}")
    expect(len(list(made.iterdir())) == 1, f"keys generate made {[file.name for file in made.iterdir()]}")
    if os.geteuid() == 0 and box.group is not None:
        for path in (folder, version, *version.iterdir()):
            os.chown(path, 0, box.group)
    version.chmod(0o2755)
    folder.chmod(0o3777)
    return folder


@contextmanager
def idp(issuer):
    """An IdP on loopback; yields its URL."""
    documents = {
        "/.well-known/openid-configuration": {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/api/oidc/token",
            "userinfo_endpoint": f"{issuer}/api/oidc/userinfo",
            "jwks_uri": f"{issuer}/.well-known/jwks.json",
            "scopes_supported": ["openid", "profile", "email"],
            "response_types_supported": ["code", "id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        },
        "/.well-known/jwks.json": {"keys": [KEY]},
    }

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = json.dumps(documents.get(self.path, {})).encode()
            self.send_response(200 if self.path in documents else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
