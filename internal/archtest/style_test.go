package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"
)

const maxLines = 400

// faults says what no source file may have.
func faults(s source) []string {
	var list []string
	if s.lines > maxLines {
		list = append(list, fmt.Sprintf("%d lines, more than %d", s.lines, maxLines))
	}
	empty := []string{"util", "utils", "common", "model", "models", "helper", "helpers", "type", "types", "misc"}
	name := strings.TrimSuffix(strings.TrimSuffix(path.Base(s.path), ".go"), "_test")
	if slices.Contains(empty, name) || slices.Contains(empty, path.Base(s.folder)) || slices.Contains(empty, strings.TrimSuffix(s.syntax.Name.Name, "_test")) {
		list = append(list, "its name, or its package's, says nothing")
	}
	if s.test {
		return list
	}
	for _, d := range s.syntax.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.Name == "init" && d.Recv == nil {
				list = append(list, "func init")
			}
		case *ast.GenDecl:
			for _, name := range variables(d) {
				list = append(list, "package-level variable "+name)
			}
		}
	}
	return list
}

// variables names what d declares at package level, but for errors, embedded files and interface assertions.
func variables(d *ast.GenDecl) []string {
	var list []string
	if d.Tok != token.VAR {
		return nil
	}
	for _, spec := range d.Specs {
		v, ok := spec.(*ast.ValueSpec)
		if !ok || embeds(d.Doc) || embeds(v.Doc) || isError(v) {
			continue
		}
		for _, name := range v.Names {
			if name.Name != "_" {
				list = append(list, name.Name)
			}
		}
	}
	return list
}

func embeds(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

// isError tells whether v declares errors: of type error, made by errors.New or fmt.Errorf, or of a type whose name says so.
func isError(v *ast.ValueSpec) bool {
	if id, ok := v.Type.(*ast.Ident); ok {
		return id.Name == "error"
	}
	return v.Type == nil && len(v.Values) > 0 && !slices.ContainsFunc(v.Values, func(value ast.Expr) bool { return !makesError(value) })
}

func makesError(value ast.Expr) bool {
	switch v := value.(type) {
	case *ast.CallExpr:
		if f, ok := v.Fun.(*ast.SelectorExpr); ok {
			from, ok := f.X.(*ast.Ident)
			return ok && slices.Contains([]string{"errors.New", "fmt.Errorf"}, from.Name+"."+f.Sel.Name)
		}
	case *ast.UnaryExpr:
		return makesError(v.X)
	case *ast.CompositeLit:
		id, ok := v.Type.(*ast.Ident)
		return ok && strings.HasSuffix(id.Name, "Error")
	}
	return false
}

func TestStyle(t *testing.T) {
	for _, s := range sources(t) {
		for _, fault := range faults(s) {
			t.Errorf("%s: %s", s.path, fault)
		}
	}
}

func TestPackagesAreDocumented(t *testing.T) {
	for folder, files := range packages(sources(t)) {
		documented := slices.ContainsFunc(files, func(s source) bool { return s.syntax.Doc != nil && strings.TrimSpace(s.syntax.Doc.Text()) != "" })
		if !documented {
			t.Errorf("package %s has no doc comment", folder)
		}
	}
}

// TestTheStyleBites shows that each rule can be broken.
func TestTheStyleBites(t *testing.T) {
	for name, c := range map[string]struct {
		path, text string
		wrong      bool
	}{
		"plain":            {"a/b.go", "package a\n", false},
		"init":             {"a/b.go", "package a\nfunc init() {}\n", true},
		"method init":      {"a/b.go", "package a\ntype t int\nfunc (t) init() {}\n", false},
		"variable":         {"a/b.go", "package a\nvar now = 1\n", true},
		"variable in list": {"a/b.go", "package a\nimport \"errors\"\nvar (\n\tErrA = errors.New(\"a\")\n\tcache map[string]int\n)\n", true},
		"named like error": {"a/b.go", "package a\nvar ErrCount = 1\n", true},
		"errors":           {"a/b.go", "package a\nimport \"errors\"\nvar ErrA, errB = errors.New(\"a\"), errors.New(\"b\")\n", false},
		"error struct":     {"a/b.go", "package a\nvar errA = &wireError{1}\n", false},
		"other struct":     {"a/b.go", "package a\nvar errA = &wire{1}\n", true},
		"error type":       {"a/b.go", "package a\nvar last error\n", false},
		"embed":            {"a/b.go", "package a\nimport _ \"embed\"\n\n//go:embed page.html\nvar page string\n", false},
		"assertion":        {"a/b.go", "package a\nvar _ error = (*t)(nil)\n", false},
		"test's variable":  {"a/b_test.go", "package a\nvar now = 1\n", false},
		"long":             {"a/b.go", "package a\n" + strings.Repeat("\n", maxLines), true},
		"long test":        {"a/b_test.go", "package a\n" + strings.Repeat("\n", maxLines), true},
		"empty name":       {"a/helpers.go", "package a\n", true},
		"empty test name":  {"a/util_test.go", "package a\n", true},
		"empty folder":     {"internal/common/b.go", "package b\n", true},
		"empty package":    {"a/b.go", "package types\n", true},
	} {
		s, err := parseText(c.path, c.text)
		if err != nil {
			t.Fatal(err)
		}
		if list := faults(s); (len(list) > 0) != c.wrong {
			t.Errorf("%s: %v", name, list)
		}
	}
}
