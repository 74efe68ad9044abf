package functions

import (
	"net/http"

	"bwv/internal/azfunc"
)

// segment makes one chunk of the copy that people watch.
func (f *Functions) segment() http.Handler {
	return azfunc.Trigger("segment", "part", f.Now, f.Segment.Run)
}
