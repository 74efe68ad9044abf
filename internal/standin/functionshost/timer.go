package functionshost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
)

// timerStatus is the schedule monitor's record of one timer (ScheduleStatus).
type timerStatus struct{ Last, Next, LastUpdated time.Time }

// tickEvery bounds a timer's sleep, so that a clock that is moved by hand is noticed.
const tickEvery = 100 * time.Millisecond

// monitored reports whether the timer's status is kept: useMonitor, and no two ticks within a minute.
func (h *Host) monitored(f *function) bool {
	return f.timer.monitor && f.timer.schedule.spec != nil && !f.timer.schedule.underAMinute(h.now())
}

func (h *Host) timerPath(f *function) string {
	return filepath.Join(h.stateDir, "timers", f.name+".json")
}

func (h *Host) loadTimer(f *function) (*timerStatus, error) {
	data, err := readLimited(h.timerPath(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	s := &timerStatus{}
	if err == nil {
		err = json.Unmarshal(data, s)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the status of timer %s: %w", f.name, err)
	}
	return s, nil
}

func (h *Host) storeTimer(f *function, s *timerStatus) {
	if err := writeJSON(h.timerPath(f), s); err != nil {
		h.log.Error("storing a timer's status", "function", f.name, "error", err.Error())
	}
}

// checkPastDue loads the status and says whether a tick was missed while the host was down
// (ScheduleMonitor.CheckPastDueAsync): a changed schedule is not a missed tick.
func (h *Host) checkPastDue(f *function, now time.Time) (status *timerStatus, pastDue bool) {
	status, err := h.loadTimer(f)
	if err != nil {
		h.log.Error("a timer starts anew", "function", f.name, "error", err.Error())
		status = nil
	}
	s := f.timer.schedule
	if status == nil {
		status = &timerStatus{Next: s.next(now), LastUpdated: now}
		h.storeTimer(f, status)
		return status, false
	}
	expected := status.Next
	switch {
	case !status.Last.IsZero():
		expected = s.next(status.Last)
	case !status.LastUpdated.IsZero():
		expected = s.next(status.LastUpdated)
	}
	if !status.Next.Equal(expected) {
		if now.After(expected) {
			expected = s.next(now)
		}
		*status = timerStatus{Next: expected, LastUpdated: now}
		h.storeTimer(f, status)
	}
	return status, now.After(status.Next)
}

// runTimer fires one timer until ctx ends, never two at once: the next tick is looked up when the function has
// returned, so ticks that pass meanwhile are skipped. A failure waits for the next tick.
func (h *Host) runTimer(ctx context.Context, f *function) {
	monitored := h.monitored(f)
	pastDue := false
	if monitored {
		_, pastDue = h.checkPastDue(f, h.now())
	}
	switch {
	case pastDue:
		h.tick(ctx, f, true, monitored)
	case f.timer.runOnStartup:
		h.tick(ctx, f, false, monitored)
	}
	for {
		next := f.timer.schedule.next(h.now())
		if next.IsZero() {
			h.log.Error("a timer's schedule has no occurrence left", "function", f.name)
			return
		}
		if !h.sleepUntil(ctx, next) {
			return
		}
		h.tick(ctx, f, false, monitored)
	}
}

func (h *Host) sleepUntil(ctx context.Context, t time.Time) bool {
	for {
		left := t.Sub(h.now())
		if left <= 0 {
			return ctx.Err() == nil
		}
		timer := time.NewTimer(min(left, tickEvery))
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-timer.C:
		}
	}
}

func (h *Host) tick(ctx context.Context, f *function, pastDue, monitored bool) {
	at := h.now()
	// The call outlives ctx: draining stops ticks, not what runs.
	_ = h.invoke(h.life, f, payload{data: h.timerInfo(f, pastDue), metadata: newBindingData()}) // invoke has logged it
	if monitored && !h.worker.stopped() {
		// A crash before this line repeats the tick at the next start, as past due.
		h.storeTimer(f, &timerStatus{Last: at, Next: f.timer.schedule.next(at), LastUpdated: at})
	}
}

// timerInfo is the trigger's value (TimerInfo): its names are in PascalCase.
func (h *Host) timerInfo(f *function, pastDue bool) any {
	if f.timer == nil {
		return nil
	}
	type scheduleStatus struct{ Last, Next, LastUpdated string }
	info := struct {
		Schedule       struct{ AdjustForDST bool }
		ScheduleStatus *scheduleStatus
		IsPastDue      bool
	}{IsPastDue: pastDue}
	info.Schedule.AdjustForDST = true
	if h.monitored(f) {
		if s, err := h.loadTimer(f); err == nil && s != nil {
			info.ScheduleStatus = &scheduleStatus{roundTrip(s.Last), roundTrip(s.Next), roundTrip(s.LastUpdated)}
		}
	}
	return info
}
