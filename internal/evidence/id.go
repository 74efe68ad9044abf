package evidence

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
	"time"
)

// ID names one upload for ever: `<unit>-<yyyymm>-<20 characters>`, where the characters are the start of
// base32(SHA-256(path, ETag at upload)). The same upload always gives the same ID, so duplicate events collapse.
type ID string

const idHash = 20

// NewID makes the ID of the upload of path by unit; created is the blob's creation time, etag the ETag it had at upload.
func NewID(unit string, created time.Time, path, etag string) ID {
	sum := sha256.Sum256([]byte(path + "\n" + PlainETag(etag)))
	hash := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:]))
	return ID(fmt.Sprintf("%s-%s-%s", unit, created.UTC().Format("200601"), hash[:idHash]))
}

// PlainETag takes the quotes off an ETag: Event Grid sends it bare, the blob service quoted.
func PlainETag(etag string) string { return strings.Trim(strings.TrimPrefix(etag, "W/"), `"`) }

// ParseID returns s as an ID; the error is Invalid when it cannot be one. Stores ask at every call: it has to be quick.
func ParseID(s string) (ID, error) {
	const letters, digits = "abcdefghijklmnopqrstuvwxyz", "0123456789"
	only := func(s, some string) bool { return strings.Trim(s, some) == "" }
	month := len(s) - idHash - len("-200601-") // where it begins: at its hyphen
	if len(s) > 80 || month < 1 || !only(s[:1], letters) || !only(s[:month], letters+digits+"-") || s[month] != '-' ||
		!only(s[month+1:month+7], digits) || s[month+7] != '-' || !only(s[month+8:], letters+"234567") {
		return "", fmt.Errorf("%q is not an evidence id: %w", clip(s, 80), Invalid)
	}
	return ID(s), nil
}

// Shard is the partition that holds the record: `<unit>/<yyyy-mm>`; empty when the ID is malformed.
func (id ID) Shard() string {
	month := len(id) - idHash - len("-200601-")
	if month < 1 {
		return ""
	}
	return fmt.Sprintf("%s/%s-%s", id[:month], id[month+1:month+5], id[month+5:month+7])
}

// ShardOf names the partition of what unit uploaded at created.
func ShardOf(unit string, created time.Time) string {
	return unit + "/" + created.UTC().Format("2006-01")
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
