package functions

import (
	"net/http"

	"bwv/internal/azfunc"
)

// retention gives a new record its pending disposal.
func (f *Functions) retention() http.Handler {
	return azfunc.Trigger("retention", "work", f.Now, f.Retention.Run)
}
