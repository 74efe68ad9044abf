package evidence_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"bwv/internal/evidence"
)

func TestStills(t *testing.T) {
	for name, c := range map[string]struct {
		from, to float64
		want     []float64
	}{
		"the first chunk":                {0, 4, []float64{0}},
		"its end is not in it":           {0, 5, []float64{0}},
		"just past a moment":             {0, 5.000001, []float64{0, 5}},
		"begins at one":                  {5, 15, []float64{5, 10}},
		"begins behind one":              {5.04, 15.04, []float64{10, 15}},
		"between two":                    {6, 9.9, nil},
		"a minute":                       {60.2, 120.1, []float64{65, 70, 75, 80, 85, 90, 95, 100, 105, 110, 115, 120}},
		"nothing":                        {7, 7, nil},
		"nothing, where a moment is":     {10, 10, nil},
		"backwards":                      {10, 5, nil},
		"before the beginning":           {-3, 1, []float64{0}},
		"the 12th hour, in 90 kHz":       {3888000000.0 / 90000, 3888900000.0 / 90000, []float64{43200, 43205}},
		"a border that is no whole tick": {1001.0 / 30000 * 150, 10.5, []float64{10}},
	} {
		if got := evidence.Stills(c.from, c.to); !slices.Equal(got, c.want) {
			t.Errorf("%s: stills of %g to %g at %v, want %v", name, c.from, c.to, got, c.want)
		}
	}
}

// TestStillsOfYears are bounded: a recording may claim what it likes.
func TestStillsOfYears(t *testing.T) {
	if got := evidence.Stills(7, 1e15); len(got) != 120 || got[0] != 10 || got[119] != 605 {
		t.Errorf("%d stills from %v", len(got), got[:1])
	}
}

// TestStillsOfNeighbours cuts a recording anywhere: every moment is in exactly one chunk.
func TestStillsOfNeighbours(t *testing.T) {
	for _, timescale := range []int64{30000, 90000, 12800} {
		var got []float64
		border := int64(0)
		for n := range int64(400) {
			next := border + 1 + (n*n*7919)%(17*timescale)
			c := evidence.Chunk{Timescale: timescale, Start: border, End: next}
			from, to := c.Seconds()
			got = append(got, evidence.Stills(from, to)...)
			border = next
		}
		want := int(math.Ceil(float64(border) / float64(timescale) / evidence.StillSeconds))
		if len(got) != want {
			t.Fatalf("timescale %d: %d stills, want %d", timescale, len(got), want)
		}
		for n, at := range got {
			if at != float64(n*evidence.StillSeconds) {
				t.Fatalf("timescale %d: still %d is at %g", timescale, n, at)
			}
		}
	}
}

// TestFix is what the custody entry says of a digest, and of one that could not be computed.
func TestFix(t *testing.T) {
	matches := true
	for want, d := range map[string]evidence.Digest{
		"cd":           {Claimed: "cd", Computed: "cd", Matches: &matches, At: noon()},
		"not computed": {Claimed: "cd", At: noon()},
	} {
		r := walk(t, "describe", "attend")
		n, e, err := r.Fix(d, nil, why())
		if err != nil {
			t.Fatal(err)
		}
		if e.Operation != evidence.OpDigest || e.Changes["sha256"] != want || e.Digest != d.Computed || n.Digest != d {
			t.Errorf("entry %+v, digest %+v", e, n.Digest)
		}
		if len(n.Attention) != len(r.Attention) || n.Media.Tool != r.Media.Tool {
			t.Errorf("a digest without problems took what others reported: %+v", n.Attention)
		}
	}
	r := walk(t, "fix")
	if n, _, err := r.Fix(evidence.Digest{Computed: "ef"}, nil, why()); err != nil || len(n.Attention) != len(r.Attention)-1 {
		t.Errorf("its own attention of an earlier run is there still: %+v, %v", n.Attention, err)
	}
}

func TestAgain(t *testing.T) {
	all := []evidence.Subject{evidence.SubjectMetadata, evidence.SubjectDigest, evidence.SubjectProxy}
	if got, err := (evidence.Reprocess{}).Again(); err != nil || !slices.Equal(got, all) {
		t.Errorf("none named: %v, %v", got, err)
	}
	for _, stage := range append(all, evidence.SubjectRetention) {
		if got, err := (evidence.Reprocess{Stages: []evidence.Subject{stage}}).Again(); err != nil || !slices.Equal(got, []evidence.Subject{stage}) {
			t.Errorf("%s: %v, %v", stage, got, err)
		}
	}
	for _, stage := range []evidence.Subject{"", "received", "expire", "segment", "Proxy"} {
		if _, err := (evidence.Reprocess{Stages: []evidence.Subject{evidence.SubjectProxy, stage}}).Again(); !errors.Is(err, evidence.Invalid) {
			t.Errorf("%q: %v", stage, err)
		}
	}
}
