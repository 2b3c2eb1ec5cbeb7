package lint

import (
	"go/ast"
	"go/token"
	"maps"
	"slices"
	"strings"
)

// packageVar is a variable declared at the level of its package.
type packageVar struct {
	file *File
	spec *ast.ValueSpec
	name *ast.Ident
}

// CheckVariables finds package variables that change: those that some function
// of the package assigns to, wholly or in part, and those made to change (locks,
// atomics, channels). A change through a pointer or a method is not seen.
func CheckVariables(t *Tree) []Finding {
	var found []Finding
	packages := t.packages()
	for _, key := range slices.Sorted(maps.Keys(packages)) {
		vars := declaredVars(packages[key])
		for _, name := range slices.Sorted(maps.Keys(vars)) {
			v := vars[name]
			if kind := changingKind(v.spec); kind != "" {
				found = append(found, v.file.finding(v.name.Pos(), "package variable %s is a %s: put it into a struct", name, kind))
			}
		}
		for _, f := range packages[key] {
			found = append(found, f.assignments(vars)...)
		}
	}
	return found
}

func declaredVars(files []*File) map[string]packageVar {
	vars := map[string]packageVar{}
	for _, f := range files {
		for _, d := range f.AST.Decls {
			gen, ok := d.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, s := range gen.Specs {
				spec := s.(*ast.ValueSpec)
				for _, name := range spec.Names {
					if name.Name != "_" {
						vars[name.Name] = packageVar{f, spec, name}
					}
				}
			}
		}
	}
	return vars
}

// changingKind names what makes a declaration mutable by itself.
func changingKind(spec *ast.ValueSpec) string {
	kind := ""
	look := func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit, *ast.FuncType, *ast.InterfaceType:
			return false
		case *ast.ChanType:
			kind = "channel"
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if ok && (x.Name == "sync" || x.Name == "atomic") && !strings.HasPrefix(n.Sel.Name, "OnceValue") && !strings.HasPrefix(n.Sel.Name, "OnceFunc") {
				kind = x.Name + "." + n.Sel.Name
			}
		}
		return kind == ""
	}
	if spec.Type != nil {
		ast.Inspect(spec.Type, look)
	}
	for _, v := range spec.Values {
		ast.Inspect(v, look)
	}
	return kind
}

// builtinChangers change their first argument.
var builtinChangers = []string{"delete", "clear", "copy"}

func (f *File) assignments(vars map[string]packageVar) []Finding {
	var found []Finding
	note := func(target ast.Expr) {
		id := rootIdent(target)
		if id == nil {
			return
		}
		v, declared := vars[id.Name]
		// The parser resolves names within the file only: a name that it left
		// open, or bound to the very declaration, is the package's.
		if declared && (id.Obj == nil || id.Obj.Decl == v.spec) {
			found = append(found, f.finding(id.Pos(), "package variable %s is changed here: put it into a struct", id.Name))
		}
	}
	ast.Inspect(f.AST, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, target := range n.Lhs {
				note(target)
			}
		case *ast.IncDecStmt:
			note(n.X)
		case *ast.RangeStmt:
			if n.Tok == token.ASSIGN {
				note(n.Key)
				note(n.Value)
			}
		case *ast.CallExpr:
			if fn, ok := n.Fun.(*ast.Ident); ok && slices.Contains(builtinChangers, fn.Name) && len(n.Args) > 0 {
				note(n.Args[0])
			}
		}
		return true
	})
	return found
}

// rootIdent returns the variable that an assignment to e changes: x of x[i].f.
func rootIdent(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.Ident:
		return e
	case *ast.IndexExpr:
		return rootIdent(e.X)
	case *ast.SelectorExpr:
		return rootIdent(e.X)
	case *ast.StarExpr:
		return rootIdent(e.X)
	case *ast.SliceExpr:
		return rootIdent(e.X)
	case *ast.ParenExpr:
		return rootIdent(e.X)
	}
	return nil
}
