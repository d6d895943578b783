"""A real legacy IdP: LemonLDAP::NG's portal under starman, out of a temporary folder.

With its signing key's ID unset, as installed, it publishes a JWKS without `kid` and `alg` and signs ID tokens with
the header `{"typ":"JWT","alg":"RS256"}`. The order of JSON members differs from response to response, and its issuer
ends in `/`. Nothing of the system's own configuration is read or written.
"""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from oidc import Client, User
from pem import private_pem, public_pem
from processes import Process, answers_ok, free_port

PORTAL = Path("/usr/share/lemonldap-ng/portal")
_ISSUER_MODULE = "Lemonldap::NG::Portal::Issuer::OpenIDConnect"
# An account of LemonLDAP's built-in demonstration backend.
USER = User("dwho", "dwho")

# kidstamp keeps idle upstream connections, each of which holds a prefork worker until starman's keep-alive ends.
_WORKERS = 6

_INI = """\
[all]
logLevel = error
checkTime = 600

[configuration]
type = File
dirName = {folder}/conf
localStorage = Cache::FileCache
localStorageOptions = {{ 'namespace' => 'config', 'cache_root' => '{folder}/cache', 'cache_depth' => 0 }}

[portal]
staticPrefix = /static
templateDir = {portal}/templates
languages = en
"""


@functools.cache
def missing() -> str | None:
    """Why LemonLDAP can't run here, or None."""
    if not (PORTAL / "htdocs/index.psgi").exists():
        return "Debian package lemonldap-ng is not installed"
    if shutil.which("starman") is None:
        return "Debian package starman is not installed"
    loads = subprocess.run(["perl", "-M" + _ISSUER_MODULE, "-e", "1"], check=False, capture_output=True, timeout=60)
    return None if loads.returncode == 0 else f"a Perl module that {_ISSUER_MODULE} needs is not installed"


@dataclass
class LemonLdap:
    """A running portal. The tests own its signing key, so they can forge in its name."""

    port: int
    external_url: str
    signing_key: rsa.RSAPrivateKey
    clients: tuple[Client, ...]
    signing_key_id: str | None
    _folder: Path
    _process: Process | None = None

    @property
    def origin(self) -> str:
        """Where the portal itself answers, whatever its documents say."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def issuer(self) -> str:
        return f"{self.external_url}/"

    def rotate_signing_key(self, key: rsa.RSAPrivateKey) -> None:
        """Replaces the signing key, as an operator does: new configuration, restart."""
        self.signing_key = key
        self.stop()
        self.start()

    def start(self) -> None:
        self._write_configuration()
        self._process = Process(
            [
                *("starman", "--listen", f"127.0.0.1:{self.port}", "--workers", str(_WORKERS)),
                *("--env", "deployment", "--preload-app", str(PORTAL / "htdocs/index.psgi")),
            ],
            log=self._folder / "starman.log",
            environment={"LLNG_DEFAULTCONFFILE": str(self._folder / "lemonldap-ng.ini")},
        )
        discovery = f"{self.origin}/.well-known/openid-configuration"
        self._process.wait_ready(lambda: answers_ok(discovery), "LemonLDAP's discovery document")

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()

    def _write_configuration(self) -> None:
        # A restarted portal would otherwise find its former configuration there.
        shutil.rmtree(self._folder / "cache", ignore_errors=True)
        for name in ("conf", "cache", "sessions/lock", "psessions/lock", "notifications"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        (self._folder / "lemonldap-ng.ini").write_text(_INI.format(folder=self._folder, portal=PORTAL))
        (self._folder / "conf/lmConf-1.json").write_text(json.dumps(self._configuration()))

    def _configuration(self) -> dict:
        cache = {"namespace": "sessions", "cache_root": str(self._folder / "cache"), "cache_depth": 0}
        return {
            "cfgNum": 1,
            "cfgDate": 1,
            "cfgVersion": "2.16.1",
            "portal": self.issuer,
            "domain": "127.0.0.1",
            "locationRules": {"127.0.0.1": {"default": "accept"}},
            "authentication": "Demo",
            "userDB": "Same",
            "passwordDB": "Demo",
            "demoExportedVars": {"cn": "cn", "mail": "mail", "uid": "uid"},
            "portalSkin": "bootstrap",
            "globalStorage": "Apache::Session::File",
            "globalStorageOptions": self._storage("sessions"),
            "persistentStorage": "Apache::Session::File",
            "persistentStorageOptions": self._storage("psessions"),
            "localSessionStorage": "Cache::FileCache",
            "localSessionStorageOptions": cache,
            # Named only so that the default isn't loaded: it needs ImageMagick, and no page here has a captcha.
            "captcha": "::Main::Plugin",
            "notificationStorageOptions": {"dirName": str(self._folder / "notifications")},
            "issuerDBOpenIDConnectActivation": 1,
            "oidcServicePrivateKeySig": private_pem(self.signing_key),
            "oidcServicePublicKeySig": public_pem(self.signing_key),
            "oidcServiceKeyIdSig": self.signing_key_id,
            "oidcServiceAllowHybridFlow": 1,
            "oidcRPMetaDataOptions": {client.client_id: _client_options(client) for client in self.clients},
            "oidcRPMetaDataExportedVars": {
                client.client_id: {"email": "mail", "name": "cn", "preferred_username": "uid"}
                for client in self.clients
            },
        }

    def _storage(self, name: str) -> dict[str, str]:
        return {
            "Directory": str(self._folder / name),
            "LockDirectory": str(self._folder / name / "lock"),
            "generateModule": "Lemonldap::NG::Common::Apache::Session::Generate::SHA256",
        }


def _client_options(client: Client) -> dict[str, str | int]:
    options = {
        "ClientID": client.client_id,
        "ClientSecret": client.client_secret,
        "RedirectUris": client.redirect_uri,
        "PostLogoutRedirectUris": client.post_logout_redirect_uri,
        "IDTokenSignAlg": "RS256",
        "AccessTokenJWT": int(client.jwt_access_tokens),
        "AllowOffline": 1,
        "RefreshToken": 1,
        "BypassConsent": 1,
        # The confirmation page is skipped only for a logout whose hint names this client.
        "LogoutBypassConfirm": 1,
    }
    return {f"oidcRPMetaDataOptions{name}": value for name, value in options.items()}


@contextmanager
def running(
    folder: Path,
    signing_key: rsa.RSAPrivateKey,
    clients: tuple[Client, ...],
    external_url: str | None = None,
    signing_key_id: str | None = None,
) -> Iterator[LemonLdap]:
    """A portal that believes in `external_url`, or in its own origin without one."""
    port = free_port()
    believed_origin = external_url or f"http://127.0.0.1:{port}"
    portal = LemonLdap(port, believed_origin, signing_key, clients, signing_key_id, folder)
    try:
        portal.start()
        yield portal
    finally:
        portal.stop()
