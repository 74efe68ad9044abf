package functions

import (
	"net/http"

	"bwv/internal/azfunc"
)

// playlist hands out what a master playlist names, with links that live for minutes.
func (f *Functions) playlist() http.Handler {
	return azfunc.Request("playlist", f.Who, f.Now, f.API.Playlist)
}
