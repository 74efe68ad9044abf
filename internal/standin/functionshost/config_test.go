package functionshost

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTimeSpans(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"00:00:30": 30 * time.Second, "02:00:00": 2 * time.Hour, "1.00:00:00": 24 * time.Hour, "00:05": 5 * time.Minute,
		"00:00:00.80": 800 * time.Millisecond, "3": 72 * time.Hour, "-00:00:01": -time.Second, "00:00:01.1234567": 1123456700 * time.Nanosecond,
	} {
		if got, err := parseTimeSpan(text); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "24:00:00", "00:60:00", "00:00:60", "1:2:3:4", "x", "00:00:01.", "00:00:01.12345678", "1.x:00", "--1", "99999999999"} {
		if got, err := parseTimeSpan(text); err == nil {
			t.Errorf("%q passed as %v", text, got)
		}
	}
}

func TestSettings(t *testing.T) {
	s, err := newSettings(map[string]string{"Queue": "ingest", "FLAG": "TRUE"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.resolve("a-%queue%-b"); err != nil || got != "a-ingest-b" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := s.resolve("%nope%"); err == nil {
		t.Error("an unknown setting resolved")
	}
	if _, err := s.resolve("50%"); err == nil {
		t.Error("a lone % passed")
	}
	if !s.truthy("flag") || s.truthy("Queue") || s.truthy("nope") {
		t.Error("truthy is wrong")
	}
	for _, bad := range []map[string]string{{"a": "1", "A": "2"}, {"": "x"}, {"a=b": "x"}, {"a": "x\x00"}} {
		if _, err := newSettings(bad); err == nil {
			t.Errorf("%v passed", bad)
		}
	}
	for line, want := range map[string][]string{
		`a  b`: {"a", "b"}, `"a b" c`: {"a b", "c"}, `a\"b`: {`a"b`}, `"a\\" b`: {`a\`, "b"}, `a\b`: {`a\b`}, `""`: {""}, ``: nil,
	} {
		if got := splitArguments(line); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	if got := expandArgument("100%", s.lookup); got != "100%" {
		t.Errorf("a lone %% became %q", got)
	}
}

func TestHostJSONDefaults(t *testing.T) {
	c, err := parseHostJSON([]byte(`{"version":"2.0","customHandler":{"description":{"defaultExecutablePath":"h"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if c.functionTimeout != 30*time.Minute || c.handler.initTimeout != 30*time.Second || c.routePrefix != "api" ||
		c.serviceBus.maxRenewal != 5*time.Minute || c.serviceBus.maxCalls%16 != 0 || c.handler.proxying || c.bundle {
		t.Errorf("%+v", c)
	}
	c, err = parseHostJSON([]byte(`{"version":"2.0","functionTimeout":"-1","functions":["A"],"extensionBundle":{},
	 "CustomHandler":{"description":{"defaultExecutablePath":"h"},"initializationTimeout":"00:01:00","port":"8080","enableProxyingHttpRequest":true,"enableForwardingHttpRequest":true},
	 "httpWorker":{},"extensions":{"http":{"routePrefix":"/x/"},"other":{},"serviceBus":{"maxConcurrentCalls":1,"maxAutoLockRenewalDuration":"01:00:00","prefetchCount":0,
	 "clientRetryOptions":{"mode":"exponential","delay":"00:00:00.10","maxDelay":"00:00:02","maxRetries":0}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := serviceBusConfig{maxCalls: 1, maxRenewal: time.Hour, retryDelay: 100 * time.Millisecond, retryMax: 2 * time.Second}
	if c.functionTimeout != 0 || !c.only["a"] || c.handler.port != 8080 || c.routePrefix != "x" || c.serviceBus != want || len(c.warnings) != 3 {
		t.Errorf("%+v", c)
	}
}

// wrap puts members into a host.json that is right otherwise.
func wrap(members, handler string) string {
	return `{"version":"2.0"` + members + `,"customHandler":{"description":{"defaultExecutablePath":"h"}` + handler + `}}`
}

func TestHostJSONMistakes(t *testing.T) {
	for text, words := range map[string]string{
		``:                                        "reading host.json",
		`{"version":"3.0"}`:                       `"2.0"`,
		`{"version":"2.0"}`:                       "customHandler is missing",
		`{"version":"2.0","httpWorker":{}}`:       "legacy",
		`{"version":"2.0","customHandler":{}}`:    "defaultExecutablePath",
		wrap(`,"functionTimeout":"0"`, ""):        "functionTimeout",
		wrap(`,"functionTimeout":"24:00:00"`, ""): "hours",
		wrap(`,"retry":{}`, ""):                   "retry",
		wrap(`,"configurationProfile":"x"`, ""):   "configurationProfile",
		wrap(`,"concurrency":{"dynamicConcurrencyEnabled":true}`, ""):                     "dynamicConcurrencyEnabled",
		wrap("", `,"enableForwardingHttpRequest":true`):                                   "legacy mode",
		wrap("", `,"http":{"routes":[]}`):                                                 "not covered",
		wrap("", `,"initializationTimeout":"x"`):                                          "initializationTimeout",
		wrap("", `,"port":"70000"`):                                                       "port",
		wrap(`,"extensions":{"serviceBus":{"autoCompleteMessages":false}}`, ""):           "autoCompleteMessages",
		wrap(`,"extensions":{"serviceBus":{"prefetchCount":5}}`, ""):                      "prefetchCount",
		wrap(`,"extensions":{"serviceBus":{"maxConcurrentCalls":0}}`, ""):                 "maxConcurrentCalls",
		wrap(`,"extensions":{"serviceBus":{"messageHandlerOptions":{}}}`, ""):             "4.x",
		wrap(`,"extensions":{"serviceBus":{"transportType":"amqpWebSockets"}}`, ""):       "transportType",
		wrap(`,"extensions":{"serviceBus":{"maxAutoLockRenewalDuration":"-1"}}`, ""):      "negative",
		wrap(`,"extensions":{"serviceBus":{"clientRetryOptions":{"delay":"x"}}}`, ""):     "delay",
		wrap(`,"extensions":{"serviceBus":{"clientRetryOptions":{"maxRetries":-1}}}`, ""): "maxRetries",
		wrap(`,"extensions":{"http":{"routePrefix":"{x}"}}`, ""):                          "literal",
		`{"version":"2.0","a":"` + strings.Repeat("x", maxConfigFile) + `"}`:              "larger",
	} {
		_, err := parseHostJSON([]byte(text))
		if err == nil {
			t.Errorf("%.100s passed", text)
			continue
		}
		mustContain(t, err.Error(), words)
	}
}

func TestFunctionMistakes(t *testing.T) {
	bus := func(members string) string {
		return `{"bindings":[{"type":"serviceBusTrigger","direction":"in","name":"msg","connection":"SB"` + members + `}]}`
	}
	timer := func(schedule string) string {
		return `{"bindings":[{"type":"timerTrigger","name":"t","schedule":"` + schedule + `"}]}`
	}
	for text, words := range map[string]string{
		`{`:                                      "reading function.json",
		`{"bindings":[]}`:                        "no binding is a trigger",
		`{"bindings":[{"name":"x"}]}`:            "no type",
		`{"bindings":[{"type":"timerTrigger"}]}`: "no name",
		`{"bindings":[{"type":"timerTrigger","name":7}]}`:                     "must be a string",
		`{"bindings":[{"type":"kafkaTrigger","name":"x"}]}`:                   "unknown",
		`{"bindings":[{"type":"eventGridTrigger","name":"x"}]}`:               "Service Bus queue",
		`{"bindings":[{"type":"timerTrigger","name":"x","direction":"out"}]}`: "direction",
		bus(`,"queueName":"q","cardinality":"many"`):                          "cardinality many",
		bus(`,"queueName":"q","isSessionsEnabled":true`):                      "isSessionsEnabled",
		bus(`,"queueName":"q","isSessionsEnabled":"maybe"`):                   "true or false",
		bus(`,"queueName":"q","autoComplete":false`):                          "autoComplete",
		bus(`,"queueName":"q","dataType":"stream"`):                           "dataType",
		bus(``):                 "required",
		bus(`,"topicName":"t"`): "required",
		bus(`,"queueName":"q","topicName":"t","subscriptionName":"s"`):                                        "excludes",
		bus(`,"queueName":"%nope%"`):                                                                          "does not resolve",
		strings.Replace(bus(`,"queueName":"q"`), `"SB"`, `"ID"`, 1):                                           "managed identity",
		strings.Replace(bus(`,"queueName":"q"`), `"SB"`, `"None"`, 1):                                         "no app setting",
		strings.Replace(bus(`,"queueName":"q"`), `"bindings"`, `"retry":{},"bindings"`, 1):                    "retry",
		strings.Replace(bus(`,"queueName":"q"`), `}]`, `},{"type":"queue","direction":"out","name":"o"}]`, 1): "beside the trigger",
		strings.Replace(bus(`,"queueName":"q"`), `}]`, `},{"type":"timerTrigger","name":"o"}]`, 1):            "two triggers",
		timer(""):                 "schedule is required",
		timer("00:05:00"):         "TimeSpan",
		timer("*/5 * * * *"):      "5 fields",
		timer("99 * * * * *"):     "schedule",
		timer("TZ=UTC * * * * *"): "digits, names",
		timer("0 0 0 ? * *"):      "digits, names",
		timer("0 0 0 31 2 *"):     "never fires",
		timer("%nope%"):           "does not resolve",
		`{"bindings":[{"type":"httpTrigger","name":"r"}]}`: "exactly one",
		strings.Replace(httpFunction("a", "anonymous"), `{"type":"http"`, `{"type":"queue","direction":"out","name":"q"},{"type":"http"`, 1): "exactly one",
		httpFunction("a", "open"):                                          "authLevel",
		httpFunction("a", "anonymous", "FETCH"):                            "FETCH",
		httpFunction("/a", "anonymous"):                                    "must not start",
		httpFunction("a/{x:regex(y)}", "anonymous"):                        "constraint",
		httpFunction("a/x{y}", "anonymous"):                                "mixes",
		httpFunction("a/{x=1}", "anonymous"):                               "default value",
		httpFunction("a/{x}/{X}", "anonymous"):                             "twice",
		httpFunction("a/{*x}/b", "anonymous"):                              "last",
		httpFunction("a//b", "anonymous"):                                  "empty",
		httpFunction("a/{0}", "anonymous"):                                 "name",
		httpFunction("a/../b", "anonymous"):                                "cannot be part",
		httpFunction(strings.Repeat("a", maxTemplate+1), "anonymous"):      "longer",
		httpFunction("a"+strings.Repeat("/a", maxSegments), "anonymous"):   "segments",
		`{"bindings":[],"x":"` + strings.Repeat("x", maxConfigFile) + `"}`: "larger",
	} {
		_, err := parseFunction("Fn", []byte(text), "", settings{"SB": "x", "ID__fullyQualifiedNamespace": "ns"})
		if err == nil {
			t.Errorf("%.200s passed", text)
			continue
		}
		mustContain(t, err.Error(), words)
	}
	if _, err := parseFunction("9x", []byte(anyQueue), "", settings{"SB": "x"}); err == nil {
		t.Error("a name that starts with a digit passed")
	}
}

func TestNewRefuses(t *testing.T) {
	queue := Files{"Ingest/function.json": anyQueue}
	with := func(more Files) Files {
		out := Files{}
		for _, files := range []Files{queue, more} {
			for k, v := range files {
				out[k] = v
			}
		}
		return out
	}
	noBundle := `{"version":"2.0","customHandler":{"description":{"defaultExecutablePath":"handler"}}}`
	prefixless := strings.Replace(plainHost, `"extensionBundle"`, `"extensions":{"http":{"routePrefix":""}},"extensionBundle"`, 1)
	cases := map[string]struct {
		files    Files
		settings map[string]string
		words    []string
	}{
		"forgery through a route":       {with(Files{"host.json": prefixless, "Web/function.json": httpFunction("INGEST/{x}", "anonymous")}), nil, []string{"Web", "Ingest", "forge"}},
		"the default route":             {with(Files{"host.json": prefixless, "Web/function.json": httpFunction("", "anonymous")}), nil, []string{"starts with the name of function Web"}},
		"a prefix that is a function":   {Files{"Api/function.json": anyQueue, "Web/function.json": httpFunction("x", "anonymous")}, nil, []string{"starts with the name of function Api"}},
		"a bare catch-all":              {with(Files{"host.json": prefixless, "Web/function.json": httpFunction("{*rest}", "anonymous")}), nil, []string{"starts with a parameter"}},
		"admin":                         {with(Files{"host.json": prefixless, "Web/function.json": httpFunction("admin/x", "anonymous")}), nil, []string{"shadows", "/admin"}},
		"runtime":                       {with(Files{"host.json": prefixless, "Web/function.json": httpFunction("Runtime", "anonymous")}), nil, []string{"shadows", "/runtime"}},
		"the same route":                {Files{"A/function.json": httpFunction("x/{a}", "anonymous", "get"), "B/function.json": httpFunction("X/{b}", "anonymous")}, nil, []string{"A and B", "same route"}},
		"no bundle":                     {with(Files{"host.json": noBundle}), nil, []string{"extensionBundle"}},
		"no proxy mode":                 {Files{"host.json": noBundle, "Web/function.json": httpFunction("x", "anonymous")}, nil, []string{"enableProxyingHttpRequest"}},
		"every mistake at once":         {Files{"A/function.json": "{", "B/function.json": `{"bindings":[]}`}, nil, []string{"function A", "function B"}},
		"worker runtime":                {queue, map[string]string{"FUNCTIONS_WORKER_RUNTIME": "node"}, []string{"custom"}},
		"body limit":                    {queue, map[string]string{"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": "x"}, []string{"bytes"}},
		"connection string":             {queue, map[string]string{"SB": "nonsense"}, []string{"Ingest", `"SB"`}},
		"no executable":                 {Files{"host.json": strings.Replace(plainHost, `"handler"`, `"./absent"`, 1)}, nil, []string{"does not exist"}},
		"no executable in PATH":         {Files{"host.json": strings.Replace(plainHost, `"handler"`, `"absent-from-everywhere"`, 1)}, nil, []string{"PATH"}},
		"no x bit":                      {Files{"plain": "x", "host.json": strings.Replace(plainHost, `"handler"`, `"plain"`, 1)}, nil, []string{"x bit"}},
		"a folder for a handler":        {Files{"dir/x": "x", "host.json": strings.Replace(plainHost, `"handler"`, `"dir"`, 1)}, nil, []string{"folder"}},
		"no working directory":          {Files{"host.json": strings.Replace(plainHost, `"handler"`, `"handler","workingDirectory":"absent"`, 1)}, nil, []string{"workingDirectory"}},
		"settings that differ by case":  {queue, map[string]string{"sb": "x"}, []string{"differ only by case"}},
		"functions that differ by case": {Files{"Aa/function.json": anyQueue, "AA/function.json": anyQueue}, nil, []string{"differ only by case"}},
	}
	for name, c := range cases {
		r := NewRoot(t, c.files)
		r.Settings["SB"] = "Endpoint=sb://localhost;SharedAccessKeyName=a;SharedAccessKey=b;UseDevelopmentEmulator=true"
		for k, v := range c.settings {
			r.Settings[k] = v
		}
		_, err := New(r.Options())
		if err == nil {
			t.Errorf("%s: passed", name)
			continue
		}
		mustContain(t, err.Error(), c.words...)
	}
	if _, err := New(Options{Root: t.TempDir()}); err == nil {
		t.Error("no StateDir passed")
	}
	if _, err := New(Options{Root: t.TempDir(), StateDir: t.TempDir()}); err == nil {
		t.Error("a root without host.json passed")
	}
}

func TestDisabledFunctionsNeedNoSettings(t *testing.T) {
	r := NewRoot(t, Files{
		"A/function.json": strings.Replace(anyQueue, `"q"`, `"%QUEUE%"`, 1),
		"B/function.json": `{"bindings":[{"type":"timerTrigger","name":"t","schedule":"%WHEN%"}]}`,
		"C/function.json": strings.Replace(anyQueue, `{"bindings"`, `{"disabled":true,"bindings"`, 1),
		"D/function.json": strings.Replace(anyQueue, `{"bindings"`, `{"disabled":"OFF","bindings"`, 1),
		"notes/readme":    "no function",
	})
	r.Settings["AzureWebJobs.A.Disabled"], r.Settings["azurewebjobs.b.disabled"], r.Settings["OFF"] = "true", "1", "1"
	h, err := New(r.Options())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for _, f := range h.functions {
		if !f.disabled {
			t.Errorf("%s is not disabled", f.name)
		}
	}
	if len(h.functions) != 4 {
		t.Errorf("%d functions", len(h.functions))
	}
}

func TestHandlerFromPATH(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "somewhere-else"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	if got, err := findExecutable(t.TempDir(), "somewhere-else"); err != nil || got != filepath.Join(dir, "somewhere-else") {
		t.Errorf("%s, %v", got, err)
	}
}
