package functions

import (
	"net/http"

	"bwv/internal/azfunc"
)

// unflag ends one flag of a recording.
func (f *Functions) unflag() http.Handler {
	return azfunc.Request("unflag", f.Who, f.Now, f.API.Unflag)
}
