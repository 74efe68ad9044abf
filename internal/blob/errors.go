package blob

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"bwv/internal/evidence"
)

// withKind wraps what the client said with the kind that callers act on. Without an answer, the service is unavailable.
func withKind(err error) error {
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) {
		return fmt.Errorf("%w: %w", err, evidence.Unavailable)
	}
	if kind := kindOf(answer); kind != "" {
		// the client's own text is many lines long, with the URL and so perhaps with a signature
		return fmt.Errorf("status %d %s, request %s: %w", answer.StatusCode, answer.ErrorCode, requestID(answer), kind)
	}
	return err // a request of ours that is wrong: a fault in this package, not something a caller acts on
}

// Source: https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
func kindOf(answer *azcore.ResponseError) evidence.Kind {
	switch status := answer.StatusCode; {
	case bloberror.HasCode(answer, bloberror.InvalidBlockList):
		return evidence.Conflict // another writer's commit threw our blocks away
	case status == http.StatusNotFound:
		return evidence.NotFound
	case status == http.StatusConflict || status == http.StatusPreconditionFailed:
		return evidence.Conflict
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return evidence.Denied
	case status == http.StatusRequestEntityTooLarge:
		return evidence.TooLarge
	case status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= http.StatusInternalServerError:
		return evidence.Unavailable
	}
	return ""
}

// requestID is what the operator of the service wants to know.
func requestID(answer *azcore.ResponseError) string {
	if answer.RawResponse == nil {
		return ""
	}
	return answer.RawResponse.Header.Get("x-ms-request-id")
}
