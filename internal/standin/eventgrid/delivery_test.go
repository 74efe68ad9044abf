package eventgrid_test

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"bwv/internal/standin/eventgrid"
)

func subjects(t *testing.T, s *stack) []string {
	var names []string
	for _, m := range s.queue.messages() {
		names = append(names, strings.TrimPrefix(decode(t, m).Subject, "/blobServices/default/containers/footage/blobs/"))
	}
	return names
}

func TestEventsWaitWhileTheBrokerIsAway(t *testing.T) {
	s := newStack(t, nil)
	s.queue.setAway(true)
	for i := range 5 {
		s.put(fmt.Sprint("b", i), "x")
	}
	eventually(t, "each was tried", func() bool { return s.queue.tried() >= 5 })
	if n := s.server.Pending(); n != 5 {
		t.Fatalf("%d pending", n)
	}
	s.queue.setAway(false)
	s.drained()
	got := subjects(t, s)
	slices.Sort(got)
	if !slices.Equal(got, []string{"b0", "b1", "b2", "b3", "b4"}) {
		t.Fatalf("got %v", got)
	}
	failed := 0
	for _, m := range s.queue.messages() {
		n, err := strconv.Atoi(m.Properties["aeg-delivery-count"].(string))
		if err != nil {
			t.Error(err)
		}
		failed += n
	}
	if want := s.queue.tried() - 5; failed != want {
		t.Errorf("the delivery counts know of %d failed attempts, there were %d", failed, want)
	}
}

func TestEventsSurviveARestart(t *testing.T) {
	s := newStack(t, func(o *eventgrid.Options) { o.Retry = []time.Duration{time.Hour} })
	s.queue.setAway(true)
	s.put("kept", "x")
	eventually(t, "it was tried", func() bool { return s.queue.tried() > 0 })
	s.close()
	s.queue.setAway(false)
	s.open()
	if s.server.Pending() == 0 && len(s.queue.messages()) == 0 {
		t.Fatal("the restart forgot the event")
	}
	s.drained()
	if got := subjects(t, s); !slices.Equal(got, []string{"kept"}) {
		t.Fatalf("got %v", got)
	}
}

// The events of a subscription that is no longer declared go with it.
func TestUndeclaredSubscriptionIsForgotten(t *testing.T) {
	s := newStack(t, nil)
	s.queue.setAway(true)
	s.put("x", "x")
	s.close()
	s.options.Subscriptions[0].Name = "another"
	s.open()
	if n := s.server.Pending(); n != 0 {
		t.Fatalf("%d pending", n)
	}
}

func TestGivenUpEventIsDeadLettered(t *testing.T) {
	s := newStack(t, func(o *eventgrid.Options) { o.MaxAttempts = 3; o.Retry = []time.Duration{time.Millisecond} })
	s.queue.setAway(true)
	s.put("lost", "x")
	s.drained()
	if n := s.queue.tried(); n != 3 {
		t.Errorf("%d attempts", n)
	}
	page, err := s.direct.NewListBlobsFlatPager("eventgrid-dead-letter", nil).NextPage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Segment.BlobItems) != 1 || !strings.HasPrefix(*page.Segment.BlobItems[0].Name, "INGEST/") {
		t.Fatalf("%d dead letters", len(page.Segment.BlobItems))
	}
	resp, err := s.direct.DownloadStream(t.Context(), "eventgrid-dead-letter", *page.Segment.BlobItems[0].Name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var letters []struct {
		body
		DeadLetterReason, LastDeliveryOutcome string
		DeliveryAttempts                      int
	}
	if err := json.Unmarshal(raw, &letters); err != nil {
		t.Fatal(err)
	}
	l := letters[0]
	if len(letters) != 1 || l.DeadLetterReason != "MaxDeliveryAttemptsExceeded" || l.DeliveryAttempts != 3 ||
		l.LastDeliveryOutcome != errAway.Error() || !strings.HasSuffix(l.Subject, "/lost") || l.Data.API != "PutBlob" {
		t.Fatalf("%s", raw)
	}
}

// The time to live counts by the given clock, and only after an attempt that failed: a clock that
// jumps ahead by a month costs no event.
func TestOldEventIsTriedBeforeItIsGivenUp(t *testing.T) {
	var ahead time.Duration
	s := newStack(t, func(o *eventgrid.Options) {
		o.Retry = []time.Duration{time.Hour}
		o.Now = func() time.Time { return time.Now().Add(ahead) }
	})
	s.queue.setAway(true)
	s.put("old", "x")
	eventually(t, "it was tried", func() bool { return s.queue.tried() == 1 })
	s.close()
	ahead = 31 * 24 * time.Hour
	s.queue.setAway(false)
	s.open()
	s.drained()
	if got := subjects(t, s); !slices.Equal(got, []string{"old"}) {
		t.Fatalf("got %v", got)
	}
}

func TestDuplicateAndSwap(t *testing.T) {
	s := newStack(t, nil)
	s.server.Duplicate(1)
	s.put("a", "x")
	s.put("b", "x")
	s.drained()
	if got := subjects(t, s); !slices.Equal(got, []string{"a", "a", "b"}) {
		t.Fatalf("got %v", got)
	}
	if m := s.queue.messages(); m[0].ID != m[1].ID {
		t.Error("the duplicate is another event")
	}
	s.server.Swap()
	s.put("c", "x")
	s.put("d", "x")
	s.put("e", "x")
	s.drained()
	if got := subjects(t, s)[3:]; !slices.Equal(got, []string{"d", "c", "e"}) {
		t.Fatalf("got %v", got)
	}
}

func TestCommitsAreRefusedWhenTooManyEventsWait(t *testing.T) {
	s := newStack(t, func(o *eventgrid.Options) { o.MaxPending = 2; o.Retry = []time.Duration{20 * time.Millisecond} })
	s.queue.setAway(true)
	s.put("a", "x")
	s.put("b", "x")
	_, err := s.client.UploadBuffer(t.Context(), container, "c", []byte("x"), nil)
	if !bloberror.HasCode(err, bloberror.ServerBusy) {
		t.Fatalf("got %v", err)
	}
	if _, err := s.client.UploadBuffer(t.Context(), container, "c", []byte("x"), nil); err == nil {
		t.Fatal("taken all the same")
	}
	s.queue.setAway(false)
	s.drained()
	s.put("c", "x")
	s.drained()
	if got := subjects(t, s); len(got) != 3 || got[2] != "c" {
		t.Fatalf("got %v", got)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := eventgrid.Subscription{Name: "a", Container: "c", Queue: "q"}
	for what, o := range map[string]eventgrid.Options{
		"no upstream":  {Dir: t.TempDir()},
		"path":         {Dir: t.TempDir(), Upstream: "http://127.0.0.1:1/x"},
		"no directory": {Upstream: "http://127.0.0.1:1"},
		"same name":    {Dir: t.TempDir(), Upstream: "http://127.0.0.1:1", Subscriptions: []eventgrid.Subscription{good, good}},
		"no queue":     {Dir: t.TempDir(), Upstream: "http://127.0.0.1:1", Subscriptions: []eventgrid.Subscription{{Name: "a", Container: "c"}}},
		"unknown api":  {Dir: t.TempDir(), Upstream: "http://127.0.0.1:1", Subscriptions: []eventgrid.Subscription{{Name: "a", Container: "c", Queue: "q", APIs: []string{"PutBlok"}}}},
		"bad key":      {Dir: t.TempDir(), Upstream: "http://127.0.0.1:1", AccountKey: "%"},
	} {
		if s, err := eventgrid.Open(o); err == nil {
			t.Errorf("%s: opened", what)
			s.Close()
		}
	}
}
