package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "bwv"
	root   = "../.."
)

// source is one parsed Go file.
type source struct {
	path   string // below the module's root, with slashes
	folder string
	test   bool
	lines  int
	syntax *ast.File
}

// imports lists what the file imports.
func (s source) imports() []string {
	var list []string
	for _, i := range s.syntax.Imports {
		if path, err := strconv.Unquote(i.Path.Value); err == nil {
			list = append(list, path)
		}
	}
	return list
}

// sources parses every Go file of the module. It reads them itself: what `go list` reads is unknown to the test cache.
func sources(t *testing.T) []source {
	t.Helper()
	var list []source
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "node_modules") {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil && path != root {
				return filepath.SkipDir // a module of its own: tools that the product does not link
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		s, err := parse(path)
		list = append(list, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 100 {
		t.Fatalf("only %d Go files below %s: this is not the module", len(list), root)
	}
	return list
}

func parse(path string) (source, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return source{}, err
	}
	below, err := filepath.Rel(root, path)
	if err != nil {
		return source{}, err
	}
	return parseText(filepath.ToSlash(below), string(text))
}

func parseText(path, text string) (source, error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ParseComments|parser.SkipObjectResolution)
	return source{path: path, folder: folder(path), test: strings.HasSuffix(path, "_test.go"), lines: strings.Count(text, "\n"), syntax: file}, err
}

func folder(path string) string { return path[:max(0, strings.LastIndex(path, "/"))] }

// packages are the non-test files by folder.
func packages(all []source) map[string][]source {
	list := map[string][]source{}
	for _, s := range all {
		if !s.test {
			list[s.folder] = append(list[s.folder], s)
		}
	}
	return list
}

// matches tells whether path is one of patterns, or lies below one that ends in "/*".
func matches(path string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		below, deep := strings.CutSuffix(p, "/*")
		return path == p || deep && strings.HasPrefix(path, below+"/")
	})
}
