package functions

import (
	"net/http"

	"bwv/internal/azfunc"
)

// expire erases what is due and not flagged.
func (f *Functions) expire() http.Handler {
	return azfunc.Trigger("expire", "disposal", f.Now, f.Expire.Run)
}
