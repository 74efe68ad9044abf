package functionshost

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// schedule is an NCRONTAB expression of six fields, in UTC.
type schedule struct{ spec *cron.SpecSchedule }

// parseSchedule reads "{second} {minute} {hour} {day} {month} {day-of-week}".
func parseSchedule(text string) (schedule, error) {
	fields := strings.Fields(text)
	switch {
	case len(fields) == 1 && strings.Contains(text, ":"):
		return schedule{}, fmt.Errorf("schedule %q is a TimeSpan, which works on dedicated plans only: write NCRONTAB", text)
	case len(fields) != 6:
		return schedule{}, fmt.Errorf("schedule %q has %d fields, NCRONTAB has 6: second minute hour day month day-of-week", text, len(fields))
	case strings.ContainsAny(text, "?=@LW#"):
		return schedule{}, fmt.Errorf("schedule %q: NCRONTAB knows only digits, names and * , - /", text)
	}
	parser := cron.NewParser(cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	parsed, err := parser.Parse(strings.Join(fields, " "))
	if err != nil {
		return schedule{}, fmt.Errorf("schedule %q: %w", text, err)
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return schedule{}, fmt.Errorf("schedule %q is not a list of fields", text)
	}
	spec.Location = time.UTC
	// Crontab fires when the day of the month OR the day of the week matches, NCRONTAB when both do: the
	// top bit is how the library marks a star, and a star is what makes it ask for both.
	spec.Dom |= 1 << 63
	s := schedule{spec: spec}
	if s.next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return schedule{}, fmt.Errorf("schedule %q never fires", text)
	}
	return s, nil
}

// next is the first occurrence after t; the zero time when there is none for a generation. The library looks no
// further than five years, but 29 February is a Monday once in 28.
func (s schedule) next(t time.Time) time.Time {
	t = t.UTC()
	for range 9 {
		if at := s.spec.Next(t); !at.IsZero() {
			return at
		}
		t = time.Date(t.Year()+5, 12, 31, 23, 59, 59, 0, time.UTC) // the end of what it has looked at
	}
	return time.Time{}
}

// underAMinute reports whether two occurrences are less than a minute apart, which switches the schedule
// monitor off (TimerTriggerAttributeBindingProvider).
func (s schedule) underAMinute(now time.Time) bool {
	at := s.next(now)
	for range 5 {
		following := s.next(at)
		if following.Sub(at) < time.Minute {
			return true
		}
		at = following
	}
	return false
}
