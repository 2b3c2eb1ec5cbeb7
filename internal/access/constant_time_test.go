package access

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// leaks finds comparisons whose duration tells how much of a secret is right: of
// anything that has to do with a secret but its length.
func leaks(file *ast.File) (found []token.Pos) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			if (n.Op == token.EQL || n.Op == token.NEQ) && (secretIn(n.X) || secretIn(n.Y)) {
				found = append(found, n.Pos())
			}
		case *ast.CallExpr:
			if (isCall(n, "Equal") || isCall(n, "Compare") || isCall(n, "EqualFold")) && secretIn(n) {
				found = append(found, n.Pos())
			}
		}
		return true
	})
	return found
}

// secretIn reports whether an expression has to do with a secret.
func secretIn(e ast.Expr) (found bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && (isCall(call, "ConstantTimeCompare") || isCall(call, "len")) {
			return false // what they tell is no secret
		}
		id, ok := n.(*ast.Ident)
		found = found || ok && (strings.Contains(strings.ToLower(id.Name), "secret"))
		return true
	})
	return found
}

// isCall reports whether a call is of a function or method of that name.
func isCall(call *ast.CallExpr, name string) bool {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name == name
	case *ast.SelectorExpr:
		return f.Sel.Name == name
	}
	return false
}

func TestSecretsAreComparedInConstantTime(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	compares := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range leaks(file) {
			t.Errorf("%s compares a secret as other values are compared; use subtle.ConstantTimeCompare", set.Position(at))
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && isCall(call, "ConstantTimeCompare") {
				compares++
			}
			return true
		})
	}
	if compares != 2 {
		t.Errorf("%d comparisons in constant time, want those of a request and of the operator's token", compares)
	}
}

func TestLeakyComparisonIsFound(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		`k.secret == hashSecret(s)`: 1, `bytes.Equal(a.secret[:], b[:])`: 1, `hash != wantedSecret`: 1,
		`subtle.ConstantTimeCompare(a, secret) == 0`: 0, `a == b`: 0,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\nvar _ = "+text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(leaks(file)); got != want {
			t.Errorf("%s: %d found, want %d", text, got, want)
		}
	}
}
