package main

// filter narrows a report of the whole fleet.
type filter struct {
	name, member string
	value        any
}

// filters select shares of the lines between next to nothing and most. All
// compare exactly; several conditions are alternatives.
func filters() []filter {
	tags := func(name string, conditions ...map[string]any) filter {
		return filter{"tag " + name, "tags", map[string]any{"conditions": conditions, "condition_type": "OR"}}
	}
	is := func(key, value string) map[string]any { return map[string]any{"key": key, "value": value} }
	has := func(key string) map[string]any { return map[string]any{"key": key} }
	field := func(typ, field, value string) filter {
		return filter{"field " + field + " of " + typ + " = " + value, "schema_filter", map[string]any{"type": typ, "field": field, "values": []string{value}}}
	}
	return []filter{
		tags("cost-center=cc-1001", is("cost-center", "cc-1001")),
		tags("env=test", is("env", "test")),
		tags("env=prod", is("env", "prod")),
		tags("os_distro=ubuntu or env=prod", is("os_distro", "ubuntu"), is("env", "prod")),
		tags("env", has("env")),
		tags("env or os_distro or team", has("env"), has("os_distro"), has("team")),
		field("instance", "flavor", "g1-standard-1-2"),
		field("volume", "volume_type", "standard"),
		field("volume", "type", "volume"),
	}
}
