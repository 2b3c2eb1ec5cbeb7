package httpapi

import (
	"fmt"
	"slices"
	"testing"
)

// gcoreProjectMembers and gcoreRegionMembers are the members of the official
// Python client's models (gcore 0.59.0) with the JSON kinds that they take; "?"
// marks those that may be null.
var (
	gcoreProjectMembers = map[string]string{
		"id": "number", "client_id": "number", "created_at": "string", "deleted_at": "string?", "description": "string?",
		"is_default": "bool", "name": "string", "state": "string", "task_id": "string?",
	}
	gcoreRegionMembers = map[string]string{
		"id": "number", "access_level": "string", "available_volume_types": "list?", "coordinates": "object?", "country": "string",
		"created_at": "string", "created_on": "string", "display_name": "string", "endpoint_type": "string", "external_network_id": "string?",
		"file_share_types": "list?", "has_ai": "bool", "has_ai_gpu": "bool", "has_baremetal": "bool", "has_basic_vm": "bool", "has_dbaas": "bool",
		"has_ddos": "bool", "has_k8s": "bool", "has_kvm": "bool", "has_sfs": "bool", "keystone_id": "number", "keystone_name": "string",
		"metrics_database_id": "number?", "slug": "string", "state": "string", "task_id": "string?", "vlan_physical_network": "string",
		"zone": "string?", "ddos_endpoint_id": "number?",
	}
)

func checkMembers(t *testing.T, got map[string]any, members map[string]string) {
	t.Helper()
	if len(got) != len(members) {
		t.Errorf("%d members, want %d: %v", len(got), len(members), got)
	}
	for name, kind := range members {
		value, there := got[name]
		given := map[string]string{"float64": "number", "string": "string", "bool": "bool", "<nil>": "null", "[]interface {}": "list", "map[string]interface {}": "object"}[fmt.Sprintf("%T", value)]
		if !there || given != kind && given+"?" != kind && (given != "null" || kind[len(kind)-1] != '?') {
			t.Errorf("%s is %v (%s), want a %s", name, value, given, kind)
		}
	}
}

func TestProjectsHaveWhatOfficialClientsRequire(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.client("acme")
	s.ask("POST", "/v1/projects", s.root, `{"id":5,"client":"acme","name":"Shop","description":"d"}`).want(201)
	s.send(s.root, machine("1", "7")).want(200)
	for id, want := range map[string]map[string]any{
		"5": {"id": 5.0, "client_id": 2.0, "name": "Shop", "description": "d", "created_at": "2025-01-15T12:00:00Z", "state": "ACTIVE", "is_default": false},
		"7": {"id": 7.0, "client_id": 1.0, "name": "project-7", "description": nil},
	} {
		got := decode[map[string]any](s.ask("GET", "/cloud/v1/projects/"+id, s.root, "").want(200))
		checkMembers(t, got, gcoreProjectMembers)
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s is %v, want %v", name, got[name], value)
			}
		}
	}
	list := decode[listBody[map[string]any]](s.ask("GET", "/cloud/v1/projects", s.root, "").want(200))
	if list.Count != 2 || len(list.Results) != 2 {
		t.Fatalf("got %+v", list)
	}
	checkMembers(t, list.Results[0], gcoreProjectMembers)
}

func TestRegionsHaveWhatOfficialClientsRequire(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.ask("POST", "/v1/regions", s.root, `{"id":5,"name":"Luxembourg (2)","country":"LU"}`).want(201)
	s.send(s.root, machine("1", "7")).want(200)
	for id, want := range map[string]map[string]any{
		"5": {"id": 5.0, "display_name": "Luxembourg (2)", "keystone_name": "Luxembourg (2)", "slug": "luxembourg-2", "country": "LU", "state": "ACTIVE",
			"access_level": "core", "endpoint_type": "public", "created_at": "2025-01-15T12:00:00Z", "created_on": "2025-01-15T12:00:00Z"},
		"76": {"id": 76.0, "display_name": "region-76", "slug": "region-76", "country": "ZZ"},
	} {
		got := decode[map[string]any](s.ask("GET", "/cloud/v1/regions/"+id+"?show_volume_types=true", s.root, "").want(200))
		checkMembers(t, got, gcoreRegionMembers)
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s is %v, want %v", name, got[name], value)
			}
		}
	}
	list := decode[listBody[map[string]any]](s.ask("GET", "/cloud/v1/regions", s.root, "").want(200))
	if list.Count != 2 || len(list.Results) != 2 {
		t.Fatalf("got %+v", list)
	}
	checkMembers(t, list.Results[0], gcoreRegionMembers)
}

func TestOfficialListParametersAreTaken(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, p := range []string{`{"id":1,"name":"b"}`, `{"id":2,"name":"a"}`, `{"id":3}`, `{"id":4,"name":"b"}`} {
		s.ask("POST", "/v1/projects", s.root, p).want(201)
		s.ask("POST", "/v1/regions", s.root, p).want(201)
		s.clock.advance(1e9)
	}
	for path, want := range map[string][]float64{
		"projects": {1, 2, 3, 4}, "projects?name=b": {1, 4}, "projects?name=B": {}, "projects?name=project-3": {3},
		"projects?order_by=name.asc": {2, 1, 4, 3}, "projects?order_by=name.desc": {3, 1, 4, 2}, "projects?order_by=created_at.desc": {4, 3, 2, 1},
		"projects?include_deleted=true&unheard=of": {1, 2, 3, 4}, "projects?limit=2&offset=1&order_by=created_at.asc": {2, 3},
		"regions?display_name=B": {1, 4}, "regions?order_by=display_name.asc": {2, 1, 4, 3}, "regions?order_by=created_at.desc": {4, 3, 2, 1},
		"regions?product=inference&show_volume_types=false&limit=1000": {1, 2, 3, 4},
	} {
		list := decode[listBody[map[string]any]](s.ask("GET", "/cloud/v1/"+path, s.root, "").want(200))
		got := []float64{}
		for _, r := range list.Results {
			got = append(got, r["id"].(float64))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	for _, path := range []string{"projects?order_by=id.asc", "regions?order_by=name.asc"} {
		if got := s.ask("GET", "/cloud/v1/"+path, s.root, "").invalid(); got["order_by"] == nil {
			t.Errorf("%s: %v", path, got)
		}
	}
}
