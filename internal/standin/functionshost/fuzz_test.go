package functionshost

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// NCRONTAB: what is accepted fires, after the time that was asked about, on a day of both kinds.
func FuzzSchedule(f *testing.F) {
	for _, seed := range []string{"0 */5 * * * *", "0 0 0 29 2 1", "0,30 0 0-6/2 1-7 Jan Mon", "59 59 23 31 12 *", "0 0 0 31 2 *", "* * * * * 7", "00:05:00", "? ? ? ? ? ?", "0 0 0 0 0 0"} {
		f.Add(seed, int64(1_800_000_000))
	}
	f.Fuzz(func(t *testing.T, text string, at int64) {
		s, err := parseSchedule(text)
		if err != nil {
			return
		}
		now := time.Unix(at%(1<<32), 0).UTC()
		next := s.next(now)
		if next.IsZero() {
			if !s.next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() && now.Year() < 2050 {
				t.Fatalf("%q never fires again after %v", text, now)
			}
			return
		}
		if !next.After(now) || next.Nanosecond() != 0 || s.spec.Dom&(1<<uint(next.Day())) == 0 || s.spec.Dow&(1<<uint(next.Weekday())) == 0 {
			t.Fatalf("%q after %v: %v", text, now, next)
		}
	})
}

// A time span that is accepted is the same when it is written in .NET's own form.
func FuzzTimeSpan(f *testing.F) {
	for _, seed := range []string{"00:00:30", "1.02:03:04.0000005", "3", "-00:00:01.5", "24:00:00", "99999.23:59:59.9999999", "", ":", "1.", ".1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseTimeSpan(text)
		if err != nil {
			return
		}
		sign, rest := "", d
		if d < 0 {
			sign, rest = "-", -d
		}
		days := rest / (24 * time.Hour)
		rest -= days * 24 * time.Hour
		again := fmt.Sprintf("%s%d.%02d:%02d:%02d.%07d", sign, days, rest/time.Hour, rest/time.Minute%60, rest/time.Second%60, rest%time.Second/100)
		if back, err := parseTimeSpan(again); err != nil || back != d {
			t.Fatalf("%q is %v, written as %q it is %v (%v)", text, d, again, back, err)
		}
	})
}

// The handler's answer: what is accepted starts with a JSON object; null is no answer; the rest is an error.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{`{}`, ` null `, `{"Outputs":{"a":1},"Logs":["x",2,true,null],"ReturnValue":"x"}`, `[]`, `{} {}`, `{"logs":"x"}`, ``, `{"Logs":[{}]}`, "\xef\xbb\xbf{}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := parseAnswer(raw)
		text := strings.TrimLeft(string(raw), " \t\r\n")
		switch {
		case err == nil && a == nil && !strings.HasPrefix(text, "null"):
			t.Fatalf("%q is no answer", raw)
		case err == nil && a != nil && !strings.HasPrefix(text, "{"):
			t.Fatalf("%q passed", raw)
		case err == nil && a != nil && !a.trailing && !json.Valid(raw):
			t.Fatalf("%q passed as JSON", raw)
		}
	})
}

// A body never breaks the metadata: whatever it says, the envelope is JSON with the host's own sys.
func FuzzEnvelope(f *testing.F) {
	for _, seed := range []string{`hello`, `{"messageId":"evil","sys":1,"x":{"y":[1]},"when":"2026-11-22T10:11:12Z","":0,"K":1,"K":2}`, `{"a":NaN}`, "{\"\xff\":\"\xff\"}", `{"myTrigger":1}`} {
		f.Add([]byte(seed))
	}
	h := &Host{now: time.Now}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, binary := range []bool{true, false} {
			fn := &function{name: "Fn", binding: "msg", binary: binary}
			p := handmade(fn, string(body))
			raw, err := h.envelope(fn, p)
			if err != nil {
				t.Fatal(err)
			}
			var e struct {
				Data     map[string]json.RawMessage
				Metadata map[string]json.RawMessage
			}
			if err := json.Unmarshal(raw, &e); err != nil || len(e.Data) != 1 || e.Metadata["DeliveryCount"] == nil && binary {
				t.Fatalf("%q gave %s: %v", body, raw, err)
			}
			var back []byte
			if binary && (json.Unmarshal(e.Data["msg"], &back) != nil || string(back) != string(body)) {
				t.Fatalf("%q became %q", body, back)
			}
			for name := range e.Metadata {
				if strings.HasSuffix(strings.ToLower(name), "trigger") {
					t.Fatalf("%q reached the handler", name)
				}
			}
		}
	})
}

// A command line is cut without loss: quoted words come back as they were.
func FuzzArguments(f *testing.F) {
	f.Add(`a "b c" \"d\\`, "x y")
	f.Add(`%A% %`, `back\`)
	f.Fuzz(func(t *testing.T, line, word string) {
		if len(strings.Join(splitArguments(line), "")) > len(line) {
			t.Fatalf("%q grew", line)
		}
		if strings.ContainsAny(word, `"\`) {
			return
		}
		if got := splitArguments(`first "` + word + `" last`); len(got) != 3 || got[1] != word {
			t.Fatalf("%q became %q", word, got)
		}
		expanded := expandArgument(line, func(string) (string, bool) { return "", false })
		if len(expanded) > len(line) {
			t.Fatalf("%q became %q", line, expanded)
		}
	})
}
