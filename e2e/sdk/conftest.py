"""A server with the fleet loaded, and the SDK as its users have it."""

from collections.abc import Iterator

import pytest
from gcore import Gcore

import fleet
from server import Server, started


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with started(tmp_path_factory.mktemp("meterbook")) as server:
        yield server


@pytest.fixture(scope="session")
def loaded(server: Server) -> Server:
    events = [e for case in fleet.CASES for e in case.events()] + fleet.crew_events()
    receipt = server.send(events)
    assert receipt["accepted"] == len(events), receipt
    return server


@pytest.fixture
def client(loaded: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gcore]:
    """The SDK as its users have it: it finds the server by the environment."""
    monkeypatch.setenv("GCORE_BASE_URL", loaded.url)
    monkeypatch.setenv("GCORE_API_KEY", loaded.new_key(roles=["reader"]))
    with Gcore() as gcore:
        yield gcore
