package functions

import (
	"net/http"

	"bwv/internal/azfunc"
)

// health tells whether what the handler depends on answers; anybody may ask.
func (f *Functions) health() http.Handler {
	return azfunc.Request("health", nil, f.Now, f.API.Health.Check)
}
