package cosmos

import (
	"encoding/json"
	"slices"
	"strings"
)

const defaultPolicy = `{"indexingMode":"consistent","automatic":true,"includedPaths":[{"path":"/*"}],"excludedPaths":[{"path":"/\"_etag\"/?"}]}`

// Limits of an indexing policy (Azure's service quotas).
const (
	maxComposites       = 100
	maxCompositeColumns = 8
)

// indexingPolicy is the part of Azure's indexing policy that decides what a
// query may be ordered by; the whole document is stored and returned as given.
type indexingPolicy struct {
	Mode      string        `json:"indexingMode"`
	Included  []policyPath  `json:"includedPaths"`
	Excluded  []policyPath  `json:"excludedPaths"`
	Composite [][]composite `json:"compositeIndexes"`
}

type policyPath struct {
	Path string `json:"path"`
}

type composite struct {
	Path  string `json:"path"`
	Order string `json:"order"`
}

// column is one path of an index or of an ORDER BY.
type column struct {
	path []string
	desc bool
}

func (c column) is(o column) bool { return c.desc == o.desc && slices.Equal(c.path, o.path) }

// indexDef is one index kept in the store.
type indexDef struct {
	cols   []column
	unique bool
	name   string // derived from the columns, names its bucket
}

func newIndex(unique bool, cols []column) *indexDef {
	parts := []string{"order"}
	if unique {
		parts[0] = "unique"
	}
	for _, c := range cols {
		dir := " asc"
		if c.desc {
			dir = " desc"
		}
		text, _ := json.Marshal(c.path)
		parts = append(parts, string(text)+dir)
	}
	return &indexDef{cols: cols, unique: unique, name: strings.Join(parts, "|")}
}

// endsWithID says whether the last column makes entries unique by itself.
func (d *indexDef) endsWithID() bool {
	return len(d.cols) > 0 && isIDPath(d.cols[len(d.cols)-1].path)
}

func isIDPath(path []string) bool { return len(path) == 1 && path[0] == "id" }

// lastDesc is the direction in which the id that breaks ties is stored: that
// of the last column.
func lastDesc(cols []column) bool { return len(cols) > 0 && cols[len(cols)-1].desc }

// parsePolicy reads and checks an indexing policy; raw may be empty.
func parsePolicy(raw json.RawMessage) (*indexingPolicy, json.RawMessage, *apiError) {
	if len(raw) == 0 || string(raw) == "null" {
		raw = json.RawMessage(defaultPolicy)
	}
	p := &indexingPolicy{}
	if err := json.Unmarshal(raw, p); err != nil {
		return nil, nil, badRequest("The indexing policy is not valid: %v", err)
	}
	switch p.Mode = strings.ToLower(p.Mode); p.Mode {
	case "":
		p.Mode = "consistent"
	case "consistent", "none":
	default:
		return nil, nil, badRequest("The indexing mode '%s' is not valid.", p.Mode)
	}
	if p.Mode == "consistent" {
		if err := p.checkPaths(); err != nil {
			return nil, nil, err
		}
	} else if len(p.Composite) > 0 {
		return nil, nil, badRequest("Composite indexes need the indexing mode 'consistent'.")
	}
	return p, raw, p.checkComposites()
}

func (p *indexingPolicy) checkPaths() *apiError {
	if len(p.Included) == 0 && len(p.Excluded) == 0 {
		p.Included = []policyPath{{"/*"}}
	}
	root := false
	for _, pp := range slices.Concat(p.Included, p.Excluded) {
		segs, ok := splitPath(pp.Path)
		last := ""
		if ok && len(segs) > 0 {
			last = segs[len(segs)-1]
		}
		if last != "?" && last != "*" {
			return badRequest("The indexing path '%s' could not be accepted, failed near position '0'. Please ensure that the path is a valid path. Common errors include invalid characters or absence of quotes around labels.", pp.Path)
		}
		root = root || pp.Path == "/*"
	}
	if !root {
		return badRequest("The special mandatory indexing path \"/\" is missing in indexing policy. Please provide it in either included or excluded paths.")
	}
	return nil
}

func (p *indexingPolicy) checkComposites() *apiError {
	if len(p.Composite) > maxComposites {
		return badRequest("The number of composite indexes must not exceed %d.", maxComposites)
	}
	for _, c := range p.Composite {
		if len(c) < 2 || len(c) > maxCompositeColumns {
			return badRequest("A composite index must have between 2 and %d paths.", maxCompositeColumns)
		}
		for _, col := range c {
			segs, ok := splitPath(col.Path)
			if !ok || slices.ContainsFunc(segs, func(s string) bool { return s == "?" || s == "*" || s == "[]" }) {
				return badRequest("The composite index path '%s' is not valid.", col.Path)
			}
			if o := strings.ToLower(col.Order); o != "" && o != "ascending" && o != "descending" {
				return badRequest("The composite index order '%s' is not valid.", col.Order)
			}
		}
	}
	return nil
}

// indexes lists the indexes the store keeps: every composite, and every single
// path that is included by name.
func (p *indexingPolicy) indexes() []*indexDef {
	var out []*indexDef
	add := func(d *indexDef) {
		if !slices.ContainsFunc(out, func(o *indexDef) bool { return o.name == d.name }) {
			out = append(out, d)
		}
	}
	for _, c := range p.Composite {
		var cols []column
		for _, col := range c {
			segs, _ := splitPath(col.Path)
			cols = append(cols, column{segs, strings.EqualFold(col.Order, "descending")})
		}
		add(newIndex(false, cols))
	}
	for _, pp := range p.Included {
		segs, _ := splitPath(pp.Path)
		last := len(segs) - 1
		if p.Mode != "consistent" || segs[last] != "?" || last == 0 || slices.Contains(segs, "[]") || isIDPath(segs[:last]) {
			continue
		}
		add(newIndex(false, []column{{path: segs[:last]}}))
	}
	return out
}

// includes says whether the path is indexed: the longest matching path of the
// policy decides; id and _ts always are.
func (p *indexingPolicy) includes(path []string) bool {
	if p.Mode != "consistent" {
		return false
	}
	if isIDPath(path) || len(path) == 1 && path[0] == "_ts" {
		return true
	}
	in, out := -1, -1
	for _, pp := range p.Included {
		in = max(in, matchPath(pp.Path, path))
	}
	for _, pp := range p.Excluded {
		out = max(out, matchPath(pp.Path, path))
	}
	return in >= 0 && in >= out
}

// names says whether the policy includes exactly this path (or it always exists).
func (p *indexingPolicy) names(path []string) bool {
	return isIDPath(path) || slices.ContainsFunc(p.Included, func(pp policyPath) bool {
		segs, ok := splitPath(pp.Path)
		return ok && segs[len(segs)-1] == "?" && slices.Equal(segs[:len(segs)-1], path)
	})
}

// ordersBy says whether a composite index serves this ORDER BY: the same
// paths in the same sequence, all directions equal or all reversed.
func (p *indexingPolicy) ordersBy(order []column) bool {
	for _, c := range p.Composite {
		if len(c) != len(order) {
			continue
		}
		same, reversed := true, true
		for i, col := range c {
			segs, _ := splitPath(col.Path)
			have := column{segs, strings.EqualFold(col.Order, "descending")}
			same = same && have.is(order[i])
			have.desc = !have.desc
			reversed = reversed && have.is(order[i])
		}
		if same || reversed {
			return true
		}
	}
	return false
}

// matchPath returns how precisely a policy path covers a property path, or -1.
func matchPath(pattern string, path []string) int {
	segs, ok := splitPath(pattern)
	if !ok || len(segs) == 0 {
		return -1
	}
	last := len(segs) - 1
	body := segs[:last]
	if len(body) > len(path) || !slices.Equal(body, path[:len(body)]) {
		return -1
	}
	if segs[last] == "?" {
		if len(body) != len(path) {
			return -1
		}
		return 2*len(body) + 1
	}
	return 2 * len(body)
}

// splitPath splits /a/"b c"/? into its labels.
func splitPath(path string) ([]string, bool) {
	if !strings.HasPrefix(path, "/") {
		return nil, false
	}
	var out []string
	for rest := path; rest != ""; {
		rest = rest[1:] // the slash
		var label string
		if strings.HasPrefix(rest, `"`) {
			end := strings.Index(rest[1:], `"`)
			if end < 0 {
				return nil, false
			}
			label, rest = rest[1:end+1], rest[end+2:]
			if rest != "" && rest[0] != '/' {
				return nil, false
			}
		} else if i := strings.IndexByte(rest, '/'); i >= 0 {
			label, rest = rest[:i], rest[i:]
		} else {
			label, rest = rest, ""
		}
		if label == "" {
			return nil, false
		}
		out = append(out, label)
	}
	return out, true
}
