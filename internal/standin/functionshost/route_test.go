package functionshost

import (
	"net/url"
	"strings"
	"testing"
)

func TestRoutes(t *testing.T) {
	templates := []string{"api/clips/{id}", "api/clips/{id:int}", "api/clips/latest", "api/clips/{*rest}", "portal/{*rest}", "api/opt/{x?}",
		"api/len/{x:length(2,3)}", "api/range/{x:range(1,9)}", "api/guid/{x:guid}", "api/alpha/{x:alpha:minlength(2)}", "api/get"}
	var all []route
	for _, text := range templates {
		r, err := parseRoute(text)
		if err != nil {
			t.Fatal(err)
		}
		r.fn = &function{name: text}
		if text == "api/get" {
			r.methods = []string{"GET"}
		}
		all = append(all, r)
	}
	rt := newRouter(all)
	for path, want := range map[string]string{
		"/api/clips/latest": "api/clips/latest", "/API/Clips/LATEST/": "api/clips/latest", "/api/clips/7": "api/clips/{id:int}",
		"/api/clips/99999999999": "api/clips/{id}", "/api/clips/x": "api/clips/{id}", "/api/clips/x/y": "api/clips/{*rest}", "/api/clips": "api/clips/{*rest}",
		"/portal": "portal/{*rest}", "/portal/a%2Fb/c": "portal/{*rest}", "/api/clips/a%2Fb": "api/clips/{id}",
		"/api/opt": "api/opt/{x?}", "/api/opt/1": "api/opt/{x?}", "/api/opt/1/2": "", "/api/len/ab": "api/len/{x:length(2,3)}", "/api/len/abcd": "",
		"/api/range/9": "api/range/{x:range(1,9)}", "/api/range/10": "", "/api/guid/0f8fad5b-d9cb-469f-a165-70867728950e": "api/guid/{x:guid}", "/api/guid/x": "",
		"/api/alpha/ab": "api/alpha/{x:alpha:minlength(2)}", "/api/alpha/a": "", "/api/alpha/a1": "",
		"/": "", "/api": "", "/other": "", "/api//clips/latest": "", "/api/get": "",
	} {
		u, err := url.Parse(path)
		if err != nil {
			t.Fatal(err)
		}
		segments, ok := pathSegments(u)
		if !ok {
			t.Fatalf("%s has no segments", path)
		}
		got := ""
		if f := rt.find("POST", segments); f != nil {
			got = f.name
		}
		if got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if rt.find("GET", []string{"api", "get"}) == nil || rt.find("HEAD", []string{"api", "get"}) != nil {
		t.Error("methods are not kept: HEAD is not GET in Azure")
	}
}

func TestDotSegmentsAreResolvedFirst(t *testing.T) {
	for in, want := range map[string]string{
		"/api/../Ingest": "/Ingest", "/api/%2e%2E/Ingest": "/Ingest", "/api/./x": "/api/x", "/../../x": "/x", "/api/x/..": "/api/",
		"/api/x/.": "/api/x/", "/api/a%2F..": "/api/a%2F..", "/api/..%2fx": "/api/..%2fx", "/api/x": "/api/x", "/api/.well": "/api/.well", "/api//x": "/api//x",
	} {
		u, err := url.ParseRequestURI(in)
		if err != nil {
			t.Fatal(err)
		}
		normalPath(u)
		if got := u.EscapedPath(); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}

func TestConstraintKinds(t *testing.T) {
	for text, values := range map[string][2]string{
		"int": {"-5", "5.5"}, "long": {"99999999999", "x"}, "bool": {"TRUE", "1"}, "decimal": {"1.5", "1e5"}, "double": {"1e5", "x"}, "float": {"1.5", "."},
		"min(3)": {"3", "2"}, "max(3)": {"3", "4"}, "minlength(2)": {"ab", "a"}, "maxlength(2)": {"ab", "abc"}, "length(2)": {"ab", "a"},
	} {
		check, err := constraint(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if !check(values[0]) || check(values[1]) {
			t.Errorf("%s: %q is %v, %q is %v", text, values[0], check(values[0]), values[1], check(values[1]))
		}
	}
	for _, text := range []string{"int(3)", "min", "range(1)", "length(a)", "min(1", "datetime", ""} {
		if _, err := constraint(text); err == nil {
			t.Errorf("%q passed", text)
		}
	}
}

func FuzzRoute(f *testing.F) {
	for _, seed := range []string{"api/{id}", "api/{*rest}", "a/{b:int:min(3)}", "{x?}", "a/{b:length(1,2)}/c", "%41", "", "a/{b"} {
		f.Add(seed, "/a/b/c")
	}
	f.Fuzz(func(t *testing.T, template, path string) {
		r, err := parseRoute(template)
		if err != nil {
			return
		}
		r.fn = &function{name: "F"}
		u, err := url.ParseRequestURI("/" + strings.TrimPrefix(path, "/"))
		if err != nil {
			return
		}
		normalPath(u)
		segments, ok := pathSegments(u)
		for _, s := range segments {
			if s == ".." || s == "." {
				t.Fatalf("%q kept a dot segment", path)
			}
		}
		if ok && r.matches(segments) && r.segments[0].literal != "" && !strings.EqualFold(segments[0], r.segments[0].literal) {
			t.Fatalf("%q matched %q", template, path)
		}
	})
}

func FuzzFunctionJSON(f *testing.F) {
	f.Add([]byte(anyQueue), []byte(plainHost))
	f.Add([]byte(httpFunction("api/{id:int}", "function", "get")), []byte(`{"version":"2.0","customHandler":{"description":{"defaultExecutablePath":"h"}},"extensions":{"http":{}}}`))
	f.Add([]byte(`{"bindings":[{"type":"timerTrigger","name":"t","schedule":"0 */5 * * * *"}],"disabled":false}`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, function, host []byte) {
		c, err := parseHostJSON(host)
		if err != nil {
			c.routePrefix = "api"
		}
		fn, err := parseFunction("Fn", function, c.routePrefix, settings{"SB": "x"})
		if err != nil {
			return
		}
		kinds := 0
		for _, is := range []bool{fn.bus != nil, fn.timer != nil, fn.http != nil} {
			if is {
				kinds++
			}
		}
		if kinds != 1 || fn.binding == "" {
			t.Fatalf("%s passed as %+v", function, fn)
		}
	})
}
