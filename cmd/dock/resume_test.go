package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"bwv/internal/standin/azurite"
)

// stopped runs dock and interrupts it when a few blocks are staged.
func stopped(t *testing.T, r *rig, f string) outcome {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r.tap.reset(func(comp string, n int) {
		if comp == "block" && n == 4 {
			cancel()
		}
	})
	o := r.dock(ctx, f)
	r.tap.reset(nil)
	return o
}

func (r *rig) uncommitted(name string) int {
	r.t.Helper()
	list, err := r.store.ServiceClient().NewContainerClient("footage").NewBlockBlobClient(name).GetBlockList(r.t.Context(), blockblob.BlockListTypeUncommitted, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return len(list.UncommittedBlocks)
}

func TestInterruptedUploadGoesOn(t *testing.T) {
	r := newRig(t)
	const blocks = 12
	f := r.file("a.mp4", blocks<<20, 1)
	o := stopped(t, r, f)
	res := o.results["a.mp4"]
	if o.code != exitUnsafe || res.Status != statusStopped || !strings.Contains(o.stderr, "run the same command again") {
		t.Fatalf("%d %s %s", o.code, o.stdout, o.stderr)
	}
	staged := r.uncommitted(res.Blob)
	if staged < 1 || staged >= blocks {
		t.Fatalf("%d blocks staged after the interruption", staged)
	}
	o = r.dock(t.Context(), f)
	if o.code != exitSafe || o.results["a.mp4"].Status != statusUploaded {
		t.Fatal(o.stdout)
	}
	// At most: the store may have taken a block whose answer the interrupted run did not wait for.
	if n := r.tap.count("block"); n > blocks-staged {
		t.Fatalf("%d blocks sent, %d of %d were there", n, staged, blocks)
	}
	r.same(res.Blob, f)
}

// Blocks of an earlier version of the file are not taken for those of this one.
func TestStagedBlocksOfOtherContentAreNotUsed(t *testing.T) {
	r := newRig(t)
	const blocks = 8
	f := r.file("a.mp4", blocks<<20, 1)
	if o := stopped(t, r, f); o.results["a.mp4"].Status != statusStopped {
		t.Fatal(o.stdout)
	}
	r.file("a.mp4", blocks<<20, 2)
	o := r.dock(t.Context(), f)
	if o.code != exitSafe || r.tap.count("block") != blocks {
		t.Fatalf("%d blocks sent %s", r.tap.count("block"), o.stdout)
	}
	r.same(o.results["a.mp4"].Blob, f)
}

// Blocks that are equal and follow each other are blocks of their own.
func TestRepeatedContent(t *testing.T) {
	r := newRig(t)
	f := r.file("a.mp4", 0, 1)
	if err := os.WriteFile(f, make([]byte, 5<<20+7), 0o600); err != nil {
		t.Fatal(err)
	}
	o := r.dock(t.Context(), f)
	if o.code != exitSafe {
		t.Fatal(o.stdout)
	}
	r.same(o.results["a.mp4"].Blob, f)
}

func TestFileThatChangesIsNotCommitted(t *testing.T) {
	for name, change := range map[string]func(f *os.File) error{
		"grows":   func(f *os.File) error { _, err := f.WriteString("more"); return err },
		"shrinks": func(f *os.File) error { return f.Truncate(1 << 20) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			p := r.file("a.mp4", 12<<20, 1)
			f, err := os.OpenFile(p, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			r.tap.reset(func(comp string, n int) {
				if comp == "block" && n == 1 {
					if err := change(f); err != nil {
						t.Error(err)
					}
				}
			})
			o := r.dock(t.Context(), p)
			if res := o.results["a.mp4"]; o.code != exitUnsafe || res.Status != statusFailed || !strings.Contains(res.Error, errChanged.Error()) {
				t.Fatal(o.stdout)
			}
			if n := r.tap.count("blocklist"); n != 0 {
				t.Fatalf("%d commits", n)
			}
		})
	}
}

// Ctrl-C before a file's turn: it is reported, not forgotten.
func TestFilesThatDidNotGetTheirTurnAreReported(t *testing.T) {
	r := newRig(t)
	files := []string{"--jobs", "1", r.file("a.mp4", 8<<20, 1), r.file("b.mp4", 10, 2), r.file("c.mp4", 10, 3)}
	ctx, cancel := context.WithCancel(t.Context())
	r.tap.reset(func(comp string, _ int) { cancel() })
	o := r.dock(ctx, files...)
	if o.code != exitUnsafe || len(o.results) != 3 || o.results["c.mp4"].Status != statusStopped {
		t.Fatal(o.stdout)
	}
}

// On a terminal the lines stand above the bars, and nothing hangs when a bar ends half way.
func TestBars(t *testing.T) {
	r := newRig(t)
	client, err := target{container: "footage", connection: azurite.ConnectionString(r.addr)}.connect()
	if err != nil {
		t.Fatal(err)
	}
	list, err := plan([]string{r.file("a.mp4", 3<<20, 1), r.file("b.mp4", 0, 1), r.folder + "/missing.mp4"}, place{unit: "u", officer: "O", camera: "C"})
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	out := newReport(&stdout, &stderr, false, true)
	u := &uploader{container: client, blockSize: 1 << 20, report: out}
	u.all(t.Context(), list, 3)
	if code := out.finish(t.Context()); code != exitUnsafe {
		t.Fatalf("status %d", code)
	}
	for _, want := range []string{"uploaded", "a.mp4 -> u/O/C/", "missing.mp4: ", "2 of 3 safe"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in %q", want, stdout.String())
		}
	}
}
