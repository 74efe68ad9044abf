package eventgrid

import (
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	apiPutBlob      = "PutBlob"
	apiPutBlockList = "PutBlockList"
	apiCopyBlob     = "CopyBlob"
)

// commit is one request that creates or replaces a blob when it succeeds, and what is known of the
// blob from the request. It is what the outbox keeps as an intent.
type commit struct {
	API             string    `json:"api"`
	Container       string    `json:"container"`
	Blob            string    `json:"blob"` // decoded
	URL             string    `json:"url"`  // as sent, without query
	ClientRequestID string    `json:"clientRequestId"`
	ContentType     string    `json:"contentType"`
	ContentLength   int64     `json:"contentLength"` // -1: ask the store
	Began           time.Time `json:"began"`         // on the machine's clock, to compare with the store's
}

// classify tells whether the request would commit a block blob. Everything else, and above all every
// body that is only staged, passes unseen.
func classify(r *http.Request, account string) (commit, bool) {
	if r.Method != http.MethodPut {
		return commit{}, false
	}
	q := r.URL.Query()
	if q.Has("restype") || q.Has("snapshot") || q.Has("versionid") {
		return commit{}, false
	}
	c := commit{ContentLength: -1, Began: time.Now(), ClientRequestID: r.Header.Get("x-ms-client-request-id")}
	block := strings.EqualFold(r.Header.Get("x-ms-blob-type"), "BlockBlob")
	switch source := r.Header.Get("x-ms-copy-source"); {
	case strings.EqualFold(q.Get("comp"), "blocklist"):
		c.API = apiPutBlockList
	case q.Get("comp") != "":
		return commit{}, false // block, metadata, tags, tier, lease, properties, copy (abort), ...
	case source != "" && r.Header.Get("x-ms-blob-type") == "":
		c.API = apiCopyBlob
	case block && source != "":
		c.API = apiPutBlob // Put Blob From URL: the size is the source's
	case block:
		c.API, c.ContentLength = apiPutBlob, r.ContentLength
		c.ContentType = firstOf(r.Header.Get("x-ms-blob-content-type"), r.Header.Get("Content-Type"), "application/octet-stream")
	default:
		return commit{}, false // append and page blobs
	}
	path := strings.TrimPrefix(r.URL.Path, "/")
	if !hostNames(r.Host, account) {
		var first string
		if first, path, _ = strings.Cut(path, "/"); first != account {
			return commit{}, false
		}
	}
	var ok bool
	if c.Container, c.Blob, ok = strings.Cut(path, "/"); !ok || c.Container == "" || c.Blob == "" {
		return commit{}, false
	}
	c.URL = "http://" + r.Host + r.URL.EscapedPath()
	return c, true
}

// maxText is what Azure allows for a blob's name, in characters, and for a client's request id, in bytes.
const maxText = 1024

// outOfRange reports whether the commit cannot go into the outbox: what the client chose is longer than Azure
// takes, or a name that is not UTF-8, which no event could carry.
func (c commit) outOfRange() bool {
	return utf8.RuneCountInString(c.Blob) > maxText || !utf8.ValidString(c.Blob) || !utf8.ValidString(c.Container) ||
		len(c.ClientRequestID) > maxText || len(c.ContentType) > maxText
}

// hostNames reports whether the host itself names the account (account.blob.localhost), so that the
// path begins with the container.
func hostNames(hostport, account string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	return strings.HasPrefix(host, account+".blob.")
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// subject is how Event Grid names the blob: decoded, with no account in it.
func (c commit) subject() string {
	return "/blobServices/default/containers/" + c.Container + "/blobs/" + c.Blob
}

// succeeded tells a commit from a refusal by the documented status of the operation.
func (c commit) succeeded(status int) bool {
	if c.API == apiCopyBlob {
		return status == http.StatusAccepted || status == http.StatusCreated
	}
	return status == http.StatusCreated
}
