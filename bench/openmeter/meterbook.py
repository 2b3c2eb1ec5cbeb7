"""A started Meterbook server, and what is asked of it."""

import http.client
import json
import os
import secrets
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

CONNECTIONS = 4
READY_SECONDS = 300


class Meterbook:
    """A server on a folder of its own; start and stop it as often as you like."""

    def __init__(self, binary: str, folder: Path):
        self.binary, self.folder, self.token = binary, folder, f"bench${secrets.token_hex(16)}"

    def start(self) -> None:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{s.getsockname()[1]}"
        self.process = subprocess.Popen(
            [self.binary, "serve", "--data", str(self.folder), "--listen", self.address, "--log-level", "error"],
            env={**os.environ, "METERBOOK_ADMIN_TOKEN": self.token},
        )
        deadline = time.monotonic() + READY_SECONDS
        while not self._ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"the server was not ready within {READY_SECONDS} s")
            time.sleep(0.02)
        self.connection = self._connect()

    def stop(self) -> None:
        self.connection.close()
        self.process.terminate()
        if status := self.process.wait(timeout=300):
            raise RuntimeError(f"the server ended with {status}")

    def kill(self) -> None:
        if hasattr(self, "process") and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def pid(self) -> int:
        return self.process.pid

    def load(self, files: list[Path]) -> dict[str, int]:
        """Streams the files, in order over a few connections, and adds up the receipts."""
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            receipts = list(pool.map(self._stream, files))
        return {name: sum(r[name] for r in receipts) for name in ("accepted", "duplicates", "rejected_total")}

    def ask(self, **request: Any) -> bytes:
        return self._post(self.connection, "/cloud/v1/usage_report", "application/json", json.dumps(request).encode())

    def _stream(self, file: Path) -> dict[str, Any]:
        connection = self._connect()
        try:
            with file.open("rb") as body:
                return json.loads(self._post(connection, "/v1/events", "application/x-ndjson", body, str(file.stat().st_size)))
        finally:
            connection.close()

    def _post(self, connection: http.client.HTTPConnection, path: str, kind: str, body: Any, length: str | None = None) -> bytes:
        headers = {"Authorization": f"apikey {self.token}", "Content-Type": kind}
        if length is not None:
            headers["Content-Length"] = length
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise RuntimeError(f"POST {path}: {response.status} {answer[:500]!r}")
        return answer

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.address, timeout=600, blocksize=1 << 20)

    def _ready(self) -> bool:
        connection = self._connect()
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except ConnectionError:
            return False
        finally:
            connection.close()


def parse(report: bytes) -> dict[str, Any]:
    return json.loads(report, parse_float=Decimal)
