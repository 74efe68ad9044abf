package archtest

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestCoverageTables holds what each stand-in's doc.go says it covers to the tests that prove it: every row names a test of the package, and every
// test that is named is there.
func TestCoverageTables(t *testing.T) {
	tests := map[string]map[string]bool{} // by folder
	for _, s := range sources(t) {
		if !s.test || !strings.HasPrefix(s.folder, "internal/standin/") {
			continue
		}
		if tests[s.folder] == nil {
			tests[s.folder] = map[string]bool{}
		}
		for _, d := range s.syntax.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				tests[s.folder][f.Name.Name] = true
			}
		}
	}
	if len(tests) < 6 {
		t.Fatalf("%d stand-ins have tests", len(tests))
	}
	test := regexp.MustCompile(`\b(Test|Fuzz|Benchmark)[A-Z]\w*`)
	for folder, there := range tests {
		rows := coverage(t, folder)
		if len(rows) < 3 {
			t.Errorf("%s: its doc.go has no table of what is covered", folder)
		}
		for _, row := range rows {
			named := test.FindAllString(row, -1)
			if len(named) == 0 {
				t.Errorf("%s: no test is named: %s", folder, row)
			}
			for _, name := range named {
				if !there[name] {
					t.Errorf("%s: there is no %s: %s", folder, name, row)
				}
			}
		}
	}
}

// coverage reads the rows of a doc.go: the indented lines under "# Coverage", or the list before "# Unknown".
func coverage(t *testing.T, folder string) []string {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join(root, folder, "doc.go"))
	if err != nil {
		t.Fatal(err)
	}
	if _, table, ok := strings.Cut(string(doc), "// # Coverage"); ok {
		return regexp.MustCompile(`(?m)^//\t.*$`).FindAllString(table, -1)
	}
	table, _, ok := strings.Cut(string(doc), "// # Unknown")
	if !ok {
		t.Errorf("%s: its doc.go does not say what is unknown", folder)
	}
	return regexp.MustCompile(`(?m)^//   - .*$`).FindAllString(table, -1)
}
