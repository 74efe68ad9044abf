package functions

import (
	"net/http"

	"bwv/internal/azfunc"
)

// flag keeps a recording.
func (f *Functions) flag() http.Handler {
	return azfunc.Request("flag", f.Who, f.Now, f.API.Flag)
}
