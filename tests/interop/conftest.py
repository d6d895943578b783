"""Fixtures: the stacks, started once a session, and everything that tests are repeated over.

What can't be had on a machine makes its tests skip, with the reason in the summary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

import kidstamp
import lemonldap
import stacks
from oidc import Client
from relying_parties import RELYING_PARTIES, RelyingParty
from stacks import Stack

_Start = Callable[[Path], AbstractContextManager[Stack]]
_Factory = pytest.TempPathFactory


@pytest.fixture(scope="session")
def direct(tmp_path_factory: _Factory) -> Iterator[Stack]:
    """LemonLDAP alone."""
    yield from _started(stacks.direct_lemonldap, tmp_path_factory, lemonldap.missing())


@pytest.fixture(scope="session")
def bridged(tmp_path_factory: _Factory) -> Iterator[Stack]:
    """LemonLDAP behind kidstamp, the wire between them watched."""
    yield from _started(stacks.bridged_lemonldap, tmp_path_factory, lemonldap.missing() or kidstamp.missing())


@pytest.fixture(scope="session")
def re_signing(tmp_path_factory: _Factory) -> Iterator[Stack]:
    """The same with JWT access tokens re-signed as well."""
    yield from _started(stacks.re_signing_lemonldap, tmp_path_factory, lemonldap.missing() or kidstamp.missing())


@pytest.fixture
def bridged_alone(tmp_path_factory: _Factory) -> Iterator[Stack]:
    """The same for a test that changes the IdP."""
    yield from _started(stacks.bridged_lemonldap, tmp_path_factory, lemonldap.missing() or kidstamp.missing())


@pytest.fixture(scope="module")
def bridged_mended(tmp_path_factory: _Factory) -> Iterator[Stack]:
    """LemonLDAP with nothing left to mend, behind kidstamp."""
    yield from _started(stacks.bridged_mended_lemonldap, tmp_path_factory, lemonldap.missing() or kidstamp.missing())


@pytest.fixture(scope="session")
def lemonldap_behind_tls(tmp_path_factory: _Factory) -> Iterator[Stack]:
    yield from _started(stacks.lemonldap_behind_tls, tmp_path_factory, lemonldap.missing() or kidstamp.missing())


@pytest.fixture(scope="session")
def host_derived_behind_tls(tmp_path_factory: _Factory) -> Iterator[Stack]:
    yield from _started(stacks.host_derived_behind_tls, tmp_path_factory, kidstamp.missing())


@pytest.fixture(params=["direct", "bridged", "re_signing"])
def stack(request: pytest.FixtureRequest) -> Stack:
    """The same IdP, direct and through kidstamp, by default and with access tokens re-signed."""
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["lemonldap_behind_tls", "host_derived_behind_tls"])
def behind_tls(request: pytest.FixtureRequest) -> Stack:
    return request.getfixturevalue(request.param)


@pytest.fixture(params=stacks.CLIENTS, ids=lambda client: client.client_id)
def client(request: pytest.FixtureRequest) -> Client:
    return request.param


@pytest.fixture(params=RELYING_PARTIES, ids=lambda rp: rp.name)
def rp(request: pytest.FixtureRequest) -> RelyingParty:
    if reason := request.param.missing():
        pytest.skip(reason)
    return request.param


def _started(start: _Start, folders: _Factory, missing: str | None) -> Iterator[Stack]:
    if missing:
        pytest.skip(missing)
    with start(folders.mktemp(start.__name__)) as stack:
        yield stack
