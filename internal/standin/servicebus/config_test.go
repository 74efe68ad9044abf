package servicebus

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseConfigRefuses(t *testing.T) {
	queue := func(props string) string {
		return `{"UserConfig":{"Namespaces":[{"Name":"ns","Queues":[{"Name":"q","Properties":{` + props + `}}]}]}}`
	}
	rule := func(props string) string {
		return `{"UserConfig":{"Namespaces":[{"Name":"ns","Topics":[{"Name":"t","Subscriptions":[{"Name":"s","Rules":[{"Name":"r","Properties":{` + props + `}}]}]}]}]}}`
	}
	for want, in := range map[string]string{
		"unknown field":                          `{"UserConfig":{"Namespaces":[],"Extra":1}}`,
		"0 namespaces":                           `{"UserConfig":{"Namespaces":[]}}`,
		"2 namespaces":                           `{"UserConfig":{"Namespaces":[{"Name":"a"},{"Name":"b"}]}}`,
		"more than one json value":               `{"UserConfig":{"Namespaces":[{"Name":"a"}]}} {}`,
		"RequiresSession":                        queue(`"RequiresSession":true`),
		"ForwardTo":                              queue(`"ForwardTo":"x"`),
		"ForwardDeadLetteredMessagesTo":          queue(`"ForwardDeadLetteredMessagesTo":"x"`),
		"LockDuration":                           queue(`"LockDuration":"PT6M"`),
		"MaxDeliveryCount":                       queue(`"MaxDeliveryCount":2001`),
		"DuplicateDetection":                     queue(`"DuplicateDetectionHistoryTimeWindow":"PT1S"`),
		"ISO 8601":                               queue(`"LockDuration":"60s"`),
		"P1DT":                                   queue(`"LockDuration":"P1DTx"`),
		"SqlFilter":                              rule(`"FilterType":"Sql","SqlFilter":{"SqlExpression":"1=1"}`),
		"Action":                                 rule(`"FilterType":"Correlation","CorrelationFilter":{"Label":"x"},"Action":{"SqlExpression":"SET a=1"}`),
		"want Correlation":                       rule(`"FilterType":"True"`),
		"without a condition":                    rule(`"FilterType":"Correlation","CorrelationFilter":{}`),
		"Label and Subject":                      rule(`"FilterType":"Correlation","CorrelationFilter":{"Label":"x","Subject":"y"}`),
		"want a string, number or boolean":       rule(`"FilterType":"Correlation","CorrelationFilter":{"Properties":{"a":[1]}}`),
		`queue "Q": declared twice`:              `{"UserConfig":{"Namespaces":[{"Name":"ns","Queues":[{"Name":"q"},{"Name":"Q"}]}]}}`,
		`topic "q": declared twice`:              `{"UserConfig":{"Namespaces":[{"Name":"ns","Queues":[{"Name":"q"}],"Topics":[{"Name":"q"}]}]}}`,
		`queue "$cbs": not a valid entity name`:  `{"UserConfig":{"Namespaces":[{"Name":"ns","Queues":[{"Name":"$cbs"}]}]}}`,
		`subscription "a/b": not a valid`:        `{"UserConfig":{"Namespaces":[{"Name":"ns","Topics":[{"Name":"t","Subscriptions":[{"Name":"a/b"}]}]}]}}`,
		"RequiresDuplicateDetection belongs":     `{"UserConfig":{"Namespaces":[{"Name":"ns","Topics":[{"Name":"t","Subscriptions":[{"Name":"s","Properties":{"RequiresDuplicateDetection":true}}]}]}]}}`,
		"unexpected EOF":                         `{"UserConfig":`,
		"cannot unmarshal number into Go struct": `{"UserConfig":{"Namespaces":[{"Name":1}]}}`,
	} {
		_, err := ParseConfig(strings.NewReader(in))
		if err == nil || !strings.Contains(err.Error(), want) { // the message is what the user gets to see
			t.Errorf("%s: error %v", want, err)
		}
	}
}

func TestDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"PT1M": time.Minute, "P14D": 14 * 24 * time.Hour, "PT20S": 20 * time.Second, "PT0.5S": 500 * time.Millisecond,
		"P1DT2H3M4.25S": 26*time.Hour + 3*time.Minute + 4250*time.Millisecond, "": 0,
		"P10675199DT2H48M5.4775807S": math.MaxInt64, // .NET's TimeSpan.MaxValue: never
	} {
		var d Duration
		if err := json.Unmarshal(fmt.Appendf(nil, "%q", in), &d); err != nil || time.Duration(d) != want {
			t.Errorf("%q: %s, %v, want %s", in, time.Duration(d), err, want)
		}
		b, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var back Duration
		if err := json.Unmarshal(b, &back); err != nil || back != d {
			t.Errorf("%q written as %s and read as %s, %v", in, b, time.Duration(back), err)
		}
	}
	for _, in := range []string{"P", "PT", "1H", "P1Y", "P1M", "PT-1S", "PT1H ", "pt1h", "P1D2H", "PT1S1M"} {
		var d Duration
		if err := json.Unmarshal(fmt.Appendf(nil, "%q", in), &d); err == nil {
			t.Errorf("%q was read as %s", in, time.Duration(d))
		}
	}
}

// FuzzConfig: what is accepted is written and accepted again.
func FuzzConfig(f *testing.F) {
	f.Add(testConfig)
	f.Add(`{"UserConfig":{"Namespaces":[{"Name":"ns","Queues":[{"Name":"q","Properties":{"LockDuration":"P1DT1.5S"}}]}]}}`)
	f.Fuzz(func(t *testing.T, in string) {
		c, err := ParseConfig(strings.NewReader(in))
		if err != nil {
			return
		}
		out, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseConfig(strings.NewReader(string(out))); err != nil {
			t.Fatalf("%s became %s: %v", in, out, err)
		}
	})
}
