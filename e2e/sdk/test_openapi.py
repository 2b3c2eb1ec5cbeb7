"""The served OpenAPI document, judged by an independent validator."""

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError

from server import Server


def test_served_document_is_valid(server: Server) -> None:
    document = httpx.get(server.url + "/openapi.json").raise_for_status().json()
    assert document["openapi"].startswith("3.1.")
    validate(document, cls=OpenAPIV31SpecValidator)
    assert len(document["components"]["schemas"]["UsageLine"]["discriminator"]["mapping"]) == 25


def test_validator_finds_a_broken_document(server: Server) -> None:
    document = httpx.get(server.url + "/openapi.json").raise_for_status().json()
    document["paths"]["/cloud/v1/usage_report"]["post"]["responses"] = {"fine": {}}
    with pytest.raises(OpenAPIValidationError):
        validate(document, cls=OpenAPIV31SpecValidator)
