package eventgrid_test

import (
	"encoding/json"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bwv/internal/standin/eventgrid"
)

// frozen is a clock that stands still until it is moved, and counts who looks at it.
type frozen struct {
	mu    sync.Mutex
	at    time.Time
	looks int
}

func (c *frozen) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looks++
	return c.at
}

func (c *frozen) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func (c *frozen) looked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.looks
}

// A day of failed deliveries on a clock that is moved by hand: each attempt comes at its time, not a second
// before, and the event is dead-lettered when its 24 hours are over.
func TestRetryScheduleFollowsTheClock(t *testing.T) {
	clock := &frozen{at: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	s := newStack(t, func(o *eventgrid.Options) { o.Retry = nil; o.Now = clock.now })
	s.queue.setAway(true)
	s.put("late", "x")
	attempt := func(n int) {
		t.Helper()
		eventually(t, "the next attempt", func() bool { s.server.Glance(); return s.queue.tried() == n })
	}
	attempt(1)
	waits := []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute,
		30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour}
	total := time.Duration(0)
	for _, wait := range waits {
		total += wait
	}
	waits = append(waits, 24*time.Hour-total) // 12 h more would be too late
	for n, wait := range waits {
		clock.advance(wait - time.Second)
		seen := clock.looked()
		eventually(t, "the clock was looked at", func() bool { s.server.Glance(); return clock.looked() >= seen+6 })
		if got := s.queue.tried(); got != n+1 {
			t.Fatalf("attempt %d came before its %v were over", got, wait)
		}
		clock.advance(time.Second)
		attempt(n + 2)
	}
	s.drained()
	name, letter := deadLetterOf(t, s)
	var e struct{ ID string }
	if err := json.Unmarshal(letter, &e); err != nil {
		t.Fatal(err)
	}
	if want := "INGEST/2026/3/4/5/" + e.ID + ".json"; name != want {
		t.Errorf("the dead letter is %s, want %s", name, want)
	}
	checkFields(t, letter, map[string]string{"deadLetterReason": `"TimeToLiveExceeded"`, "deliveryAttempts": `12`,
		"lastDeliveryOutcome": `"the broker is away"`, "publishTime": `"2026-03-04T05:06:07.0000000Z"`,
		"lastDeliveryAttemptTime": `"2026-03-05T05:06:07.0000000Z"`, "eventTime": `"2026-03-04T05:06:07.0000000Z"`,
		"topic": `".*"`, "subject": `".*/late"`, "eventType": `".*"`, "id": `".*"`, "data": `{.*}`, "dataVersion": `""`, "metadataVersion": `"1"`})
}

// deadLetterOf returns the one event of the one dead letter: blobs hold lists.
func deadLetterOf(t *testing.T, s *stack) (string, json.RawMessage) {
	t.Helper()
	page, err := s.direct.NewListBlobsFlatPager("eventgrid-dead-letter", nil).NextPage(t.Context())
	if err != nil || len(page.Segment.BlobItems) != 1 {
		t.Fatalf("%d dead letters: %v", len(page.Segment.BlobItems), err)
	}
	name := *page.Segment.BlobItems[0].Name
	resp, err := s.direct.DownloadStream(t.Context(), "eventgrid-dead-letter", name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil || len(list) != 1 {
		t.Fatalf("%s: %v", raw, err)
	}
	return name, list[0]
}

// checkFields holds an object to exactly these fields, each by a pattern of its JSON.
func checkFields(t *testing.T, raw json.RawMessage, want map[string]string) map[string]json.RawMessage {
	t.Helper()
	var got map[string]json.RawMessage
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	names := slices.Sorted(maps.Keys(got))
	if expected := slices.Sorted(maps.Keys(want)); !slices.Equal(names, expected) {
		t.Errorf("fields %v, want %v", names, expected)
	}
	for name, pattern := range want {
		if !regexp.MustCompile("^(?s:" + strings.ReplaceAll(pattern, "{.*}", `\{.*\}`) + ")$").Match(got[name]) {
			t.Errorf("%s is %s, want %s", name, got[name], pattern)
		}
	}
	return got
}
