package journey_test

import (
	"os"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"bwv/internal/evidence"
	"bwv/internal/standin/azurite"
)

// TestLostEvent uploads behind Event Grid's back, as if the event had been lost: reconcile finds the blob and has it processed.
func TestLostEvent(t *testing.T) {
	rig := start(t, map[string]string{"RECONCILE_GRACE": "1s", "RECONCILE_SCHEDULE": "*/2 * * * * *"})
	recording, err := os.ReadFile(clip(t, t.TempDir(), "clip.mp4"))
	ok(t, err)
	store, err := azblob.NewClientFromConnectionString(azurite.ConnectionString(rig.Azurite.Addr()), nil)
	ok(t, err)
	path := "camden/P1/X1/2026/11/22/20261122T101500Z-lost.mp4"
	_, err = store.UploadBuffer(t.Context(), "footage", path, recording, nil)
	ok(t, err)
	records, err := rig.Processed(within(t, time.Minute), 1)
	ok(t, err)
	if r := records[path]; r.Unit != "camden" || r.Retention.State != evidence.Scheduled || r.Proxy.State != evidence.ProxyReady {
		t.Errorf("%+v", r)
	}
	if len(records) != 1 {
		t.Errorf("%d records of one upload", len(records))
	}
}
