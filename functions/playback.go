package functions

import (
	"net/http"

	"bwv/internal/azfunc"
)

// playback hands out the master playlist of the copy that people watch.
func (f *Functions) playback() http.Handler {
	return azfunc.Request("playback", f.Who, f.Now, f.API.Playback)
}
