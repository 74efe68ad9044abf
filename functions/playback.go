package functions

import (
	"net/http"

	"bwv/internal/azfunc"
)

// playback hands out a playlist whose links live for minutes.
func (f *Functions) playback() http.Handler {
	return azfunc.Request("playback", f.Who, f.Now, f.API.Playback)
}
