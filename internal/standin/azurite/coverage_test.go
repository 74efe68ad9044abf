package azurite

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each line "//   - feature: TestName, TestName" of doc.go, up to what is unknown, names tests that exist.
func TestCoverageTable(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				tests[f.Name.Name] = true
			}
		}
	}
	table, _, ok := strings.Cut(string(doc), "// # Unknown")
	lines := regexp.MustCompile(`(?m)^//   - .*$`).FindAllString(table, -1)
	if !ok || len(lines) == 0 {
		t.Fatal("doc.go has no table, or does not say what is unknown")
	}
	named := regexp.MustCompile(`: ((?:Test|Fuzz)\w+(?:, (?:Test|Fuzz)\w+)*)$`)
	for _, line := range lines {
		m := named.FindStringSubmatch(line)
		if m == nil {
			t.Errorf("no test is named: %s", line)
			continue
		}
		for _, name := range strings.Split(m[1], ", ") {
			if !tests[name] {
				t.Errorf("%s is no test: %s", name, line)
			}
		}
	}
}
