package archtest

import (
	"go/ast"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestEvents holds docs/events.md equal to the events that the product logs: alerts hang on their names.
func TestEvents(t *testing.T) {
	name := regexp.MustCompile(`^[a-z]+\.[a-z-]+$`)
	logged := map[string]string{}
	for _, s := range sources(t) {
		if s.test || strings.HasPrefix(s.path, "internal/standin") || !strings.HasPrefix(s.path, "internal/") && !strings.HasPrefix(s.path, "cmd/handler") {
			continue
		}
		ast.Inspect(s.syntax, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if text, err := strconv.Unquote(literal.Value); err == nil && name.MatchString(text) && !strings.Contains(text, ".json") && eventPrefix(text) {
					logged[text] = s.path
				}
			}
			return true
		})
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "events.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z]+\\.[a-z-]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		documented[m[1]] = true
	}
	if len(documented) == 0 {
		t.Fatal("docs/events.md lists no event")
	}
	for _, event := range slices.Sorted(maps.Keys(logged)) {
		if !documented[event] {
			t.Errorf("%s logs %s, docs/events.md does not list it", logged[event], event)
		}
	}
	for event := range documented {
		if logged[event] == "" {
			t.Errorf("docs/events.md lists %s, nothing logs it", event)
		}
	}
}

// eventPrefix tells events from file names: an event's first word is a stage, or the handler or invocation itself.
func eventPrefix(text string) bool {
	first, _, _ := strings.Cut(text, ".")
	return slices.Contains([]string{"handler", "invocation", "ingest", "metadata", "digest", "proxy", "segment", "retention", "expire", "reprocess", "reconcile"}, first) &&
		!slices.Contains([]string{"mp4", "m3u8"}, text[len(first)+1:])
}

// TestLinks looks that every file that a page links to is there.
func TestLinks(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)[)#]`)
	n := 0
	for _, page := range append(pages, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			n++
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil && !strings.HasPrefix(m[1], "http") {
				t.Errorf("%s links to %s, which is not there", filepath.Base(page), m[1])
			}
		}
	}
	if n == 0 {
		t.Fatal("no page links to anything")
	}
}
