package lint

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// ModulePath is the path of this module.
const ModulePath = "github.com/meterbook/meterbook"

// Finding is one breach of a rule.
type Finding struct {
	Path    string // slash-separated, from the root of the repository
	Line    int    // counted from 1; 0 where the whole file is meant
	Message string // what is wrong, and what to do instead
}

// String formats as compilers do, so that editors can jump there.
func (f Finding) String() string {
	if f.Line == 0 {
		return f.Path + ": " + f.Message
	}
	return fmt.Sprintf("%s:%d: %s", f.Path, f.Line, f.Message)
}

// File is one Go file.
type File struct {
	Path   string
	Dir    string // "." for the root
	Source []byte
	AST    *ast.File
	// code tells for each line whether it holds code, not only comment or space.
	code map[int]bool
	fset *token.FileSet
}

// IsTest reports whether the file is compiled for tests only.
func (f *File) IsTest() bool { return strings.HasSuffix(f.Path, "_test.go") }

// Line returns the line of a position, counted from 1.
func (f *File) Line(p token.Pos) int { return f.fset.Position(p).Line }

// CodeLines counts the lines from first to last, both included, that hold code.
func (f *File) CodeLines(first, last int) int {
	n := 0
	for line := first; line <= last; line++ {
		if f.code[line] {
			n++
		}
	}
	return n
}

func (f *File) finding(p token.Pos, format string, args ...any) Finding {
	return Finding{Path: f.Path, Line: f.Line(p), Message: fmt.Sprintf(format, args...)}
}

// Tree is the repository: its Go files, parsed, and every text file.
type Tree struct {
	Go    []*File           // sorted by path
	Texts map[string][]byte // by path; binary files are left out
}

// skippedDirs hold what is not source: see .gitignore.
var skippedDirs = []string{".git", "dist", "e2e/artifacts", "e2e/.venv", "meterbook-data", "__pycache__", ".pytest_cache"}

// Load reads and parses a tree.
func Load(root fs.FS) (*Tree, error) {
	t := &Tree{Texts: map[string][]byte{}}
	err := fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains(skippedDirs, p) || slices.Contains(skippedDirs, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		text, err := fs.ReadFile(root, p)
		if err != nil {
			return err
		}
		return t.add(p, text)
	})
	if err != nil {
		return nil, fmt.Errorf("load the source tree: %w", err)
	}
	slices.SortFunc(t.Go, func(a, b *File) int { return cmp.Compare(a.Path, b.Path) })
	return t, nil
}

func (t *Tree) add(p string, text []byte) error {
	if bytes.IndexByte(text, 0) >= 0 || !utf8.Valid(text) {
		return nil
	}
	t.Texts[p] = text
	if !strings.HasSuffix(p, ".go") || strings.Contains(p, "testdata/") {
		return nil
	}
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, p, text, parser.ParseComments)
	if err != nil {
		return err
	}
	t.Go = append(t.Go, &File{Path: p, Dir: path.Dir(p), Source: text, AST: parsed, code: codeLines(text), fset: fset})
	return nil
}

// codeLines marks the lines on which a token starts. Lines inside of a raw
// string are data, not code.
func codeLines(text []byte) map[int]bool {
	file := token.NewFileSet().AddFile("", -1, len(text))
	var s scanner.Scanner
	s.Init(file, text, nil, 0) // 0: comments are not tokens
	lines := map[int]bool{}
	for {
		pos, tok, lit := s.Scan()
		if tok == token.EOF {
			return lines
		}
		if tok != token.SEMICOLON || lit == ";" {
			lines[file.Line(pos)] = true
		}
	}
}

// packages groups the files by directory and package name.
func (t *Tree) packages() map[string][]*File {
	all := map[string][]*File{}
	for _, f := range t.Go {
		key := f.Dir + " " + f.AST.Name.Name
		all[key] = append(all[key], f)
	}
	return all
}
