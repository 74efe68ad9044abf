package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// report says what happens: bars on a terminal with a line for each finished file above them, lines
// only elsewhere, JSON on request.
type report struct {
	stdout io.Writer
	stderr io.Writer
	json   bool
	bars   *mpb.Progress // nil without a terminal
	began  time.Time

	mu    sync.Mutex
	count map[string]int
	bytes int64
	files int
}

func newReport(stdout, stderr io.Writer, asJSON, terminal bool) *report {
	r := &report{stdout: stdout, stderr: stderr, json: asJSON, began: time.Now(), count: map[string]int{}}
	if terminal && !asJSON {
		r.bars = mpb.New(mpb.WithOutput(stdout), mpb.WithAutoRefresh(), mpb.WithWidth(40))
	}
	return r
}

// bar is the progress of one file; without a terminal it shows nothing.
type bar struct{ b *mpb.Bar }

func (r *report) begin(rec recording) *bar {
	if r.bars == nil {
		return &bar{}
	}
	return &bar{r.bars.AddBar(max(rec.size, 1), mpb.PrependDecorators(
		decor.Name(filepath.Base(rec.file), decor.WCSyncSpaceR),
		decor.Counters(decor.SizeB1024(0), "% .1f / % .1f", decor.WCSyncSpace),
	), mpb.AppendDecorators(
		decor.AverageSpeed(decor.SizeB1024(0), "% .1f", decor.WCSyncSpace),
		decor.AverageETA(decor.ET_STYLE_GO, decor.WCSyncSpace),
	))}
}

// sent counts bytes that the store has taken now.
func (b *bar) sent(n int) {
	if b.b != nil {
		b.b.IncrBy(n)
	}
}

// skip counts bytes that the store had already.
func (b *bar) skip(n int) { b.sent(n) }

// end removes the bar; the file's line takes its place.
func (b *bar) end() {
	if b.b != nil {
		b.b.Abort(true)
	}
}

func (r *report) result(res result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count[res.Status]++
	r.files++
	if res.Status == statusUploaded || res.Status == statusAlready {
		r.bytes += res.Bytes
	}
	var line string
	switch {
	case r.json:
		b, err := json.Marshal(res)
		if err != nil {
			line = fmt.Sprintf(`{"status":"failed","error":%q}`, err)
			break
		}
		line = string(b)
	case res.Error != "":
		line = fmt.Sprintf("%-12s  %s: %s", res.Status, res.File, res.Error)
	default:
		line = fmt.Sprintf("%-12s  %s -> %s  (%s, sha256 %s, %.1f s)", res.Status, res.File, res.Blob, size(res.Bytes), res.SHA256, res.Seconds)
	}
	out := r.stdout
	if r.bars != nil {
		out = r.bars // above the bars
	}
	if _, err := fmt.Fprintln(out, line); err != nil {
		fmt.Fprintln(r.stderr, line) // nobody reads standard output any more, but it must be said
	}
}

// finish prints the summary and returns the exit status.
func (r *report) finish(ctx context.Context) int {
	if r.bars != nil {
		r.bars.Wait()
	}
	safe := r.count[statusUploaded] + r.count[statusAlready]
	out := r.stdout
	if r.json {
		out = r.stderr // standard output has one object a file and nothing else
	}
	fmt.Fprintf(out, "%d of %d safe: %d uploaded, %d already there; %d in conflict, %d failed, %d stopped; %s in %s\n",
		safe, r.files, r.count[statusUploaded], r.count[statusAlready], r.count[statusConflict], r.count[statusFailed],
		r.count[statusStopped], size(r.bytes), time.Since(r.began).Round(100*time.Millisecond))
	if ctx.Err() != nil && safe < r.files {
		fmt.Fprintln(r.stderr, "Stopped. Nothing is lost: run the same command again to go on where it stopped.")
	}
	if safe < r.files {
		return exitUnsafe
	}
	return exitSafe
}

func size(n int64) string { return fmt.Sprintf("% .1f", decor.SizeB1024(n)) }
