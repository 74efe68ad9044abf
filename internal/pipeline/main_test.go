package pipeline_test

import (
	"log/slog"
	"os"
	"testing"
)

// TestMain keeps the stages' log lines out of the way: thousands of histories run.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}
