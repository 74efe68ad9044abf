package functions

import (
	"net/http"

	"bwv/internal/azfunc"
)

// search lists records by what is known about them.
func (f *Functions) search() http.Handler {
	return azfunc.Request("search", f.Who, f.Now, f.API.Search)
}
