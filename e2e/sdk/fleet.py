"""One resource of each type with the line that its usage report must have.

The figures are worked out by hand from the rules of metering, digit by digit:
present types count minutes (10 days are 14400), sized types bytes x minutes /
10^9, counted types the sum of their quantities.
"""

from dataclasses import dataclass, field
from typing import Any

FROM, TO = "2024-07-01T00:00:00Z", "2024-08-01T00:00:00Z"
BORN, GONE = "2024-07-01T00:00:05Z", "2024-07-11T00:00:00Z"
FIRST, LAST = "2024-07-01T00:00:30Z", "2024-07-10T23:59:30Z"
PROJECT, REGION = 10, 76

VM = "5b0dc3cc-0d44-4b50-8888-8dd25736052a"
NETWORK = "6c1ec3cc-0d44-4b50-8888-8dd25736052a"
SUBNET = "7d2fc3cc-0d44-4b50-8888-8dd25736052a"
VOLUME = "8e30c3cc-0d44-4b50-8888-8dd25736052a"
SCHEDULE = "9f41c3cc-0d44-4b50-8888-8dd25736052a"
TAGS = {"os_version": "22.04", "os_distro": "ubuntu"}
TAGS_AS_PRINTED = [{"os_distro": "ubuntu"}, {"os_version": "22.04"}]


@dataclass(frozen=True)
class Case:
    type: str
    line_model: str
    total_model: str | None
    metric: str
    unit: str
    value: str  # digit by digit
    attributes: dict[str, Any] = field(default_factory=dict)  # as events carry them
    printed: dict[str, Any] = field(default_factory=dict)  # what the line has besides them
    quantities: tuple[tuple[str, str, str], ...] = ()  # from, to, quantity
    total_by: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"3c90c3cc-0d44-4b50-8888-0000000000{CASES.index(self):02x}"

    @property
    def id_field(self) -> str:
        return "port_id" if self.type in ("egress_traffic", "external_ip") else "uuid"

    def events(self) -> list[dict[str, Any]]:
        about = {"resource_type": self.type, "resource_id": self.id, "project_id": PROJECT, "region_id": REGION}
        if self.quantities:
            return [
                event(f"{self.type}-{i}", "meterbook.resource.quantity.v1", until,
                      {**about, **self.attributes, "from": since, "to": until, "quantity": quantity})
                for i, (since, until, quantity) in enumerate(self.quantities)
            ]
        state = "meterbook.resource.state.v1"
        return [
            event(f"{self.type}-born", state, BORN, {**about, **self.attributes, "status": "active"}),
            event(f"{self.type}-gone", state, GONE, {**about, "status": "deleted"}),
        ]

    def line(self) -> dict[str, Any]:
        """The line, its numbers as texts: so they are compared digit by digit."""
        carried = {k: v for k, v in self.attributes.items() if k not in ("name", "tags", "count", "size_bytes", "billing_metric_name")}
        line = {
            **carried, **self.printed, self.id_field: self.id,
            "project_id": str(PROJECT), "first_seen": FIRST, "last_seen": LAST,
            **self.total(),
        }
        if "name" in self.attributes:
            line["last_name"] = self.attributes["name"]
        if "tags" in self.attributes:
            line["tags"] = TAGS_AS_PRINTED
        if self.quantities:
            line["first_seen"], line["last_seen"] = self.quantities[0][0], self.quantities[-1][1]
        return line

    def total(self) -> dict[str, Any]:
        return {
            "type": self.type, "billing_metric_name": self.metric, "billing_value": self.value,
            "billing_value_unit": self.unit, "region": str(REGION), "region_id": str(REGION),
            **{name: self.attributes[name] for name in self.total_by},
        }


def event(id: str, type: str, time: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"specversion": "1.0", "id": id, "source": "/e2e", "type": type, "time": time, "data": data}


def sized(printed: str, unit: str) -> dict[str, Any]:
    return {"last_size": printed, "size_unit": unit}


def quantity(amount: str) -> tuple[tuple[str, str, str], ...]:
    return (("2024-07-03T00:00:00Z", "2024-07-03T01:00:00Z", amount),)


def two(first: str, second: str) -> tuple[tuple[str, str, str], ...]:
    return (*quantity(first), ("2024-07-04T10:00:00Z", "2024-07-04T11:00:00Z", second))


L, T = "ResourceResource{}Serializer".format, "TotalTotal{}ReportItemSerializer".format

CASES = [
    Case("ai_cluster", L("AICluster"), T("AICluster"), "g2-gpu_min", "minutes", "43200",
         {"name": "train", "flavor": "g2-gpu", "tags": TAGS, "count": 3}, total_by=("flavor",)),
    Case("ai_virtual_cluster", L("AIVirtualCluster"), T("AIVirtualCluster"), "g3-gpu_min", "minutes", "14400",
         {"name": "infer", "flavor": "g3-gpu", "tags": TAGS}, total_by=("flavor",)),
    Case("backup", L("Backup"), None, "backup_gbm", "gbminutes", "77309.411328",
         {"name": "nightly", "schedule_id": SCHEDULE, "source_volume_uuid": VOLUME, "size_bytes": 5368709120}, {"last_size": "5368709120"}),
    Case("baremetal", L("Baremetal"), T("Baremetal"), "bm1-infrastructure-small_min", "minutes", "14400",
         {"name": "metal", "flavor": "bm1-infrastructure-small", "tags": TAGS}, total_by=("flavor",)),
    Case("basic_vm", L("BasicVm"), T("BasicVm"), "b1-basic-1-1_min", "minutes", "14400",
         {"name": "basic", "flavor": "b1-basic-1-1", "tags": TAGS}, total_by=("flavor",)),
    Case("containers", L("Container"), T("Container"), "caas_container_resources_sec", "GBS", "12.500001",
         {"name": "job"}, quantities=two("12.5", "0.000001")),
    Case("dbaas_postgresql_connection_pooler", L("DbaasPostgreSQLPooler"), T("DbaasPostgreSQLPooler"),
         "dbaas_postgresql_connection_pooler_min", "minutes", "14400", {"name": "pool"}),
    Case("dbaas_postgresql_cpu", L("DbaasPostgreSqlcpu"), T("DbaasPostgreSqlcpu"),
         "dbaas_postgresql_cpu_min", "minutes", "28800", {"name": "cpu", "count": 2}),
    Case("dbaas_postgresql_memory", L("DbaasPostgreSQLMemory"), T("DbaasPostgreSQLMemory"),
         "dbaas_postgresql_memory_gbmin", "gbminutes", "61847.5290624", {"name": "memory", "size_bytes": 4294967296}),
    Case("dbaas_postgresql_public_network", L("DbaasPostgreSQLPublicNetwork"), T("DbaasPostgreSQLPublicNetwork"),
         "dbaas_postgresql_public_network_min", "minutes", "14400", {"name": "network"}),
    Case("dbaas_postgresql_volume", L("DbaasPostgreSQLVolume"), T("DbaasPostgreSQLVolume"),
         "dbaas_postgresql_volume_t_ssd_gbmin", "gbminutes", "154618.822656",
         {"name": "base", "volume_type": "ssd", "size_bytes": 10737418240}, {"size_unit": "GiB"}, total_by=("volume_type",)),
    Case("egress_traffic", L("EgressTraffic"), T("EgressTraffic"), "egress_traffic_vm_gbs", "bytes", "7340033",
         {"instance_type": "vm", "instance_name": "web-1", "vm_id": VM, "tags": TAGS}, {"size_unit": "bytes"},
         quantities=two("7340032", "1"), total_by=("instance_type",)),
    Case("external_ip", L("ExternalIP"), T("ExternalIP"), "externalip_min", "minutes", "14400",
         {"attached_to_vm": VM, "ip_address": "2001:db8::7", "network_id": NETWORK, "subnet_id": SUBNET}),
    Case("file_share", L("FileShare"), T("FileShare"), "file_share_t_standard_gbm", "gbminutes", "1546188.22656",
         {"name": "share", "file_share_type": "standard", "size_bytes": 107374182400, "tags": TAGS}, sized("100", "GiB"),
         total_by=("file_share_type",)),
    Case("floatingip", L("FloatingIP"), T("FloatingIP"), "floating_min", "minutes", "14400",
         {"name": "floating", "ip_address": "192.0.2.7", "tags": TAGS}),
    Case("functions", L("Functions"), T("Functions"), "faas_function_resources_sec", "GBS", "1.25",
         {"name": "resize"}, quantities=quantity("1.250")),
    Case("functions_calls", L("FunctionCalls"), T("FunctionCalls"), "faas_function_calls_piece", "MLS", "0.000001",
         {"name": "resize"}, quantities=quantity("0.000001")),
    Case("functions_traffic", L("FunctionEgressTraffic"), T("FunctionEgressTraffic"), "faas_function_egress_traffic_gbs", "GB",
         "999999999999999.999999", {"name": "resize"}, quantities=quantity("999999999999999.999999")),
    Case("image", L("Images"), T("Images"), "image_gbm", "gbminutes", "0.0000144",
         {"name": "tiny", "size_bytes": 1, "tags": TAGS}, sized("1", "bytes")),
    Case("inference", L("Inference"), T("Inference"), "inference_h100_h", "H", "48.5",
         {"name": "chat", "flavor": "inference-16vcpu", "billing_metric_name": "inference_h100_h"}, quantities=quantity("48.5")),
    Case("instance", L("Instance"), T("Instance"), "g1-standard-1-2_min", "minutes", "14400",
         {"name": "web-1", "flavor": "g1-standard-1-2", "tags": TAGS}, total_by=("flavor",)),
    Case("load_balancer", L("LoadBalancer"), T("LoadBalancer"), "lb1-1-2_min", "minutes", "14400",
         {"name": "front", "flavor": "lb1-1-2", "tags": TAGS}, total_by=("flavor",)),
    Case("log_index", L("LogIndex"), T("LogIndex"), "log_index_gbm", "gbminutes", "1777.7777616",
         {"name": "logs", "size_bytes": 123456789}, sized("123456789", "bytes")),
    Case("snapshot", L("Snapshot"), T("Snapshot"), "snap_t_standard_gbm", "gbminutes", "15461.88228",
         {"name": "before", "volume_type": "standard", "source_volume_uuid": VOLUME, "size_bytes": 1073741825, "tags": TAGS},
         sized("2", "GiB"), total_by=("volume_type",)),
    Case("volume", L("Volume"), T("Volume"), "volume_t_ssd_hiiops_gbm", "gbminutes", "463856.467968",
         {"name": "disk", "volume_type": "ssd_hiiops", "attached_to_vm": VM, "size_bytes": 32212254720, "tags": TAGS},
         sized("30", "GiB"), total_by=("volume_type",)),
]

# Three instances of another project and region, told apart by name, tags and
# minutes, for orders, pages and filters.
CREW_PROJECT, CREW_REGION = 20, 4
CREW = [
    # number, name, tags, flavor, minutes
    (1, "beta", {"env": "prod"}, "g1-small", 60),
    (2, "alpha", {"env": "Production", "team": "shop"}, "g1-large", 120),
    (3, None, None, "g1-small", 180),
]
# One instance that was there for ten minutes of a day after all others.
LAST_DAY, LAST_DAY_PROJECT = "2024-09-10", 30


def crew_id(number: int) -> str:
    return f"4c90c3cc-0d44-4b50-8888-00000000000{number}"


def crew_events() -> list[dict[str, Any]]:
    events = []
    for number, name, tags, flavor, minutes in CREW:
        about = {"resource_type": "instance", "resource_id": crew_id(number), "project_id": CREW_PROJECT, "region_id": CREW_REGION}
        state = "meterbook.resource.state.v1"
        events.append(event(f"crew-{number}", state, "2024-07-15T00:00:00Z",
                            {**about, "status": "active", "flavor": flavor, "name": name, "tags": tags}))
        events.append(event(f"crew-{number}-gone", state, f"2024-07-15T{minutes // 60:02}:00:00Z", {**about, "status": "deleted"}))
    about = {"resource_type": "instance", "resource_id": crew_id(9), "project_id": LAST_DAY_PROJECT, "region_id": CREW_REGION}
    events.append(event("late", "meterbook.resource.state.v1", f"{LAST_DAY}T12:00:00Z",
                        {**about, "status": "active", "flavor": "g1-small", "name": "late"}))
    events.append(event("late-gone", "meterbook.resource.state.v1", f"{LAST_DAY}T12:10:00Z", {**about, "status": "deleted"}))
    return events
