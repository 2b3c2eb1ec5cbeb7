"""schemathesis against a started server: what the OpenAPI document allows is taken,
what it does not is refused, and every answer is as the document says.

SEED and EXAMPLES in the environment change the seed and how many requests are
generated for each operation and phase; a failure shows the curl line that
repeats it.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from server import Server, started

HERE = Path(__file__).parent
SEED = os.environ.get("SEED", "1")
EXAMPLES = os.environ.get("EXAMPLES", "20")
METHODS = {"get", "post", "put", "patch", "delete"}

Document = dict[str, Any]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that knows a resource, a counted resource, and what the requests of
    schemathesis.toml name."""
    with started(tmp_path) as server:
        schemas = document_of(server)["components"]["schemas"]
        events = [schemas[name]["examples"][0] for name in ("StateEvent", "QuantityEvent", "RetractionEvent")]
        assert server.send(events)["accepted"] == len(events)
        server.call("POST", "/v1/clients", json={"id": "acme"})
        server.call("POST", "/v1/projects", json={"id": 20, "client": "acme"})
        server.call("POST", "/v1/regions", json={"id": 80})
        yield server


def document_of(server: Server) -> Document:
    return httpx.get(server.url + "/openapi.json").raise_for_status().json()


def operations(document: Document) -> set[str]:
    return {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item if method in METHODS}


class Run:
    """One run of schemathesis."""

    def __init__(self, server: Server, token: str, document: Document, directory: Path, *options: str, examples: str = EXAMPLES) -> None:
        source, answers = directory / "openapi.json", directory / "answers.ndjson"
        source.write_text(json.dumps(document))
        command = [
            str(Path(sys.executable).with_name("st")), "--config-file", "schemathesis.toml", "run", str(source), "--url", server.url,
            "--header", f"Authorization: apikey {token}", "--seed", SEED, "--max-examples", examples,
            "--generation-database", "none", "--no-color", *options,
        ]
        environment = {**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(directory), "OWN_KEY": token.partition("$")[0], "ANSWERS": str(answers)}
        done = subprocess.run(command, cwd=HERE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        self.status, self.output = done.returncode, done.stdout
        self.answers = Counter((a["operation"], a["status"]) for a in map(json.loads, answers.read_text().splitlines()))

    def answered(self, accept: Callable[[int], bool]) -> set[str]:
        return {operation for operation, status in self.answers if accept(status)}


def test_answers_to_an_admin_are_as_documented(server: Server, tmp_path: Path) -> None:
    document = document_of(server)
    run = Run(server, server.admin, document, tmp_path)
    assert run.status == 0, run.output
    assert operations(document) - run.answered(lambda status: 200 <= status < 300) == set(), "what did never succeed shows little"
    assert {status for _, status in run.answers} >= {200, 201, 204, 400, 404, 405, 409, 415, 422}


def test_answers_to_a_narrowed_reader_are_as_documented(server: Server, tmp_path: Path) -> None:
    document = document_of(server)
    token = server.new_key(roles=["reader"], projects=[10, 20], regions=[76], types=["instance", "volume"])
    run = Run(server, token, document, tmp_path, "--warnings", "off")  # most is forbidden, which is warned of
    assert run.status == 0, run.output
    assert run.answered(lambda status: True) == operations(document)
    may = run.answered(lambda status: 200 <= status < 300)
    assert may == {
        "GET /healthz", "GET /readyz", "GET /metrics", "GET /openapi.json", "GET /v1/key",
        "POST /cloud/v1/usage_report", "POST /v1/usage/series", "GET /v1/resources/{project}/{region}/{type}/{id}",
        "GET /cloud/v1/projects", "GET /cloud/v1/projects/{id}", "GET /cloud/v1/regions", "GET /cloud/v1/regions/{id}",
        "GET /v1/projects", "GET /v1/projects/{id}", "GET /v1/regions", "GET /v1/regions/{id}",
    }
    assert operations(document) - may == run.answered(lambda status: status == 403)


def without_status(document: Document) -> None:
    del document["paths"]["/v1/clients/{id}"]["get"]["responses"]["404"]


def another_type(document: Document) -> None:
    document["components"]["schemas"]["Client"]["properties"]["id"] = {"type": "integer"}


def another_media(document: Document) -> None:
    ok = document["paths"]["/v1/clients/{id}"]["get"]["responses"]["200"]
    ok["content"] = {"text/csv": {"schema": {"type": "string"}}}


def another_header(document: Document) -> None:
    document["components"]["headers"]["X-Request-Id"]["schema"] = {"type": "integer"}


def no_such_limit(document: Document) -> None:
    document["components"]["schemas"]["ClientChange"]["properties"]["name"]["maxLength"] = 3


def wider_limit(document: Document) -> None:
    document["components"]["schemas"]["ClientChange"]["properties"]["name"].update(minLength=300, maxLength=400)


@pytest.mark.parametrize(("change", "found"), [
    (without_status, "Undocumented status code"),
    (another_type, "Response violates schema"),
    (another_media, "Undocumented Content-Type"),
    (another_header, "Response header does not conform to the schema"),
    (no_such_limit, "Schema-violating request accepted"),
    (wider_limit, "Schema-valid request rejected"),
])
def test_differences_are_found(server: Server, tmp_path: Path, change: Callable[[Document], None], found: str) -> None:
    document = document_of(server)
    change(document)
    run = Run(server, server.admin, document, tmp_path, "--include-path-regex", "^/v1/clients", "--warnings", "off", examples="10")
    assert run.status == 1, run.output
    assert found in run.output, run.output
