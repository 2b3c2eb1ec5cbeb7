"""Errors as the official SDK's own exceptions, and its retries."""

from typing import Any

import httpx
import pytest
from gcore import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    DefaultHttpxClient,
    Gcore,
    PermissionDeniedError,
    RateLimitError,
)

from server import Server
from fleet import FROM, TO

JULY: dict[str, Any] = {"time_from": FROM, "time_to": TO}


def check_body(error: APIStatusError, exception_class: str) -> dict[str, Any]:
    body = error.body
    assert isinstance(body, dict)
    assert body["exception_class"] == exception_class
    assert body["message"]
    assert body["request_id"] == error.response.headers["X-Request-Id"]
    return body


@pytest.mark.parametrize(("parameters", "fields"), [
    ({"limit": 0}, {"limit"}),
    ({"offset": -1}, {"offset"}),
    ({"limit": 0, "offset": -1, "types": ["vm"]}, {"limit", "offset", "types.0"}),
    ({"time_to": "2024-06-30"}, {"time_to"}),
    ({"time_from": "yesterday"}, {"time_from"}),
    ({"order_by": ["name.asc"]}, {"order_by.0"}),
    ({"tags": {"conditions": [{"key": ""}]}}, {"tags.conditions.0.key"}),
    ({"schema_filter": {"type": "instance", "field": "volume_type", "values": ["x"]}}, {"schema_filter.field"}),
    ({"extra_body": {"page": 1}}, {"page"}),
], ids=str)
def test_bad_request(client: Gcore, parameters: Any, fields: set[str]) -> None:
    with pytest.raises(BadRequestError) as raised:
        client.cloud.usage_reports.get(**{**JULY, **parameters})
    assert raised.value.status_code == 400
    assert set(check_body(raised.value, "ValidationError")["invalid_fields"]) == fields


def test_wrong_secret(loaded: Server) -> None:
    id, secret = loaded.admin.split("$")
    with Gcore(base_url=loaded.url, api_key=f"{id}${secret[::-1]}x") as client:
        with pytest.raises(AuthenticationError) as raised:
            client.cloud.usage_reports.get(**JULY)
    assert raised.value.status_code == 401
    body = check_body(raised.value, "token_not_valid")
    assert id in body["message"] and secret not in raised.value.response.text


def test_no_credentials(client: Gcore) -> None:
    with pytest.raises(AuthenticationError) as raised:
        client.cloud.projects.list(extra_headers={"Authorization": ""})
    assert check_body(raised.value, "not_authenticated")["message"] == "Authentication credentials were not provided."


def test_revoked_key(loaded: Server) -> None:
    token = loaded.new_key(roles=["reader"])
    with Gcore(base_url=loaded.url, api_key=token) as client:
        assert client.cloud.usage_reports.get(**JULY).count
        loaded.call("DELETE", f"/v1/keys/{token.split('$')[0]}")
        with pytest.raises(AuthenticationError) as raised:
            client.cloud.usage_reports.get(**JULY)
    check_body(raised.value, "token_not_valid")


def test_token_with_an_underscore(loaded: Server) -> None:
    with Gcore(base_url=loaded.url, api_key=loaded.new_key(roles=["reader"]).replace("$", "_")) as client:
        assert client.cloud.usage_reports.get(**JULY).count


def test_role_that_may_not_read(loaded: Server) -> None:
    with Gcore(base_url=loaded.url, api_key=loaded.new_key(roles=["writer"])) as client:
        for call in (lambda: client.cloud.usage_reports.get(**JULY), client.cloud.projects.list, client.cloud.regions.list):
            with pytest.raises(PermissionDeniedError) as raised:
                call()
            assert raised.value.status_code == 403
            check_body(raised.value, "ForbiddenError")


def test_rate_limit_without_retries(loaded: Server) -> None:
    with Gcore(base_url=loaded.url, api_key=loaded.new_key(roles=["reader"], rate_limit=1), max_retries=0) as client:
        with pytest.raises(RateLimitError) as raised:
            for _ in range(3):
                client.cloud.usage_reports.get(**JULY)
    check_body(raised.value, "HTTPError")
    assert int(raised.value.response.headers["Retry-After"]) >= 1


def test_retry_after_a_rate_limit(loaded: Server) -> None:
    """With the SDK's default retries: it waits as long as Retry-After says."""
    statuses: list[int] = []
    listening = DefaultHttpxClient(event_hooks={"response": [lambda r: statuses.append(r.status_code)]})
    with Gcore(base_url=loaded.url, api_key=loaded.new_key(roles=["reader"], rate_limit=1), http_client=listening) as client:
        for _ in range(3):
            assert client.cloud.usage_reports.get(**JULY).count
    assert statuses.count(200) == 3
    assert statuses.count(429) >= 1, "the limit was never met"


def test_scheme_word_in_any_case(loaded: Server) -> None:
    for scheme in ("apikey", "APIKey", "APIKEY", "Bearer"):
        response = httpx.get(loaded.url + "/cloud/v1/projects", headers={"Authorization": f"{scheme} {loaded.admin}"})
        assert response.status_code == 200
