package lint

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"maps"
	"slices"
	"strings"
)

// Sizes in lines of code: comments, blank lines and the insides of raw strings
// do not count.
const (
	LongFunction    = 40 // beyond it, a function of the program needs an entry in the ratchet
	MaxFunction     = 70 // no function is longer
	MaxFileCode     = 400
	MaxTestFileCode = 800
)

// FunctionName identifies a function: "internal/report/wire.go:(*Line).Encode".
type FunctionName string

// FunctionLengths measures every function declaration of the tree, from its
// first to its last line.
func FunctionLengths(t *Tree) map[FunctionName]int {
	lengths := map[FunctionName]int{}
	for f, decl := range t.functions() {
		lengths[nameOf(f, decl)] = f.CodeLines(f.Line(decl.Pos()), f.Line(decl.End()))
	}
	return lengths
}

func (t *Tree) functions() func(yield func(*File, *ast.FuncDecl) bool) {
	return func(yield func(*File, *ast.FuncDecl) bool) {
		for _, f := range t.Go {
			if ast.IsGenerated(f.AST) {
				continue
			}
			for _, d := range f.AST.Decls {
				if decl, ok := d.(*ast.FuncDecl); ok && !yield(f, decl) {
					return
				}
			}
		}
	}
}

func nameOf(f *File, decl *ast.FuncDecl) FunctionName {
	name := decl.Name.Name
	if decl.Recv != nil && len(decl.Recv.List) == 1 {
		name = receiver(decl.Recv.List[0].Type) + "." + name
	}
	return FunctionName(f.Path + ":" + name)
}

func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return "(*" + receiver(e.X) + ")"
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return "?"
}

// Ratchet lists the functions of the program that are longer than LongFunction,
// with their present length. It may only shrink.
type Ratchet map[FunctionName]int

// ParseRatchet reads lines of "<length> <function>"; # starts a comment.
func ParseRatchet(text []byte) (Ratchet, error) {
	r := Ratchet{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		var length int
		var name FunctionName
		if _, err := fmt.Sscanf(line, "%d %s", &length, &name); err != nil {
			return nil, fmt.Errorf("line %d of the list of long functions: %w", n, err)
		}
		r[name] = length
	}
	return r, lines.Err()
}

// Format writes the list, the longest first.
func (r Ratchet) Format() []byte {
	names := slices.SortedFunc(maps.Keys(r), func(a, b FunctionName) int {
		return cmp.Or(cmp.Compare(r[b], r[a]), cmp.Compare(a, b))
	})
	var out bytes.Buffer
	fmt.Fprintf(&out, "# Functions above %d lines of code, with their length. The list may only shrink.\n", LongFunction)
	fmt.Fprintln(&out, "# After shortening one: go test ./internal/lint -shrink")
	for _, name := range names {
		fmt.Fprintf(&out, "%d %s\n", r[name], name)
	}
	return out.Bytes()
}

// Shrunk returns the list after entries that got shorter were lowered and those
// that are not long any more dropped. It never adds and never raises.
func (r Ratchet) Shrunk(t *Tree) Ratchet {
	lengths, next := FunctionLengths(t), Ratchet{}
	for name, listed := range r {
		if n := lengths[name]; n > LongFunction {
			next[name] = min(n, listed)
		}
	}
	return next
}

// CheckFunctions finds functions that are too long, and entries of the ratchet
// that are out of date.
func CheckFunctions(t *Tree, r Ratchet) []Finding {
	var found []Finding
	for f, decl := range t.functions() {
		name := nameOf(f, decl)
		n := f.CodeLines(f.Line(decl.Pos()), f.Line(decl.End()))
		listed, isListed := r[name]
		switch {
		case n > MaxFunction:
			found = append(found, f.finding(decl.Pos(), "%s has %d lines of code, more than %d: split it", decl.Name.Name, n, MaxFunction))
		case f.servesTests(), n <= LongFunction && !isListed, n == listed:
		case !isListed:
			found = append(found, f.finding(decl.Pos(), "%s has %d lines of code, more than %d: split it", decl.Name.Name, n, LongFunction))
		case n > listed:
			found = append(found, f.finding(decl.Pos(), "%s grew from %d to %d lines of code: the list of long functions may only shrink", decl.Name.Name, listed, n))
		default:
			found = append(found, f.finding(decl.Pos(), "%s shrank from %d to %d lines of code: run go test ./internal/lint -shrink", decl.Name.Name, listed, n))
		}
	}
	lengths := FunctionLengths(t)
	for _, name := range slices.Sorted(maps.Keys(r)) {
		if _, exists := lengths[name]; !exists {
			found = append(found, Finding{Path: "internal/lint/testdata/long.txt", Message: fmt.Sprintf("%s is gone: run go test ./internal/lint -shrink", name)})
		}
	}
	return found
}

// CheckFiles finds files that are too long. Generated files do not count.
func CheckFiles(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Go {
		limit := MaxFileCode
		if f.servesTests() {
			limit = MaxTestFileCode
		}
		if n := len(f.code); n > limit && !ast.IsGenerated(f.AST) {
			found = append(found, Finding{Path: f.Path, Message: fmt.Sprintf("%d lines of code, more than %d: split it by concern", n, limit)})
		}
	}
	return found
}
