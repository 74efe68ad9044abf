package cosmos

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// request is one request and its answer.
type request struct {
	w        http.ResponseWriter
	r        *http.Request
	body     []byte
	activity string
	status   int    // of the answer
	answer   []byte // nil for an answer without a body
}

func newRequest(w http.ResponseWriter, r *http.Request) *request {
	rq := &request{w: w, r: r, activity: r.Header.Get("x-ms-activity-id")}
	if len(rq.activity) != 36 || strings.Trim(rq.activity, "0123456789abcdefABCDEF-") != "" {
		rq.activity = newActivity()
	}
	h := w.Header()
	h.Set("x-ms-activity-id", rq.activity)
	h.Set("x-ms-schemaversion", "1.19")
	h.Set("x-ms-serviceversion", "version=2.14.0.0")
	h.Set("x-ms-gatewayversion", "version=2.14.0")
	return rq
}

func newActivity() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	x := hex.EncodeToString(b[:])
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}

func (rq *request) header(name string) string { return rq.r.Header.Get(name) }

func (rq *request) flag(name string) bool { return strings.EqualFold(rq.header(name), "true") }

// charge reports the cost in request units.
func (rq *request) charge(units float64) {
	rq.w.Header().Set("x-ms-request-charge", strconv.FormatFloat(units, 'f', 2, 64))
}

// session reports the container's session token: range 0, up to this write.
func (rq *request) session(lsn uint64) {
	rq.w.Header().Set("x-ms-session-token", fmt.Sprintf("0:-1#%d", lsn))
	rq.w.Header().Set("lsn", strconv.FormatUint(lsn, 10))
}

// checkSession refuses a read that asks for more than the container has seen, as a replica that lags behind does: with
// the token of another container, or of writes that are gone. Its form is range:-1#lsn, several with commas.
func (rq *request) checkSession(lsn uint64) *apiError {
	token := rq.header("x-ms-session-token")
	if token == "" {
		return nil
	}
	for part := range strings.SplitSeq(token, ",") {
		_, version, _ := strings.Cut(part, ":-1#")
		n, err := strconv.ParseUint(version, 10, 64)
		if err != nil {
			return badRequest("The session token '%.100s' is not valid.", token)
		}
		if n > lsn {
			return errSession()
		}
	}
	return nil
}

// reply keeps the answer; it is sent when no lock and no transaction is held
// any more, so that a slow client holds up nobody else.
func (rq *request) reply(status int, body []byte) { rq.status, rq.answer = status, body }

func (rq *request) send() {
	if rq.answer == nil {
		rq.w.WriteHeader(rq.status)
		return
	}
	writeBody(rq.w, rq.status, rq.answer)
}

// segments is a request path, decoded: pairs of a resource type and a name,
// perhaps with a type at the end that means the whole feed.
type segments []string

func (rq *request) path() (segments, *apiError) {
	text := strings.Trim(rq.r.URL.EscapedPath(), "/")
	if text == "" {
		return nil, nil
	}
	path := strings.Split(text, "/")
	for i, seg := range path {
		name, err := url.PathUnescape(seg)
		if err != nil || name == "" {
			return nil, badRequest("The request path is not valid.")
		}
		path[i] = name
	}
	return path, nil
}

// signed returns what the client's signature covers: type and link.
func (p segments) signed() (typ, link string) {
	n := len(p)
	switch {
	case n == 0:
		return "", ""
	case n == 2 && p[0] == "offers": // addressed by resource id
		return "offers", strings.ToLower(p[1])
	case n%2 == 0:
		return strings.ToLower(p[n-2]), strings.Join(p, "/")
	}
	return strings.ToLower(p[n-1]), strings.Join(p[:n-1], "/")
}

// partitionKey reads the partition key header, e.g. ["unit/2026-11"]. Without
// the header the key is nil, which only a query may be.
func (rq *request) partitionKey(c *container, required bool) ([]value, *apiError) {
	text := rq.header("x-ms-documentdb-partitionkey")
	if text == "" {
		if required {
			return nil, badRequest("PartitionKey value must be supplied for this operation.")
		}
		return nil, nil
	}
	list, err := parseJSON([]byte(text))
	if err != nil || list.kind != kindArray {
		return nil, badRequest("Partition key %.100s is invalid.", text)
	}
	if len(list.arr) != len(c.keys) {
		e := badRequest("Partition key provided either doesn't correspond to definition in the collection or doesn't match partition key field values specified in the document.")
		e.substatus = substatusPartitionKeyMismatch
		return nil, e
	}
	for i, v := range list.arr {
		if v.kind == kindObject && len(v.obj) == 0 {
			list.arr[i] = value{} // {} stands for undefined
		} else if v.kind > kindString {
			return nil, badRequest("Partition key %.100s is invalid.", text)
		}
		if len(v.s) > maxKey {
			return nil, badRequest("The partition key value exceeds the maximum length of %d bytes.", maxKey)
		}
	}
	return list.arr, nil
}
