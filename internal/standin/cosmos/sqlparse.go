package cosmos

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// query is a parsed query with its parameters already in place.
type query struct {
	star   bool
	value  expr // SELECT VALUE <expr>
	count  expr // COUNT(<expr>), alone or under VALUE
	items  []selectItem
	where  expr
	order  []column
	top    int // -1 when absent
	offset int
	limit  int // -1 when absent
}

type selectItem struct {
	name string
	e    expr
}

// simple says whether Azure's gateway can serve the query across partitions:
// projection and filter only.
func (q *query) simple() bool {
	return q.count == nil && len(q.order) == 0 && q.top < 0 && q.limit < 0
}

type parser struct {
	lex    lexer
	tok    token
	params map[string]value
	alias  string
	depth  int
	paths  []pathUse
}

// pathUse is a root identifier met before FROM was read.
type pathUse struct {
	name       string
	start, end int
}

func newParser(text string, params map[string]value) (*parser, *sqlError) {
	if len(text) > maxQueryText {
		return nil, &sqlError{0, maxQueryText, "SC1002", "The query text exceeds the maximum length."}
	}
	if !utf8.ValidString(text) {
		return nil, &sqlError{0, len(text), "SC1001", "The query text is not UTF-8."}
	}
	p := &parser{lex: lexer{src: text}, params: params}
	return p, p.advance()
}

// parseQuery reads one query. Every construct outside the documented subset is
// an error that names it.
func parseQuery(text string, params map[string]value) (*query, *sqlError) {
	p, err := newParser(text, params)
	if err != nil {
		return nil, err
	}
	q, err := p.query()
	if err != nil {
		return nil, err
	}
	return q, p.resolve()
}

// parseCondition reads a patch condition: FROM c [WHERE ...].
func parseCondition(text string) (*query, *sqlError) {
	p, err := newParser(text, nil)
	if err != nil {
		return nil, err
	}
	q := &query{star: true, top: -1, limit: -1}
	for _, part := range []func(*query) *sqlError{p.from, p.filter} {
		if err := part(q); err != nil {
			return nil, err
		}
	}
	if p.tok.kind != tokEnd {
		return nil, p.unexpected()
	}
	return q, p.resolve()
}

func (p *parser) advance() *sqlError {
	t, err := p.lex.next()
	p.tok = t
	return err
}

func (p *parser) is(kind tokenKind, text string) bool {
	return p.tok.kind == kind && p.tok.text == text
}
func (p *parser) keyword(w string) bool { return p.is(tokKeyword, w) }
func (p *parser) punct(w string) bool   { return p.is(tokPunct, w) }

// accept passes over the keyword or sign if it is next.
func (p *parser) accept(kind tokenKind, text string) (bool, *sqlError) {
	if !p.is(kind, text) {
		return false, nil
	}
	return true, p.advance()
}

func (p *parser) expect(kind tokenKind, text string) *sqlError {
	if !p.is(kind, text) {
		return p.unexpected()
	}
	return p.advance()
}

// unexpected refuses the current token: by name when it begins something that
// Azure has and this stand-in has not.
func (p *parser) unexpected() *sqlError {
	if p.tok.kind == tokKeyword {
		switch p.tok.text {
		case "JOIN", "DISTINCT", "GROUP", "HAVING", "LIKE", "CASE", "EXISTS", "ARRAY", "UDF", "CAST", "CONVERT", "OVER":
			return p.refuse(p.tok.text)
		}
	}
	if p.tok.kind == tokPunct && strings.Contains("+-*/%&|^~||??{:", p.tok.text) {
		return p.refuse("the operator or literal '" + p.tok.text + "'")
	}
	near := p.tok.text
	if p.tok.kind == tokEnd {
		near = "<end>"
	}
	return &sqlError{p.tok.start, p.tok.end, "SC1001", "Syntax error, incorrect syntax near '" + near + "'."}
}

func (p *parser) refuse(feature string) *sqlError {
	return &sqlError{p.tok.start, p.tok.end, "SC9000", "This stand-in does not support " + feature + " in a query."}
}

func (p *parser) query() (*query, *sqlError) {
	q := &query{top: -1, limit: -1}
	if err := p.expect(tokKeyword, "SELECT"); err != nil {
		return nil, err
	}
	for _, part := range []func(*query) *sqlError{p.selection, p.from, p.filter, p.ordering, p.paging} {
		if err := part(q); err != nil {
			return nil, err
		}
	}
	if p.tok.kind != tokEnd {
		return nil, p.unexpected()
	}
	if q.count != nil && (len(q.order) > 0 || q.limit >= 0 || q.top >= 0) {
		return nil, p.refuse("COUNT together with ORDER BY, TOP or OFFSET LIMIT")
	}
	if q.top >= 0 && q.limit >= 0 {
		return nil, &sqlError{0, 0, "SC2204", "The TOP and OFFSET LIMIT clauses cannot be used together."}
	}
	return q, nil
}

func (p *parser) selection(q *query) *sqlError {
	if ok, err := p.accept(tokKeyword, "TOP"); err != nil {
		return err
	} else if ok {
		if q.top, err = p.amount(); err != nil {
			return err
		}
	}
	if ok, err := p.accept(tokPunct, "*"); ok || err != nil {
		q.star = true
		return err
	}
	if ok, err := p.accept(tokKeyword, "VALUE"); err != nil {
		return err
	} else if ok {
		if q.count, err = p.counting(); err != nil || q.count != nil {
			q.value = q.count
			return err
		}
		q.value, err = p.expression()
		return err
	}
	for {
		count, err := p.counting()
		if err != nil {
			return err
		}
		e := count
		if e == nil {
			if e, err = p.expression(); err != nil {
				return err
			}
		}
		if err := p.named(q, e); err != nil {
			return err
		}
		if count != nil {
			if q.count = count; len(q.items) > 1 || p.punct(",") {
				return p.refuse("COUNT beside other columns")
			}
			return nil
		}
		if ok, err := p.accept(tokPunct, ","); err != nil || !ok {
			return err
		}
	}
}

// named adds a column under its alias, the last name of its path, or $n.
func (p *parser) named(q *query, e expr) *sqlError {
	name := ""
	as, err := p.accept(tokKeyword, "AS")
	if err != nil {
		return err
	}
	if as || p.tok.kind == tokName {
		if p.tok.kind != tokName {
			return p.unexpected()
		}
		name = p.tok.text
		if err := p.advance(); err != nil {
			return err
		}
	} else if path, ok := e.(*pathExpr); ok && len(path.steps) == 0 {
		name = p.paths[len(p.paths)-1].name
	} else if ok && !path.steps[len(path.steps)-1].array {
		name = path.steps[len(path.steps)-1].name
	} else {
		n := 1
		for _, it := range q.items {
			n += b2i(strings.HasPrefix(it.name, "$"))
		}
		name = "$" + string(appendNumber(nil, float64(n)))
	}
	if slices.ContainsFunc(q.items, func(o selectItem) bool { return o.name == name }) {
		return &sqlError{p.tok.start, p.tok.end, "SC2042", "Property name '" + name + "' specified more than once in the SELECT clause."}
	}
	if q.items = append(q.items, selectItem{name, e}); len(q.items) > maxColumns {
		return p.refuse("more than 500 columns")
	}
	return nil
}

// counting reads COUNT(<expr>), or nothing.
func (p *parser) counting() (expr, *sqlError) {
	if p.tok.kind != tokName || !strings.EqualFold(p.tok.text, "COUNT") {
		return nil, nil
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if err := p.expect(tokPunct, "("); err != nil {
		return nil, err
	}
	e, err := p.expression()
	if err != nil {
		return nil, err
	}
	return e, p.expect(tokPunct, ")")
}

// from reads FROM <container> [[AS] alias].
func (p *parser) from(q *query) *sqlError {
	if err := p.expect(tokKeyword, "FROM"); err != nil {
		return err
	}
	if p.tok.kind != tokName {
		return p.unexpected()
	}
	p.alias = p.tok.text
	if err := p.advance(); err != nil {
		return err
	}
	if p.punct(".") || p.punct("[") || p.keyword("IN") {
		return p.refuse("iterating over a part of the document in FROM")
	}
	as, err := p.accept(tokKeyword, "AS")
	if err != nil {
		return err
	}
	if p.tok.kind == tokName {
		p.alias = p.tok.text
		if err := p.advance(); err != nil {
			return err
		}
	} else if as {
		return p.unexpected()
	}
	if p.keyword("JOIN") || p.keyword("IN") || p.punct(",") {
		return p.refuse("JOIN")
	}
	return nil
}

func (p *parser) filter(q *query) (err *sqlError) {
	ok, err := p.accept(tokKeyword, "WHERE")
	if err != nil || !ok {
		return err
	}
	q.where, err = p.expression()
	return err
}

func (p *parser) ordering(q *query) *sqlError {
	if ok, err := p.accept(tokKeyword, "ORDER"); err != nil || !ok {
		return err
	}
	if err := p.expect(tokKeyword, "BY"); err != nil {
		return err
	}
	for {
		start := p.tok
		e, err := p.expression()
		if err != nil {
			return err
		}
		path, ok := e.(*pathExpr)
		var names []string
		if ok {
			names, ok = path.names()
		}
		if !ok {
			return &sqlError{start.start, p.tok.start, "SC2206", "Unsupported ORDER BY clause. ORDER BY item expression could not be mapped to a document path."}
		}
		col := column{path: names}
		if asc, err := p.accept(tokKeyword, "ASC"); err != nil {
			return err
		} else if !asc {
			if col.desc, err = p.accept(tokKeyword, "DESC"); err != nil {
				return err
			}
		}
		if q.order = append(q.order, col); len(q.order) > maxCompositeColumns {
			return p.refuse("ORDER BY with more than 8 paths")
		}
		if ok, err := p.accept(tokPunct, ","); err != nil || !ok {
			return err
		}
	}
}

func (p *parser) paging(q *query) *sqlError {
	ok, err := p.accept(tokKeyword, "OFFSET")
	if err != nil || !ok {
		return err
	}
	if q.offset, err = p.amount(); err != nil {
		return err
	}
	if err := p.expect(tokKeyword, "LIMIT"); err != nil {
		return err
	}
	q.limit, err = p.amount()
	return err
}

// amount reads the count of TOP, OFFSET or LIMIT: a literal or a parameter.
func (p *parser) amount() (int, *sqlError) {
	t := p.tok
	n := t.num
	switch t.kind {
	case tokNumber:
	case tokParam:
		v, ok := p.params[t.text]
		if !ok || v.kind != kindNumber {
			return 0, p.unexpected()
		}
		n = v.n
	default:
		return 0, p.unexpected()
	}
	if n < 0 || n != math.Trunc(n) || n > math.MaxInt32 {
		return 0, &sqlError{t.start, t.end, "SC2062", "The value of TOP, OFFSET or LIMIT must be a non-negative integer."}
	}
	return int(n), p.advance()
}

// resolve checks that every path starts at the alias of FROM.
func (p *parser) resolve() *sqlError {
	for _, use := range p.paths {
		if use.name != p.alias {
			return &sqlError{use.start, use.end, "SC2001", "Identifier '" + use.name + "' could not be resolved."}
		}
	}
	return nil
}
