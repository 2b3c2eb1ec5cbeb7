package lint

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"
)

// ForeignWord is a text that no file of the repository may contain.
type ForeignWord struct {
	Pattern *regexp.Regexp
	Reason  string
}

// ForeignWords lists what would tie the project to one workplace. The patterns
// are put together from pieces, so that this file does not match itself.
func ForeignWords() []ForeignWord {
	word := func(reason string, pieces ...string) ForeignWord {
		return ForeignWord{regexp.MustCompile("(?i)" + strings.Join(pieces, "")), reason}
	}
	const (
		place = "a path of one machine"
		talk  = "talk about how the work is organised"
		host  = "a registry host: use what the machine is set up for"
		maker = "whoever wrote it, the project speaks for itself"
	)
	return []ForeignWord{
		word(place, `/wo`, `rk/(ma`, `in|sha`, `red|\.)`),
		word(place, `/tmp/br`, `ief`),
		word(place, `\.\./sha`, `red`),
		word(place, `/opt/wh`, `eels`),
		word(place, `/ro`, `ot/\.py`, `env`),
		word(talk, `\bhel`, `per (?-i:[A-Z])\b`),
		word(talk, `\biss`, `ue (#)?[0-9]`),
		word(talk, `\b(this|another|next|earlier|previous) ses`, `sion\b`),
		word(talk, `\bthe le`, `ad (does|builds|decides|will)\b`),
		word(host, `proxy\.go`, `lang\.org`),
		word(host, `sum\.go`, `lang\.org`),
		word(host, `pypi\.o`, `rg`),
		word(host, `files\.python`, `hosted\.org`),
		word(host, `registry\.npm`, `js\.org`),
		word(maker, `\bclau`, `de\b`),
		word(maker, `anthro`, `pic`),
	}
}

// foreignFiles are kept as their makers published them.
var foreignFiles = []string{"go.sum", "LICENSE"}

// CheckForeignWords finds texts that name a workplace.
func CheckForeignWords(t *Tree) []Finding {
	var found []Finding
	words := ForeignWords()
	for _, p := range slices.Sorted(maps.Keys(t.Texts)) {
		if slices.Contains(foreignFiles, p) || isLockFile(p) {
			continue
		}
		for n, line := range bytes.Split(t.Texts[p], []byte("\n")) {
			for _, w := range words {
				if hit := w.Pattern.Find(line); hit != nil {
					found = append(found, Finding{Path: p, Line: n + 1, Message: fmt.Sprintf("%q: %s", hit, w.Reason)})
				}
			}
		}
	}
	return found
}

func isLockFile(p string) bool { return strings.HasSuffix(p, ".sum") || strings.HasSuffix(p, ".lock") }

// dependenciesPage says of each foreign module why it is here.
const dependenciesPage = "docs/dependencies.md"

// CheckDependencies finds foreign modules that the tree imports, or runs as
// tools, and that docs/dependencies.md does not explain. It looks at imports,
// not at the "indirect" comments of go.mod.
func CheckDependencies(t *Tree) []Finding {
	mod, err := modfile.Parse("go.mod", t.Texts["go.mod"], nil)
	if err != nil {
		return []Finding{{Path: "go.mod", Message: err.Error()}}
	}
	used := map[string]bool{}
	for _, f := range t.Go {
		for _, spec := range f.AST.Imports {
			if p, err := strconv.Unquote(spec.Path.Value); err == nil {
				noteModule(used, mod, p)
			}
		}
	}
	for _, tool := range mod.Tool {
		noteModule(used, mod, tool.Path)
	}
	page := string(t.Texts[dependenciesPage])
	var found []Finding
	for _, module := range slices.Sorted(maps.Keys(used)) {
		if !strings.Contains(page, "`"+module+"`") {
			found = append(found, Finding{Path: dependenciesPage, Message: fmt.Sprintf("no line for `%s`: say what it is for and what else was considered", module)})
		}
	}
	return found
}

func noteModule(used map[string]bool, mod *modfile.File, imported string) {
	for _, r := range mod.Require {
		if within(imported, r.Mod.Path) {
			used[r.Mod.Path] = true
		}
	}
}

// formatConstant is the name of a constant that marks an on-disk format: its
// version, or the bytes that a file begins with.
var formatConstant = regexp.MustCompile(`(?i)(formatversion|magic)$`)

const formatPages = "docs/format/"

// wireDirs know formats that others have made, such as compression; they write
// no files.
var wireDirs = []string{"internal/ingest", "client"}

// CheckFormats finds on-disk formats without a page. A page stands for a format
// when it names the constant with its package and its present value in one line
// ("`ledger.formatVersion` is 1"), so that no version changes without its page.
func CheckFormats(t *Tree) []Finding {
	var lines []string
	for p, text := range t.Texts {
		if strings.HasPrefix(p, formatPages) && strings.HasSuffix(p, ".md") {
			lines = append(lines, strings.Split(string(text), "\n")...)
		}
	}
	var found []Finding
	for _, m := range t.formatConstants() {
		full := m.file.AST.Name.Name + "." + m.name.Name
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, full) && strings.Contains(l, m.value) }) {
			found = append(found, m.file.finding(m.name.Pos(), "no page under %s says in one line that `%s` is %s", formatPages, full, m.value))
		}
	}
	if hasProgram(t, "internal/ledger") && len(lines) == 0 {
		found = append(found, Finding{Path: formatPages, Message: "the ledger writes to disk, and no page describes its format"})
	}
	return found
}

func hasProgram(t *Tree, dir string) bool {
	return slices.ContainsFunc(t.Go, func(f *File) bool { return f.Dir == dir && !f.IsTest() })
}

// formatConstants lists the constants of the program that mark a format. Only
// those with a literal value are formats; others are made of them.
func (t *Tree) formatConstants() []formatMark {
	var marks []formatMark
	for _, f := range t.Go {
		if f.IsTest() || isHarness(f.Dir) || withinAny(f.Dir, wireDirs) {
			continue
		}
		for _, d := range f.AST.Decls {
			gen, ok := d.(*ast.GenDecl)
			if !ok || gen.Tok != token.CONST {
				continue
			}
			for _, s := range gen.Specs {
				marks = append(marks, marksOf(f, s.(*ast.ValueSpec))...)
			}
		}
	}
	return marks
}

// formatMark is a constant with its value; of a text without the space around it.
type formatMark struct {
	file  *File
	name  *ast.Ident
	value string
}

func marksOf(f *File, spec *ast.ValueSpec) []formatMark {
	var marks []formatMark
	for i, name := range spec.Names {
		if !formatConstant.MatchString(name.Name) || i >= len(spec.Values) {
			continue
		}
		if lit, ok := spec.Values[i].(*ast.BasicLit); ok {
			value := lit.Value
			if text, err := strconv.Unquote(value); err == nil {
				value = strings.TrimSpace(text)
			}
			marks = append(marks, formatMark{f, name, value})
		}
	}
	return marks
}
