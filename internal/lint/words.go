package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// minPackageSentences is what it takes to say what a package is for, which
// invariants it keeps and what happens on failure.
const minPackageSentences = 3

var sentenceEnd = regexp.MustCompile(`[.!?][)"']?(\s|$)`)

// CheckPackageComments finds packages without exactly one package comment, or
// with one that says too little.
func CheckPackageComments(t *Tree) []Finding {
	var found []Finding
	packages := t.packages()
	for _, key := range slices.Sorted(maps.Keys(packages)) {
		files := packages[key]
		if strings.HasSuffix(files[0].AST.Name.Name, "_test") {
			continue
		}
		if program := slices.DeleteFunc(slices.Clone(files), (*File).IsTest); len(program) > 0 {
			files = program
		}
		files = slices.DeleteFunc(slices.Clone(files), func(f *File) bool { return f.AST.Doc == nil })
		name := strings.Fields(key)[1]
		switch {
		case len(files) == 0:
			found = append(found, Finding{Path: strings.Fields(key)[0], Message: fmt.Sprintf("package %s has no package comment: say what it is for, which invariants it keeps, what happens on failure", name)})
		case len(files) > 1:
			found = append(found, files[1].finding(files[1].AST.Package, "package %s has a second package comment: the first is in %s", name, files[0].Path))
		case len(sentenceEnd.FindAllString(files[0].AST.Doc.Text(), -1)) < minPackageSentences:
			found = append(found, files[0].finding(files[0].AST.Package, "the comment of package %s is too short: say what it is for, which invariants it keeps, what happens on failure", name))
		}
	}
	return found
}

var vaguePackageNames = []string{"util", "utils", "common", "helper", "helpers", "model", "models", "misc", "shared", "base", "lib"}

// CheckPackageNames finds packages named by what they are, not by what they
// provide.
func CheckPackageNames(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Go {
		if name := strings.TrimSuffix(f.AST.Name.Name, "_test"); slices.Contains(vaguePackageNames, name) {
			found = append(found, f.finding(f.AST.Package, "package %s: name it by what it provides", name))
		}
	}
	return found
}

// CheckErrorTexts finds error texts that waste words: a wrapped error says what
// was tried ("read resource 7: ...").
func CheckErrorTexts(t *Tree) []Finding {
	var found []Finding
	banned := "failed" + " to "
	for _, f := range t.Go {
		ast.Inspect(f.AST, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && !f.IsTest() && strings.Contains(strings.ToLower(lit.Value), banned) {
				found = append(found, f.finding(lit.Pos(), "%q in a message: say what was tried, the error says that it failed", strings.TrimSpace(banned)))
			}
			return true
		})
	}
	return found
}
