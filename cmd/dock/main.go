// Command dock uploads recordings to the store as a docking station does: several at a time,
// resumable, and safe to run twice.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
)

const (
	exitSafe   = 0 // every file is in the store, checked by reading its properties back
	exitUnsafe = 1 // at least one is not
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first Ctrl-C ends the uploads in order; from then on a second one kills.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

const usage = `dock uploads recordings to the evidence store.

  dock --unit U --officer O --camera C [flags] FILE|FOLDER...

A folder is searched for recordings (mp4 mov m4v mkv avi ts mts m2ts); hidden files are left out.
Each recording becomes the blob <unit>/<officer>/<camera>/<yyyy>/<mm>/<dd>/<start>-<name>.<ext>.
It is "safe" only after the store has confirmed its size and digest. Local files are never changed.

dock may be run again at any time: what is safe already is left alone, what was interrupted goes on
where it stopped, and a blob with other content under the same name is never overwritten.

The store is the first of these that is given:
  --container-url      the container's URL with a SAS (needs create, write and read)
  --account-url        https://ACCOUNT.blob.core.windows.net, signing in with Microsoft Entra ID
  --connection-string  or the environment variable FOOTAGE_STORAGE
  otherwise            local development storage, http://127.0.0.1:10000/devstoreaccount1

Exit status: 0 if every file is safe, 1 if not, 2 for a wrong command line.

Flags:
`

// settings are the command line, checked.
type settings struct {
	target  target
	place   place
	claims  claims
	jobs    int
	json    bool
	paths   []string
	blockMB int64
}

// claims are what the uploader says about every recording of this run.
type claims struct {
	recordedAt string // RFC 3339, UTC
	incident   string
	category   string
}

// run is main with everything it touches passed in.
func run(ctx context.Context, args []string, env func(string) string, stdout, stderr io.Writer) int {
	s, err := parse(args, env, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return exitSafe
	}
	if err != nil {
		fmt.Fprintln(stderr, "dock:", err)
		fmt.Fprintln(stderr, "dock --help explains the command line.")
		return exitUsage
	}
	client, err := s.target.connect()
	if err != nil {
		fmt.Fprintln(stderr, "dock:", err)
		return exitUsage
	}
	list, err := plan(s.paths, s.place)
	if err != nil {
		fmt.Fprintln(stderr, "dock:", err)
		return exitUnsafe
	}
	out := newReport(stdout, stderr, s.json, isTerminal(stdout))
	u := &uploader{container: client, claims: s.claims, blockSize: s.blockMB << 20, report: out}
	u.all(ctx, list, s.jobs)
	return out.finish(ctx)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func parse(args []string, env func(string) string, help io.Writer) (settings, error) {
	var s settings
	var start, recorded string
	f := flag.NewFlagSet("dock", flag.ContinueOnError)
	f.SetOutput(io.Discard) // the error is printed once, by run
	f.StringVar(&s.place.unit, "unit", "", "unit the recordings belong to, e.g. lambeth (required)")
	f.StringVar(&s.place.officer, "officer", "", "officer who wore the camera, e.g. P123456 (required)")
	f.StringVar(&s.place.camera, "camera", "", "serial number of the camera, e.g. X81234567 (required)")
	f.StringVar(&start, "start", "", "start of the recordings, e.g. 2026-11-22T10:15:00Z (default: each file's modification time)")
	f.StringVar(&recorded, "recorded-at", "", "time of recording to claim, RFC 3339; without it nothing is claimed")
	f.StringVar(&s.claims.incident, "incident", "", "incident reference to record with every file")
	f.StringVar(&s.claims.category, "category", "", "category to record with every file")
	f.StringVar(&s.target.container, "container", "footage", "container to upload into")
	f.StringVar(&s.target.connection, "connection-string", "", "storage connection string (default: FOOTAGE_STORAGE)")
	f.StringVar(&s.target.accountURL, "account-url", "", "storage account, signing in with Microsoft Entra ID")
	f.StringVar(&s.target.containerURL, "container-url", "", "container with a SAS")
	f.IntVar(&s.jobs, "jobs", 3, "files uploaded at the same time, 1 to 32")
	f.BoolVar(&s.json, "json", false, "print one JSON object a file: file, blob, bytes, sha256, status, seconds, error")
	f.Int64Var(&s.blockMB, "block-mib", 8, "size of a block in MiB, 1 to 100; an upload resumes only with the same size")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(help, usage)
			f.SetOutput(help)
			f.PrintDefaults()
		}
		return s, err
	}
	s.paths = f.Args()
	if s.target.connection == "" {
		s.target.connection = env("FOOTAGE_STORAGE")
	}
	return s, s.check(start, recorded)
}

func (s *settings) check(start, recorded string) error {
	if len(s.paths) == 0 {
		return errors.New("no file or folder given")
	}
	if s.jobs < 1 || s.jobs > 32 {
		return fmt.Errorf("--jobs %d: want 1 to 32", s.jobs)
	}
	if s.blockMB < 1 || s.blockMB > 100 {
		return fmt.Errorf("--block-mib %d: want 1 to 100", s.blockMB)
	}
	if err := s.place.check(); err != nil {
		return err
	}
	if start != "" {
		t, err := parseTime(start)
		if err != nil {
			return fmt.Errorf("--start %q: want a time like 2026-11-22T10:15:00Z", start)
		}
		s.place.start = t
	}
	if recorded != "" {
		t, err := parseTime(recorded)
		if err != nil {
			return fmt.Errorf("--recorded-at %q: want a time like 2026-11-22T10:15:00Z", recorded)
		}
		s.claims.recordedAt = t.Format(time.RFC3339)
	}
	if err := checkText("--incident", s.claims.incident); err != nil {
		return err
	}
	return checkText("--category", s.claims.category)
}

func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = time.Parse(startLayout, s)
	}
	return t.UTC(), err
}

// checkText holds what goes into blob metadata, that is into HTTP headers, to printable ASCII.
func checkText(name, s string) error {
	if len(s) > 200 {
		return fmt.Errorf("%s: more than 200 characters", name)
	}
	for i, r := range s {
		if r < ' ' || r > '~' || (r == ' ' && (i == 0 || i == len(s)-1)) {
			return fmt.Errorf("%s %q: want plain characters (ASCII), no space at either end", name, s)
		}
	}
	return nil
}
