"""A server, started from the built binary, with the fleet loaded."""

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from gcore import Gcore

import fleet

START_SECONDS = 60


@dataclass
class Server:
    url: str
    admin: str

    def call(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        headers = {"Authorization": f"apikey {self.admin}", **kwargs.pop("headers", {})}
        response = httpx.request(method, self.url + path, headers=headers, timeout=30, **kwargs)
        response.raise_for_status()
        return response

    def new_key(self, **members: Any) -> str:
        return self.call("POST", "/v1/keys", json=members).json()["token"]

    def send(self, events: list[dict[str, Any]], token: str | None = None) -> dict[str, Any]:
        headers = {"Content-Type": "application/cloudevents-batch+json"}
        if token:
            headers["Authorization"] = f"apikey {token}"
        return self.call("POST", "/v1/events", json=events, headers=headers).json()


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the server ended with {process.returncode}:\n{log.read_text()}", pytrace=False)
        try:
            if httpx.get(url + "/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    pytest.fail(f"the server was not ready within {START_SECONDS} s:\n{log.read_text()}", pytrace=False)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    binary = os.environ.get("METERBOOK_BINARY", "")
    if not os.access(binary, os.X_OK):
        pytest.fail("METERBOOK_BINARY must name the built program; e2e/sdk/run sees to it", pytrace=False)
    directory = tmp_path_factory.mktemp("meterbook")
    admin = f"e2e-admin${secrets.token_hex(16)}"
    url = f"http://127.0.0.1:{free_port()}"
    log = directory / "log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [binary, "serve", "--data", str(directory / "data"), "--listen", url.removeprefix("http://")],
            env={**os.environ, "METERBOOK_ADMIN_TOKEN": admin}, stdout=stderr, stderr=stderr,
        )
    try:
        wait_until_ready(process, url, log)
        yield Server(url, admin)
    finally:
        process.terminate()
        status = process.wait(timeout=60)
    assert status == 0, f"the server ended with {status}:\n{log.read_text()}"


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


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A test that was skipped proves nothing."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped") and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
