package cosmos

import "strings"

// scope is what an expression is evaluated against.
type scope struct {
	doc value
}

// expr is an expression of the query language. Evaluation never fails: what
// has no value is undefined, and a filter that is undefined drops the document.
type expr interface {
	eval(s *scope) value
}

type constant struct{ val value }

func (e constant) eval(*scope) value { return e.val }

// step is one part of a path: a property, or an index into an array.
type step struct {
	name  string
	index int
	array bool
}

// pathExpr is c, c.a, c["a"], c.a[0].
type pathExpr struct{ steps []step }

func (e *pathExpr) eval(s *scope) value {
	v := s.doc
	for _, st := range e.steps {
		switch {
		case !st.array:
			v = v.get(st.name)
		case v.kind == kindArray && st.index < len(v.arr):
			v = v.arr[st.index]
		default:
			return value{}
		}
	}
	return v
}

// names returns the path as property names, unless it has an array index.
func (e *pathExpr) names() ([]string, bool) {
	out := make([]string, len(e.steps))
	for i, st := range e.steps {
		if st.array {
			return nil, false
		}
		out[i] = st.name
	}
	return out, len(out) > 0
}

// logic is AND or OR over any number of terms, three-valued.
type logic struct {
	or    bool
	terms []expr
}

func (e *logic) eval(s *scope) value {
	out := boolValue(!e.or)
	for _, t := range e.terms {
		v := t.eval(s)
		if v.kind != kindBool {
			out = value{}
		} else if v.b == e.or {
			return v
		}
	}
	return out
}

type notExpr struct{ e expr }

func (e *notExpr) eval(s *scope) value {
	if v := e.e.eval(s); v.kind == kindBool {
		return boolValue(!v.b)
	}
	return value{}
}

// comparison is = != < <= > >=. Nothing equals, and nothing is ordered before
// or after, a value of another type: = is false and != true, the others are
// undefined, as everything is with an undefined operand.
type comparison struct {
	op   string
	l, r expr
}

func (e *comparison) eval(s *scope) value { return compareValues(e.op, e.l.eval(s), e.r.eval(s)) }

func compareValues(op string, l, r value) value {
	if l.kind == kindUndefined || r.kind == kindUndefined {
		return value{}
	}
	switch op {
	case "=":
		return boolValue(equal(l, r))
	case "!=":
		return boolValue(!equal(l, r))
	}
	c, ok := compare(l, r)
	if !ok {
		return value{}
	}
	switch op {
	case "<":
		return boolValue(c < 0)
	case "<=":
		return boolValue(c <= 0)
	case ">":
		return boolValue(c > 0)
	}
	return boolValue(c >= 0)
}

// inExpr is x IN (a, b, ...): true or false unless x is undefined.
type inExpr struct {
	x    expr
	list []expr
}

func (e *inExpr) eval(s *scope) value {
	x := e.x.eval(s)
	if x.kind == kindUndefined {
		return x
	}
	for _, item := range e.list {
		if equal(x, item.eval(s)) {
			return boolValue(true)
		}
	}
	return boolValue(false)
}

// call is a built-in function; apply gets as many arguments as it declared.
type call struct {
	fn   *function
	args []expr
}

func (e *call) eval(s *scope) value {
	args := make([]value, len(e.args))
	for i, a := range e.args {
		args[i] = a.eval(s)
	}
	return e.fn.apply(args)
}

type function struct {
	name     string
	min, max int
	apply    func(a []value) value
}

// builtin finds a function by its name in upper case.
func builtin(name string) *function {
	f := func(lo, hi int, apply func([]value) value) *function { return &function{name, lo, hi, apply} }
	is := func(ok func(k kind) bool) *function {
		return f(1, 1, func(a []value) value { return boolValue(ok(a[0].kind)) })
	}
	switch name {
	case "IS_DEFINED":
		return is(func(k kind) bool { return k != kindUndefined })
	case "IS_NULL":
		return is(func(k kind) bool { return k == kindNull })
	case "IS_BOOL":
		return is(func(k kind) bool { return k == kindBool })
	case "IS_NUMBER":
		return is(func(k kind) bool { return k == kindNumber })
	case "IS_STRING":
		return is(func(k kind) bool { return k == kindString })
	case "IS_ARRAY":
		return is(func(k kind) bool { return k == kindArray })
	case "IS_OBJECT":
		return is(func(k kind) bool { return k == kindObject })
	case "IS_PRIMITIVE":
		return is(func(k kind) bool { return k >= kindNull && k <= kindString })
	case "CONTAINS":
		return f(2, 3, textMatch(strings.Contains))
	case "STARTSWITH":
		return f(2, 3, textMatch(strings.HasPrefix))
	case "ENDSWITH":
		return f(2, 3, textMatch(strings.HasSuffix))
	case "STRINGEQUALS":
		return f(2, 3, textMatch(func(a, b string) bool { return a == b }))
	case "LOWER":
		return f(1, 1, textMap(strings.ToLower))
	case "UPPER":
		return f(1, 1, textMap(strings.ToUpper))
	case "LENGTH":
		return f(1, 1, func(a []value) value {
			if a[0].kind != kindString {
				return value{}
			}
			return numberValue(float64(len([]rune(a[0].s))))
		})
	case "ARRAY_LENGTH":
		return f(1, 1, func(a []value) value {
			if a[0].kind != kindArray {
				return value{}
			}
			return numberValue(float64(len(a[0].arr)))
		})
	case "ARRAY_CONTAINS":
		return f(2, 3, arrayContains)
	}
	return nil
}

// textMatch compares two strings; a third argument of true ignores case.
func textMatch(match func(a, b string) bool) func([]value) value {
	return func(a []value) value {
		if a[0].kind != kindString || a[1].kind != kindString {
			return value{}
		}
		x, y := a[0].s, a[1].s
		if len(a) == 3 {
			if a[2].kind != kindBool {
				return value{}
			}
			if a[2].b {
				x, y = strings.ToLower(x), strings.ToLower(y)
			}
		}
		return boolValue(match(x, y))
	}
}

func textMap(f func(string) string) func([]value) value {
	return func(a []value) value {
		if a[0].kind != kindString {
			return value{}
		}
		return stringValue(f(a[0].s))
	}
}

func arrayContains(a []value) value {
	if a[0].kind != kindArray || a[1].kind == kindUndefined {
		return value{}
	}
	match := equal
	if len(a) == 3 {
		if a[2].kind != kindBool {
			return value{}
		}
		if a[2].b {
			match = contains
		}
	}
	for _, e := range a[0].arr {
		if match(e, a[1]) {
			return boolValue(true)
		}
	}
	return boolValue(false)
}
