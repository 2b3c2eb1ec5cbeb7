package console

import (
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
)

// family is a group of resource types that belong together for people.
type family struct {
	Name  string
	types []string
}

// families group all types of the catalog.
func families() []family {
	return []family{
		{"Compute", []string{"instance", "basic_vm", "baremetal"}},
		{"Storage", []string{"volume", "snapshot", "image", "backup", "file_share"}},
		{"Network", []string{"egress_traffic", "external_ip", "floatingip", "load_balancer"}},
		{"GPU", []string{"ai_cluster", "ai_virtual_cluster", "inference"}},
		{"Database", []string{"dbaas_postgresql_cpu", "dbaas_postgresql_memory", "dbaas_postgresql_volume", "dbaas_postgresql_connection_pooler", "dbaas_postgresql_public_network"}},
		{"Serverless", []string{"containers", "functions", "functions_calls", "functions_traffic"}},
		{"Other", []string{"log_index"}},
	}
}

// typeLabel is a type's name for people; the API's own name where none is known.
func typeLabel(name string) string {
	labels := map[string]string{
		"ai_cluster": "GPU cluster", "ai_virtual_cluster": "Virtual GPU cluster", "baremetal": "Bare metal", "basic_vm": "Basic VM",
		"dbaas_postgresql_connection_pooler": "PostgreSQL connection pooler", "dbaas_postgresql_cpu": "PostgreSQL CPU",
		"dbaas_postgresql_memory": "PostgreSQL memory", "dbaas_postgresql_public_network": "PostgreSQL public network",
		"dbaas_postgresql_volume": "PostgreSQL volume", "external_ip": "External IP", "floatingip": "Floating IP",
		"functions": "Functions", "functions_calls": "Function calls", "functions_traffic": "Function traffic", "log_index": "Log index",
	}
	if label, known := labels[name]; known {
		return label
	}
	return sentence(name)
}

// fieldLabel is the name of a line's member for people.
func fieldLabel(name string) string {
	labels := map[string]string{
		"last_name": "name", "uuid": "resource id", "port_id": "port id", "ip_address": "IP address", "vm_id": "VM id",
		"attached_to_vm": "attached to VM", "network_id": "network id", "subnet_id": "subnet id", "schedule_id": "schedule id",
		"source_volume_uuid": "source volume id", "last_size": "size", "type": "any of the type",
	}
	if label, known := labels[name]; known {
		return label
	}
	return strings.ReplaceAll(name, "_", " ")
}

// sentence turns "load_balancer" into "Load balancer".
func sentence(name string) string {
	words := strings.ReplaceAll(name, "_", " ")
	if words == "" {
		return ""
	}
	return strings.ToUpper(words[:1]) + words[1:]
}

// searchField is a member of a type's lines that a report can be filtered by.
type searchField struct{ Type, Field string }

// parseSearchField reads "volume.last_name".
func parseSearchField(text string) (searchField, bool) {
	typeName, field, _ := strings.Cut(text, ".")
	t, known := metering.ResourceTypeNamed(typeName)
	if !known {
		return searchField{}, false
	}
	for _, allowed := range t.FilterFields() {
		if allowed == field {
			return searchField{typeName, field}, true
		}
	}
	return searchField{}, false
}

// String is how the address bar has it; "" for none.
func (f searchField) String() string {
	if f.Type == "" {
		return ""
	}
	return f.Type + "." + f.Field
}
