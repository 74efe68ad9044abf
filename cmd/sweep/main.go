// Sweep measures ways to encode a proxy, ours and other systems', on real recordings: CPU, bytes and likeness to the original.
//
//	sweep [-quick] [-only REGEXP] [-results FILE] [-picture FILE.png] [-rounds 3] [-seconds 12] [recording...]
//
// What is measured is the table in space.txt. The tables go to standard output as Markdown, the progress to standard error.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "sweep:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, log io.Writer) (err error) {
	flags := flag.NewFlagSet("sweep", flag.ExitOnError)
	quick := flags.Bool("quick", false, "only the chosen profiles and the other systems, without the search")
	only := flags.String("only", "", "regular expression of the rows to measure, as \"set name\"")
	results := flags.String("results", "", "file that keeps each measurement; what it has already is not measured again")
	png := flags.String("picture", "", "PNG file to draw into")
	rounds := flags.Int("rounds", 3, "how often the CPU of the chosen profiles and the other systems is taken, in turns")
	seconds := flags.Float64("seconds", 12, "footage of each recording: a short one is repeated, a long one cut")
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), "sweep measures ways to encode a proxy; the recordings are testdata/*.mp4 unless named.\n\n")
		flags.PrintDefaults()
	}
	_ = flags.Parse(args) // exits by itself
	sources := flags.Args()
	if len(sources) == 0 {
		if sources, err = filepath.Glob(filepath.Join("testdata", "*.mp4")); err != nil || len(sources) == 0 {
			return fmt.Errorf("no recordings in testdata: %w", err)
		}
	}
	list, err := entries(space)
	if err != nil {
		return err
	}
	j, err := openJournal(*results)
	if err != nil {
		return err
	}
	defer func() {
		if closed := j.close(); err == nil {
			err = closed
		}
	}()
	wanted, err := matching(list, *only)
	if err != nil {
		return err
	}
	if err := measure(ctx, wanted, sources, j, *seconds, *rounds, *quick, log); err != nil {
		return err
	}
	report(out, list, j)
	if *png == "" {
		return nil
	}
	return picture(*png, list, j)
}

// measure fills the journal: the search once, since it is long and only directs the eye; what is compared at last in several rounds that take turns,
// so that a busy minute of the machine meets all alike.
func measure(ctx context.Context, list []entry, sources []string, j *journal, seconds float64, rounds int, quick bool, log io.Writer) (err error) {
	programs, err := find()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bwv-sweep-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{tools: programs, dir: dir, journal: j, log: log}
	if !quick {
		for _, source := range sources {
			if err := b.search(ctx, list, source); err != nil {
				return err
			}
		}
	}
	for round := range rounds {
		for _, source := range sources {
			if err := b.turn(ctx, list, source, seconds, round, quick); err != nil {
				return err
			}
		}
	}
	return nil
}

func find() (t tools, err error) {
	if t.ffmpeg, err = exec.LookPath("ffmpeg"); err != nil {
		return t, err
	}
	t.ffprobe, err = exec.LookPath("ffprobe")
	return t, err
}
