package functionshost

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// parseTimeSpan reads .NET's constant TimeSpan format, [-][d.]hh:mm[:ss[.fffffff]] or whole days, which is
// what every duration in host.json is written in.
//
// Hours above 23 are refused: .NET reads "24:00:00" as 24 days, which nobody means.
func parseTimeSpan(s string) (time.Duration, error) {
	text := strings.TrimSpace(s)
	rest, negative := strings.CutPrefix(text, "-")
	d, err := unsignedTimeSpan(rest)
	if err != nil {
		return 0, fmt.Errorf("time span %q: %w", s, err)
	}
	if negative {
		d = -d
	}
	return d, nil
}

func unsignedTimeSpan(s string) (time.Duration, error) {
	const maxDays = 100_000 // well inside time.Duration
	clock, hasClock := s, strings.Contains(s, ":")
	days := 0
	if !hasClock {
		n, err := number(s, maxDays)
		return time.Duration(n) * 24 * time.Hour, err
	}
	colon := strings.IndexByte(s, ':')
	if dot := strings.IndexByte(s, '.'); dot >= 0 && dot < colon {
		n, err := number(s[:dot], maxDays)
		if err != nil {
			return 0, err
		}
		days, clock = n, s[dot+1:]
	}
	parts := strings.Split(clock, ":")
	if len(parts) > 3 {
		return 0, fmt.Errorf("write it as hh:mm:ss")
	}
	hours, err := number(parts[0], 23)
	if err != nil {
		return 0, fmt.Errorf("hours: %w (write d.hh:mm:ss for days)", err)
	}
	minutes, err := number(parts[1], 59)
	if err != nil {
		return 0, fmt.Errorf("minutes: %w", err)
	}
	d := time.Duration(days)*24*time.Hour + time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if len(parts) == 3 {
		seconds, err := secondsAndFraction(parts[2])
		if err != nil {
			return 0, err
		}
		d += seconds
	}
	return d, nil
}

func secondsAndFraction(s string) (time.Duration, error) {
	whole, fraction, hasFraction := strings.Cut(s, ".")
	seconds, err := number(whole, 59)
	if err != nil {
		return 0, fmt.Errorf("seconds: %w", err)
	}
	d := time.Duration(seconds) * time.Second
	if hasFraction {
		if len(fraction) == 0 || len(fraction) > 7 {
			return 0, fmt.Errorf("seconds: a fraction has 1 to 7 digits")
		}
		n, err := number(fraction+strings.Repeat("0", 7-len(fraction)), 9_999_999)
		if err != nil {
			return 0, fmt.Errorf("seconds: %w", err)
		}
		d += time.Duration(n) * 100 * time.Nanosecond
	}
	return d, nil
}

// number is strconv.Atoi for plain digits up to limit.
func number(s string, limit int) (int, error) {
	if s == "" {
		return 0, fmt.Errorf("a number is missing")
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%q is not a number", s)
		}
	}
	n, err := strconv.Atoi(s)
	if err != nil || n > limit {
		return 0, fmt.Errorf("%s is above %d", s, limit)
	}
	return n, nil
}
