package retention_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/retention"
)

const keep = 31 * 24 * time.Hour

var uploaded = time.Date(2026, 11, 22, 10, 15, 0, 0, time.UTC)

// TestDecide writes down what is decided about each kind of record at each interesting moment; testdata/decide.golden is meant to be read.
func TestDecide(t *testing.T) {
	base := evidence.Record{ID: "lambeth-202611-aaaaaaaaaaaaaaaaaaaa", Original: evidence.Original{Created: uploaded}}
	with := func(change func(*evidence.Record)) evidence.Record { r := base; change(&r); return r }
	scheduled := func(r *evidence.Record) {
		r.Retention = evidence.Retention{State: evidence.Scheduled, Due: uploaded.Add(keep), Epoch: 1}
	}
	recorded := func(at time.Time, believed bool) evidence.Record {
		return with(func(r *evidence.Record) {
			scheduled(r)
			r.Media.Recorded = evidence.Recorded{At: at, Believed: believed}
		})
	}
	records := []struct {
		name string
		r    evidence.Record
	}{
		{"received", with(func(r *evidence.Record) { r.Retention.State = evidence.Received })},
		{"scheduled", with(scheduled)},
		{"scheduled, recorded before its upload", recorded(uploaded.Add(-10*24*time.Hour), true)},
		{"scheduled, camera clock in 1970", recorded(time.Unix(0, 0), true)},
		{"scheduled, recorded an hour after its upload, believed", recorded(uploaded.Add(time.Hour), true)},
		{"scheduled, recorded an hour after its upload, not believed", recorded(uploaded.Add(time.Hour), false)},
		{"scheduled, camera clock in 2099", recorded(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), true)},
		{"scheduled, promised longer by an earlier policy", with(func(r *evidence.Record) { scheduled(r); r.Retention.Due = uploaded.Add(2 * keep) })},
		{"scheduled, unflagged on day 20", with(func(r *evidence.Record) { scheduled(r); r.Retention.Released = uploaded.Add(20 * 24 * time.Hour) })},
		{"scheduled, uploaded between two seconds", with(func(r *evidence.Record) { scheduled(r); r.Original.Created = uploaded.Add(time.Millisecond) })},
		{"flagged", with(func(r *evidence.Record) {
			r.Retention.State = evidence.Flagged
			r.Flags = []evidence.Flag{{ID: "f"}}
		})},
		{"scheduled by mistake with a flag", with(func(r *evidence.Record) { scheduled(r); r.Flags = []evidence.Flag{{ID: "f"}} })},
		{"expiring", with(func(r *evidence.Record) { scheduled(r); r.Retention.State = evidence.Expiring })},
		{"expired", with(func(r *evidence.Record) { scheduled(r); r.Retention.State = evidence.Expired })},
	}
	moments := []struct {
		name string
		at   time.Time
	}{
		{"at upload", uploaded}, {"a second early", uploaded.Add(keep - time.Second)}, {"when due", uploaded.Add(keep)},
		{"a day late", uploaded.Add(keep + 24*time.Hour)}, {"a year late", uploaded.AddDate(1, 1, 0)},
	}
	var out strings.Builder
	for _, r := range records {
		fmt.Fprintf(&out, "%s\n", r.name)
		for _, m := range moments {
			d := retention.Decide(r.r, retention.Policy{Keep: keep}, m.at)
			word := "keep   "
			if d.Dispose {
				word = "DISPOSE"
			}
			fmt.Fprintf(&out, "  %-15s %s  due %s  %s\n", m.name, word, d.Due.Format(time.RFC3339), d.Reason)
		}
	}
	none := retention.Decide(with(scheduled), retention.Policy{}, uploaded.AddDate(5, 0, 0))
	fmt.Fprintf(&out, "no policy at all, five years late\n  dispose: %v  %s\n", none.Dispose, none.Reason)
	golden(t, "testdata/decide.golden", out.String())
}

// golden compares got with a file; with UPDATE_GOLDEN set it writes the file anew, to be read before it is committed.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}

// FuzzDecide: whatever the dates, nothing is disposed of within the window after its upload, with a flag, or without a policy.
func FuzzDecide(f *testing.F) {
	f.Add(int64(0), int64(0), int64(0), int64(keep), int64(keep), true, true)
	f.Fuzz(func(t *testing.T, recorded, released, due, window, elapsed int64, believed, flagged bool) {
		r := evidence.Record{Original: evidence.Original{Created: uploaded}}
		r.Media.Recorded = evidence.Recorded{At: time.Unix(recorded%1e11, 0), Believed: believed}
		r.Retention = evidence.Retention{State: evidence.Scheduled, Due: time.Unix(due%1e11, 0), Released: time.Unix(released%1e11, 0)}
		if flagged {
			r.Flags = []evidence.Flag{{ID: "f"}}
		}
		now := uploaded.Add(time.Duration(elapsed))
		d := retention.Decide(r, retention.Policy{Keep: time.Duration(window)}, now)
		if d.Dispose && (flagged || window <= 0 || now.Before(uploaded.Add(time.Duration(window))) || now.Before(r.Retention.Due) || now.Before(d.Due)) {
			t.Errorf("disposed: %+v at %s by %s", r.Retention, now, time.Duration(window))
		}
	})
}
