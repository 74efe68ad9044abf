package functions

import (
	"net/http"

	"bwv/internal/azfunc"
)

// release lets disposal go on after the breaker tripped.
func (f *Functions) release() http.Handler {
	return azfunc.Request("release", f.Who, f.Now, f.API.Release)
}
