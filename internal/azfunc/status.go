package azfunc

import (
	"encoding/json"
	"errors"
	"net/http"

	"bwv/internal/evidence"
)

// Status is the one map from a kind of error to an HTTP status.
func Status(err error) int {
	var kind evidence.Kind
	if !errors.As(err, &kind) {
		return http.StatusInternalServerError
	}
	switch kind {
	case evidence.NotFound:
		return http.StatusNotFound
	case evidence.Conflict, evidence.Refused:
		return http.StatusConflict
	case evidence.Invalid, evidence.Unreadable:
		return http.StatusBadRequest
	case evidence.Denied:
		return http.StatusForbidden
	case evidence.Anonymous:
		return http.StatusUnauthorized
	case evidence.TooLarge:
		return http.StatusRequestEntityTooLarge
	case evidence.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// problem answers with an error in the form of RFC 9457. What is not a caller's business stays in the log, under the invocation's id.
func problem(w http.ResponseWriter, err error, invocation string) int {
	status := Status(err)
	detail := err.Error()
	if status == http.StatusInternalServerError {
		detail = "something went wrong on our side; recordings are safe; quote the reference"
	}
	w.Header().Set("Content-Type", "application/problem+json")
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	w.WriteHeader(status)
	body := map[string]any{"title": http.StatusText(status), "status": status, "detail": detail, "reference": invocation}
	_ = json.NewEncoder(w).Encode(body) // the caller has gone: there is nobody to tell
	return status
}
