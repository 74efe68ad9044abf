package azfunc

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"bwv/internal/evidence"
)

// The events of an invocation; docs/events.md lists them, since alerts hang on them.
const (
	eventDone    = "invocation.done"
	eventRefused = "invocation.refused" // a person's request that could not be granted: not a fault
	eventFailed  = "invocation.failed"  // the message is delivered again, or the person sees an error
)

type invocationKey struct{}

func withInvocation(ctx context.Context, call Invocation) context.Context {
	return context.WithValue(ctx, invocationKey{}, call)
}

// logInvocation writes the one line of an invocation. Only what a person asked for can be refused: a trigger that fails is a fault, even
// one without a delivery count, as a timer is.
func logInvocation(ctx context.Context, call Invocation, asked bool, result evidence.Result, took time.Duration, err error) {
	level, event := slog.LevelInfo, eventDone
	attributes := []slog.Attr{
		slog.String("evidence", string(result.Evidence)), slog.Int("delivery", call.Delivery),
		slog.Int64("milliseconds", took.Milliseconds()), slog.String("outcome", result.Outcome),
	}
	if err != nil {
		level, event = slog.LevelError, eventFailed
		var kind evidence.Kind
		if errors.As(err, &kind) && kind != evidence.Unavailable && asked {
			level, event = slog.LevelWarn, eventRefused
		}
		attributes = append(attributes, slog.String("kind", string(kind)), slog.String("error", err.Error()))
	}
	slog.LogAttrs(ctx, level, event, attributes...)
}

// NewLogger writes JSON lines to out, each with the function and the invocation that it belongs to. out must be standard output: the
// host takes every line on standard error for an error.
func NewLogger(out io.Writer, level slog.Level) *slog.Logger {
	return slog.New(logger{slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level})})
}

type logger struct{ slog.Handler }

// Handle adds the invocation.
func (l logger) Handle(ctx context.Context, r slog.Record) error {
	if call, ok := ctx.Value(invocationKey{}).(Invocation); ok {
		r.AddAttrs(slog.String("function", call.Function), slog.String("invocation", call.ID))
	}
	return l.Handler.Handle(ctx, r)
}

// WithAttrs keeps the wrapper.
func (l logger) WithAttrs(a []slog.Attr) slog.Handler { return logger{l.Handler.WithAttrs(a)} }

// WithGroup keeps the wrapper.
func (l logger) WithGroup(name string) slog.Handler { return logger{l.Handler.WithGroup(name)} }
