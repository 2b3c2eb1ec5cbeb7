package docs_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meterbook/meterbook/internal/cli"
	"github.com/meterbook/meterbook/internal/metering"
)

func read(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// run returns what a command prints.
func run(t *testing.T, args ...string) string {
	t.Helper()
	var out, messages bytes.Buffer
	code := cli.Run(context.Background(), cli.Env{
		Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &messages,
		LookupEnv: func(string) (string, bool) { return "", false },
		Now:       time.Now,
	})
	if code != cli.ExitOK {
		t.Fatalf("meterbook %v ended with %d: %s", args, code, &messages)
	}
	return out.String()
}

func TestTypesAreThoseOfTheCatalog(t *testing.T) {
	t.Parallel()
	var want strings.Builder
	for _, typ := range metering.ResourceTypes() {
		required, optional := membersOf(typ)
		metric := "(given)"
		if template := typ.MetricTemplate(); template != "" {
			metric = "`" + template + "`"
		}
		fmt.Fprintf(&want, "| `%s` | %s |%s |%s | %s | `%s` |\n", typ, typ.Measure(), cell(required), cell(optional), metric, typ.Unit())
	}
	if !strings.Contains(read(t, "events.md"), "|---|---|---|---|---|---|\n"+want.String()+"\n") {
		t.Errorf("the table of types in events.md should be:\n%s", &want)
	}
}

// membersOf lists what active states and quantities of a type must and may have
// besides what all have.
func membersOf(typ metering.ResourceType) (required, optional []string) {
	if typ.Measure() == metering.Sized {
		required = append(required, "size_bytes")
	}
	if typ.MetricTemplate() == "" {
		required, optional = append(required, "billing_metric_name"), append(optional, "billing_value_unit")
	}
	for _, a := range typ.Attributes() {
		if typ.Requires(a) {
			required = append(required, a.String())
		} else {
			optional = append(optional, a.String())
		}
	}
	if typ.HasTags() {
		optional = append(optional, "tags")
	}
	return required, optional
}

func cell(members []string) string {
	if len(members) == 0 {
		return ""
	}
	return " `" + strings.Join(members, "`, `") + "`"
}

func TestRejectionCodesStandInTheirPrecedence(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(read(t, "events.md"), "## Rejection codes")
	section, _, _ = strings.Cut(section, "\n## ")
	var got, want []string
	for _, match := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(section, -1) {
		got = append(got, match[1])
	}
	for _, code := range metering.RejectCodes() {
		want = append(want, code.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("codes in events.md:\ngot  %v\nwant %v", got, want)
	}
}

func TestFlagsOfTheServerAreExplained(t *testing.T) {
	t.Parallel()
	page := read(t, "operations.md")
	flag := regexp.MustCompile(`(?m)^ +(--[\w-]+) .*\[\$(\w+)\]`)
	found := flag.FindAllStringSubmatch(run(t, "serve", "--help"), -1)
	if len(found) == 0 {
		t.Fatal("serve --help shows no flag with a variable")
	}
	for _, match := range found {
		row := "(?m)^\\|.*`" + match[1] + "`.*`" + match[2] + "`"
		if !regexp.MustCompile(row).MatchString(page) {
			t.Errorf("operations.md has no row with `%s` and `%s`", match[1], match[2])
		}
	}
}

func TestExitCodesAreThoseOfTheHelp(t *testing.T) {
	t.Parallel()
	page := read(t, "cli.md")
	for _, match := range regexp.MustCompile(`(?m)^ +(\d+)  (.+)$`).FindAllStringSubmatch(run(t, "help", "exit-codes"), -1) {
		if row := "| " + match[1] + " | " + match[2] + " |\n"; !strings.Contains(page, row) {
			t.Errorf("cli.md lacks the row %s", row)
		}
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	deeper, err := filepath.Glob("*/*.md")
	if err != nil {
		t.Fatal(err)
	}
	pages = append(append(pages, deeper...), "../README.md", "../CHANGELOG.md")
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, page := range pages {
		for _, match := range link.FindAllStringSubmatch(read(t, page), -1) {
			if strings.Contains(match[1], "://") {
				continue
			}
			checkLink(t, page, match[1])
		}
	}
}

func checkLink(t *testing.T, page, target string) {
	t.Helper()
	file, anchor, _ := strings.Cut(target, "#")
	path := filepath.Join(filepath.Dir(page), file)
	if file == "" {
		path = page
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("%s links to %s: %v", page, target, err)
		return
	}
	if anchor != "" && !slices.Contains(anchors(read(t, path)), anchor) {
		t.Errorf("%s links to %s: there is no such heading", page, target)
	}
}

// anchors are the headings of a page as links name them.
func anchors(page string) (names []string) {
	for _, match := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(page, -1) {
		name := regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(match[1]), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}
