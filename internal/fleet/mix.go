package fleet

import (
	"math/rand/v2"
	"strconv"

	"github.com/meterbook/meterbook/internal/metering"
)

// typeShare is a type's share of the resources, in hundredths of a percent.
type typeShare struct {
	name  string
	share int
}

// mix is what a fleet consists of; the first type takes what rounding leaves.
func mix() []typeShare {
	return []typeShare{
		{"volume", 3370}, {"instance", 2600}, {"snapshot", 900}, {"floatingip", 850},
		{"external_ip", 600}, {"backup", 600}, {"image", 350}, {"load_balancer", 200},
		{"basic_vm", 120}, {"file_share", 100}, {"baremetal", 80}, {"log_index", 40},
		{"dbaas_postgresql_cpu", 40}, {"dbaas_postgresql_memory", 40}, {"dbaas_postgresql_volume", 40},
		{"dbaas_postgresql_public_network", 30}, {"dbaas_postgresql_connection_pooler", 20},
		{"ai_cluster", 5}, {"ai_virtual_cluster", 5},
		{"containers", 2}, {"functions", 2}, {"functions_calls", 2}, {"functions_traffic", 2},
		{"inference", 2},
	}
}

// typeNamed returns a type that the catalog is known to have.
func typeNamed(name string) metering.ResourceType {
	t, ok := metering.ResourceTypeNamed(name)
	if !ok {
		metering.Bug("the catalog has no type %q", name)
	}
	return t
}

// plannedTypes returns the types of n resources in random order, at least one
// of each.
func plannedTypes(n int, random *rand.Rand) []metering.ResourceType {
	types := make([]metering.ResourceType, 0, n)
	shares := mix()
	for _, s := range shares[1:] {
		t := typeNamed(s.name)
		for range max(1, n*s.share/10_000) {
			types = append(types, t)
		}
	}
	for len(types) < n {
		types = append(types, typeNamed(shares[0].name))
	}
	types = types[:n]
	random.Shuffle(n, func(i, j int) { types[i], types[j] = types[j], types[i] })
	return types
}

func regionList(n int) []Region {
	list := []Region{
		{76, "Luxembourg-2", "LU"}, {38, "Frankfurt", "DE"}, {14, "Manassas", "US"},
		{8, "Singapore", "SG"}, {26, "Amsterdam", "NL"}, {30, "Paris-2", "FR"},
		{34, "Warsaw", "PL"}, {42, "Tokyo", "JP"}, {50, "Sao Paulo", "BR"},
		{58, "Sydney", "AU"}, {62, "Mumbai", "IN"}, {68, "Johannesburg", "ZA"},
	}
	for i := len(list); i < n; i++ {
		list = append(list, Region{metering.RegionID(100 + i), "Region " + strconv.Itoa(100+i), "LU"})
	}
	return list[:n]
}

func clientNames(n int) []Client {
	words := []Client{"acme", "borealis", "cumulus", "delta-games", "eventide", "fjord", "granite", "helios"}
	names := make([]Client, n)
	for i := range names {
		if i < len(words) {
			names[i] = words[i]
		} else {
			names[i] = Client("client-" + strconv.Itoa(i+1))
		}
	}
	return names
}

func twoDigits(n int) string {
	if n < 10 {
		return "0" + strconv.Itoa(n)
	}
	return strconv.Itoa(n)
}
