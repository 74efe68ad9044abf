package cosmos

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// apiError is an answer that is not a success, in Azure's shape:
// {"code":"...","message":"..."} with x-ms-substatus.
type apiError struct {
	status    int
	code      string
	substatus int
	message   string
	extra     http.Header
}

func (e *apiError) Error() string {
	return fmt.Sprintf("%d %s: %s", e.status, e.code, e.message)
}

// Substatus codes (Azure's "status codes" document).
const (
	substatusPartitionKeyMismatch = 1001
	substatusCrossPartition       = 1004
	substatusRangeGone            = 1002
	substatusSessionNotAvailable  = 1002 // the same number, with 404
	substatusNoOwner              = 1003
	substatusThrottled            = 3200
)

// frontError is an error of the gateway: the message as it is.
func frontError(status int, code, message string) *apiError {
	return &apiError{status: status, code: code, message: message}
}

// backError is an error of the storage back end, which wraps its text as
// Message: {"Errors":["..."]}.
func backError(status int, code, format string, args ...any) *apiError {
	text := appendString(nil, valid(fmt.Sprintf(format, args...)))
	return &apiError{status: status, code: code, message: `Message: {"Errors":[` + string(text) + `]}`}
}

// valid makes UTF-8 of what a client has sent.
func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

func badRequest(format string, args ...any) *apiError {
	return backError(http.StatusBadRequest, "BadRequest", format, args...)
}

// notSupported names what Azure has and this stand-in refuses.
func notSupported(feature string) *apiError {
	return badRequest("This stand-in does not support %s.", feature)
}

func errNotFound() *apiError {
	return backError(http.StatusNotFound, "NotFound", "Resource Not Found. Learn more: https://aka.ms/cosmosdb-tsg-not-found")
}

// errOwner is the 404 for a container or database that is not there.
func errOwner() *apiError {
	e := backError(http.StatusNotFound, "NotFound", "Owner resource does not exist")
	e.substatus = substatusNoOwner
	return e
}

func errConflict() *apiError {
	return backError(http.StatusConflict, "Conflict", "Resource with specified id or name already exists.")
}

func errPrecondition() *apiError {
	return backError(http.StatusPreconditionFailed, "PreconditionFailed", "One of the specified pre-condition is not met")
}

func errSession() *apiError {
	e := backError(http.StatusNotFound, "NotFound", "The read session is not available for the input session token.")
	e.substatus = substatusSessionNotAvailable
	return e
}

func errBusy() *apiError {
	e := backError(http.StatusTooManyRequests, "429", "Request rate is large. More Request Units may be needed, so no changes were made. Please retry this request later. Learn more: http://aka.ms/cosmosdb-error-429")
	e.substatus = substatusThrottled
	e.extra = http.Header{"X-Ms-Retry-After-Ms": {"5"}}
	return e
}

func errTooLarge() *apiError {
	return backError(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "Request size is too large")
}

func errPartitionKeyMismatch() *apiError {
	e := frontError(http.StatusBadRequest, "BadRequest",
		"PartitionKey extracted from document doesn't match the one specified in the header. Learn more: https://aka.ms/CosmosDB/sql/errors/wrong-pk-value")
	e.substatus = substatusPartitionKeyMismatch
	return e
}

func errInternal() *apiError {
	return frontError(http.StatusInternalServerError, "InternalServerError", "Unknown server error occurred when processing this request.")
}

// write sends the error; activity is the id the client may quote.
func (e *apiError) write(w http.ResponseWriter, activity string) {
	for k, vs := range e.extra {
		w.Header()[k] = vs
	}
	h := w.Header()
	if e.substatus != 0 {
		h.Set("x-ms-substatus", strconv.Itoa(e.substatus))
	}
	body := append([]byte(`{"code":`), appendString(nil, e.code)...)
	body = append(body, `,"message":`...)
	body = appendString(body, valid(e.message)+"\r\nActivityId: "+activity+", Microsoft.Azure.Documents.Common/2.14.0")
	body = append(body, '}')
	writeBody(w, e.status, body)
}

// writeBody sends a JSON body with its length.
func writeBody(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client has gone: there is nobody to tell
}
