package functions_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bwv/functions"
)

// folders are those that the host would take for functions.
func folders(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*/function.json")
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range files {
		files[i] = filepath.Dir(f)
	}
	return files
}

func TestEveryFolderIsAFunction(t *testing.T) {
	var names []string
	for _, f := range newWorld(t).app.All() {
		names = append(names, f.Name)
		for _, file := range []string{f.Name + ".go", f.Name + "_test.go"} {
			if _, err := os.Stat(file); err != nil {
				t.Error(err)
			}
		}
	}
	slices.Sort(names)
	if have := folders(t); !slices.Equal(have, names) || len(slices.Compact(names)) != len(have) {
		t.Errorf("folders   %v\nfunctions %v", have, names)
	}
}

func trigger(f functions.Function) bool { return f.Pattern == "POST /"+f.Name }

func TestTriggerBindings(t *testing.T) {
	w := newWorld(t)
	for _, f := range w.app.All() {
		if !trigger(f) {
			continue
		}
		list := bindings(t, f.Name)
		b := list[0]
		if len(list) != 1 || b.Direction != "in" || b.Cardinality != "" || b.Route != "" || b.AuthLevel != "" {
			t.Errorf("%s: %+v", f.Name, list)
		}
		switch b.Type {
		case "serviceBusTrigger":
			if b.DataType != "binary" || b.Connection != "SB" || (b.QueueName == "") == (b.TopicName == "") || (b.TopicName == "") != (b.SubscriptionName == "") {
				t.Errorf("%s: %+v", f.Name, b)
			}
		case "timerTrigger":
			if b.Schedule == "" || b.DataType != "" {
				t.Errorf("%s: %+v", f.Name, b)
			}
		default:
			t.Errorf("%s is a %s", f.Name, b.Type)
		}
		if a := w.invoke(f.Name, "{}", ""); strings.Contains(a.body, "has no binding") {
			t.Errorf("%s does not read the binding %q: %s", f.Name, b.Name, a.body)
		}
		other := fmt.Sprintf(`{"Data":{"x%s":{}},"Metadata":{}}`, b.Name)
		w.refused(w.send(http.MethodPost, "/"+f.Name, strings.NewReader(other), nil), http.StatusBadRequest, "has no binding")
	}
}

func TestRoutes(t *testing.T) {
	for _, f := range newWorld(t).app.All() {
		if trigger(f) {
			continue
		}
		list := bindings(t, f.Name)
		if len(list) != 2 { // else the host would not proxy it
			t.Fatalf("%s: %+v", f.Name, list)
		}
		in, out := list[0], list[1]
		if in.Type != "httpTrigger" || in.Direction != "in" || in.AuthLevel != "anonymous" || len(in.Methods) != 1 {
			t.Errorf("%s: %+v", f.Name, in)
		}
		if out.Type != "http" || out.Direction != "out" {
			t.Errorf("%s: %+v", f.Name, out)
		}
		if pattern := strings.ToUpper(strings.Join(in.Methods, ",")) + " /" + in.Route; pattern != f.Pattern {
			t.Errorf("%s: the host calls %s, the handler serves %s", f.Name, pattern, f.Pattern)
		}
	}
}

// A path that the host hands through must be one that the handler serves to people, or nothing.
func TestMux(t *testing.T) {
	w := newWorld(t)
	for request, want := range map[string]int{
		"GET /": 200, "GET /x": 404, "POST /": 405, "GET /ingest": 405, "PUT /ingest": 405, "POST /Ingest": 404, "POST /flag": 404, "POST /ingest/": 404,
		"GET /api": 404, "GET /api/": 404, "DELETE /api/evidence": 405, "POST /api/health": 405, "GET /admin/functions": 404,
	} {
		method, path, _ := strings.Cut(request, " ")
		if a := w.send(method, path, nil, nil); a.status != want {
			t.Errorf("%s: %d, want %d", request, a.status, want)
		}
	}
}

func TestCheck(t *testing.T) {
	app := newWorld(t).app.All()
	if err := functions.Check(app); err != nil {
		t.Error(err)
	}
	for name, forged := range map[string]functions.Function{
		"below a trigger":         {Name: "page", Pattern: "POST /ingest/{id}"},
		"below itself":            {Name: "page", Pattern: "GET /page/{id}"},
		"a trigger's own":         {Name: "page", Pattern: "POST /ingest"},
		"catch-all":               {Name: "page", Pattern: "POST /{path...}"},
		"any one word":            {Name: "page", Pattern: "POST /{word}"},
		"any word, deeper":        {Name: "page", Pattern: "POST /{word}/x"},
		"root":                    {Name: "page", Pattern: "GET /"},
		"root alone":              {Name: "page", Pattern: "GET /{$}"},
		"one word":                {Name: "page", Pattern: "GET /health"},
		"no method":               {Name: "page", Pattern: "/ingest"},
		"no method, another host": {Name: "page", Pattern: "example.com/ingest"},
	} {
		if err := functions.Check(append(slices.Clone(app), forged)); err == nil {
			t.Errorf("%s: %s passes", name, forged.Pattern)
		}
	}
	if err := functions.Check(append(slices.Clone(app), functions.Function{Name: "page", Pattern: "GET /portal/{rest...}"})); err != nil {
		t.Error(err)
	}
}

// entities is infra/servicebus.json, as far as it has to agree with the functions.
type entities struct {
	UserConfig struct {
		Namespaces []struct {
			Queues []queue
			Topics []struct {
				Name          string
				Subscriptions []subscription
			}
		}
	}
}

type queue struct {
	Name       string
	Properties struct {
		LockDuration    string
		RequiresSession bool
	}
}

type subscription struct {
	queue
	Rules []struct {
		Name       string
		Properties struct {
			FilterType        string
			CorrelationFilter map[string]any
		}
	}
}

func TestQueues(t *testing.T) {
	var bus entities
	load(t, "../infra/servicebus.json", false, &bus)
	if len(bus.UserConfig.Namespaces) != 1 {
		t.Fatalf("%d namespaces", len(bus.UserConfig.Namespaces))
	}
	has := map[string]bool{}
	box := func(name string, q queue) {
		lock, err := time.ParseDuration(strings.ToLower(strings.TrimPrefix(q.Properties.LockDuration, "PT")))
		if err != nil || lock <= 0 || lock > 5*time.Minute || q.Properties.RequiresSession || has[name] {
			t.Errorf("%s: %+v", name, q)
		}
		has[name] = true
	}
	for _, q := range bus.UserConfig.Namespaces[0].Queues {
		box(q.Name, q)
	}
	for _, topic := range bus.UserConfig.Namespaces[0].Topics {
		for _, s := range topic.Subscriptions {
			box(topic.Name+"/"+s.Name, s.queue)
			var labels []string
			for _, rule := range s.Rules {
				if rule.Properties.FilterType != "Correlation" || len(rule.Properties.CorrelationFilter) != 1 || rule.Properties.CorrelationFilter["Label"] != rule.Name {
					t.Errorf("%s: rule %+v", s.Name, rule)
				}
				labels = append(labels, rule.Name)
			}
			if slices.Sort(labels); !slices.Equal(labels, slices.Sorted(slices.Values([]string{"received", s.Name}))) {
				t.Errorf("%s: rules %v", s.Name, labels)
			}
		}
	}
	for _, name := range folders(t) {
		b := bindings(t, name)[0]
		if b.Type != "serviceBusTrigger" {
			continue
		}
		source, stage := b.QueueName, b.QueueName
		if b.TopicName != "" {
			source, stage = b.TopicName+"/"+b.SubscriptionName, b.SubscriptionName
		}
		if stage != name || !has[source] {
			t.Errorf("%s listens to %s, which is not declared, or of another name", name, source)
		}
		delete(has, source)
	}
	if len(has) > 0 {
		t.Errorf("nobody listens to %v", has)
	}
}

func TestUploadsAreAnnounced(t *testing.T) {
	var storage struct {
		Containers         []string
		EventSubscriptions []struct {
			Name, Container, EventType, Queue string
			APIs                              []string
		}
	}
	load(t, "../infra/storage.json", true, &storage)
	ingest := bindings(t, "ingest")[0].QueueName
	if len(storage.EventSubscriptions) != 1 {
		t.Fatalf("%+v", storage)
	}
	s := storage.EventSubscriptions[0]
	if s.Queue != ingest || s.EventType != "Microsoft.Storage.BlobCreated" || s.Container != "footage" || !slices.Contains(storage.Containers, s.Container) {
		t.Errorf("%+v", s)
	}
	for _, name := range []string{"PutBlob", "PutBlockList", "CopyBlob"} {
		if !slices.Contains(s.APIs, name) {
			t.Errorf("uploads by %s are not announced", name)
		}
	}
}

func TestHost(t *testing.T) {
	var host struct {
		FunctionTimeout string
		CustomHandler   struct {
			Description struct {
				DefaultExecutablePath, WorkingDirectory string
				Arguments                               []string
			}
			EnableProxyingHTTPRequest   bool
			EnableForwardingHTTPRequest bool
		}
		Extensions struct {
			HTTP       struct{ RoutePrefix *string }
			ServiceBus struct {
				AutoCompleteMessages       bool
				MaxAutoLockRenewalDuration string
				MaxConcurrentCalls         int
				PrefetchCount              int
			}
		}
	}
	load(t, "../host.json", false, &host)
	if c := host.CustomHandler; !c.EnableProxyingHTTPRequest || c.EnableForwardingHTTPRequest || c.Description.DefaultExecutablePath != "handler" || len(c.Description.Arguments) > 0 {
		t.Errorf("custom handler %+v", c)
	}
	if prefix := host.Extensions.HTTP.RoutePrefix; prefix == nil || *prefix != "" {
		t.Error("the route prefix is not empty")
	}
	timeout, err := time.Parse(time.TimeOnly, host.FunctionTimeout)
	if err != nil {
		t.Fatal(err)
	}
	bus := host.Extensions.ServiceBus
	renewal, err := time.Parse(time.TimeOnly, bus.MaxAutoLockRenewalDuration)
	if err != nil {
		t.Fatal(err)
	}
	if !renewal.After(timeout) {
		t.Errorf("a message's lock ends after %s, its function after %s", bus.MaxAutoLockRenewalDuration, host.FunctionTimeout)
	}
	if !bus.AutoCompleteMessages || bus.PrefetchCount != 0 || bus.MaxConcurrentCalls < 1 { // a prefetched message's lock is not renewed
		t.Errorf("service bus %+v", bus)
	}
}
