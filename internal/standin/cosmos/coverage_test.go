package cosmos_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestCoverageTable holds the tables in the package's documentation, of coverage and limits, to the tests that there are.
func TestCoverageTable(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	tests, doc := map[string]bool{}, ""
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if name == "doc.go" {
			doc = f.Doc.Text()
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && strings.HasSuffix(name, "_test.go") {
				tests[fn.Name.Name] = true
			}
		}
	}
	_, section, ok := strings.Cut(doc, "# Coverage")
	if !ok {
		t.Fatal("doc.go has no section Coverage")
	}
	rows := 0
	for line := range strings.SplitSeq(section, "\n") {
		if !strings.HasPrefix(line, "\t") {
			continue
		}
		rows++
		named := regexp.MustCompile(`\b(Test|Fuzz|Benchmark)[A-Z]\w*`).FindAllString(line, -1)
		if len(named) == 0 {
			t.Errorf("no test is named: %s", line)
		}
		for _, n := range named {
			if !tests[n] {
				t.Errorf("there is no %s: %s", n, line)
			}
		}
	}
	if rows < 10 {
		t.Errorf("%d rows", rows)
	}
}
