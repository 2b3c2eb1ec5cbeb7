"""A server, started from the built binary on a store of its own."""

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

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


@contextmanager
def started(directory: Path) -> Iterator[Server]:
    """A server with a fresh store in the directory; in the end it must stop well."""
    binary = os.environ.get("METERBOOK_BINARY", "")
    if not os.access(binary, os.X_OK):
        pytest.fail("METERBOOK_BINARY must name the built program; e2e/run sees to it", pytrace=False)
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
