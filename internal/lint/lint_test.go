package lint

import (
	"flag"
	"os"
	"testing"
)

const (
	root        = "../.."
	ratchetFile = "testdata/long.txt"
)

var shrink = flag.Bool("shrink", false, "lower the entries of testdata/long.txt to the present lengths")

func repository(t *testing.T) *Tree {
	t.Helper()
	tree, err := Load(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Go) == 0 {
		t.Fatalf("no Go file under %s", root)
	}
	return tree
}

func ratchet(t *testing.T) Ratchet {
	t.Helper()
	text, err := os.ReadFile(ratchetFile)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseRatchet(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRepositoryKeepsTheHouseRules(t *testing.T) {
	t.Parallel()
	tree, long := repository(t), ratchet(t)
	rules := map[string]func(*Tree) []Finding{
		"imports point inwards":                   CheckImports,
		"functions are small":                     func(tree *Tree) []Finding { return CheckFunctions(tree, long) },
		"files are small":                         CheckFiles,
		"packages say what they are":              CheckPackageComments,
		"packages are named by what they provide": CheckPackageNames,
		"error texts are brief":                   CheckErrorTexts,
		"nothing happens by import":               CheckInit,
		"package variables do not change":         CheckVariables,
		"the clock is a parameter":                CheckClock,
		"randomness is a parameter":               CheckRandomness,
		"nothing sleeps":                          CheckSleep,
		"no test skips":                           CheckSkip,
		"tests run in parallel":                   CheckParallel,
		"amounts are exact":                       CheckFloats,
		"mutexes enclose what they guard":         CheckMutexes,
		"no file names a workplace":               CheckForeignWords,
		"dependencies are explained":              CheckDependencies,
		"formats on disk are described":           CheckFormats,
	}
	for name, check := range rules {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, f := range check(tree) {
				t.Error(f)
			}
		})
	}
}

func TestListOfLongFunctionsIsInOrder(t *testing.T) {
	t.Parallel()
	long := ratchet(t)
	if *shrink {
		long = long.Shrunk(repository(t))
		if err := os.WriteFile(ratchetFile, long.Format(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(ratchetFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != string(long.Format()) {
		t.Errorf("%s is not as -shrink writes it:\n%s", ratchetFile, long.Format())
	}
}
