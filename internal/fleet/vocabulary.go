package fleet

import (
	"math/rand/v2"
	"strconv"

	"github.com/meterbook/meterbook/internal/metering"
)

// vocabulary is what resources are described with. It is immutable.
type vocabulary struct {
	roles []string
	tags  []metering.Tags // tags[0] is none
	// variants are the values of a type's required attribute (its flavor or
	// total dimension), the popular ones first.
	variants   [metering.TypeCount + 1][]string
	attributes [metering.TypeCount + 1][]metering.Attribute
	// negotiated are the metric names of inference, one per variant: the type
	// has no default.
	negotiated []string
}

// tagSets is the number of distinct tag sets of a fleet, with the empty one.
const tagSets = 300

func newVocabulary(random *rand.Rand) vocabulary {
	v := vocabulary{roles: roles(), tags: make([]metering.Tags, tagSets), variants: variants()}
	for i := 1; i < tagSets; i++ {
		v.tags[i] = newTags(i, random)
	}
	for _, t := range metering.ResourceTypes() {
		v.attributes[t] = t.Attributes()
	}
	for _, flavor := range v.variants[typeNamed("inference")] {
		v.negotiated = append(v.negotiated, flavor+"_hours")
	}
	return v
}

func roles() []string {
	return []string{"web", "api", "db", "cache", "worker", "queue", "build", "proxy", "mail", "search",
		"auth", "video", "game", "shop", "blog", "ml", "etl", "log", "mon", "vpn",
		"stage", "k8s-node", "k8s-master", "backup", "report", "chat", "cdn", "dns", "ci", "edge"}
}

// newTags makes the i-th tag set; the cost-center makes most of them distinct.
func newTags(i int, random *rand.Rand) metering.Tags {
	pick := func(values ...string) string { return values[random.IntN(len(values))] }
	var tags metering.Tags
	if i%4 != 0 {
		tags = append(tags, metering.Tag{Key: "env", Value: pick("prod", "prod", "staging", "dev", "test")})
	}
	if i%3 != 0 {
		distro := pick("ubuntu", "ubuntu", "debian", "centos", "almalinux", "windows")
		version := map[string][]string{"ubuntu": {"20.04", "22.04", "24.04"}, "debian": {"11", "12"},
			"centos": {"7", "8-stream"}, "almalinux": {"8", "9"}, "windows": {"2019", "2022"}}[distro]
		tags = append(tags, metering.Tag{Key: "os_distro", Value: distro}, metering.Tag{Key: "os_version", Value: pick(version...)})
	}
	if i%5 != 0 {
		tags = append(tags, metering.Tag{Key: "team", Value: pick("core", "data", "payments", "platform", "search", "growth", "infra", "mobile")})
	}
	tags = append(tags, metering.Tag{Key: "cost-center", Value: "cc-" + strconv.Itoa(1000+i)})
	metering.SortTags(tags)
	return tags
}

func variants() (v [metering.TypeCount + 1][]string) {
	volumeTypes := []string{"ssd_hiiops", "standard", "ssd_lowlatency", "cold", "ultra"}
	for name, values := range map[string][]string{
		"instance":                instanceFlavors(),
		"basic_vm":                {"b1-basic-1-1", "b1-basic-1-2", "b1-basic-2-4", "b1-basic-4-8"},
		"baremetal":               {"bm1-infrastructure-small", "bm1-infrastructure-medium", "bm1-hf-medium", "bm2-hf-large", "bm2-ai-small"},
		"load_balancer":           {"lb1-1-2", "lb1-2-4", "lb1-4-8", "lb1-8-16"},
		"ai_cluster":              {"bm3-ai-1xlarge-h100-80-8", "bm3-ai-1xlarge-a100-80-8", "bm3-ai-1xlarge-h200-141-8"},
		"ai_virtual_cluster":      {"g3-ai-32-192-1500-l40s-48-1", "g3-ai-64-384-3000-l40s-48-2", "g3-ai-128-768-3000-l40s-48-4"},
		"inference":               {"inference-16vcpu-232gib-1xl40s-48gb", "inference-4vcpu-16gib", "inference-32vcpu-464gib-2xl40s-48gb"},
		"volume":                  volumeTypes,
		"snapshot":                volumeTypes,
		"dbaas_postgresql_volume": volumeTypes[:3],
		"file_share":              {"standard", "vast"},
		"egress_traffic":          metering.InstanceTypes(),
	} {
		v[typeNamed(name)] = values
	}
	return v
}

func instanceFlavors() []string {
	var flavors []string
	for i := range 6 {
		cores := 1 << i
		for _, family := range []struct {
			name         string
			memoryOfCore int
		}{{"g1-standard", 2}, {"g2-standard", 4}, {"g1-memory", 8}, {"g3-cpu", 1}, {"g3-standard", 4}, {"g1-windows", 4}} {
			flavors = append(flavors, family.name+"-"+strconv.Itoa(cores)+"-"+strconv.Itoa(cores*family.memoryOfCore))
		}
	}
	return append(flavors, "g2-gpu-8-64-1", "g2-gpu-16-128-2", "g2-gpu-32-256-4", "g3-gpu-32-256-8")
}
