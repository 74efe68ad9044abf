// Bench measures the whole pipeline on this machine, against the bare commands in the same run, and prints docs/benchmarks.md's table.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"bwv/internal/journey"
)

func main() {
	clips := flag.Int("clips", 16, "recordings of 5 seconds to process")
	gigabytes := flag.Float64("gib", 2, "size of the large original, in GiB")
	rounds := flag.Int("rounds", 7, "single recordings whose way is timed")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "bench prints a Markdown table; it takes some minutes.\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Minute)
	defer cancel()
	if err := run(ctx, *clips, *rounds, *gigabytes); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, clips, rounds int, gigabytes float64) (err error) {
	dir, err := os.MkdirTemp("", "bwv-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
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
	b := &bench{Machine: m, dir: dir, source: filepath.Join(m.Root, "testdata", "samplelib_street_1080p30_5s.mp4")}
	fmt.Printf("%s, %s, %d processors, %s\n\n", time.Now().Format(time.DateOnly), runtime.Version(), runtime.NumCPU(), processor())
	fmt.Print("| what | result |\n| --- | --- |\n")
	for _, measure := range []func(context.Context) error{
		func(ctx context.Context) error { return b.journeys(ctx, rounds) },
		func(ctx context.Context) error { return b.throughput(ctx, clips) },
		func(ctx context.Context) error { return b.memory(ctx, gigabytes) },
	} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	return nil
}

func row(what, format string, a ...any) { fmt.Printf("| "+what+" | "+format+" |\n", a...) }
