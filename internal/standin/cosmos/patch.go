package cosmos

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// patch is a partial document update (Azure's "Partial document update"):
// up to 10 operations and an optional condition.
type patch struct {
	condition *query
	ops       []patchOp
}

type patchOp struct {
	op   string
	path []string
	text string
	val  value
}

// parsePatch reads {"condition":"from c where ...","operations":[{op,path,value}]}.
func (c *container) parsePatch(body value) (*patch, *apiError) {
	if body.kind != kindObject {
		return nil, badRequest("The patch request is not a JSON object.")
	}
	p := &patch{}
	if cond := body.get("condition"); cond.kind == kindString {
		q, err := parseCondition(cond.s)
		if err != nil {
			return nil, err.api()
		}
		p.condition = q
	} else if cond.kind != kindUndefined && cond.kind != kindNull {
		return nil, badRequest("The patch condition is not a string.")
	}
	ops := body.get("operations")
	if ops.kind != kindArray || len(ops.arr) == 0 {
		return nil, badRequest("The patch request has no operations.")
	}
	if len(ops.arr) > maxPatch {
		return nil, badRequest("The number of patch operations can't exceed '%d'", maxPatch)
	}
	for _, o := range ops.arr {
		op := patchOp{op: o.get("op").s, text: o.get("path").s, val: o.get("value")}
		switch op.op {
		case "add", "set", "replace", "incr":
			if op.val.kind == kindUndefined {
				return nil, badRequest("The patch operation '%s' at '%s' has no value.", op.op, op.text)
			}
		case "remove":
		case "move":
			return nil, notSupported("the patch operation 'move'")
		default:
			return nil, badRequest("'%s' is not a patch operation.", op.op)
		}
		if op.op == "incr" && op.val.kind != kindNumber {
			return nil, badRequest("The value of the patch operation 'incr' at '%s' is not a number.", op.text)
		}
		var aerr *apiError
		if op.path, aerr = c.patchPath(op.text); aerr != nil {
			return nil, aerr
		}
		p.ops = append(p.ops, op)
	}
	return p, nil
}

// patchPath splits a JSON pointer (RFC 6901) and refuses what may not be patched.
func (c *container) patchPath(text string) ([]string, *apiError) {
	if !strings.HasPrefix(text, "/") || text == "/" {
		return nil, badRequest("The patch path '%s' is not valid.", text)
	}
	path := strings.Split(text[1:], "/")
	for i, seg := range path {
		path[i] = strings.ReplaceAll(strings.ReplaceAll(seg, "~1", "/"), "~0", "~")
	}
	if isIDPath(path) || isSystem(path[0]) {
		return nil, badRequest("Cannot patch the system property '%s'.", text)
	}
	for _, k := range c.keys {
		if n := min(len(k), len(path)); slices.Equal(k[:n], path[:n]) {
			return nil, badRequest("Cannot patch the partition key '%s'.", text)
		}
	}
	return path, nil
}

// apply returns the patched copy of doc.
func (p *patch) apply(c *container, doc value) (value, *apiError) {
	if p.condition != nil {
		if p.condition.where != nil && !p.condition.where.eval(&scope{doc: doc}).isTrue() {
			return doc, errPrecondition()
		}
	}
	for _, op := range p.ops {
		parent, aerr := op.parent(&doc)
		if aerr != nil {
			return doc, aerr
		}
		leaf := op.path[len(op.path)-1]
		switch parent.kind {
		case kindObject:
			aerr = op.onObject(parent, leaf)
		case kindArray:
			aerr = op.onArray(parent, leaf)
		default:
			aerr = op.missing()
		}
		if aerr != nil {
			return doc, aerr
		}
	}
	return doc, nil
}

func (op *patchOp) missing() *apiError {
	return badRequest("For Operation(1): %s Operation can only be performed on an existing path: '%s' does not exist.", op.op, op.text)
}

// parent finds the value that holds the last segment of the path.
func (op *patchOp) parent(doc *value) (*value, *apiError) {
	at := doc
	for _, seg := range op.path[:len(op.path)-1] {
		var next *value
		switch at.kind {
		case kindObject:
			for i := range at.obj {
				if at.obj[i].name == seg {
					next = &at.obj[i].val
				}
			}
		case kindArray:
			if i, ok := arrayIndex(seg, len(at.arr)-1); ok {
				next = &at.arr[i]
			}
		}
		if next == nil {
			return nil, op.missing()
		}
		at = next
	}
	return at, nil
}

func arrayIndex(seg string, last int) (int, bool) {
	i, err := strconv.Atoi(seg)
	return i, err == nil && i >= 0 && i <= last && strconv.Itoa(i) == seg
}

func (op *patchOp) onObject(parent *value, leaf string) *apiError {
	have := parent.get(leaf)
	switch op.op {
	case "add", "set":
		parent.set(leaf, op.val)
	case "replace":
		if have.kind == kindUndefined {
			return op.missing()
		}
		parent.set(leaf, op.val)
	case "remove":
		if !parent.del(leaf) {
			return op.missing()
		}
	case "incr":
		sum, aerr := op.sum(have)
		if aerr != nil {
			return aerr
		}
		parent.set(leaf, sum)
	}
	return nil
}

func (op *patchOp) sum(have value) (value, *apiError) {
	switch have.kind {
	case kindUndefined:
		return op.val, nil
	case kindNumber:
		if sum := have.n + op.val.n; !math.IsInf(sum, 0) {
			return numberValue(sum), nil
		}
		return have, badRequest("The patch operation 'incr' at '%s' overflows.", op.text)
	}
	return have, badRequest("The patch operation 'incr' at '%s' meets a value that is not a number.", op.text)
}

func (op *patchOp) onArray(parent *value, leaf string) *apiError {
	if op.op == "add" {
		if leaf == "-" {
			parent.arr = append(parent.arr, op.val)
			return nil
		}
		i, ok := arrayIndex(leaf, len(parent.arr))
		if !ok {
			return op.missing()
		}
		parent.arr = slices.Insert(parent.arr, i, op.val)
		return nil
	}
	i, ok := arrayIndex(leaf, len(parent.arr)-1)
	if !ok {
		return op.missing()
	}
	switch op.op {
	case "set", "replace":
		parent.arr[i] = op.val
	case "remove":
		parent.arr = slices.Delete(parent.arr, i, i+1)
	case "incr":
		sum, aerr := op.sum(parent.arr[i])
		if aerr != nil {
			return aerr
		}
		parent.arr[i] = sum
	}
	return nil
}
