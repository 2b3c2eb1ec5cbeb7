package lint

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
)

// CheckInit finds init functions: nothing happens by import.
func CheckInit(t *Tree) []Finding {
	var found []Finding
	for f, decl := range t.functions() {
		if decl.Recv == nil && decl.Name.Name == "init" {
			found = append(found, f.finding(decl.Pos(), "init function: call it from where it is needed, nothing happens by import"))
		}
	}
	return found
}

// clockFunctions read the clock.
var clockFunctions = []string{"Now", "Since", "Until"}

// outermostDirs give the clock and the randomness to all others.
var outermostDirs = []string{"cmd/meterbook", "internal/cli", "client"}

// CheckClock finds code that reads the clock instead of being given it.
func CheckClock(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Go {
		if f.IsTest() || isHarness(f.Dir) || withinAny(f.Dir, outermostDirs) {
			continue
		}
		for _, use := range f.uses("time") {
			if slices.Contains(clockFunctions, use.Sel.Name) {
				found = append(found, f.finding(use.Pos(), "time.%s below the outermost layer: take the clock as a parameter", use.Sel.Name))
			}
		}
	}
	return found
}

// CheckRandomness finds code that draws from the global source of
// math/rand, which no seed replays. crypto/rand is for secrets. What runs the
// program from outside may draw a seed, which it prints.
func CheckRandomness(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Go {
		if withinAny(f.Dir, outermostDirs) || isHarness(f.Dir) {
			continue
		}
		for _, use := range slices.Concat(f.uses("math/rand"), f.uses("math/rand/v2")) {
			name := use.Sel.Name
			if isDraw := slices.Contains(globalDraws, name); isDraw {
				found = append(found, f.finding(use.Pos(), "rand.%s draws from the global source: take a seeded *rand.Rand as a parameter", name))
			}
		}
	}
	return found
}

var globalDraws = []string{"Int", "IntN", "Intn", "Int31", "Int31n", "Int32", "Int32N", "Int63", "Int63n", "Int64", "Int64N",
	"Uint", "UintN", "Uint32", "Uint32N", "Uint64", "Uint64N", "N", "Float32", "Float64", "NormFloat64", "ExpFloat64",
	"Perm", "Shuffle", "Seed", "Read"}

// CheckSleep finds sleeps: what is waited for must signal.
func CheckSleep(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Go {
		for _, use := range f.uses("time") {
			if use.Sel.Name == "Sleep" {
				found = append(found, f.finding(use.Pos(), "time.Sleep: wait for a signal, or for a timer together with the context"))
			}
		}
	}
	return found
}

// uses lists the selections from an imported package ("time.Now"), under the
// name that the file gives it. A local variable of that name is not told apart.
func (f *File) uses(imported string) []*ast.SelectorExpr {
	name := ""
	for _, spec := range f.AST.Imports {
		if spec.Path.Value != `"`+imported+`"` {
			continue
		}
		if name = defaultName(imported); spec.Name != nil {
			name = spec.Name.Name
		}
	}
	if name == "" {
		return nil
	}
	var uses []*ast.SelectorExpr
	ast.Inspect(f.AST, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == name {
				uses = append(uses, sel)
			}
		}
		return true
	})
	return uses
}

func defaultName(imported string) string {
	parts := strings.Split(imported, "/")
	if last := parts[len(parts)-1]; last != "v2" {
		return last
	}
	return parts[len(parts)-2]
}

var testReceivers = []string{"t", "tb", "b", "f"}

// CheckSkip finds tests that skip themselves, or that do less when asked to be
// short: a test that did not run proves nothing.
func CheckSkip(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Go {
		for _, use := range f.uses("testing") {
			if use.Sel.Name == "Short" {
				found = append(found, f.finding(use.Pos(), "testing.Short: a test runs wholly or fails"))
			}
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || !slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && slices.Contains(testReceivers, x.Name) {
				found = append(found, f.finding(sel.Pos(), "%s.%s: fail when something is missing, never skip", x.Name, sel.Sel.Name))
			}
			return true
		})
	}
	return found
}

// serialMarks are calls that cannot go together with t.Parallel.
var serialMarks = []string{"Parallel", "Setenv", "Chdir", "AllocsPerRun", "VerifyNone"}

// CheckParallel finds tests that hold up the others.
func CheckParallel(t *Tree) []Finding {
	var found []Finding
	for f, decl := range t.functions() {
		name := decl.Name.Name
		if !f.IsTest() || decl.Recv != nil || !strings.HasPrefix(name, "Test") || name == "TestMain" || len(decl.Type.Params.List) != 1 {
			continue
		}
		if !mentions(decl.Body, serialMarks) {
			found = append(found, f.finding(decl.Pos(), "%s does not call t.Parallel", name))
		}
	}
	return found
}

func mentions(n ast.Node, names []string) bool {
	hit := false
	ast.Inspect(n, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && slices.Contains(names, sel.Sel.Name) {
			hit = true
		}
		return !hit
	})
	return hit
}

// exactDirs hold amounts, which are integers or decimals, never floats.
var exactDirs = []string{"internal/metering", "internal/report", "internal/ingest"}

// CheckFloats finds floats where amounts are handled. It knows their types and
// literals, not values of inferred type. Benchmarks tell rates, so files named
// bench… are left out.
func CheckFloats(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Go {
		if !withinAny(f.Dir, exactDirs) || strings.HasPrefix(path.Base(f.Path), "bench") {
			continue
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				if strings.HasPrefix(n.Name, "float") && (n.Name == "float32" || n.Name == "float64") {
					found = append(found, f.finding(n.Pos(), "%s: amounts are exact, use metering.Amount", n.Name))
				}
			case *ast.BasicLit:
				if n.Kind == token.FLOAT && strings.Contains(n.Value, ".") {
					found = append(found, f.finding(n.Pos(), "%s: amounts are exact, use metering.Amount", n.Value))
				}
			}
			return true
		})
	}
	return found
}

// CheckMutexes finds mutexes that do not enclose what they guard. Write
//
//	mu struct { sync.Mutex; guarded int }
func CheckMutexes(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Go {
		for _, use := range f.uses("sync") {
			if use.Sel.Name != "Mutex" && use.Sel.Name != "RWMutex" {
				continue
			}
			if f.isNamedField(use) {
				found = append(found, f.finding(use.Pos(), "a field of type sync.%s: write mu struct { sync.%[1]s; ... } around what it guards", use.Sel.Name))
			}
		}
	}
	return found
}

func (f *File) isNamedField(typ ast.Expr) bool {
	hit := false
	ast.Inspect(f.AST, func(n ast.Node) bool {
		if s, ok := n.(*ast.StructType); ok {
			for _, field := range s.Fields.List {
				hit = hit || (field.Type == typ && len(field.Names) > 0)
			}
		}
		return !hit
	})
	return hit
}
