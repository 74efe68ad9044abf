package functions

import (
	"net/http"

	"bwv/internal/azfunc"
)

// ingest catalogues an upload when Event Grid announces it.
func (f *Functions) ingest() http.Handler {
	return azfunc.Trigger("ingest", "event", f.Now, f.Ingest.Run)
}
