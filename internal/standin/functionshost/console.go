package functionshost

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// maxLine is where a handler's line without an end is cut.
const maxLine = 64 << 10

// console turns the handler's output into log lines: standard output is information, standard error is an
// error, or a warning where the line contains "warn" (WorkerProcess.ParseErrorMessageAndLog).
type console struct {
	log *slog.Logger
	out io.Writer // nil: through log

	mu   sync.Mutex
	last []string // the last 3 lines of standard error: the text of an exit
}

func (c *console) line(text string, stderr bool) {
	text = strings.TrimRight(text, "\r")
	c.mu.Lock()
	defer c.mu.Unlock()
	if stderr && text != "" {
		c.last = append(c.last, text)
		if len(c.last) > 3 {
			c.last = c.last[1:]
		}
	}
	if c.out != nil {
		prefix := "handler| "
		if stderr {
			prefix = "handler stderr| "
		}
		_, _ = io.WriteString(c.out, prefix+text+"\n") // a log that cannot be written must not stop the host
		return
	}
	level := slog.LevelInfo
	switch {
	case strings.HasPrefix(text, "azfuncjsonlog:"): // for tooling
		level = slog.LevelDebug
	case stderr && strings.Contains(strings.ToLower(text), "warn"):
		level = slog.LevelWarn
	case stderr:
		level = slog.LevelError
	}
	c.log.Log(context.Background(), level, text, "category", "Host.Function.Console")
}

// lastWords are the last 3 lines of standard error since the previous call.
func (c *console) lastWords() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := strings.Join(c.last, " | ")
	c.last = nil
	return text
}

// lineWriter cuts one stream into lines; a line longer than maxLine comes in pieces.
type lineWriter struct {
	console *console
	stderr  bool
	pending []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			w.pending = append(w.pending, rest...)
			for len(w.pending) > maxLine {
				w.console.line(string(w.pending[:maxLine]), w.stderr)
				w.pending = append(w.pending[:0], w.pending[maxLine:]...)
			}
			break
		}
		w.console.line(string(append(w.pending, rest[:end]...)), w.stderr)
		w.pending, rest = w.pending[:0], rest[end+1:]
	}
	return len(p), nil
}

// flush writes what came without a newline.
func (w *lineWriter) flush() {
	if len(w.pending) > 0 {
		w.console.line(string(w.pending), w.stderr)
		w.pending = nil
	}
}
