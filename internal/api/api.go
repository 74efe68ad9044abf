// Package api is the JSON routes: it decodes what people send, asks the custodian once, and encodes the answer.
package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"

	"bwv/internal/custodian"
	"bwv/internal/evidence"
)

// API answers the JSON routes. Each method serves one HTTP function; an error's Kind becomes the status.
type API struct {
	Custodian *custodian.Custodian
	Health    Health
}

const maxBody = 64 << 10

// decode reads a JSON body: one object, no unknown fields, at most maxBody.
func decode(w http.ResponseWriter, r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			return fmt.Errorf("the body is larger than %d bytes: %w", maxBody, evidence.TooLarge)
		}
		return fmt.Errorf("the body is not the JSON expected here: %w: %w", err, evidence.Invalid)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("the body has more than one JSON value: %w", evidence.Invalid)
	}
	return nil
}

func encode(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the caller has gone: there is nobody to tell
}

// subject reads the evidence id of the path.
func subject(r *http.Request) (evidence.ID, error) { return evidence.ParseID(r.PathValue("id")) }

// key reads the Idempotency-Key header: a client that did not hear the answer asks again with the same key.
func key(r *http.Request) (string, error) {
	k := r.Header.Get("Idempotency-Key")
	if k != "" && !regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`).MatchString(k) {
		return "", fmt.Errorf("the Idempotency-Key must be 1 to 64 letters, digits, - or _: %w", evidence.Invalid)
	}
	return k, nil
}
