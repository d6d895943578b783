"""What deploy/ promises, checked. Started by tests/deploy/run, which puts the tools on the PATH.

A check is a function with `@check`; it raises `Failed` or `Skipped` with the reason. The files are read once, by
`Deploy`; `in_container.py` runs the program the way the manifests do.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import traceback
from fnmatch import fnmatch
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from urllib.parse import urlsplit

import yaml

import in_container
from outcome import Failed, Skipped, expect

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def run(*command, stdin=None, **options):
    """Runs a tool; its output is the reason if it fails."""
    done = subprocess.run(command, cwd=ROOT, text=True, input=stdin, capture_output=True, timeout=120, **options)
    expect(done.returncode == 0, f"{Path(command[0]).name} exited with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


class Dockerfile:
    """The instructions of the last stage, and those of the build stage that matter here."""

    def __init__(self, path):
        text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.M)
        text = re.sub(r"\\\n\s*", "", text)
        lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
        self.instructions = [(word.upper(), rest) for word, rest in lines]
        self.images = [rest.split()[0] for word, rest in self.instructions if word == "FROM"]
        last = max(i for i, (word, _) in enumerate(self.instructions) if word == "FROM")
        self.build, self.final = self.instructions[:last], self.instructions[last:]

    def last(self, word):
        values = [rest for name, rest in self.final if name == word]
        expect(values, f"the last stage has no {word}")
        return values[-1]

    @property
    def environment(self):
        return dict(rest.split("=", 1) for word, rest in self.final if word == "ENV")

    @property
    def sources(self):
        """What the build takes from the repository."""
        copies = [rest.split() for word, rest in self.build if word == "COPY" and "--from" not in rest]
        return [source for words in copies for source in words[:-1]]


class Deploy:
    @cached_property
    def dockerfile(self):
        return Dockerfile(DEPLOY / "Dockerfile")

    @cached_property
    def cargo(self):
        return tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]

    @cached_property
    def compose(self):
        return yaml.safe_load((DEPLOY / "compose.yaml").read_text())

    @cached_property
    def kustomized(self):
        """What `kubectl apply --kustomize` would send."""
        return run("kubectl", "kustomize", str(DEPLOY / "kubernetes"))

    @cached_property
    def objects(self):
        return {document["kind"]: document for document in yaml.safe_load_all(self.kustomized)}

    @cached_property
    def pod(self):
        return self.objects["Deployment"]["spec"]["template"]["spec"]

    @cached_property
    def sidecar(self):
        return only(c for c in self.pod["initContainers"] if c["name"] == "kidstamp")

    @cached_property
    def idp(self):
        return only(self.pod["containers"])

    @cached_property
    def compose_configuration(self):
        return (DEPLOY / "kidstamp.toml").read_text()

    @cached_property
    def pod_configuration(self):
        return self.objects["ConfigMap"]["data"]["kidstamp.toml"]

    def listens_on(self, configuration, environment):
        """The port that kidstamp listens on: the environment wins over the file."""
        environment = self.dockerfile.environment | environment
        file = tomllib.loads(configuration).get("server", {})
        address = environment.get("KIDSTAMP_LISTEN") or file.get("listen", "127.0.0.1:8080")
        host, port = address.rsplit(":", 1)
        expect(host == "0.0.0.0", f"kidstamp listens on {address}: not to be reached from outside of the container")
        return int(port)


def only(items):
    (item,) = items
    return item


def variables(container):
    return {variable["name"]: variable["value"] for variable in container.get("env", [])}


def program():
    path = os.environ.get("KIDSTAMP_BIN", "")
    if not path or not (ROOT / path).is_file():
        raise Skipped("kidstamp is not built (cargo build)")
    return str(ROOT / path)


# The image.


@check
def dockerfile_lint(_deploy):
    run("hadolint", "--no-color", "--failure-threshold", "style", str(DEPLOY / "Dockerfile"))


def test_modules(file):
    """The files of the modules that `file` declares for tests alone."""
    folder = file.parent if file.name in ("mod.rs", "lib.rs", "main.rs") else file.with_suffix("")
    declared = re.findall(r"#\[cfg\(test\)\]\n(?:pub(?:\([^)]*\))? )?mod (\w+);", file.read_text())
    return [folder / f"{name}.rs" for name in declared]


@check
def dockerfile_has_all_that_the_build_needs(deploy):
    sources = deploy.dockerfile.sources
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    for source in sources:
        expect((ROOT / source).exists(), f"COPY {source}: there is none")
        last = [rule for rule in ignored if fnmatch(source, rule.lstrip("!"))][-1:]
        expect(not last or last[0][0] == "!", f"COPY {source}: .dockerignore keeps it out")
    # Modules for tests alone are not built for the image; what makes the requests that it is optimised for is.
    files = [*(ROOT / "src").rglob("*.rs"), *(ROOT / "benches" / "costs").rglob("*.rs")]
    tests = {path for file in files for path in test_modules(file)}
    expect(tests, "no test module found: is this how they are declared?")
    for file in files:
        text = "" if file in tests else file.read_text().split("#[cfg(test)]")[0]
        for embedded in re.findall(r'include_(?:str|bytes)!\(\s*"([^"]+)"', text):
            path = (file.parent / embedded).resolve().relative_to(ROOT)
            expect(any(path.is_relative_to(source) for source in sources), f"{file.name} embeds {path}: not copied")
    with tempfile.TemporaryDirectory() as context:
        for source in sources:
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            (Path(context) / source).parent.mkdir(parents=True, exist_ok=True)
            copy(ROOT / source, Path(context) / source)
        run("cargo", "metadata", "--no-deps", "--format-version=1", f"--manifest-path={context}/Cargo.toml")


@check
def release_can_be_trained(_deploy):
    """What `build-release` asks of the first of its two programs, which takes too long to be built here."""
    command = re.search(r"^cargo (bench .*--train) ", (DEPLOY / "build-release").read_text(), re.M)
    expect(command, "deploy/build-release has no line that begins with cargo bench and has --train in it")
    run("cargo", *command[1].split(), program())


@check
def dockerfile_builds_with_our_toolchain(deploy):
    build, final = deploy.dockerfile.images
    channel = tomllib.loads((ROOT / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
    expect(build == f"rust:{channel}-slim-bookworm", f"{build}, but rust-toolchain.toml says {channel}")
    # A program built against a newer glibc than the final image has does not start.
    expect("debian12" in final, f"{final} is not the Debian of {build}")


@check
def dockerfile_runs_without_root_and_without_a_shell(deploy):
    file = deploy.dockerfile
    expect(re.fullmatch(r"[1-9]\d*:[1-9]\d*", file.last("USER")), "USER is not a number other than 0")
    expect("distroless" in file.images[-1], f"{file.images[-1]} is not known to have no shell")
    installed = [rest.split()[-1] for word, rest in file.final if word == "COPY"]
    health = re.search(r"CMD (\[.*)", file.last("HEALTHCHECK"))
    expect(health, "HEALTHCHECK needs a shell")
    for command in (health[1], file.last("ENTRYPOINT")):
        expect(json.loads(command)[0] in installed, f"{command}: there is no such file in the image")
    port = deploy.listens_on("", {})
    expect(str(port) in file.last("EXPOSE").split(), f"port {port} is not in EXPOSE")


@check
def versions_agree(deploy):
    version = deploy.cargo["version"]
    file = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', deploy.dockerfile.last("LABEL")))
    expect(deploy.dockerfile.last("ARG") == f"VERSION={version}", f"ARG {deploy.dockerfile.last('ARG')}: not {version}")
    expect(file["licenses"] == deploy.cargo["license"], f"the image says {file['licenses']}")
    expect(file["description"] == deploy.cargo["description"], "the image describes something else than Cargo.toml")
    images = [service["image"] for service in deploy.compose["services"].values()] + [deploy.sidecar["image"]]
    for image in images:
        expect(not image.startswith("kidstamp") or image == f"kidstamp:{version}", f"{image} is not {version}")


# Compose.


@check
def compose_valid(_deploy):
    file = str(DEPLOY / "compose.yaml")
    run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", file)
    # The schema does not look up names; Compose itself does.
    if shutil.which("docker") and not subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        run("docker", "compose", "--file", file, "config", "--quiet")


@check
def compose_hardened(deploy):
    for name, service in deploy.compose["services"].items():
        if not service["image"].startswith("kidstamp:"):
            continue
        expect(service.get("read_only") is True, f"{name}: its file system is writable")
        expect(service.get("cap_drop") == ["ALL"] and "cap_add" not in service, f"{name}: keeps capabilities")
        expect("no-new-privileges:true" in service.get("security_opt", []), f"{name}: may gain privileges")
        expect(not service.get("privileged") and "user" not in service, f"{name}: not the user of the image")
    serving = deploy.compose["services"]["kidstamp"]
    for volume in serving["volumes"]:
        expect(volume.get("read_only") is True, f"{volume['target']} is writable")


@check
def compose_way_to_the_idp_is_kidstamp(deploy):
    services = deploy.compose["services"]
    kidstamp, idp = services["kidstamp"], services["idp"]
    published = {name for name, service in services.items() if "ports" in service or service.get("network_mode") == "host"}
    expect(published == {"kidstamp"}, f"ports of {sorted(published)} are published")
    shared = {name for name, service in services.items() if set(service.get("networks", [])) & set(idp["networks"])}
    expect(shared == {"kidstamp", "idp"}, f"{sorted(shared)} are on the network of the IdP")
    expect(set(kidstamp["networks"]) - set(idp["networks"]), "kidstamp has no network that the IdP is not on")
    port = deploy.listens_on(deploy.compose_configuration, kidstamp["environment"])
    for mapping in kidstamp["ports"]:
        expect(mapping.split(":")[-1] == str(port), f"{mapping}, but kidstamp listens on {port}")
    for service in services.values():
        named = [volume["source"] for volume in service["volumes"] if volume["type"] == "volume"]
        missing = (set(service.get("networks", [])) | set(named)) - set(deploy.compose["networks"] | deploy.compose["volumes"])
        expect(not missing, f"{sorted(missing)}: no such network or volume")
    configuration = tomllib.loads(deploy.compose_configuration)
    upstream = urlsplit(configuration["upstream"]["url"])
    expect(upstream.hostname in services, f"the upstream, {upstream.hostname}, is no service")
    same_origin(configuration, idp["environment"]["PUBLIC_APP_URL"])
    mounted(deploy.compose_configuration, [volume["target"] for volume in kidstamp["volumes"]], kidstamp["environment"])


# Kubernetes.


@check
def kubernetes_valid(deploy):
    run("kubernetes-validate", "--strict", "--quiet", "/dev/stdin", stdin=deploy.kustomized)


@check
def kubernetes_hardened(deploy):
    pod, context = deploy.pod, deploy.sidecar["securityContext"]
    expect(context.get("runAsNonRoot") is True, "may run as root")
    user = deploy.dockerfile.last("USER").split(":")
    expect([str(context.get("runAsUser")), str(context.get("runAsGroup"))] == user, f"not the user of the image, {user}")
    expect(context.get("readOnlyRootFilesystem") is True, "its file system is writable")
    expect(context.get("allowPrivilegeEscalation") is False, "may gain privileges")
    expect(context.get("capabilities") == {"drop": ["ALL"]}, "keeps capabilities")
    profile = context.get("seccompProfile") or pod["securityContext"].get("seccompProfile") or {}
    expect(profile.get("type") == "RuntimeDefault", "system calls are not filtered")
    expect(pod.get("automountServiceAccountToken") is False, "has a token for the cluster")
    expect("memory" in deploy.sidecar["resources"]["limits"], "memory is not limited")
    for mount in deploy.sidecar["volumeMounts"]:
        expect(mount.get("readOnly") is True, f"{mount['mountPath']} is writable")
    secret = only(volume["secret"] for volume in pod["volumes"] if "secret" in volume)
    expect(secret.get("defaultMode") == 0o440, f"the mode of the keys is {secret.get('defaultMode', 0o644):o}")
    expect(pod["securityContext"].get("fsGroup") == context["runAsGroup"], "the keys are not readable for kidstamp")
    expect("Secret" not in deploy.objects, "a Secret is committed")
    readme = (DEPLOY / "README.md").read_text()
    expect(f"create secret generic {secret['secretName']} " in readme, f"README.md does not make {secret['secretName']}")


@check
def kubernetes_way_to_the_idp_is_kidstamp(deploy):
    ours = {port["name"]: port["containerPort"] for port in deploy.sidecar["ports"]}
    theirs = {port["name"]: port["containerPort"] for port in deploy.idp["ports"]}
    own = variables(deploy.idp)
    listening = set(theirs.values()) | {int(value) for name, value in own.items() if name.endswith("PORT")}
    expect(not set(ours.values()) & listening, f"kidstamp and the IdP both listen on {set(ours.values()) & listening}")
    port = deploy.listens_on(deploy.pod_configuration, variables(deploy.sidecar))
    labels = deploy.objects["Deployment"]["spec"]["template"]["metadata"]["labels"]

    service = deploy.objects["Service"]["spec"]
    expect(service["selector"].items() <= labels.items(), "the Service selects other pods")
    for entry in service["ports"]:
        target = entry.get("targetPort", entry["port"])
        target = (ours | theirs).get(target, target)
        expect(target == port, f"the Service's port {entry['port']} goes to {target}, kidstamp listens on {port}")

    policy = deploy.objects["NetworkPolicy"]["spec"]
    selected = policy["podSelector"].get("matchLabels", {})
    expect(selected and selected.items() <= labels.items(), "the NetworkPolicy is not about this pod, or about all pods")
    expect("Ingress" in policy["policyTypes"], "the NetworkPolicy does not limit what comes in")
    for rule in policy["ingress"]:
        expect(rule.get("ports"), "the NetworkPolicy admits every port")
        for entry in rule["ports"]:
            expect(entry["port"] in ours.values(), f"the NetworkPolicy admits port {entry['port']}")
            expect(entry["port"] == port or "from" in rule, f"port {entry['port']} is open for everybody")
    expect(any(entry["port"] == port for rule in policy["ingress"] for entry in rule["ports"]), f"{port} is shut")

    configuration = tomllib.loads(deploy.pod_configuration)
    upstream = urlsplit(configuration["upstream"]["url"])
    expect(upstream.hostname == "127.0.0.1" and upstream.port in theirs.values(), f"{upstream.geturl()} is not the IdP")
    same_origin(configuration, own["PUBLIC_APP_URL"])
    folders = {mount["name"]: mount["mountPath"] for mount in deploy.sidecar["volumeMounts"]}
    files = [f"{folders['config']}/{name}" for name in deploy.objects["ConfigMap"]["data"]] + [folders["keys"]]
    mounted(deploy.pod_configuration, files, variables(deploy.sidecar))


@check
def kubernetes_starts_before_and_stops_after_the_idp(deploy):
    sidecar = deploy.sidecar
    expect(sidecar.get("restartPolicy") == "Always", "not a sidecar: the pod waits for its end")
    probe = sidecar["startupProbe"]["exec"]["command"]
    expect("--live" in probe, f"{probe} waits for the IdP, which waits for the probe")
    expect("--ready" in sidecar["readinessProbe"]["exec"]["command"], "the pod counts as ready before kidstamp is")
    wait = deploy.idp["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = tomllib.loads(deploy.pod_configuration)["server"]["drain_delay"]
    expect(re.fullmatch(r"\d+s", drain), f"drain_delay = {drain}")
    grace = deploy.pod["terminationGracePeriodSeconds"]
    expect(wait >= 5, "the IdP is gone before load balancers know")
    expect(grace >= wait + int(drain[:-1]) + 20, f"killed after {grace} s, in the middle of {wait} s + {drain} + requests")
    # Otherwise a Service named kidstamp-… would set variables that kidstamp reads as its settings.
    expect(deploy.pod.get("enableServiceLinks") is False, "Services set variables named KIDSTAMP_…")


def same_origin(configuration, url):
    for issuer in configuration["issuer"]:
        expect(issuer["issuer"] == issuer["external_url"] == url, f"the IdP believes to be {url}, kidstamp {issuer}")


def mounted(configuration, mounts, environment):
    """What kidstamp is told to read is mounted."""
    for path in [environment["KIDSTAMP_CONFIG"], *(issuer["keys"] for issuer in tomllib.loads(configuration)["issuer"])]:
        expect(path in mounts, f"{path} is not mounted")


# The program.


@check
def commands_exist(deploy):
    binary = program()
    commands = [json.loads(re.search(r"CMD (\[.*)", deploy.dockerfile.last("HEALTHCHECK"))[1])[1:]]
    commands.append(json.loads(deploy.dockerfile.last("CMD")))
    for service in deploy.compose["services"].values():
        if service["image"].startswith("kidstamp:"):
            commands += [service["command"]] if "command" in service else []
            commands += [service["healthcheck"]["test"][2:]] if "healthcheck" in service else []
    commands.append(deploy.sidecar["args"])
    commands += [probe["exec"]["command"][1:] for name, probe in deploy.sidecar.items() if name.endswith("Probe")]
    blocks = "".join(re.findall(r"^ *```\n(.*?)^ *```", (DEPLOY / "README.md").read_text(), flags=re.M | re.S))
    commands += [line.split() for line in re.findall(r"^ *kidstamp (.+)$", blocks, flags=re.M)]
    for command in commands:
        words = list(takewhile(lambda word: not word.startswith("-"), command))
        usage = run(binary, *words, "--help")
        for flag in (word for word in command if word.startswith("-")):
            expect(re.search(rf"(^|[\s,]){flag}\b", usage), f"kidstamp {' '.join(words)} has no {flag}")


@check
def compose_configuration_valid(deploy):
    in_container.config_check(program(), deploy.compose_configuration)


@check
def kubernetes_configuration_valid(deploy):
    in_container.config_check(program(), deploy.pod_configuration)


@check
def kubernetes_sidecar_works(deploy):
    user, group = (int(number) for number in deploy.dockerfile.last("USER").split(":"))
    in_container.sidecar(program(), deploy.pod_configuration, user, group)


def main():
    deploy, count = Deploy(), {"ok": 0, "not ok": 0, "skipped": 0}
    for function in CHECKS:
        name, outcome, reason = function.__name__.replace("_", "-"), "ok", ""
        try:
            function(deploy)
        except Skipped as skipped:
            outcome, reason = "skipped", str(skipped)
        except Failed as failed:
            outcome, reason = "not ok", str(failed)
        except Exception as error:  # a manifest without the member that a check looks for, among others
            traceback.print_exc()
            outcome, reason = "not ok", f"{type(error).__name__}: {error}"
        count[outcome] += 1
        print(f"{outcome} {name}" + (f": {' '.join(reason.split())}" if reason else ""), flush=True)
    print(f"{count['ok']} passed, {count['not ok']} failed, {count['skipped']} skipped")
    return 1 if count["not ok"] else 0


if __name__ == "__main__":
    sys.exit(main())
