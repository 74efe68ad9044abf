package pipeline

import (
	"testing"
	"time"

	"bwv/internal/evidence"
)

func TestRecorded(t *testing.T) {
	uploaded := time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
	morning := uploaded.Add(-8 * time.Hour)
	for name, test := range map[string]struct {
		satellite, claim, container, name time.Time
		at                                time.Time
		source                            string
		believed, odd                     bool
	}{
		"nothing says":                 {},
		"satellites win":               {satellite: morning, claim: morning.Add(time.Hour), container: uploaded, at: morning, source: "gps", believed: true},
		"the dock's claim":             {claim: morning, container: morning.Add(time.Hour), at: morning, source: "claim", believed: true},
		"camera's clock alone":         {container: morning, at: morning, source: "container"},
		"camera's clock, name agrees":  {container: morning, name: morning.Add(time.Minute), at: morning, source: "container", believed: true},
		"camera's clock, name differs": {container: morning.AddDate(-3, 0, 0), name: morning, at: morning.AddDate(-3, 0, 0), source: "container"},
		"the name alone":               {name: morning, at: morning, source: "name"},
		"camera's clock in 1970":       {container: time.Unix(60, 0), name: morning, at: morning, source: "name", odd: true},
		"camera's clock in 2099":       {container: uploaded.AddDate(73, 0, 0), odd: true},
		"local time written as UTC":    {container: uploaded.Add(time.Hour), name: uploaded, at: uploaded.Add(time.Hour), source: "container", believed: true},
		"impossible claim, good clock": {claim: uploaded.AddDate(1, 0, 0), satellite: morning, at: morning, source: "gps", believed: true, odd: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, odd := recorded(evidence.Findings{Satellite: test.satellite, Container: test.container}, test.claim, test.name, uploaded)
			if !got.At.Equal(test.at) || got.Source != test.source || got.Believed != test.believed || (odd != "") != test.odd || got.Reason == "" {
				t.Errorf("%+v, odd %q", got, odd)
			}
		})
	}
}
