"""Projects and regions through the official SDK."""

import pytest
from gcore import Gcore, NotFoundError
from gcore.types.cloud import Project, Region

from server import Server
from fleet import CREW_PROJECT, CREW_REGION, LAST_DAY_PROJECT, PROJECT, REGION

PROJECTS, REGIONS = [PROJECT, CREW_PROJECT, LAST_DAY_PROJECT], [CREW_REGION, REGION]


def test_projects(client: Gcore) -> None:
    page = client.cloud.projects.list()
    assert page.count == 3
    assert [p.id for p in page] == PROJECTS
    for project in page.results:
        assert type(project) is Project and not project.model_extra
        required = {n for n, f in Project.model_fields.items() if f.is_required()}
        assert required <= project.model_fields_set
        assert project.client_id > 0 and project.name and project.created_at.tzinfo


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_projects_page_by_page(client: Gcore, limit: int) -> None:
    assert [p.id for p in client.cloud.projects.list(limit=limit)] == PROJECTS
    assert [p.id for p in client.cloud.projects.list(limit=limit, offset=1)] == PROJECTS[1:]


def test_projects_by_name_and_order(client: Gcore, loaded: Server) -> None:
    loaded.call("PATCH", f"/v1/projects/{CREW_PROJECT}", json={"name": "zebra", "description": "the crew"})
    by_name = client.cloud.projects.list(name="zebra", include_deleted=False)
    assert [(p.id, p.description) for p in by_name] == [(CREW_PROJECT, "the crew")]
    assert [p.id for p in client.cloud.projects.list(order_by="name.desc", limit=1)][0] == CREW_PROJECT


def test_one_project(client: Gcore) -> None:
    assert client.cloud.projects.get(project_id=PROJECT).id == PROJECT
    with pytest.raises(NotFoundError):
        client.cloud.projects.get(project_id=999)


def test_regions(client: Gcore) -> None:
    page = client.cloud.regions.list()
    assert page.count == 2
    assert [r.id for r in page] == REGIONS
    for region in page.results:
        assert type(region) is Region and not region.model_extra
        required = {n for n, f in Region.model_fields.items() if f.is_required()}
        assert required <= region.model_fields_set


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_regions_page_by_page(client: Gcore, limit: int) -> None:
    assert [r.id for r in client.cloud.regions.list(limit=limit)] == REGIONS


def test_regions_by_name(client: Gcore, loaded: Server) -> None:
    loaded.call("PATCH", f"/v1/regions/{REGION}", json={"name": "Luxembourg-2", "country": "LU"})
    (region,) = client.cloud.regions.list(display_name="luxembourg-2", show_volume_types=True)
    assert (region.id, region.country, region.slug) == (REGION, "LU", "luxembourg-2")


def test_one_region(client: Gcore) -> None:
    assert client.cloud.regions.get(region_id=REGION).id == REGION
    with pytest.raises(NotFoundError):
        client.cloud.regions.get(region_id=999)
