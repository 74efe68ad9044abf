package functions

import (
	"net/http"

	"bwv/internal/azfunc"
)

// metadata reads what a recording says of itself.
func (f *Functions) metadata() http.Handler {
	return azfunc.Trigger("metadata", "work", f.Now, f.Metadata.Run)
}
