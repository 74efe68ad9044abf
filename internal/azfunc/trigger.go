package azfunc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"bwv/internal/evidence"
)

// Trigger serves one Service Bus or timer function. A result answers 200 with the JSON that the host needs (an empty body would hang the
// invocation); an error answers its status, and the host has the message delivered again until it lands in the dead-letter queue.
func Trigger[T any](function, binding string, now func() time.Time, run func(context.Context, T, evidence.Cause) (evidence.Result, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := now()
		var message T
		call, err := decode(w, r, function, binding, &message)
		ctx := withInvocation(r.Context(), call)
		var result evidence.Result
		if err == nil {
			correlation := call.MessageID
			if correlation == "" {
				correlation = call.ID
			}
			result, err = guard(func() (evidence.Result, error) {
				return run(ctx, message, evidence.Cause{By: evidence.Stage(function), At: now(), Correlation: correlation})
			})
		}
		logInvocation(ctx, call, false, result, now().Sub(start), err)
		if err != nil {
			problem(w, err, call.ID)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"Outputs":{},"Logs":[],"ReturnValue":null}`) // a host that is gone delivers again
	})
}

// Request serves one HTTP function in proxy mode: it finds out who asks, and answers errors. An anonymous function passes nil for who.
func Request(function string, who Identify, now func() time.Time, run func(http.ResponseWriter, *http.Request, evidence.Cause) (evidence.Result, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := now()
		call := Invocation{ID: r.Header.Get("X-Azure-Functions-InvocationId"), Function: function}
		r = r.WithContext(withInvocation(r.Context(), call))
		cause := evidence.Cause{At: start, Correlation: call.ID}
		var err error
		if who != nil {
			cause.By, err = who(r)
		}
		var result evidence.Result
		if err == nil {
			result, err = guard(func() (evidence.Result, error) { return run(w, r, cause) })
		}
		if err != nil {
			// the host's proxy fails the whole exchange if the request's body is left unread (azure-functions-host issue 10623)
			_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, maxEnvelope))
			problem(w, err, call.ID)
		}
		logInvocation(r.Context(), call, true, result, now().Sub(start), err)
	})
}

var errPanic = errors.New("panic")

// guard makes a panic an error: one bad message must not take the invocations beside it down.
func guard(run func() (evidence.Result, error)) (result evidence.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	return run()
}
