package functions

import (
	"net/http"

	"bwv/internal/azfunc"
)

// detail shows one record.
func (f *Functions) detail() http.Handler {
	return azfunc.Request("detail", f.Who, f.Now, f.API.Detail)
}
