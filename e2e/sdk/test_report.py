"""The usage report through the official SDK: models, parameters, paging."""

import asyncio
import json
from datetime import date, datetime, timedelta, timezone
from typing import Any, get_args, get_type_hints

import pytest
from gcore import AsyncGcore, BadRequestError, Gcore
from gcore.types.cloud import usage_report, usage_report_get_params

import fleet
from server import Server
from fleet import CASES, CREW_PROJECT, CREW_REGION, FROM, TO, Case, crew_id

JULY: dict[str, Any] = {"time_from": FROM, "time_to": TO}
CREW: dict[str, Any] = {**JULY, "projects": [CREW_PROJECT]}
BY_TYPE = {case.type: case for case in CASES}


def ids(report: usage_report.UsageReport) -> list[str]:
    return [getattr(r, "uuid", None) or r.port_id for r in report.resources]


def crew(report: usage_report.UsageReport) -> list[int]:
    """The numbers of the crew's instances, in the order of the report."""
    return [int(id[-1]) for id in ids(report)]


def raw(client: Gcore, **parameters: Any) -> dict[str, Any]:
    """The report as it came over the wire, every number as its text."""
    response = client.cloud.usage_reports.with_raw_response.get(**parameters)
    return json.loads(response.text(), parse_int=str, parse_float=str)


def literals(model: Any, name: str) -> list[str]:
    """The values that the SDK's own types allow for a member."""
    def walk(hint: Any) -> list[str]:
        args = get_args(hint)
        if args and all(isinstance(a, str) for a in args):
            return list(args)
        return [value for a in args for value in walk(a)]

    return walk(get_type_hints(model, include_extras=True)[name])


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.type)
def test_line_is_parsed_into_the_model_of_its_type(client: Gcore, case: Case) -> None:
    report = client.cloud.usage_reports.get(**JULY, types=[case.type], projects=[fleet.PROJECT])
    assert report.count == 1 and len(report.resources) == 1
    line = report.resources[0]
    assert type(line) is getattr(usage_report, case.line_model)
    expected = case.line()
    assert set(line.model_fields_set) == set(expected), "exactly the members of the type"
    assert not line.model_extra
    assert line.billing_value == float(case.value)
    assert line.first_seen == datetime.fromisoformat(expected["first_seen"])
    assert line.last_seen == datetime.fromisoformat(expected["last_seen"])
    numbers = {"billing_value", "project_id", "region", "region_id", "last_size"}
    for name in set(expected) - {"billing_value", "first_seen", "last_seen"}:
        want = int(expected[name]) if name in numbers else expected[name]
        assert getattr(line, name) == want, name


@pytest.mark.parametrize("case", [c for c in CASES if c.total_model], ids=lambda c: c.type)
def test_total_is_parsed_into_the_model_of_its_type(client: Gcore, case: Case) -> None:
    report = client.cloud.usage_reports.get(**JULY, types=[case.type], projects=[fleet.PROJECT])
    assert [type(t) for t in report.totals] == [getattr(usage_report, case.total_model or "")]
    total = report.totals[0]
    assert set(total.model_fields_set) == set(case.total()) and not total.model_extra
    assert total.billing_value == float(case.value)


def test_every_type_of_the_sdk_has_its_line() -> None:
    models = {m.__name__ for m in get_args(get_args(usage_report.Resource)[0])}
    assert models == {c.line_model for c in CASES} and len(models) == 25
    totals = {m.__name__ for m in get_args(get_args(usage_report.Total)[0])}
    assert totals == {c.total_model for c in CASES if c.total_model} and len(totals) == 24


def test_figures_are_exact_digit_by_digit(client: Gcore) -> None:
    report = raw(client, **JULY, projects=[fleet.PROJECT], limit=100, order_by=["type.asc"])
    assert report["count"] == "25"
    assert report["resources"] == [case.line() for case in CASES]
    assert report["totals"] == [case.total() for case in CASES if case.total_model]


def test_strict_validation_of_the_sdk_accepts_everything(loaded: Server) -> None:
    with Gcore(base_url=loaded.url, api_key=loaded.admin, _strict_response_validation=True) as strict:
        report = strict.cloud.usage_reports.get(**JULY, projects=[fleet.PROJECT], limit=100)
        assert report.count == len(report.resources) == 25
        assert [p.id for p in strict.cloud.projects.list()]
        assert [r.id for r in strict.cloud.regions.list()]


def test_backup_has_no_total(client: Gcore) -> None:
    report = client.cloud.usage_reports.get(**JULY, types=["backup"])
    assert report.count == 1 and report.totals == []


def test_what_the_source_did_not_give_is_none(client: Gcore) -> None:
    report = client.cloud.usage_reports.get(**CREW, schema_filter={"type": "instance", "field": "uuid", "values": [crew_id(3)]})
    (line,) = report.resources
    assert type(line) is usage_report.ResourceResourceInstanceSerializer
    assert line.last_name is None and line.tags is None


@pytest.mark.parametrize("times", [
    (FROM, TO),
    ("2024-07-01T02:00:00+02:00", "2024-08-01T01:59:59+02:00"),  # the latter is on July 31
    ("2024-07-01", "2024-08-01"),
    ("2024-07-01T00:00:00", "2024-08-01T23:59:59.999999999"),
    (datetime(2024, 7, 1, tzinfo=timezone.utc), datetime(2024, 8, 1, 12, tzinfo=timezone.utc)),
    (datetime(2024, 7, 1, 1, tzinfo=timezone(timedelta(hours=1))), datetime(2024, 8, 1, tzinfo=timezone.utc)),
    (datetime(2024, 7, 1, 5), datetime(2024, 8, 1)),
    (date(2024, 7, 1), date(2024, 8, 1)),
], ids=str)
def test_times_in_every_notation(client: Gcore, times: tuple[Any, Any]) -> None:
    report = client.cloud.usage_reports.get(time_from=times[0], time_to=times[1], projects=[CREW_PROJECT])
    assert sorted(crew(report)) == [1, 2, 3]


def test_enable_last_day(client: Gcore) -> None:
    day = {"time_from": fleet.LAST_DAY, "time_to": fleet.LAST_DAY}
    assert client.cloud.usage_reports.get(**day).count == 0
    assert client.cloud.usage_reports.get(**day, enable_last_day=False).count == 0
    report = client.cloud.usage_reports.get(**day, enable_last_day=True)
    assert [(r.last_name, r.billing_value) for r in report.resources] == [("late", 10)]


def test_limit_is_ten_by_default(client: Gcore) -> None:
    report = client.cloud.usage_reports.get(**JULY)
    assert (report.count, len(report.resources)) == (28, 10)


def test_pages_together_are_the_whole(client: Gcore) -> None:
    order = {"order_by": ["type.desc", "billing_value.asc"]}
    whole = raw(client, **JULY, **order, limit=1000)
    assert len(whole["resources"]) == 28
    paged = []
    for offset in range(0, 28, 3):
        page = raw(client, **JULY, **order, limit=3, offset=offset)
        assert (page["count"], page["totals"]) == (whole["count"], whole["totals"]), "whatever the page"
        assert len(page["resources"]) == min(3, 28 - offset)
        paged += page["resources"]
    assert paged == whole["resources"]
    assert raw(client, **JULY, offset=28)["resources"] == []
    assert raw(client, **JULY, offset=10**9)["count"] == "28"


ORDERS = {
    "billing_value": [1, 2, 3], "first_seen": [1, 2, 3], "last_name": [2, 1, 3], "last_seen": [1, 2, 3],
    "project": [1, 2, 3], "region": [1, 2, 3], "type": [1, 2, 3],
}
REVERSED = {  # ties stay ascending, lines without a name stay last
    "billing_value": [3, 2, 1], "first_seen": [1, 2, 3], "last_name": [1, 2, 3], "last_seen": [3, 2, 1],
    "project": [1, 2, 3], "region": [1, 2, 3], "type": [1, 2, 3],
}


@pytest.mark.parametrize("order", literals(usage_report_get_params.UsageReportGetParams, "order_by"))
def test_order_by_every_value(client: Gcore, order: str) -> None:
    name, direction = order.split(".")
    want = ORDERS[name] if direction == "asc" else REVERSED[name]
    assert crew(client.cloud.usage_reports.get(**CREW, order_by=[order])) == want


@pytest.mark.parametrize("name", list(get_type_hints(usage_report_get_params.Sorting)))
def test_sorting_by_every_field(client: Gcore, name: str) -> None:
    assert crew(client.cloud.usage_reports.get(**CREW, sorting=[{name: "asc"}])) == ORDERS[name]
    assert crew(client.cloud.usage_reports.get(**CREW, sorting=[{name: "desc"}])) == REVERSED[name]


def test_order_by_wins_over_sorting(client: Gcore) -> None:
    report = client.cloud.usage_reports.get(**CREW, order_by=["billing_value.desc"], sorting=[{"billing_value": "asc"}])
    assert crew(report) == [3, 2, 1]


def test_projects(client: Gcore) -> None:
    def count(projects: Any) -> int:
        return client.cloud.usage_reports.get(**JULY, projects=projects).count

    assert count([CREW_PROJECT]) == 3
    assert count([CREW_PROJECT, fleet.PROJECT]) == 28
    assert count(None) == count([]) == 28
    assert count([999]) == 0


def test_regions(client: Gcore) -> None:
    assert client.cloud.usage_reports.get(**JULY, regions=[CREW_REGION]).count == 3
    assert client.cloud.usage_reports.get(**JULY, regions=[CREW_REGION, fleet.REGION]).count == 28
    assert client.cloud.usage_reports.get(**JULY, regions=[999]).count == 0


def test_types(client: Gcore) -> None:
    report = client.cloud.usage_reports.get(**JULY, types=["volume", "image"], order_by=["type.asc"])
    assert [r.type for r in report.resources] == [t.type for t in report.totals] == ["image", "volume"]
    everything = client.cloud.usage_reports.get(**JULY, types=list(BY_TYPE))
    assert everything.count == 28


FILTERS = {
    literals(model, "type")[0]: literals(model, "field")
    for model in get_args(usage_report_get_params.SchemaFilter)
}


@pytest.mark.parametrize(("type", "field"), [(t, f) for t, fields in FILTERS.items() for f in fields])
def test_schema_filter_by_every_field_of_every_type(client: Gcore, type: str, field: str) -> None:
    value = BY_TYPE[type].line()[field]
    for values, count in (([value], 1), (["nothing", value.upper() if field.endswith(("id", "uuid")) else value], 1), (["nothing"], 0)):
        report = client.cloud.usage_reports.get(
            **JULY, projects=[fleet.PROJECT], schema_filter={"type": type, "field": field, "values": values})
        assert (report.count, len(report.resources)) == (count, count)
        assert {t.type for t in report.totals} <= {type}, "totals are restricted too"


def test_schema_filters_are_there_for_every_type() -> None:
    assert set(FILTERS) == set(BY_TYPE)


@pytest.mark.parametrize(("tags", "want"), [
    ({"conditions": [{"key": "env"}]}, [1, 2]),
    ({"conditions": [{"value": "prod"}]}, [1]),
    ({"conditions": [{"key": "env", "value": "prod"}]}, [1]),
    ({"conditions": [{"key": "env", "value": "PROD", "strict": True}]}, []),
    ({"conditions": [{"key": "env", "value": "PROD", "strict": False}]}, [1, 2]),
    ({"conditions": [{"key": "Env"}]}, []),
    ({"conditions": [{"key": "team"}, {"key": "env", "value": "prod"}]}, [1, 2]),
    ({"conditions": [{"key": "team"}, {"key": "env", "value": "prod"}], "condition_type": "OR"}, [1, 2]),
    ({"conditions": [{"key": "team"}, {"key": "env", "value": "prod", "strict": False}], "condition_type": "AND"}, [2]),
], ids=str)
def test_tags(client: Gcore, tags: Any, want: list[int]) -> None:
    report = client.cloud.usage_reports.get(**CREW, tags=tags)
    assert sorted(crew(report)) == want


def test_all_parameters_at_once(client: Gcore) -> None:
    parameters: dict[str, Any] = {
        "time_from": "2024-07-15", "time_to": datetime(2024, 7, 15, tzinfo=timezone.utc), "enable_last_day": True,
        "limit": 1, "offset": 1, "order_by": ["last_name.desc"], "sorting": [{"project": "asc"}],
        "projects": [CREW_PROJECT, fleet.PROJECT], "regions": [CREW_REGION], "types": ["instance", "volume"],
        "schema_filter": {"type": "instance", "field": "last_name", "values": ["alpha", "beta", "gamma"]},
        "tags": {"conditions": [{"key": "env", "value": "prod", "strict": False}], "condition_type": "AND"},
    }
    assert set(parameters) == set(get_type_hints(usage_report_get_params.UsageReportGetParams)), "every parameter of the SDK"
    report = client.cloud.usage_reports.get(**parameters)
    assert report.count == 2 and crew(report) == [2]
    assert [(t.billing_metric_name, t.billing_value) for t in report.totals] == [("g1-large_min", 120), ("g1-small_min", 60)]


def test_asynchronous_client(loaded: Server) -> None:
    async def ask() -> usage_report.UsageReport:
        async with AsyncGcore(base_url=loaded.url, api_key=loaded.admin) as client:
            return await client.cloud.usage_reports.get(**JULY, limit=100)

    assert len(asyncio.run(ask()).resources) == 28


def test_narrowed_key_sees_its_part_only(loaded: Server) -> None:
    token = loaded.new_key(roles=["reader"], projects=[CREW_PROJECT, 999], types=["instance"])
    with Gcore(base_url=loaded.url, api_key=token) as client:
        report = client.cloud.usage_reports.get(**JULY)
        assert sorted(crew(report)) == [1, 2, 3]
        assert client.cloud.usage_reports.get(**JULY, projects=[fleet.PROJECT]).count == 0
        assert [p.id for p in client.cloud.projects.list()] == [CREW_PROJECT]


def test_complete_until_is_told(client: Gcore) -> None:
    response = client.cloud.usage_reports.with_raw_response.get(**JULY)
    until = datetime.fromisoformat(response.headers["Meterbook-Complete-Until"])
    assert abs(datetime.now(timezone.utc) - until) < timedelta(minutes=5)


def test_type_that_only_the_sdk_knows_is_refused(client: Gcore) -> None:
    """The SDK lets one more type be asked for than it has models for."""
    unknown = set(literals(usage_report_get_params.UsageReportGetParams, "types")) - set(BY_TYPE)
    assert unknown == {"inference_public_models"}
    with pytest.raises(BadRequestError):
        client.cloud.usage_reports.get(**JULY, types=list(unknown))
