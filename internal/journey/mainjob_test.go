package journey_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/journey"
)

// TestMainJob takes two real recordings through the whole system: one is flagged and kept, the other goes when it is due.
func TestMainJob(t *testing.T) {
	rig := start(t, map[string]string{"RETENTION_KEEP": "60s"})
	files := []string{"samplelib_street_1080p30_5s.mp4", "gopro_max_heromode_10s_gps5.mp4"}
	for i, f := range files {
		files[i] = filepath.Join(rig.Root, "testdata", f)
	}
	docked, err := rig.Dock(within(t, time.Minute), files...)
	ok(t, err)
	again, err := rig.Dock(within(t, time.Minute), files...)
	ok(t, err)
	for _, d := range again {
		if d.Status != "already safe" {
			t.Errorf("docked twice: %+v", d)
		}
	}
	records, err := rig.Processed(within(t, 90*time.Second), 2)
	ok(t, err)
	if len(records) != 2 {
		t.Fatalf("%d records", len(records))
	}
	street, gopro := records[docked[0].Blob], records[docked[1].Blob]
	if street.ID == "" || gopro.ID == "" {
		t.Fatalf("no record for %v", docked)
	}
	if strings.Contains(street.Original.Path, "gopro") {
		street, gopro = gopro, street
	}
	described(t, gopro)
	played(t, rig, gopro)
	refusals(t, rig, gopro.ID)

	flag, err := rig.Client.Flag(t.Context(), gopro.ID, evidence.Complaint, "PC/2026/17", "the complainant asks for it")
	ok(t, err)
	ok(t, second(rig.Client.Flag(t.Context(), gopro.ID, evidence.Training, "T-1", "good example")))
	ok(t, rig.Client.Unflag(t.Context(), gopro.ID, flag.ID, "complaint withdrawn"))
	n, err := rig.Pending(t.Context())
	if err != nil || n != 1 {
		t.Errorf("%d disposals pending beside the flagged recording's, %v", n, err)
	}
	reprocessed(t, rig, gopro.ID)

	ok(t, journey.Until(within(t, 2*time.Minute), street.Retention.Due))
	ok(t, journey.Wait(within(t, time.Minute), "the unflagged one is gone", func() (bool, error) {
		r, err := rig.Client.Detail(t.Context(), street.ID)
		return r.Retention.State == evidence.Expired, err
	}))
	outcome(t, rig, street, false)
	outcome(t, rig, gopro, true)
	answer, err := rig.Client.Do(t.Context(), http.MethodPost, "/api/evidence/"+string(street.ID)+"/flag",
		map[string]string{"purpose": "court", "reference": "R", "reason": "too late"})
	if err != nil || answer.Status != http.StatusConflict || !strings.Contains(string(answer.Body), "expired") {
		t.Errorf("a flag for an expired recording: %d %s %v", answer.Status, answer.Body, err)
	}
}

func second[T any](_ T, err error) error { return err }

func described(t *testing.T, r evidence.Record) {
	t.Helper()
	if r.Digest.Matches == nil || !*r.Digest.Matches {
		t.Errorf("digest %+v", r.Digest)
	}
	if r.Media.Location == nil || r.Media.Location.Source != "gpmf-gps5" || r.Media.Location.Count < 5 || r.Media.Camera.Model == "" {
		t.Errorf("location %+v, camera %+v", r.Media.Location, r.Media.Camera)
	}
	if rec := r.Media.Recorded; !rec.Believed || rec.Source != "gps" || !strings.Contains(rec.Reason, "the camera's clock says") {
		t.Errorf("recorded %+v: satellite time and the camera's clock disagree in this clip", rec)
	}
	if len(r.Media.Video) != 1 || r.Media.Video[0].Width != 848 || len(r.Media.Audio) != 1 {
		t.Errorf("streams %+v %+v", r.Media.Video, r.Media.Audio)
	}
}

func played(t *testing.T, rig *journey.Rig, r evidence.Record) {
	t.Helper()
	p, err := rig.Client.Play(t.Context(), r.ID)
	if err != nil || p.Seconds < r.Media.Seconds-0.5 || p.Seconds > r.Media.Seconds+0.5 {
		t.Errorf("played %+v of %f s: %v", p, r.Media.Seconds, err)
	}
}

func refusals(t *testing.T, rig *journey.Rig, id evidence.ID) {
	t.Helper()
	nobody := rig.Client
	nobody.Person = ""
	for path, want := range map[string]int{"/api/evidence": 401, "/api/evidence/" + string(id) + "/playback": 401, "/api/health": 200, "/ingest": 404, "/api/nothing": 404} {
		answer, err := nobody.Do(t.Context(), http.MethodGet, path, nil)
		if err != nil || answer.Status != want {
			t.Errorf("%s as nobody: %d, not %d, %v", path, answer.Status, want, err)
		}
	}
	forged, err := http.NewRequestWithContext(t.Context(), http.MethodGet, rig.Client.Base+"/api/evidence", nil)
	ok(t, err)
	forged.Header.Set("X-MS-CLIENT-PRINCIPAL", "eyJhdXRoX3R5cCI6ImFhZCIsImNsYWltcyI6W3sidHlwIjoib2lkIiwidmFsIjoieCJ9XX0=")
	response, err := http.DefaultClient.Do(forged)
	ok(t, err)
	response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized {
		t.Errorf("a forged principal: %d", response.StatusCode)
	}
}

// reprocessed asks for the stages again by both ways: the API, and the Azure portal's Test/Run.
func reprocessed(t *testing.T, rig *journey.Rig, id evidence.ID) {
	t.Helper()
	answer, err := rig.Client.Do(t.Context(), http.MethodPost, "/api/evidence/"+string(id)+"/reprocess", map[string]any{"stages": []string{"metadata"}, "reason": "a look"})
	if err != nil || answer.Status != http.StatusAccepted {
		t.Errorf("reprocess: %d %s %v", answer.Status, answer.Body, err)
	}
	body := fmt.Sprintf(`{"input":%q}`, fmt.Sprintf(`{"evidence":%q,"stages":["proxy"],"reason":"from the portal"}`, id))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, rig.Client.Base+"/admin/functions/reprocess", strings.NewReader(body))
	ok(t, err)
	request.Header.Set("x-functions-key", rig.Host.MasterKeyValue())
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	ok(t, err)
	response.Body.Close()
	if response.StatusCode != http.StatusAccepted {
		t.Errorf("Test/Run: %d", response.StatusCode)
	}
	ok(t, journey.Wait(within(t, time.Minute), "both requests are on the record", func() (bool, error) {
		chain, err := rig.Client.Custody(t.Context(), id)
		asked := map[string]bool{}
		for _, e := range chain {
			if e.Operation == evidence.OpReprocess {
				asked[e.Reason] = true
			}
		}
		return asked["a look"] && asked["from the portal"], err
	}))
}

func outcome(t *testing.T, rig *journey.Rig, r evidence.Record, kept bool) {
	t.Helper()
	stored, err := rig.Stored(t.Context(), r.Original.Path)
	if err != nil || stored != kept {
		t.Errorf("%s stored: %v, %v", r.ID, stored, err)
	}
	n, err := rig.Renditions(t.Context(), r.ID)
	if err != nil || (n > 0) != kept {
		t.Errorf("%s has %d renditions, %v", r.ID, n, err)
	}
	now, err := rig.Client.Detail(t.Context(), r.ID)
	if err != nil || (now.Tombstone == nil) != kept || (now.Retention.State == evidence.Flagged) != kept {
		t.Errorf("%s: %+v, tombstone %+v, %v", r.ID, now.Retention, now.Tombstone, err)
	}
	if _, err := rig.Client.Custody(t.Context(), r.ID); err != nil {
		t.Error(err)
	}
}
