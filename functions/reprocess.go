package functions

import (
	"net/http"

	"bwv/internal/azfunc"
)

// reprocess has stages done again, asked through the API or from the Azure portal.
func (f *Functions) reprocess() http.Handler {
	return azfunc.Trigger("reprocess", "request", f.Now, f.Reprocess.Run)
}
