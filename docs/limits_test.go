package docs_test

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// limitRooms are the packages whose limits the table lists.
func limitRooms() []string {
	return []string{"metering", "report", "ingest", "access", "httpapi", "ledger"}
}

// limitName says which constants are limits.
var limitName = regexp.MustCompile(`^(Max|max|Min|min|Default(Max|Min|Concurrency|SlowClient))|Timeout$|AtOnce$|OfClient$|InFlight$|QueueLength$`)

// noLimits are constants of such names that bound nothing from outside, with the
// reason.
func noLimits() map[string]string {
	return map[string]string{
		"metering.minuteLength":    "a length of time",
		"metering.minutes":         "a unit",
		"metering.minutesPerDay":   "a number of the calendar",
		"metering.maxWindowList":   "what is remembered of a day; beyond, the observations are read, which nobody can see",
		"metering.maxLag":          "what an Instant can hold",
		"metering.maxListedWindow": "how long one window is in what is remembered of a day",
		"columns.maxWindowBytes":   "what is remembered of all days; beyond, the observations are read, which nobody can see",
		"ledger.maxRevisions":      "how a day is brought up to date; beyond, it is folded anew, which nobody can see",
		"report.maxScale":          "a number of decimal places",
		"ingest.maxInternBytes":    "which texts are shared, in memory of fixed size",
		"ingest.maxMeters":         "how many meters are shared",
		"ingest.maxChunkEvents":    "how a stream is cut, which nobody can see",
		"ingest.maxChunkBytes":     "how a stream is cut, which nobody can see",
		"ingest.chunksInFlight":    "how a stream is cut, which nobody can see",
	}
}

// limit is a row of the table.
type limit struct{ name, value, tests string }

func limitsOfTheTable(t *testing.T) (rows []limit) {
	t.Helper()
	_, section, _ := strings.Cut(read(t, "reliability.md"), "### Limits\n")
	section, _, _ = strings.Cut(section, "\n#")
	row := regexp.MustCompile("(?m)^\\| [^|]+ \\| `([^`]+)` \\| ([^|]+) \\|[^|]*\\| ([^|]+) \\|$")
	for _, match := range row.FindAllStringSubmatch(section, -1) {
		rows = append(rows, limit{match[1], match[2], match[3]})
	}
	return rows
}

func TestEveryLimitHasItsRow(t *testing.T) {
	t.Parallel()
	rows, exempt := limitsOfTheTable(t), noLimits()
	tests := testsOfTheRepository(t)
	constants := map[string]string{}
	for _, room := range limitRooms() {
		for name, value := range constantsOf(t, room) {
			constants[room+"."+name] = value
			listed := slices.ContainsFunc(rows, func(l limit) bool { return l.name == room+"."+name })
			if _, known := exempt[room+"."+name]; limitName.MatchString(name) && !known && !listed {
				t.Errorf("reliability.md has no row for the limit %s.%s = %s", room, name, value)
			}
		}
	}
	if len(rows) < 30 {
		t.Errorf("only %d rows were found", len(rows))
	}
	for _, l := range rows {
		if value, known := constants[l.name]; !known || value != l.value {
			t.Errorf("reliability.md says %s = %s; it is %q", l.name, l.value, value)
		}
		named := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(l.tests, -1)
		if len(named) == 0 {
			t.Errorf("the row of %s names no test", l.name)
		}
		for _, match := range named {
			if !tests[match[1]] {
				t.Errorf("the row of %s names the test %s, which does not exist", l.name, match[1])
			}
		}
	}
}

// constantsOf evaluates the constants of a package that need no other package
// than time.
func constantsOf(t *testing.T, room string) map[string]string {
	t.Helper()
	dir := filepath.Join("..", "internal", room)
	set := token.NewFileSet()
	var files []*ast.File
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %v", dir, err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	config := types.Config{Importer: onlyTime{}, Error: func(error) {}} // what other packages say is missing
	pkg, _ := config.Check(room, set, files, nil)
	found := map[string]string{}
	for _, name := range pkg.Scope().Names() {
		if c, ok := pkg.Scope().Lookup(name).(*types.Const); ok && c.Val().Kind() == constant.Int {
			found[name] = valueOf(c)
		}
	}
	return found
}

// valueOf is a constant as the table has it.
func valueOf(c *types.Const) string {
	n, exact := constant.Int64Val(c.Val())
	switch typ := c.Type().String(); {
	case exact && strings.HasSuffix(typ, "time.Duration"):
		return time.Duration(n).String()
	case exact && strings.HasSuffix(typ, "metering.Instant") && strings.HasPrefix(c.Name(), "Min"):
		return time.Unix(0, n).UTC().Format(time.RFC3339)
	case exact && strings.HasSuffix(typ, "metering.Instant"):
		return time.Duration(n).String()
	}
	return c.Val().ExactString()
}

// onlyTime imports the package time, with the constants that durations are made
// of, and nothing else.
type onlyTime struct{}

func (onlyTime) Import(path string) (*types.Package, error) {
	pkg := types.NewPackage(path, filepath.Base(path))
	if path == "time" {
		name := types.NewTypeName(token.NoPos, pkg, "Duration", nil)
		duration := types.NewNamed(name, types.Typ[types.Int64], nil)
		pkg.Scope().Insert(name)
		for unit, length := range map[string]time.Duration{"Millisecond": time.Millisecond, "Second": time.Second, "Minute": time.Minute, "Hour": time.Hour} {
			pkg.Scope().Insert(types.NewConst(token.NoPos, pkg, unit, duration, constant.MakeInt64(int64(length))))
		}
	}
	pkg.MarkComplete()
	return pkg, nil
}

// testsOfTheRepository are the names of all tests.
func testsOfTheRepository(t *testing.T) map[string]bool {
	t.Helper()
	found, declared := map[string]bool{}, regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	for _, root := range []string{"../internal", "../e2e", "../client"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, match := range declared.FindAllStringSubmatch(string(text), -1) {
				found[match[1]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}
