package azfunc

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"bwv/internal/evidence"
)

// kinds reads the kinds from the domain's source, so that a new one cannot be forgotten here.
func kinds(t *testing.T) []evidence.Kind {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../evidence/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var list []evidence.Kind
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := v.Type.(*ast.Ident); ok && id.Name == "Kind" {
			for _, value := range v.Values {
				text, err := strconv.Unquote(value.(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				list = append(list, evidence.Kind(text))
			}
		}
		return true
	})
	return list
}

func TestStatus(t *testing.T) {
	want := map[evidence.Kind]int{
		evidence.NotFound: 404, evidence.Conflict: 409, evidence.Refused: 409, evidence.Invalid: 400, evidence.Unreadable: 400,
		evidence.Denied: 403, evidence.Anonymous: 401, evidence.Unavailable: 503, evidence.TooLarge: 413,
	}
	all := kinds(t)
	if len(all) != len(want) {
		t.Errorf("the domain has %d kinds, this table %d", len(all), len(want))
	}
	for _, kind := range all {
		for name, err := range map[string]error{"bare": kind, "wrapped": fmt.Errorf("a: %w", fmt.Errorf("b: %w", kind)), "joined": errors.Join(errors.New("x"), kind)} {
			if got := Status(err); got != want[kind] {
				t.Errorf("%s, %s: %d, want %d", kind, name, got, want[kind])
			}
		}
	}
	for _, err := range []error{errors.New("not found"), evidence.Kind("new"), errPanic} {
		if got := Status(err); got != http.StatusInternalServerError {
			t.Errorf("%v: %d", err, got)
		}
	}
}

func TestProblem(t *testing.T) {
	const secret = "AccountKey=abc"
	for name, c := range map[string]struct {
		err    error
		status int
		detail string // what the caller reads
		retry  string
	}{
		"a kind":      {fmt.Errorf("record ev-1: %w", evidence.NotFound), 404, "record ev-1: not found", ""},
		"for now":     {fmt.Errorf("the proxy is still being made: %w", evidence.Unavailable), 503, "the proxy is still being made: unavailable for now", "5"},
		"our fault":   {errors.New(secret), 500, "something went wrong on our side; recordings are safe; quote the reference", ""},
		"our panic":   {fmt.Errorf("%w: %v", errPanic, secret), 500, "something went wrong on our side; recordings are safe; quote the reference", ""},
		"unheard-of":  {fmt.Errorf("%s: %w", secret, evidence.Kind("new")), 500, "something went wrong on our side; recordings are safe; quote the reference", ""},
		"needs words": {fmt.Errorf("sign in first: %w", evidence.Anonymous), 401, "sign in first: not signed in", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			if status := problem(w, c.err, "inv-1"); status != c.status || w.Code != c.status {
				t.Errorf("said %d, sent %d, want %d", status, w.Code, c.status)
			}
			if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("content type %q", got)
			}
			if got := w.Header().Get("Retry-After"); got != c.retry {
				t.Errorf("Retry-After %q", got)
			}
			var body map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
				t.Fatal(err)
			}
			want := map[string]any{"title": http.StatusText(c.status), "status": float64(c.status), "detail": c.detail, "reference": "inv-1"}
			if fmt.Sprint(body) != fmt.Sprint(want) {
				t.Errorf("got %v\nwant %v", body, want)
			}
			if strings.Contains(w.Body.String(), secret) {
				t.Errorf("%s leaks", w.Body)
			}
		})
	}
}
