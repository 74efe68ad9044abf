package functions

import (
	"net/http"

	"bwv/internal/azfunc"
)

// proxy plans the copy that people watch, and makes its beginning.
func (f *Functions) proxy() http.Handler {
	return azfunc.Trigger("proxy", "work", f.Now, f.Proxy.Run)
}
