package functions

import (
	"net/http"

	"bwv/internal/azfunc"
)

// digest reads an original once, from end to end: its SHA-256, and its sound.
func (f *Functions) digest() http.Handler {
	return azfunc.Trigger("digest", "work", f.Now, f.Digest.Run)
}
