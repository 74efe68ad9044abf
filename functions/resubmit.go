package functions

import (
	"net/http"

	"bwv/internal/azfunc"
)

// resubmit feeds the queue of stage reprocess for a person.
func (f *Functions) resubmit() http.Handler {
	return azfunc.Request("resubmit", f.Who, f.Now, f.API.Resubmit)
}
