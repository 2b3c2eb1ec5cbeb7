"""What schemathesis must know of Meterbook besides the OpenAPI document.

OWN_KEY names the key that the requests are made with; a line for each answer
goes to the file that ANSWERS names.
"""

import itertools
import json
import os
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import schemathesis
from schemathesis import Case, DeserializationContext, HookContext, Response
from schemathesis.openapi.checks import RejectedPositiveData

OWN_KEY = os.environ["OWN_KEY"]
EXPLAIN = "GET /v1/resources/{project}/{region}/{type}/{id}"
BEGUN = datetime.now(UTC).isoformat()
CLOSED = "2001-01"
TURNS = itertools.count()
ANSWERS = open(os.environ["ANSWERS"], "w", encoding="utf-8", buffering=1)

KEY = [
    r"400 expires_at: Input should be in the future",
    r"400 expires_at: Input should be a date-time .* before the year 2261",
    r"400 client: There is no such client",
]
PROJECT = [r"400 client: There is no such client"]

# Why a request that the document's schemas allow may be refused all the same:
# rules that JSON Schema has no words for. The document tells them in its
# descriptions. Nothing else may refuse such a request.
BEYOND_SCHEMA = {
    EXPLAIN: [
        r"400 as_of: Input should not be (in the future|before the year 1678)",
        r"400 as_of: Input should not be before .*, when the months before .* were closed",
        r"400 (line|term): Field required where (line|term) is given",
    ],
    "GET /v1/findings": [r"400 from: Input should not be before .*: the months before are closed"],
    "POST /v1/keys": KEY,
    "PATCH /v1/keys/{id}": KEY,
    "POST /v1/projects": PROJECT,
    "PATCH /v1/projects/{id}": PROJECT,
    "POST /cloud/v1/usage_report": [r"400 time_to: Input should not be before the day of time_from"],
    "POST /v1/usage/series": [
        r"400 time_to: Input should not be before the day of time_from",
        r"400 step: Input should give at most 3660 steps",
    ],
    "POST /v1/retain": [r"400 before: Input should be a month that has begun, and not before one that is closed"],
    "POST /v1/events": [
        r"415 Content-Type application/json is for binary mode",
        r"400 the body could not be read: its (gzip|zstd) compression is broken",
        r"422 id_reused id: ",
        r"422 time_out_of_range (time|data\.from|data\.to): ",
        r"422 period_closed (time|data\.(from|id)): ",
        r"422 interval_invalid data\.to: ",
        r"422 invalid_value data\.quantity: quantity must be a plain decimal .*, got .*(e[-+]|\.\d{7})",
        r"422 invalid_value data\.quantity: quantity of \w+ must be a whole number of bytes from 0 to 9223372036854775807",
    ],
}


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    spare_own_key(case)
    spare_months(case)
    case.body = within_contract(case.body)
    if case.operation.label == "POST /v1/events":
        settle_mode(case)
    elif is_valid(case) and "from" in (case.query or {}):
        case.query["from"], case.query["to"] = sorted([case.query["from"], case.query["to"]])
    if case.operation.label == EXPLAIN and is_valid(case) and next(TURNS) % 2:
        aim(case)


def spare_own_key(case: Case) -> None:
    """Without its own key the rest of the run would show nothing but 401: what would
    change or revoke it goes to an id that no key has."""
    if case.operation.path == "/v1/keys/{id}" and case.method != "GET" and case.path_parameters.get("id") == OWN_KEY:
        case.path_parameters["id"] = secrets.token_hex(8)


def spare_months(case: Case) -> None:
    """Where all months are closed, events and accounts would show nothing but that:
    those from 2010 on are closed in a dry run only. Every other request is about one
    that can be closed."""
    if case.operation.label == "POST /v1/retain" and is_valid(case):
        case.body["before"] = CLOSED if next(TURNS) % 2 else case.body["before"]
        case.body["dry_run"] = case.body.get("dry_run", False) or case.body["before"] > "2010-01"


def within_contract(value: Any) -> Any:
    """What JSON Schema allows and the contract does not, for Go tests to judge: 10.0 for
    an integer, and days that their month does not have. Here it would only hide what
    else may be wrong with a request."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        return re.sub(r"^(\d{4}-\d\d-)(?:29|30|31)(?=$|[Tt]\d)", r"\g<1>28", value)
    if isinstance(value, list):
        return [within_contract(item) for item in value]
    if isinstance(value, dict):
        return {name: within_contract(member) for name, member in value.items()}
    return value


def is_valid(case: Case) -> bool:
    return case.meta is not None and case.meta.generation.mode.is_positive


def aim(case: Case) -> None:
    """Ids that fit together are not found by chance: every other account that is asked
    for is that of a resource of the store."""
    case.path_parameters = {"project": 10, "region": 76, "type": "instance", "id": "3c90c3cc-0d44-4b50-8888-8dd25736052a"}
    case.query = {**case.query, "from": "2024-07-01", "to": "2024-07-03"}
    if "as_of" in case.query:
        case.query["as_of"] = BEGUN


def settle_mode(case: Case) -> None:
    """What OpenAPI cannot say: attributes in headers count in binary mode only, and there
    the body's schema depends on one of them."""
    headers = case.headers or {}
    if case.media_type != "application/json":
        case.headers = {name: value for name, value in headers.items() if not name.lower().startswith("ce-")}
    elif is_valid(case):
        kind = "resource.state" if "status" in case.body else "resource.quantity" if "quantity" in case.body else "retraction"
        case.headers = {
            "ce-specversion": "1.0", "ce-id": secrets.token_hex(8), "ce-source": "/schemathesis", "ce-time": "2024-07-01T00:00:00Z",
            **headers, "ce-type": f"meterbook.{kind}.v1",
        }


@schemathesis.hook
def after_call(context: HookContext, case: Case, response: Response) -> None:
    json.dump({"operation": case.operation.label, "method": case.method, "status": response.status_code}, ANSWERS)
    ANSWERS.write("\n")


@schemathesis.deserializer("application/zstd")
def backup(context: DeserializationContext, response: Response) -> str:
    """The document does not say more of a backup than that it is of zstd."""
    assert response.content.startswith(bytes.fromhex("28b52ffd")), "a backup is a zstd frame"
    return "zstd"


@schemathesis.hook
def filter_failure(context: HookContext, failure: Exception, case: Case, response: Response) -> bool:
    """Drops refusals of which every reason is a rule beyond the schemas."""
    if not isinstance(failure, RejectedPositiveData):
        return True
    rules = [re.compile(rule) for rule in BEYOND_SCHEMA.get(case.operation.label, [])]
    unexplained = [reason for reason in reasons(response) if not any(rule.match(reason) for rule in rules)]
    if unexplained:
        failure.message = "\n".join([failure.message, "Unexplained:", *unexplained[:20]])
    return bool(unexplained)


def reasons(response: Response) -> Iterator[str]:
    answer = response.json()
    if "rejected" in answer:
        yield from (f"422 {r['code']} {r['field']}: {r['message']}" for r in answer["rejected"])
    elif "invalid_fields" in answer:
        yield from (f"400 {field}: {message}" for field, messages in answer["invalid_fields"].items() for message in messages)
    else:
        yield f"{response.status_code} {answer['message']}"
