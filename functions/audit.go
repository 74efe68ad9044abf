package functions

import (
	"net/http"

	"bwv/internal/azfunc"
)

// audit shows and verifies a custody chain.
func (f *Functions) audit() http.Handler {
	return azfunc.Request("audit", f.Who, f.Now, f.API.Audit)
}
