package cosmos

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Limits of a query (Azure allows 512 KB of text and much deeper nesting).
const (
	maxQueryText  = 512 << 10
	maxQueryDepth = 64
	maxColumns    = 500
)

// sqlError is a refused query: where, and why.
type sqlError struct {
	start, end int
	code       string
	text       string
}

func (e *sqlError) Error() string {
	return fmt.Sprintf("%s at %d: %s", e.code, e.start, e.text)
}

// api gives the error the shape of Azure's query compiler.
func (e *sqlError) api() *apiError {
	text := appendString(nil, e.text)
	return &apiError{status: http.StatusBadRequest, code: "BadRequest", message: fmt.Sprintf(
		`Message: {"errors":[{"severity":"Error","location":{"start":%d,"end":%d},"code":%q,"message":%s}]}`,
		e.start, e.end, e.code, text)}
}

type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokName
	tokKeyword
	tokNumber
	tokString
	tokParam
	tokPunct
)

type token struct {
	kind       tokenKind
	text       string // keywords in upper case; strings decoded
	num        float64
	start, end int
}

// isKeyword says whether Azure reserves the word: such a property needs
// brackets, c["order"], there and so here too.
func isKeyword(upper string) bool {
	switch upper {
	case "AND", "ARRAY", "AS", "ASC", "BETWEEN", "BY", "CASE", "CAST", "CONVERT", "CROSS", "DESC", "DISTINCT",
		"ELSE", "END", "ESCAPE", "EXISTS", "FALSE", "FOR", "FROM", "GROUP", "HAVING", "IN", "INNER", "INSERT",
		"INTO", "IS", "JOIN", "LEFT", "LIKE", "LIMIT", "NOT", "NULL", "OFFSET", "ON", "OR", "ORDER", "OUTER",
		"OVER", "RIGHT", "SELECT", "SET", "THEN", "TOP", "TRUE", "UDF", "UNDEFINED", "UPDATE", "VALUE", "WHEN",
		"WHERE", "WITH":
		return true
	}
	return false
}

type lexer struct {
	src string
	pos int
}

func (l *lexer) fail(start int, near string) *sqlError {
	return &sqlError{start, max(l.pos, start+1), "SC1001", "Syntax error, incorrect syntax near '" + near + "'."}
}

func isLetter(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80 }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

// skip passes over white space and -- comments.
func (l *lexer) skip() {
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			l.pos++
		case strings.HasPrefix(l.src[l.pos:], "--"):
			if i := strings.IndexByte(l.src[l.pos:], '\n'); i >= 0 {
				l.pos += i
			} else {
				l.pos = len(l.src)
			}
		default:
			return
		}
	}
}

func (l *lexer) next() (token, *sqlError) {
	l.skip()
	start := l.pos
	if start >= len(l.src) {
		return token{kind: tokEnd, start: start, end: start}, nil
	}
	c := l.src[start]
	switch {
	case isLetter(c):
		l.word()
		text := l.src[start:l.pos]
		if up := strings.ToUpper(text); isKeyword(up) {
			return token{kind: tokKeyword, text: up, start: start, end: l.pos}, nil
		}
		return token{kind: tokName, text: text, start: start, end: l.pos}, nil
	case c == '@':
		l.pos++
		l.word()
		if l.pos == start+1 {
			return token{}, l.fail(start, "@")
		}
		return token{kind: tokParam, text: l.src[start:l.pos], start: start, end: l.pos}, nil
	case isDigit(c) || c == '.' && start+1 < len(l.src) && isDigit(l.src[start+1]):
		return l.number()
	case c == '\'' || c == '"':
		return l.quoted(c)
	}
	l.pos++
	if two := l.src[start:min(start+2, len(l.src))]; two == "!=" || two == "<>" || two == "<=" || two == ">=" || two == "||" || two == "??" {
		l.pos++
	}
	return token{kind: tokPunct, text: l.src[start:l.pos], start: start, end: l.pos}, nil
}

func (l *lexer) word() {
	for l.pos < len(l.src) && (isLetter(l.src[l.pos]) || isDigit(l.src[l.pos])) {
		l.pos++
	}
}

func (l *lexer) number() (token, *sqlError) {
	start := l.pos
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		sign := (c == '+' || c == '-') && l.src[l.pos-1]|0x20 == 'e' && l.pos > start
		if !isDigit(c) && c != '.' && c|0x20 != 'e' && !sign {
			break
		}
		l.pos++
	}
	text := l.src[start:l.pos]
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || l.pos < len(l.src) && isLetter(l.src[l.pos]) {
		return token{}, l.fail(start, text)
	}
	return token{kind: tokNumber, text: text, num: n, start: start, end: l.pos}, nil
}

// quoted reads a string literal in either kind of quotes, with JSON's escapes.
func (l *lexer) quoted(quote byte) (token, *sqlError) {
	start := l.pos
	text := []byte{'"'}
	for l.pos++; l.pos < len(l.src); l.pos++ {
		c := l.src[l.pos]
		switch {
		case c == quote:
			l.pos++
			p := jsonParser{data: append(text, '"'), strict: true}
			s, err := p.string()
			if err != nil || p.pos != len(p.data) {
				return token{}, l.fail(start, l.src[start:l.pos])
			}
			return token{kind: tokString, text: s, start: start, end: l.pos}, nil
		case c == '"':
			text = append(text, '\\', '"')
		case c == '\\' && l.pos+1 < len(l.src):
			if l.pos++; l.src[l.pos] != '\'' {
				text = append(text, '\\')
			}
			text = append(text, l.src[l.pos])
		case c < 0x20:
			text = append(text, fmt.Sprintf(`\u%04x`, c)...)
		default:
			text = append(text, c)
		}
	}
	return token{}, l.fail(start, l.src[start:])
}
