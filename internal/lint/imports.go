package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ImportRule says which packages of this module a package may import in code
// that is not a test.
type ImportRule struct {
	Package string   // directory
	May     []string // directories
	Reason  string
}

// importRules are the arrows of the architecture (spec 4-architecture). A
// package that is not listed breaks the rule too: every package has its place.
// The packages below a listed one are parts of it: they may import what it may,
// and nobody else may import them.
var importRules = []ImportRule{
	{"internal/metering", nil, "the domain imports nothing but the standard library"},
	{"internal/report", []string{"internal/metering"}, "the report's contracts know the domain only, so that any store can fulfil them"},
	{"internal/ledger", []string{"internal/report", "internal/metering"}, "a store knows the contracts it fulfils, not who calls it"},
	{"internal/storetest", []string{"internal/report", "internal/metering"}, "the acceptance suite must run against any store, so it knows none"},
	{"internal/fleet", []string{"internal/metering"}, "a fleet is made of observations; who stores them is not its business"},
	{"internal/ingest", []string{"internal/report", "internal/metering"}, "ingest writes through report.Writer, whatever store is behind it"},
	{"internal/access", []string{"internal/report", "internal/metering"}, "access keeps its records through an interface, whatever store is behind it"},
	{"internal/httpapi", []string{"internal/access", "internal/ingest", "internal/report", "internal/metering"}, "routes know the services, never a store"},
	{"internal/lint", nil, "the house rules judge the code and must not depend on it"},
	{"client", nil, "a public package must be usable from outside, where internal types have no name"},
	{"internal/console", []string{"client", "internal/metering"}, "pages ask the public API, so that they can do nothing that it does not offer, and their figures are its figures"},
	{"internal/cli", []string{"client", "internal/access", "internal/console", "internal/fleet", "internal/httpapi", "internal/ingest", "internal/ledger", "internal/report", "internal/metering"}, "commands wire everything together; only they know which store is used"},
	{"cmd/meterbook", []string{"internal/cli"}, "main only calls run"},
}

// TechnologyRule says which packages may import a foreign module.
type TechnologyRule struct {
	Module    string
	Packages  []string // directories; none: anywhere
	TestsOnly bool
	Reason    string
}

// technologyRules keep one adapter per technology. The domain may import none.
var technologyRules = []TechnologyRule{
	{Module: "github.com/cockroachdb/pebble", Packages: []string{"internal/ledger"}, Reason: "only the ledger knows how it stores"},
	{Module: "github.com/edsrzf/mmap-go", Packages: []string{"internal/ledger"}, Reason: "only the ledger knows how it stores"},
	{Module: "github.com/spf13/cobra", Packages: []string{"internal/cli", "cmd/meterbook"}, Reason: "commands are the cli's business"},
	{Module: "github.com/schollz/progressbar", Packages: []string{"internal/cli"}, Reason: "terminals are the cli's business"},
	{Module: "github.com/jedib0t/go-pretty", Packages: []string{"internal/cli"}, Reason: "terminals are the cli's business"},
	{Module: "github.com/prometheus/client_golang", Packages: []string{"internal/httpapi", "internal/cli"}, Reason: "inner packages report through callbacks and Stats, so that they can be used without a metrics library"},
	{Module: "github.com/santhosh-tekuri/jsonschema", TestsOnly: true, Reason: "a validator in the server would judge its own answers"},
	{Module: "github.com/rogpeppe/go-internal", TestsOnly: true, Reason: "it runs scripts in tests"},
	{Module: "github.com/cockroachdb/datadriven", TestsOnly: true, Reason: "it runs scripts in tests"},
	{Module: "go.uber.org/goleak", TestsOnly: true, Reason: "it looks for leaks in tests"},
	{Module: "golang.org/x/mod", Packages: []string{"internal/lint"}, Reason: "only the house rules read go.mod"},
}

// foreignFree lists the packages that import foreign modules only by exception.
var foreignFree = map[string][]string{
	"internal/metering": nil,
	"internal/report":   {"github.com/go-json-experiment/json"},
}

// testOnlyPackages serve tests; the program must not carry them.
var testOnlyPackages = []string{"internal/storetest", "internal/lint"}

// servesTests reports whether the program does not carry the file.
func (f *File) servesTests() bool {
	return f.IsTest() || withinAny(f.Dir, testOnlyPackages) || isHarness(f.Dir)
}

// harnessDirs hold programs and tests around the product; they may import all.
var harnessDirs = []string{"e2e", "bench"}

// CheckImports finds imports against the direction of the architecture.
func CheckImports(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Go {
		if isHarness(f.Dir) {
			continue
		}
		for _, spec := range f.AST.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				found = append(found, f.finding(spec.Pos(), "import path %s cannot be read", spec.Path.Value))
				continue
			}
			if message := judgeImport(f, p); message != "" {
				found = append(found, f.finding(spec.Pos(), "%s", message))
			}
		}
	}
	return found
}

func isHarness(dir string) bool {
	return withinAny(dir, harnessDirs)
}

// judgeImport returns what is wrong with an import, "" when nothing is.
func judgeImport(f *File, imported string) string {
	if dir, own := strings.CutPrefix(imported, ModulePath+"/"); own {
		if f.IsTest() {
			return ""
		}
		return judgeOwn(f.Dir, dir)
	}
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		if imported == "C" {
			return "cgo is not used: the program is one static binary"
		}
		return ""
	}
	return judgeForeign(f, imported)
}

func judgeOwn(from, to string) string {
	if slices.Contains(testOnlyPackages, to) {
		return fmt.Sprintf("%s must not import %s: it serves tests, and the program must not carry it", from, to)
	}
	i := slices.IndexFunc(importRules, func(r ImportRule) bool { return within(from, r.Package) })
	if i >= 0 && within(to, importRules[i].Package) {
		return "" // parts of one package
	}
	if j := slices.IndexFunc(importRules, func(r ImportRule) bool { return within(to, r.Package) }); j >= 0 && to != importRules[j].Package {
		return fmt.Sprintf("%s must not import %s: %[2]s is a part of %s", from, to, importRules[j].Package)
	}
	if i < 0 {
		return fmt.Sprintf("package %s has no place in the architecture: add it to the import rules in internal/lint, with a reason", from)
	}
	if r := importRules[i]; !slices.Contains(r.May, to) {
		return fmt.Sprintf("%s must not import %s: %s", from, to, r.Reason)
	}
	return ""
}

func judgeForeign(f *File, imported string) string {
	if f.IsTest() {
		return ""
	}
	if allowed, strict := foreignFree[f.Dir]; strict && !withinAny(imported, allowed) {
		return fmt.Sprintf("%s must not import %s: the domain stands on the standard library", f.Dir, imported)
	}
	for _, r := range technologyRules {
		if !within(imported, r.Module) {
			continue
		}
		if r.TestsOnly || (len(r.Packages) > 0 && !withinAny(f.Dir, r.Packages)) {
			return fmt.Sprintf("%s must not import %s: %s", f.Dir, imported, r.Reason)
		}
	}
	return ""
}

// within reports whether a path is another one, or lies below it.
func within(path, parent string) bool {
	return path == parent || strings.HasPrefix(path, parent+"/")
}

func withinAny(path string, parents []string) bool {
	return slices.ContainsFunc(parents, func(p string) bool { return within(path, p) })
}
