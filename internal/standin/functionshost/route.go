package functionshost

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// route is one ASP.NET route template with its methods.
type route struct {
	template string
	segments []segment
	methods  []string // upper case; empty is every method
	fn       *function
}

// segment is either literal text, or one parameter that fills the whole segment.
type segment struct {
	literal  string
	name     string
	catchAll bool
	optional bool
	checks   []func(string) bool
	kinds    string // the constraints as written, for the comparison of two routes
}

const (
	maxTemplate = 512
	maxSegments = 32
)

// parseRoute reads a template such as api/clips/{id:int}/{*rest}.
func parseRoute(template string) (route, error) {
	r := route{template: template}
	if len(template) > maxTemplate {
		return r, fmt.Errorf("route is longer than %d characters", maxTemplate)
	}
	if strings.HasPrefix(template, "/") || strings.HasPrefix(template, "~") {
		return r, fmt.Errorf("route %q must not start with / or ~", template)
	}
	seen := map[string]bool{}
	parts := strings.Split(strings.TrimSuffix(template, "/"), "/")
	if len(parts) > maxSegments {
		return r, fmt.Errorf("route %q has more than %d segments", template, maxSegments)
	}
	for i, part := range parts {
		s, err := parseSegment(part)
		if err != nil {
			return r, fmt.Errorf("route %q: %w", template, err)
		}
		if s.name != "" {
			if seen[strings.ToLower(s.name)] {
				return r, fmt.Errorf("route %q: the parameter %q appears twice", template, s.name)
			}
			seen[strings.ToLower(s.name)] = true
		}
		if (s.catchAll || s.optional) && i != len(parts)-1 {
			return r, fmt.Errorf("route %q: %q may only come last", template, part)
		}
		r.segments = append(r.segments, s)
	}
	return r, nil
}

func parseSegment(part string) (segment, error) {
	if part == "" {
		return segment{}, fmt.Errorf("a segment is empty")
	}
	if !strings.ContainsAny(part, "{}") {
		if strings.ContainsAny(part, "?*#%\\ ") || part == "." || part == ".." {
			return segment{}, fmt.Errorf("%q cannot be part of a path", part)
		}
		return segment{literal: part}, nil
	}
	if !strings.HasPrefix(part, "{") || !strings.HasSuffix(part, "}") || strings.ContainsAny(part[1:len(part)-1], "{}") {
		return segment{}, fmt.Errorf("%q mixes text and parameters in one segment, which is not covered", part)
	}
	inner := part[1 : len(part)-1]
	var s segment
	for range 2 {
		if rest, ok := strings.CutPrefix(inner, "*"); ok {
			s.catchAll, inner = true, rest
		}
	}
	if rest, ok := strings.CutSuffix(inner, "?"); ok {
		s.optional, inner = true, rest
	}
	if strings.Contains(inner, "=") {
		return s, fmt.Errorf("%q has a default value, which is not covered", part)
	}
	name, constraints, _ := strings.Cut(inner, ":")
	if !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(name) {
		return s, fmt.Errorf("%q is not a parameter's name", name)
	}
	s.name = name
	if constraints != "" {
		s.kinds = strings.ToLower(constraints)
		for _, c := range strings.Split(constraints, ":") {
			check, err := constraint(c)
			if err != nil {
				return s, err
			}
			s.checks = append(s.checks, check)
		}
	}
	return s, nil
}

// constraint is one of ASP.NET's inline constraints.
func constraint(text string) (func(string) bool, error) {
	name, arguments, _ := strings.Cut(text, "(")
	var numbers []int64
	if arguments != "" {
		list, ok := strings.CutSuffix(arguments, ")")
		if !ok {
			return nil, fmt.Errorf("constraint %q lacks its )", text)
		}
		for _, a := range strings.Split(list, ",") {
			n, err := strconv.ParseInt(strings.TrimSpace(a), 10, 64)
			if err != nil {
				return nil, fmt.Errorf("constraint %q: %q is not a number", text, a)
			}
			numbers = append(numbers, n)
		}
	}
	parses := func(bits int) func(string) bool {
		return func(v string) bool { _, err := strconv.ParseInt(v, 10, bits); return err == nil }
	}
	matches := func(pattern string) func(string) bool { return regexp.MustCompile(pattern).MatchString }
	between := func(low, high int64) func(string) bool {
		return func(v string) bool { n, err := strconv.ParseInt(v, 10, 64); return err == nil && n >= low && n <= high }
	}
	long := func(low, high int64) func(string) bool {
		return func(v string) bool { n := int64(len([]rune(v))); return n >= low && n <= high }
	}
	const most = int64(^uint64(0) >> 1)
	switch name = strings.ToLower(name); {
	case len(numbers) == 0:
		plain := map[string]func(string) bool{
			"int": parses(32), "long": parses(64), "bool": matches(`^(?i:true|false)$`), "alpha": matches(`^[A-Za-z]*$`),
			"guid":    matches(`^\{?[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\}?$`),
			"decimal": matches(`^[+-]?\d+(\.\d+)?$`), "double": matches(`^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$`), "float": matches(`^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$`),
		}
		if check, ok := plain[name]; ok {
			return check, nil
		}
	case name == "min" && len(numbers) == 1:
		return between(numbers[0], most), nil
	case name == "max" && len(numbers) == 1:
		return between(-most-1, numbers[0]), nil
	case name == "range" && len(numbers) == 2:
		return between(numbers[0], numbers[1]), nil
	case name == "minlength" && len(numbers) == 1:
		return long(numbers[0], most), nil
	case name == "maxlength" && len(numbers) == 1:
		return long(0, numbers[0]), nil
	case name == "length" && len(numbers) == 1:
		return long(numbers[0], numbers[0]), nil
	case name == "length" && len(numbers) == 2:
		return long(numbers[0], numbers[1]), nil
	}
	return nil, fmt.Errorf("constraint %q is not covered", text)
}

// precedence orders templates as ASP.NET does: literals, then constrained parameters, then free ones.
func (r route) precedence() string {
	var b strings.Builder
	for _, s := range r.segments {
		switch {
		case s.literal != "":
			b.WriteByte('1')
		case s.catchAll && s.checks != nil:
			b.WriteByte('4')
		case s.catchAll:
			b.WriteByte('5')
		case s.checks != nil:
			b.WriteByte('2')
		default:
			b.WriteByte('3')
		}
	}
	return b.String()
}

// shape is equal for two templates that match the same paths.
func (r route) shape() string {
	var b strings.Builder
	for _, s := range r.segments {
		fmt.Fprintf(&b, "/%s{%v%v%s}", strings.ToLower(s.literal), s.catchAll, s.optional, s.kinds)
	}
	return b.String()
}

func (r route) allows(method string) bool {
	return len(r.methods) == 0 || slices.Contains(r.methods, method)
}

// overlaps reports whether one request could belong to both routes equally.
func (r route) overlaps(other route) bool {
	if r.shape() != other.shape() {
		return false
	}
	if len(r.methods) == 0 || len(other.methods) == 0 {
		return true
	}
	return slices.ContainsFunc(r.methods, other.allows)
}

func (r route) matches(path []string) bool {
	for i, s := range r.segments {
		if s.catchAll {
			rest := ""
			if i < len(path) {
				rest = strings.Join(path[i:], "/")
			}
			return s.accepts(rest)
		}
		if i >= len(path) {
			return s.optional
		}
		if s.literal != "" {
			if !strings.EqualFold(s.literal, path[i]) {
				return false
			}
			continue
		}
		if path[i] == "" || !s.accepts(path[i]) {
			return false
		}
	}
	return len(path) <= len(r.segments)
}

func (s segment) accepts(v string) bool {
	for _, check := range s.checks {
		if !check(v) {
			return false
		}
	}
	return true
}

// router holds the routes in the order in which they are tried.
type router []route

func newRouter(routes []route) router {
	out := slices.Clone(routes)
	sort.SliceStable(out, func(i, j int) bool { return out[i].precedence() < out[j].precedence() })
	return out
}

// find answers nil when nothing matches. A route that matches all but the method does not match: Azure
// answers 404 there, not 405 (azure-functions-host issue 10098).
func (rt router) find(method string, path []string) *function {
	for _, r := range rt {
		if r.allows(method) && r.matches(path) {
			return r.fn
		}
	}
	return nil
}

// pathSegments decodes a request's path for routing; ok is false for one that cannot be decoded.
// An encoded slash stays inside its segment, and no segment is "." or "..", which normalPath took out.
func pathSegments(u *url.URL) (segments []string, ok bool) {
	trimmed := strings.TrimSuffix(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	if trimmed == "" {
		return nil, true
	}
	for _, part := range strings.Split(trimmed, "/") {
		text, err := url.PathUnescape(part)
		if err != nil {
			return nil, false
		}
		segments = append(segments, text)
	}
	return segments, true
}

// normalPath takes "." and ".." out of the path, encoded ones too, as Kestrel does before anything sees the
// request: otherwise /api/../Name would pass the routes and be cleaned to /Name behind them.
func normalPath(u *url.URL) {
	escaped := u.EscapedPath()
	parts := strings.Split(strings.TrimPrefix(escaped, "/"), "/")
	var kept []string
	changed := false
	for i, part := range parts {
		text, err := url.PathUnescape(part)
		if err != nil || (text != "." && text != "..") {
			kept = append(kept, part)
			continue
		}
		changed = true
		if text == ".." && len(kept) > 0 {
			kept = kept[:len(kept)-1]
		}
		if i == len(parts)-1 {
			kept = append(kept, "")
		}
	}
	if !changed {
		return
	}
	clean := "/" + strings.Join(kept, "/")
	if path, err := url.PathUnescape(clean); err == nil {
		u.Path, u.RawPath = path, clean
	}
}
