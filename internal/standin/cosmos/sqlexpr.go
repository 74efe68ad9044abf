package cosmos

import (
	"math"
	"strings"
)

// expression reads OR terms; chains are flat, so that ReadMany's thousand
// alternatives need no depth.
func (p *parser) expression() (expr, *sqlError) {
	if p.depth++; p.depth > maxQueryDepth {
		return nil, &sqlError{p.tok.start, p.tok.end, "SC1002", "The query nests too deeply."}
	}
	defer func() { p.depth-- }()
	return p.chain("OR", func() (expr, *sqlError) { return p.chain("AND", p.negation) })
}

func (p *parser) chain(word string, term func() (expr, *sqlError)) (expr, *sqlError) {
	first, err := term()
	if err != nil || !p.keyword(word) {
		return first, err
	}
	out := &logic{or: word == "OR", terms: []expr{first}}
	for p.keyword(word) {
		if err := p.advance(); err != nil {
			return nil, err
		}
		t, err := term()
		if err != nil {
			return nil, err
		}
		out.terms = append(out.terms, t)
	}
	return out, nil
}

func (p *parser) negation() (expr, *sqlError) {
	n := 0
	for ; p.keyword("NOT"); n++ {
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	e, err := p.predicate()
	if err != nil || n == 0 {
		return e, err
	}
	e = &notExpr{e}
	if n%2 == 0 { // twice is not nothing: it makes what is no boolean undefined
		e = &notExpr{e}
	}
	return e, nil
}

// predicate reads an operand and what may be said of it.
func (p *parser) predicate() (expr, *sqlError) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	if p.tok.kind == tokPunct {
		switch op := p.tok.text; op {
		case "=", "!=", "<>", "<", "<=", ">", ">=":
			if err := p.advance(); err != nil {
				return nil, err
			}
			right, err := p.operand()
			if err != nil {
				return nil, err
			}
			if op == "<>" {
				op = "!="
			}
			return &comparison{op, left, right}, nil
		}
	}
	not, err := p.accept(tokKeyword, "NOT")
	if err != nil {
		return nil, err
	}
	var e expr
	switch {
	case p.keyword("IN"):
		e, err = p.list(left)
	case p.keyword("BETWEEN"):
		e, err = p.between(left)
	case not:
		return nil, p.unexpected()
	default:
		return left, nil
	}
	if err == nil && not {
		e = &notExpr{e}
	}
	return e, err
}

func (p *parser) between(x expr) (expr, *sqlError) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	lo, err := p.operand()
	if err != nil {
		return nil, err
	}
	if err := p.expect(tokKeyword, "AND"); err != nil {
		return nil, err
	}
	hi, err := p.operand()
	return &logic{terms: []expr{&comparison{">=", x, lo}, &comparison{"<=", x, hi}}}, err
}

func (p *parser) list(x expr) (expr, *sqlError) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	args, err := p.arguments()
	if err == nil && len(args) == 0 {
		err = p.unexpected()
	}
	return &inExpr{x, args}, err
}

// arguments reads ( e, e, ... ).
func (p *parser) arguments() ([]expr, *sqlError) {
	if err := p.expect(tokPunct, "("); err != nil {
		return nil, err
	}
	if ok, err := p.accept(tokPunct, ")"); ok || err != nil {
		return nil, err
	}
	var out []expr
	for {
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		out = append(out, e)
		if ok, err := p.accept(tokPunct, ","); err != nil {
			return nil, err
		} else if !ok {
			return out, p.expect(tokPunct, ")")
		}
	}
}

// operand reads a literal, a parameter, a path, a function call or parentheses.
func (p *parser) operand() (expr, *sqlError) {
	t := p.tok
	switch t.kind {
	case tokNumber:
		return constant{numberValue(t.num)}, p.advance()
	case tokString:
		return constant{stringValue(t.text)}, p.advance()
	case tokParam:
		v, ok := p.params[t.text]
		if !ok {
			return nil, &sqlError{t.start, t.end, "SC2061", "Parameter '" + t.text + "' is not specified."}
		}
		return constant{v}, p.advance()
	case tokKeyword:
		switch t.text {
		case "TRUE", "FALSE":
			return constant{boolValue(t.text == "TRUE")}, p.advance()
		case "NULL":
			return constant{value{kind: kindNull}}, p.advance()
		case "UNDEFINED":
			return constant{value{}}, p.advance()
		}
		return nil, p.unexpected()
	case tokName:
		return p.name()
	}
	switch {
	case p.punct("("):
		if err := p.advance(); err != nil {
			return nil, err
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		return e, p.expect(tokPunct, ")")
	case p.punct("-"):
		if err := p.advance(); err != nil {
			return nil, err
		}
		if p.tok.kind != tokNumber {
			return nil, p.refuse("the operator '-'")
		}
		return constant{numberValue(-p.tok.num)}, p.advance()
	case p.punct("["):
		return nil, p.refuse("array literals (pass a parameter)")
	}
	return nil, p.unexpected()
}

func (p *parser) name() (expr, *sqlError) {
	t := p.tok
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.punct("(") {
		return p.call(t)
	}
	p.paths = append(p.paths, pathUse{t.text, t.start, t.end})
	e := &pathExpr{}
	for {
		switch {
		case p.punct("."):
			if err := p.advance(); err != nil {
				return nil, err
			}
			if p.tok.kind != tokName {
				return nil, p.unexpected()
			}
			e.steps = append(e.steps, step{name: p.tok.text})
			if err := p.advance(); err != nil {
				return nil, err
			}
		case p.punct("["):
			if err := p.advance(); err != nil {
				return nil, err
			}
			st, err := p.subscript()
			if err != nil {
				return nil, err
			}
			e.steps = append(e.steps, st)
		default:
			return e, nil
		}
	}
}

func (p *parser) subscript() (step, *sqlError) {
	t := p.tok
	st := step{name: t.text}
	switch {
	case t.kind == tokString:
	case t.kind == tokNumber && t.num == math.Trunc(t.num) && t.num >= 0 && t.num < math.MaxInt32:
		st = step{index: int(t.num), array: true}
	case t.kind == tokParam || t.kind == tokName:
		return st, p.refuse("computed subscripts")
	default:
		return st, p.unexpected()
	}
	if err := p.advance(); err != nil {
		return st, err
	}
	return st, p.expect(tokPunct, "]")
}

func (p *parser) call(t token) (expr, *sqlError) {
	up := strings.ToUpper(t.text)
	switch up {
	case "COUNT", "SUM", "MIN", "MAX", "AVG":
		return nil, &sqlError{t.start, t.end, "SC9000", "This stand-in does not support the aggregate " + up + " here."}
	}
	fn := builtin(up)
	if fn == nil {
		return nil, &sqlError{t.start, t.end, "SC2005", "'" + t.text + "' is not a recognized built-in function name (of those this stand-in supports)."}
	}
	args, err := p.arguments()
	if err != nil {
		return nil, err
	}
	if len(args) < fn.min || len(args) > fn.max {
		return nil, &sqlError{t.start, p.tok.start, "SC2050", "The " + up + " function got a wrong number of arguments."}
	}
	return &call{fn, args}, nil
}
