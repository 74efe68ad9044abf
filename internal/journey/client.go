// Package journey drives the running system as docks and people do: the demonstration, the measurements and the end-to-end tests.
package journey

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"bwv/internal/evidence"
)

// Client asks the API as one of the development people.
type Client struct {
	Base   string // http://127.0.0.1:7071
	Person string // "officer"; empty: nobody
}

// Answer is what the API said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

const maxAnswer = 64 << 20

// Do sends one request; body is sent as JSON unless it is nil. Only a failure to get any answer is an error.
func (c Client) Do(ctx context.Context, method, path string, body any) (Answer, error) {
	var content io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return Answer{}, err
		}
		content = bytes.NewReader(raw)
	}
	return c.Send(ctx, method, path, content)
}

// Send is Do with a body as it is.
func (c Client) Send(ctx context.Context, method, path string, body io.Reader) (Answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.Base+path, body)
	if err != nil {
		return Answer{}, err
	}
	if c.Person != "" {
		r.Header.Set("X-Development-Person", c.Person)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return Answer{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return Answer{Status: response.StatusCode, Header: response.Header, Body: content}, err
}

// ask is Do for an answer that must be the status wanted, decoded into.
func (c Client) ask(ctx context.Context, method, path string, body any, want int, into any) error {
	answer, err := c.Do(ctx, method, path, body)
	if err != nil {
		return err
	}
	if answer.Status != want {
		return fmt.Errorf("%s %s: status %d, not %d: %.500s", method, path, answer.Status, want, answer.Body)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer.Body, into)
}

// All lists every record, page by page.
func (c Client) All(ctx context.Context) ([]evidence.Record, error) {
	var all []evidence.Record
	for next := ""; ; {
		var page struct {
			Evidence []evidence.Record
			Next     string
		}
		if err := c.ask(ctx, http.MethodGet, "/api/evidence?limit=200&next="+url.QueryEscape(next), nil, http.StatusOK, &page); err != nil {
			return all, err
		}
		all = append(all, page.Evidence...)
		if next = page.Next; next == "" {
			return all, nil
		}
	}
}

// Detail shows one record.
func (c Client) Detail(ctx context.Context, id evidence.ID) (evidence.Record, error) {
	var r evidence.Record
	return r, c.ask(ctx, http.MethodGet, "/api/evidence/"+string(id), nil, http.StatusOK, &r)
}

// Flag keeps one record and returns the flag.
func (c Client) Flag(ctx context.Context, id evidence.ID, purpose evidence.Purpose, reference, reason string) (evidence.Flag, error) {
	var answer struct{ Flag evidence.Flag }
	body := map[string]any{"purpose": purpose, "reference": reference, "reason": reason}
	return answer.Flag, c.ask(ctx, http.MethodPost, "/api/evidence/"+string(id)+"/flag", body, http.StatusCreated, &answer)
}

// Unflag ends one flag.
func (c Client) Unflag(ctx context.Context, id evidence.ID, flag, reason string) error {
	body := map[string]any{"flag": flag, "reason": reason}
	return c.ask(ctx, http.MethodPost, "/api/evidence/"+string(id)+"/unflag", body, http.StatusOK, nil)
}

// Custody returns one record's chain after verifying it here, not by the server's word alone.
func (c Client) Custody(ctx context.Context, id evidence.ID) ([]evidence.Entry, error) {
	var answer struct {
		Entries  []evidence.Entry
		Head     evidence.Head
		Unbroken bool
		Problem  string
	}
	if err := c.ask(ctx, http.MethodGet, "/api/evidence/"+string(id)+"/custody", nil, http.StatusOK, &answer); err != nil {
		return nil, err
	}
	if !answer.Unbroken {
		return answer.Entries, fmt.Errorf("custody chain of %s: %s", id, answer.Problem)
	}
	return answer.Entries, evidence.VerifyChain(answer.Entries, answer.Head)
}

// Wait asks again and again until done, or the context ends.
func Wait(ctx context.Context, what string, done func() (bool, error)) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		ok, err := done()
		if ok && err == nil {
			return nil
		}
		if err != nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w (last: %v)", what, ctx.Err(), last)
		case <-tick.C:
		}
	}
}
