package journey_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"bwv/internal/evidence"
	"bwv/internal/journey"
)

const (
	crashUploads = 24
	crashRounds  = 6
)

// TestCrash kills the handler, and the whole stack, at random moments while recordings come in and are processed. In the end each upload has
// one record, one live disposal and an unbroken chain, whatever was killed when.
func TestCrash(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed) // which moments were hit depends on the machine too: the seed alone does not repeat them
	random := rand.New(rand.NewPCG(seed, 1))
	m := newMachine(t)
	files := copies(t, clip(t, t.TempDir(), "clip.mp4"), t.TempDir(), crashUploads)
	ok(t, m.Start(within(t, time.Minute)))
	docked := make(chan error, 1)
	go func() { docked <- m.dockUntilSafe(t.Context(), files) }()
	handlers, stacks := 0, 0
	for round := range crashRounds {
		time.Sleep(time.Duration(500+random.IntN(2500)) * time.Millisecond) // the random moment
		if round%3 == 2 {
			ok(t, m.Kill())
			ok(t, m.Start(within(t, time.Minute)))
			stacks++
		} else if pid := m.Child("dist/handler"); pid != 0 {
			ok(t, syscall.Kill(pid, syscall.SIGKILL))
			handlers++
		}
	}
	if handlers == 0 || stacks == 0 {
		t.Fatalf("%d handlers and %d stacks were killed: the test did not do what it is for", handlers, stacks)
	}
	select {
	case err := <-docked:
		ok(t, err)
	case <-time.After(2 * time.Minute):
		t.Fatal("the dock did not get done")
	}
	records, err := m.Client.Processed(within(t, 3*time.Minute), crashUploads)
	ok(t, err)
	t.Logf("killed the handler %d times, the stack %d times; %d uploads", handlers, stacks, crashUploads)
	m.verify(t, records)
}

// machine is the system under test.
type machine struct{ *journey.Machine }

func newMachine(t *testing.T) machine {
	t.Helper()
	m, err := journey.NewMachine(t.Context(), t.TempDir(), map[string]string{"RECONCILE_GRACE": "5s", "RECONCILE_SCHEDULE": "*/10 * * * * *"})
	ok(t, err)
	t.Cleanup(func() {
		if err := m.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			showTail(t, m.LogFile)
		}
	})
	return machine{m}
}

// dockUntilSafe runs the dock until every file is safe, as an officer would plug the camera in again.
func (m machine) dockUntilSafe(ctx context.Context, files []string) error {
	for {
		_, err := m.Dock(ctx, files...)
		if err == nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if err := journey.Until(ctx, time.Now().Add(200*time.Millisecond)); err != nil {
			return err
		}
	}
}

// verify looks at each record, its chain, and what Service Bus really holds for it.
func (m machine) verify(t *testing.T, records map[string]evidence.Record) {
	t.Helper()
	if len(records) != crashUploads {
		t.Errorf("%d records of %d uploads", len(records), crashUploads)
	}
	live, orphans := m.disposals(t, records)
	for path, r := range records {
		if live[r.ID] != 1 {
			t.Errorf("%s has %d live disposals", path, live[r.ID])
		}
		if r.Retention.State != evidence.Scheduled || r.Media.State != evidence.MediaReady || r.Proxy.State != evidence.ProxyReady || len(r.Attention) != 0 {
			t.Errorf("%s: %s, media %s, proxy %s, attention %+v", path, r.Retention.State, r.Media.State, r.Proxy.State, r.Attention)
		}
		chain, err := m.Client.Custody(t.Context(), r.ID)
		if err != nil {
			t.Error(err)
		}
		for op, most := range map[evidence.Operation]int{evidence.OpReceive: 1, evidence.OpSchedule: 1, evidence.OpMetadata: 1, evidence.OpDigest: 1} {
			n := 0
			for _, e := range chain {
				if e.Operation == op {
					n++
				}
			}
			if n != most {
				t.Errorf("%s has %d entries of %s", path, n, op)
			}
		}
		if _, err := m.Client.Play(t.Context(), r.ID); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d records, each with one live disposal; %d void messages are left of attempts that were cut off", len(records), orphans)
}

// disposals peeks at the scheduled messages: live ones by record, and void ones of attempts that were cut off.
func (m machine) disposals(t *testing.T, records map[string]evidence.Record) (map[evidence.ID]int, int) {
	t.Helper()
	epochs := map[evidence.ID]int{}
	for _, r := range records {
		epochs[r.ID] = r.Retention.Epoch
	}
	client, err := azservicebus.NewClientFromConnectionString(m.Addresses.Settings()["SB"], nil)
	ok(t, err)
	defer client.Close(t.Context())
	receiver, err := client.NewReceiverForQueue("expire", nil)
	ok(t, err)
	live, orphans := map[evidence.ID]int{}, 0
	for {
		messages, err := receiver.PeekMessages(within(t, time.Minute), 100, nil)
		ok(t, err)
		if len(messages) == 0 {
			return live, orphans
		}
		for _, message := range messages {
			var d evidence.Disposal
			ok(t, json.Unmarshal(message.Body, &d))
			if d.Epoch == epochs[d.Evidence] {
				live[d.Evidence]++
			} else {
				orphans++
			}
		}
	}
}
