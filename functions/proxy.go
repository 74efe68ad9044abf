package functions

import (
	"net/http"

	"bwv/internal/azfunc"
)

// proxy makes the copy that people watch.
func (f *Functions) proxy() http.Handler {
	return azfunc.Trigger("proxy", "work", f.Now, f.Proxy.Run)
}
