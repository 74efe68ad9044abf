package kinds

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Kind is one kind of recording.
type Kind struct {
	Name   string // unique, and fit for a file's name
	Words  string // what it is, and who makes such
	Damage Damage // what the judge may ask of its proxy
	// Make writes the recording into a folder, and tells where.
	Make func(ctx context.Context, dir string) (path string, err error)
	// Intact makes what a damaged recording was before; nil for one that is whole.
	Intact func(ctx context.Context, dir string) (path string, err error)
	// Sibling makes another recording of the same camera, by which the pictures of one without an index are found; nil for the others.
	Sibling func(ctx context.Context, dir string) (path string, err error)
}

// Damage is what happened to a recording.
type Damage string

// The kinds of damage. Compare judges the proxy of a whole recording, Subset that of a damaged one, by what its Intact shows.
const (
	Whole   Damage = ""
	Cut     Damage = "its end is missing"
	NoMoov  Damage = "its index is missing"
	Corrupt Damage = "bytes in its middle are others"
)

// List is every kind of recording that people upload. Each is made anew from the clips in testdata, within seconds.
func List() []Kind {
	return slices.Concat(containers(), streams(), coded(), sounds(), shapes(), rates(), edits(), damaged())
}

// making is the type of Kind.Make.
type making = func(ctx context.Context, dir string) (path string, err error)

// by makes a recording with one run of ffmpeg. The arguments are those between the program and the output's name, as encode takes them.
func by(file string, args ...string) making {
	return func(ctx context.Context, dir string) (string, error) {
		path := filepath.Join(dir, file)
		return path, encode(ctx, path, args...)
	}
}

// as makes a recording, and then changes its bytes.
func as(making making, change func(b []byte) ([]byte, error)) making {
	return func(ctx context.Context, dir string) (string, error) {
		path, err := making(ctx, dir)
		if err != nil {
			return "", err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("reading what was made: %w", err)
		}
		if b, err = change(b); err != nil {
			return "", fmt.Errorf("changing %s: %w", filepath.Base(path), err)
		}
		return path, os.WriteFile(path, b, 0o600)
	}
}

// film changes the moov of a film that ends with it, so that what it points to stays where it is.
func film(change func(moov *box) error) func(b []byte) ([]byte, error) {
	return func(b []byte) ([]byte, error) {
		all, err := boxes(b)
		if err != nil {
			return nil, err
		}
		last := all[len(all)-1]
		if last.kind != "moov" {
			return nil, fmt.Errorf("it ends with %s: %w", last.kind, errBox)
		}
		start := len(b) - len(last.bytes())
		if err := change(last); err != nil {
			return nil, err
		}
		return append(slices.Clone(b[:start]), last.bytes()...), nil
	}
}

// join puts lists of arguments together.
func join(parts ...[]string) []string { return slices.Concat(parts...) }

// avc encodes H.264 cheaply. Options are x264's own.
func avc(options string) []string {
	return []string{"-c:v", "libx264", "-preset", "ultrafast", "-crf", "30", "-x264-params", options}
}

// hevc encodes HEVC as phones mark it.
func hevc(options string) []string {
	return []string{"-c:v", "libx265", "-preset", "ultrafast", "-crf", "32", "-x265-params", "log-level=none:" + options, "-tag:v", "hvc1"}
}

// small makes the picture 480 wide: cheap to make and to judge.
func small() []string { return []string{"-vf", shrink + ",format=yuv420p"} }

// shrink is the filter that does it.
const shrink = "scale=480:270:flags=fast_bilinear,setsar=1"
