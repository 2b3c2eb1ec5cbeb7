package cli

import (
	"os"
	"path/filepath"
	"strings"
)

// goRunCommand runs the program from its sources.
const goRunCommand = "go run ./cmd/meterbook"

// Invocation is what to type into another terminal, or after the program has
// ended, to run it again. arg0 is the name under which it was called.
func Invocation(arg0 string) string {
	file, err := os.Executable()
	if err != nil {
		file = arg0
	}
	_, err = os.Stat(filepath.FromSlash("cmd/meterbook/main.go"))
	return invocation(arg0, file, err == nil)
}

// invocation knows besides the program's file, and whether the working directory
// is that of the sources.
func invocation(arg0, file string, sources bool) string {
	// "go run" makes the program in its cache or in a temporary directory, which
	// both have this in their names.
	made := strings.Contains(filepath.ToSlash(file), "/go-build")
	switch {
	case made && sources:
		return goRunCommand
	case !made && filepath.Base(arg0) == arg0: // the shell found it by itself
		return arg0
	}
	return shellWord(file)
}

// shellWord quotes a text where a shell would not take it as it is.
func shellWord(text string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/._-+:@%", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
