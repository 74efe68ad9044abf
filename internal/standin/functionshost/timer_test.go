package functionshost

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestSchedules(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 11, 12, 0, time.UTC) // a Sunday
	for text, want := range map[string]string{
		"0 */5 * * * *":      "2026-11-22T10:15:00Z",
		"*/10 * * * * *":     "2026-11-22T10:11:20Z",
		"0 0 3 * * *":        "2026-11-23T03:00:00Z",
		"0 30 9 * Jan Mon":   "2027-01-04T09:30:00Z",
		"0 0 0 13 * 5":       "2027-08-13T00:00:00Z", // Friday the 13th: NCRONTAB wants both
		"0 0 0 1-7/2,20 * *": "2026-12-01T00:00:00Z",
		"0 0 0 29 2 1":       "2044-02-29T00:00:00Z", // a leap day on a Monday
	} {
		s, err := parseSchedule(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := s.next(at).Format(time.RFC3339); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]bool{"0 * * * * *": false, "*/30 * * * * *": true, "0,30 0 * * * *": true, "0 */5 * * * *": false} {
		s, err := parseSchedule(text)
		if err != nil || s.underAMinute(at) != want {
			t.Errorf("%s is under a minute: %v, %v", text, !want, err)
		}
	}
}

// clock is moved by hand and runs on by itself.
type clock struct {
	mu     sync.Mutex
	offset time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

type timerData struct {
	Schedule       struct{ AdjustForDST bool }
	ScheduleStatus *struct{ Last, Next, LastUpdated string }
	IsPastDue      bool
}

func timerRoot(t testing.TB, members string) (*Root, *clock, Options) {
	r := NewRoot(t, Files{"Sweep/function.json": `{"bindings":[{"type":"timerTrigger","name":"timer","direction":"in"` + members + `}]}`})
	c := &clock{}
	o := r.Options()
	o.Now = c.now
	return r, c, o
}

func begin(t testing.TB, o Options) *Host {
	t.Helper()
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

func dataOf(t testing.TB, c Call) timerData {
	t.Helper()
	var d timerData
	if err := json.Unmarshal(c.Data["timer"], &d); err != nil {
		t.Fatalf("%s: %v", c.Data["timer"], err)
	}
	return d
}

func TestTimerFiresAndKeepsItsStatus(t *testing.T) {
	r, clock, o := timerRoot(t, `,"schedule":"%WHEN%"`)
	r.Settings["WHEN"] = "0 0 * * * *"
	h := begin(t, o)
	status := func() (s timerStatus) {
		data, err := os.ReadFile(filepath.Join(r.State, "timers", "Sweep.json"))
		if err == nil {
			_ = json.Unmarshal(data, &s)
		}
		return s
	}
	Until(t, "the first status", func() bool { return !status().Next.IsZero() })
	planned := status().Next
	if !status().Last.IsZero() || len(r.Calls(t, "Sweep")) != 0 {
		t.Error("it ran before its time")
	}
	clock.advance(time.Hour)
	Until(t, "the first tick", func() bool { return len(r.Calls(t, "Sweep")) == 1 && !status().Last.IsZero() })
	c := r.Calls(t, "Sweep")[0]
	d := dataOf(t, c)
	if !d.Schedule.AdjustForDST || d.IsPastDue || d.ScheduleStatus == nil {
		t.Fatalf("%s", c.Data["timer"])
	}
	if d.ScheduleStatus.Last != "0001-01-01T00:00:00" || d.ScheduleStatus.Next != planned.Format("2006-01-02T15:04:05+00:00") {
		t.Errorf("%+v", d.ScheduleStatus)
	}
	if len(c.Metadata) != 1 || c.Metadata["sys"] == nil {
		t.Errorf("metadata %v", c.Metadata)
	}
	ticks := 1
	for rounds := 0; ticks == 1 && rounds < 5; rounds++ { // the clock may jump before the timer has looked up its next tick
		clock.advance(5 * time.Hour)
		for wait := time.Now(); ticks == 1 && time.Since(wait) < 3*time.Second; ticks = len(r.Calls(t, "Sweep")) {
			time.Sleep(5 * time.Millisecond)
		}
	}
	Until(t, "its status", func() bool { return status().Last.Sub(planned) > 4*time.Hour })
	_ = h.Close()
	if n := len(r.Calls(t, "Sweep")); n != 2 { // ticks that passed are skipped, not made up for
		t.Errorf("%d ticks", n)
	}

	clock.advance(30 * time.Minute)
	if clock.now().After(status().Next) {
		clock.advance(-30 * time.Minute)
	}
	h = begin(t, o) // nothing was missed
	_ = h.Close()
	if n := len(r.Calls(t, "Sweep")); n != 2 {
		t.Errorf("a restart in time fired: %d ticks", n)
	}
	clock.advance(2 * time.Hour)
	begin(t, o)
	Until(t, "the missed tick", func() bool { return len(r.Calls(t, "Sweep")) == 3 })
	if d := dataOf(t, r.Calls(t, "Sweep")[2]); !d.IsPastDue || !strings.HasSuffix(d.ScheduleStatus.Last, "+00:00") {
		t.Errorf("%+v", d)
	}
}

func TestChangedScheduleIsNotPastDue(t *testing.T) {
	r, clock, o := timerRoot(t, `,"schedule":"0 0 * * * *"`)
	_ = begin(t, o).Close()
	clock.advance(3 * time.Hour)
	r.Write(t, "Sweep/function.json", `{"bindings":[{"type":"timerTrigger","name":"timer","schedule":"0 0 0 1 1 *"}]}`)
	h := begin(t, o)
	Until(t, "the status follows the new schedule", func() bool {
		s, err := h.loadTimer(h.functions[0])
		return err == nil && s != nil && s.Next.Month() == time.January
	})
	_ = h.Close()
	if n := len(r.Calls(t, "Sweep")); n != 0 {
		t.Errorf("it fired %d times", n)
	}
}

func TestTimerOnStartupWithoutMonitor(t *testing.T) {
	r, _, o := timerRoot(t, `,"schedule":"0 0 0 1 1 *","runOnStartup":true,"useMonitor":false`)
	begin(t, o)
	Until(t, "the run", func() bool { return len(r.Calls(t, "Sweep")) == 1 })
	if d := dataOf(t, r.Calls(t, "Sweep")[0]); d.ScheduleStatus != nil || d.IsPastDue {
		t.Errorf("%+v", d)
	}
	if _, err := os.Stat(filepath.Join(r.State, "timers")); err == nil {
		t.Error("a status was kept")
	}
}

func TestTimerNeverRunsTwiceAtOnce(t *testing.T) {
	t.Parallel()
	r := NewRoot(t, Files{"Slow/function.json": `{"bindings":[{"type":"timerTrigger","name":"timer","schedule":"* * * * * *"}]}`})
	h := r.Start(t)
	most := int64(0)
	Until(t, "three ticks", func() bool {
		most = max(most, h.outstanding.Load())
		return len(r.Calls(t, "Slow")) >= 3
	})
	if most != 1 {
		t.Errorf("%d at once", most)
	}
	if d := dataOf(t, r.Calls(t, "Slow")[0]); d.ScheduleStatus != nil {
		t.Error("a schedule under a minute has a status")
	}
}

func TestFailedTimerWaitsForItsNextTick(t *testing.T) {
	t.Parallel()
	r := NewRoot(t, Files{"Fail/function.json": `{"bindings":[{"type":"timerTrigger","name":"timer","schedule":"* * * * * *"}]}`})
	r.Start(t)
	Until(t, "two ticks", func() bool { return len(r.Calls(t, "Fail")) >= 2 })
}

func TestTimerByHand(t *testing.T) {
	r, _, o := timerRoot(t, `,"schedule":"0 0 * * * *"`)
	h := begin(t, o)
	s := front(t, h)
	if response, _ := send(t, "POST", s.URL+"/admin/functions/Sweep?code=master", strings.NewReader(`{"input":"ignored"}`), nil); response.StatusCode != 202 {
		t.Fatal(response.Status)
	}
	Until(t, "the run", func() bool { return len(r.Calls(t, "Sweep")) == 1 })
	if d := dataOf(t, r.Calls(t, "Sweep")[0]); d.IsPastDue {
		t.Errorf("%+v", d)
	}
}

func TestBrokenStatusStartsAnew(t *testing.T) {
	r, _, o := timerRoot(t, `,"schedule":"0 0 * * * *"`)
	path := filepath.Join(r.State, "timers", "Sweep.json")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("{nope"), 0o644); err != nil {
		t.Fatal(err)
	}
	begin(t, o)
	Until(t, "words and a new status", func() bool {
		data, _ := os.ReadFile(path)
		return r.Logs.Has("a timer starts anew") && json.Valid(data)
	})
}
