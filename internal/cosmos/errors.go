package cosmos

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"bwv/internal/evidence"
)

// withKind wraps what the client said with the kind that callers act on. Without an answer, the service is unavailable.
func withKind(err error) error {
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) {
		return fmt.Errorf("%w: %w", err, evidence.Unavailable)
	}
	if kind := kindOf(answer.StatusCode); kind != "" {
		// the client's own text is many lines long
		return fmt.Errorf("status %d %s, activity %s: %w", answer.StatusCode, answer.ErrorCode, activity(answer), kind)
	}
	return err // a request of ours that is wrong: a fault in this package, not something a caller acts on
}

// kindOf says what a status of a request, or of one operation of a batch, means; empty for what no caller acts on.
// Source: https://learn.microsoft.com/rest/api/cosmos-db/http-status-codes-for-cosmosdb
func kindOf(status int) evidence.Kind {
	switch status {
	case http.StatusNotFound:
		return evidence.NotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return evidence.Conflict
	case http.StatusUnauthorized, http.StatusForbidden:
		return evidence.Denied
	case http.StatusRequestEntityTooLarge:
		return evidence.TooLarge
	case http.StatusRequestTimeout, http.StatusGone, http.StatusTooManyRequests, statusRetryWith:
		return evidence.Unavailable
	}
	if status >= http.StatusInternalServerError {
		return evidence.Unavailable
	}
	return ""
}

const statusRetryWith = 449 // a transient conflict inside the service; nothing was stored

// activity is what the operator of the service wants to know.
func activity(answer *azcore.ResponseError) string {
	if answer.RawResponse == nil {
		return ""
	}
	return answer.RawResponse.Header.Get("x-ms-activity-id")
}
