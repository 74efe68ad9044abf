// Demo shows and checks the main job on one machine: real clips travel from upload to playback; one is flagged and kept, the others go.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"text/tabwriter"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/journey"
)

func main() {
	keep := flag.Duration("keep", 150*time.Second, "the shortened retention; must leave time for processing")
	clips := flag.String("clips", "testdata", "folder with the recordings")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "demo shows and checks the main job: exit code 0 only if all of it holds.\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *keep+4*time.Minute)
	defer cancel()
	counts, err := demo(ctx, *keep, *clips)
	if err != nil {
		fmt.Println("FAILED:", err)
	}
	line, _ := json.Marshal(counts) // plain numbers always marshal
	fmt.Println(string(line))
	if err != nil {
		os.Exit(1)
	}
}

// Counts is the last line.
type Counts struct {
	OK          bool `json:"ok"`
	Uploaded    int  `json:"uploaded"`
	Processed   int  `json:"processed"`
	DigestsOK   int  `json:"digestsOk"`
	ProxiesOK   int  `json:"proxiesOk"`
	Flagged     int  `json:"flagged"`
	Cancelled   int  `json:"cancelled"`
	Kept        int  `json:"kept"`
	Gone        int  `json:"gone"`
	Tombstones  int  `json:"tombstones"`
	ChainsWhole int  `json:"chainsWhole"`
}

func demo(ctx context.Context, keep time.Duration, clips string) (counts Counts, err error) {
	files, err := filepath.Glob(filepath.Join(clips, "*.mp4"))
	if err != nil || len(files) < 2 {
		return counts, fmt.Errorf("%s has no recordings to show: %w", clips, errors.Join(err, os.ErrNotExist))
	}
	dir, err := os.MkdirTemp("", "bwv-demo-")
	if err != nil {
		return counts, err
	}
	defer os.RemoveAll(dir)
	log, err := os.Create(filepath.Join(dir, "handler.log"))
	if err != nil {
		return counts, err
	}
	defer log.Close()
	say("starting everything on free ports, retention %s", keep)
	rig, err := journey.NewRig(ctx, dir, map[string]string{"RETENTION_KEEP": keep.String()}, log)
	if err != nil {
		return counts, err
	}
	defer func() { err = errors.Join(err, rig.Close()) }()

	say("docking %d recordings", len(files))
	docked, err := rig.Dock(ctx, files...)
	if err != nil {
		return counts, err
	}
	counts.Uploaded = len(docked)
	say("uploaded; waiting for metadata, proxies and disposals")
	records, err := rig.Processed(ctx, len(docked))
	if err != nil {
		return counts, err
	}
	counts.Processed = len(records)
	if err := table(ctx, rig, docked, records, &counts); err != nil {
		return counts, err
	}
	kept, err := flagOne(ctx, rig, records[docked[0].Blob], &counts)
	if err != nil {
		return counts, err
	}
	if err := outcome(ctx, rig, docked, kept, &counts); err != nil {
		return counts, err
	}
	n := counts.Uploaded
	want := Counts{Uploaded: len(files), Processed: n, DigestsOK: n, ProxiesOK: n, Flagged: 1, Cancelled: 1, Kept: 1, Gone: n - 1, Tombstones: n - 1, ChainsWhole: n}
	if counts != want {
		return counts, fmt.Errorf("not everything held: wanted %+v", want)
	}
	counts.OK = true
	return counts, nil
}

// table shows what the pipeline made of each clip.
func table(ctx context.Context, rig *journey.Rig, docked []journey.Docked, records map[string]evidence.Record, counts *Counts) error {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "\nCLIP\tDURATION\tCAMERA\tRECORDED\tDIGEST OK\tPROXY OK\tDUE")
	for _, d := range docked {
		r, ok := records[d.Blob]
		if !ok {
			return fmt.Errorf("%s has no record", d.Blob)
		}
		digest := r.Digest.Matches != nil && *r.Digest.Matches && r.Digest.Computed == d.SHA256
		if digest {
			counts.DigestsOK++
		}
		proxy := "yes"
		played, err := rig.Client.Play(ctx, r.ID)
		switch {
		case err != nil:
			proxy = err.Error()
		case played.Seconds < r.Media.Seconds-1 || played.Seconds > r.Media.Seconds+1:
			proxy = fmt.Sprintf("%.1f s instead of %.1f s", played.Seconds, r.Media.Seconds)
		default:
			counts.ProxiesOK++
		}
		recorded := "-"
		if !r.Media.Recorded.At.IsZero() {
			recorded = r.Media.Recorded.At.Format(time.DateTime) + " (" + r.Media.Recorded.Source + ")"
		}
		fmt.Fprintf(out, "%s\t%.1f s\t%s\t%s\t%v\t%s\t%s\n", filepath.Base(d.File), r.Media.Seconds, camera(r), recorded, digest, proxy,
			r.Retention.Due.Format(time.TimeOnly))
	}
	return out.Flush()
}

func camera(r evidence.Record) string {
	if r.Media.Camera.Model == "" {
		return "-"
	}
	return r.Media.Camera.Model
}

// flagOne keeps one recording and checks that its pending deletion is cancelled.
func flagOne(ctx context.Context, rig *journey.Rig, r evidence.Record, counts *Counts) (evidence.ID, error) {
	before, err := rig.Pending(ctx)
	if err != nil {
		return "", err
	}
	if _, err := rig.Client.Flag(ctx, r.ID, evidence.Court, "CRN 01/26", "shows the offence"); err != nil {
		return "", err
	}
	counts.Flagged++
	flagged, err := rig.Client.Detail(ctx, r.ID)
	if err != nil {
		return "", err
	}
	after, err := rig.Pending(ctx)
	if err != nil {
		return "", err
	}
	fmt.Println()
	say("flagged %s; pending disposals %d before, %d after", r.ID, before, after)
	if flagged.Retention.State == evidence.Flagged && flagged.Retention.Sequence == 0 && after == before-1 {
		counts.Cancelled++
	}
	return r.ID, nil
}

// outcome waits until the retention has passed and looks what is there.
func outcome(ctx context.Context, rig *journey.Rig, docked []journey.Docked, kept evidence.ID, counts *Counts) error {
	all, err := rig.Client.All(ctx)
	if err != nil {
		return err
	}
	var last time.Time
	for _, r := range all {
		if r.Retention.Due.After(last) {
			last = r.Retention.Due
		}
	}
	say("waiting until %s, when the last one is due", last.Format(time.TimeOnly))
	if err := journey.Until(ctx, last); err != nil {
		return err
	}
	records := map[string]evidence.Record{}
	err = journey.Wait(ctx, "everything unflagged is erased", func() (bool, error) {
		all, err := rig.Client.All(ctx)
		expired := 0
		for _, r := range all {
			records[r.Original.Path] = r
			if r.Retention.State == evidence.Expired {
				expired++
			}
		}
		return expired == len(docked)-1, err
	})
	if err != nil {
		return err
	}
	for _, d := range docked {
		if err := judge(ctx, rig, records[d.Blob], kept, counts); err != nil {
			return err
		}
	}
	say("kept %d, gone %d with %d tombstones, %d custody chains whole", counts.Kept, counts.Gone, counts.Tombstones, counts.ChainsWhole)
	return nil
}

func judge(ctx context.Context, rig *journey.Rig, r evidence.Record, kept evidence.ID, counts *Counts) error {
	stored, err := rig.Stored(ctx, r.Original.Path)
	if err != nil {
		return err
	}
	renditions, err := rig.Renditions(ctx, r.ID)
	if err != nil {
		return err
	}
	switch {
	case r.ID == kept && stored && renditions > 0 && r.Retention.State == evidence.Flagged:
		counts.Kept++
	case r.ID != kept && !stored && renditions == 0 && r.Retention.State == evidence.Expired:
		counts.Gone++
	}
	if t := r.Tombstone; t != nil && !t.Erased.Before(r.Retention.Due) && t.Digest != "" && t.Original == evidence.FoundPresent {
		counts.Tombstones++
	}
	if _, err := rig.Client.Custody(ctx, r.ID); err != nil {
		return err
	}
	counts.ChainsWhole++
	return nil
}

func say(format string, a ...any) {
	fmt.Printf(time.Now().Format(time.TimeOnly)+"  "+format+"\n", a...)
}
