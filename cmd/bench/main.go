// Bench measures the pipeline and the making of proxies on this machine, against bare commands in the same run, and prints docs/benchmarks.md's tables.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"bwv/internal/journey"
)

// options are the sizes of what is measured.
type options struct {
	only       string
	recordings int
	gigabytes  float64
	singles    int

	seconds float64 // of footage whose CPU is compared
	turns   int
	reads   float64 // seconds of footage whose bytes are counted
	longest time.Duration
	wall    time.Duration
	uploads int
	within  time.Duration
}

// The parts, in the order of the report. "proxies" are all but the first.
func parts() []string { return []string{"system", "cpu", "bytes", "index", "first", "wall", "memory"} }

// inside is what bench does when it starts itself: one recording in a process of its own.
type inside struct{ round, memory string }

func parse() (o options, in inside) {
	flag.StringVar(&o.only, "only", "", "parts to measure, with commas between: "+strings.Join(parts(), ", ")+"; proxies is all but the first")
	flag.IntVar(&o.recordings, "clips", 16, "system: recordings of 5 seconds to process")
	flag.Float64Var(&o.gigabytes, "gib", 0.25, "system: size of the large original, in GiB")
	flag.IntVar(&o.singles, "rounds", 7, "system: single recordings whose way is timed")
	flag.Float64Var(&o.seconds, "seconds", 120, "cpu: seconds of 1080p footage")
	flag.IntVar(&o.turns, "turns", 3, "cpu: rounds")
	flag.Float64Var(&o.reads, "reads", 60, "bytes: seconds of 1080p footage")
	flag.DurationVar(&o.longest, "longest", 12*time.Hour, "index, first, memory: the longest recording")
	flag.DurationVar(&o.wall, "wall", 10*time.Minute, "wall: the recording")
	flag.IntVar(&o.uploads, "uploads", 3, "first: uploads of each length")
	flag.DurationVar(&o.within, "within", 2*time.Hour, "all of it must be done by then")
	quick := flag.Bool("quick", false, "proxies: small sizes, to see that it works")
	flag.StringVar(&in.round, "round-of", "", "used by bench itself: compare the CPU for one recording")
	flag.StringVar(&in.memory, "memory-of", "", "used by bench itself: process one recording and say how much memory that took")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "bench prints Markdown tables; it takes half an hour.\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *quick {
		o.seconds, o.turns, o.reads, o.longest, o.wall, o.uploads = 12, 1, 12, time.Hour, time.Minute, 1
	}
	return o, in
}

// wants tells whether a part was asked for.
func (o options) wants(part string) bool {
	if o.only == "" {
		return true
	}
	list := strings.Split(o.only, ",")
	return slices.Contains(list, part) || part != "system" && slices.Contains(list, "proxies")
}

// known says which of the parts that were asked for there is none of.
func (o options) known() error {
	for _, part := range strings.Split(o.only, ",") {
		if part != "" && part != "proxies" && !slices.Contains(parts(), part) {
			return fmt.Errorf("there is no part %q: see -help", part)
		}
	}
	return nil
}

func main() {
	o, in := parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, o.within)
	defer cancel()
	err := o.known()
	switch {
	case err != nil:
	case in.round != "":
		err = contest(ctx, in.round, os.Stdout)
	case in.memory != "":
		err = appetite(ctx, in.memory, os.Stdout)
	default:
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "bwv-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	root, err := journey.Root()
	if err != nil {
		return err
	}
	fmt.Printf("%s, %s, %d processors, %s, load %s\n\n", time.Now().Format(time.DateOnly), runtime.Version(), runtime.NumCPU(), processor(), load())
	if o.wants("system") {
		if err := system(ctx, dir, o); err != nil {
			return err
		}
	}
	p := &proxies{options: o, films: films{dir: dir, clips: filepath.Join(root, "testdata")}}
	for _, part := range []struct {
		name    string
		measure func(context.Context) error
	}{{"cpu", p.cpu}, {"bytes", p.bytes}, {"index", p.index}, {"first", p.first}, {"wall", p.walls}, {"memory", p.memory}} {
		if !o.wants(part.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s %s, load %s\n", time.Now().Format(time.TimeOnly), part.name, load())
		if err := part.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// system measures the running system as a whole.
func system(ctx context.Context, dir string, o options) (err error) {
	m, err := journey.NewMachine(ctx, dir, nil)
	if err != nil {
		return err
	}
	if err := m.Start(ctx); err != nil {
		return err
	}
	defer func() {
		if stopped := m.Stop(); err == nil {
			err = stopped
		}
	}()
	b := &bench{Machine: m, dir: dir, source: filepath.Join(m.Root, "testdata", street)}
	fmt.Print("| what | result |\n| --- | --- |\n")
	for _, measure := range []func(context.Context) error{
		func(ctx context.Context) error { return b.journeys(ctx, o.singles) },
		func(ctx context.Context) error { return b.throughput(ctx, o.recordings) },
		func(ctx context.Context) error { return b.memory(ctx, o.gigabytes) },
	} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	fmt.Println()
	return nil
}

func row(what, format string, a ...any) { fmt.Printf("| "+what+" | "+format+" |\n", a...) }
