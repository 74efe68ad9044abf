package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"sync/atomic"

	"bwv/internal/evidence"
)

// disk is evidence.Originals over the files of this machine, and counts what is asked of it.
type disk struct {
	requests atomic.Int64
	read     atomic.Int64 // bytes
}

// tally is what a disk was asked for.
type tally struct{ requests, read int64 }

func (t tally) plus(o tally) tally { return tally{t.requests + o.requests, t.read + o.read} }

// during is what a piece of work asks for.
func (d *disk) during(work func() error) (tally, error) {
	before := tally{d.requests.Load(), d.read.Load()}
	err := work()
	return tally{d.requests.Load() - before.requests, d.read.Load() - before.read}, err
}

// source is a file as the tools take it.
func (d *disk) source(ctx context.Context, file string) (evidence.Source, error) {
	o, err := d.Stat(ctx, file)
	return evidence.Source{Original: o, Store: d}, err
}

// Stat implements evidence.Originals.
func (d *disk) Stat(_ context.Context, path string) (evidence.Original, error) {
	info, err := os.Stat(path)
	if err != nil {
		return evidence.Original{}, errors.Join(err, evidence.NotFound)
	}
	return evidence.Original{Path: filepath.Clean(path), Size: info.Size(), ETag: "0x8DC", Created: info.ModTime()}, nil
}

// Open implements evidence.Originals.
func (d *disk) Open(_ context.Context, o evidence.Original, offset, length int64) (io.ReadCloser, error) {
	if length <= 0 || offset < 0 || offset+length > o.Size {
		return nil, fmt.Errorf("%d bytes at %d of %d: %w", length, offset, o.Size, evidence.Invalid)
	}
	f, err := os.Open(o.Path)
	if err != nil {
		return nil, err
	}
	d.requests.Add(1)
	return &counted{d: d, f: f, r: io.NewSectionReader(f, offset, length)}, nil
}

// Delete implements evidence.Originals: nothing here is to be erased.
func (d *disk) Delete(context.Context, evidence.Original) error { return evidence.Denied }

// List implements evidence.Originals.
func (d *disk) List(context.Context) iter.Seq2[evidence.Original, error] {
	return func(func(evidence.Original, error) bool) {}
}

// counted is one body.
type counted struct {
	d *disk
	f *os.File
	r io.Reader
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.d.read.Add(int64(n))
	return n, err
}

func (c *counted) Close() error { return c.f.Close() }
