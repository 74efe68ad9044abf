package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bwv/internal/evidence"
)

// The settings must agree with what lies beside the program: the files here name containers, queues and settings, and so does Config.

func load(t *testing.T, path string, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", path))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// known tells whether a setting is the handler's or the host's.
func known(name string) bool {
	if slices.Contains([]string{"AzureWebJobsStorage", "FUNCTIONS_WORKER_RUNTIME", "RECONCILE_SCHEDULE"}, name) {
		return true
	}
	config := reflect.TypeFor[Config]()
	for i := range config.NumField() {
		if config.Field(i).Tag.Get("env") == name {
			return true
		}
	}
	return false
}

func TestSampleSettings(t *testing.T) {
	var sample struct {
		IsEncrypted bool
		Values      map[string]string
	}
	load(t, "local.settings.sample.json", &sample)
	for name := range sample.Values {
		if !known(name) {
			t.Errorf("nobody reads %s", name)
		}
	}
	if sample.Values["FUNCTIONS_WORKER_RUNTIME"] != "custom" || sample.Values["AzureWebJobsStorage"] == "" || sample.IsEncrypted {
		t.Errorf("%+v", sample)
	}
	c, err := parseConfig(with(sample.Values, "FUNCTIONS_CUSTOMHANDLER_PORT", "8080"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Identity != identityDevelopment || c.Keep != days(31*24*time.Hour) {
		t.Errorf("%+v", c)
	}
}

func TestFunctionSettings(t *testing.T) {
	var sample struct{ Values map[string]string }
	load(t, "local.settings.sample.json", &sample)
	files, err := filepath.Glob("../../functions/*/function.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range append(files, "../../host.json") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names := []string{}
		for _, m := range regexp.MustCompile(`%([^%"]*)%`).FindAllSubmatch(text, -1) {
			names = append(names, string(m[1]))
		}
		for _, m := range regexp.MustCompile(`"connection":\s*"([^"]*)"`).FindAllSubmatch(text, -1) {
			names = append(names, string(m[1]))
		}
		for _, name := range names {
			if _, set := sample.Values[name]; !known(name) || !set {
				t.Errorf("%s names setting %s, which is not known, or not in the sample", file, name)
			}
		}
	}
}

func TestContainers(t *testing.T) {
	c, err := parseConfig(local())
	if err != nil {
		t.Fatal(err)
	}
	var storage struct {
		Containers         []string
		EventSubscriptions []struct{ Container string }
	}
	load(t, "infra/storage.json", &storage)
	for _, name := range []string{footage, renditionsContainer} {
		if !slices.Contains(storage.Containers, name) {
			t.Errorf("%s is not declared: %v", name, storage.Containers)
		}
	}
	if len(storage.EventSubscriptions) != 1 || storage.EventSubscriptions[0].Container != footage {
		t.Errorf("uploads to %s are not announced: %+v", footage, storage.EventSubscriptions)
	}
	var cosmos struct {
		Database   string
		Containers []struct{ Name, PartitionKey string }
	}
	load(t, "infra/cosmos.json", &cosmos)
	if cosmos.Database != c.CosmosDatabase || len(cosmos.Containers) != 1 || cosmos.Containers[0].Name != c.CosmosContainer {
		t.Errorf("%+v", cosmos)
	}
	shard, ok := reflect.TypeFor[evidence.Record]().FieldByName("Shard")
	name, _, _ := strings.Cut(shard.Tag.Get("json"), ",")
	if !ok || cosmos.Containers[0].PartitionKey != "/"+name {
		t.Errorf("partition key %s, the record's shard is %s", cosmos.Containers[0].PartitionKey, name)
	}
}

// A function that runs into the host's limit has the handler killed, and everything else in it: ffmpeg must give up first.
func TestTimeouts(t *testing.T) {
	c, err := parseConfig(local())
	if err != nil {
		t.Fatal(err)
	}
	var host struct{ FunctionTimeout string }
	load(t, "host.json", &host)
	at, err := time.Parse(time.TimeOnly, host.FunctionTimeout)
	if err != nil {
		t.Fatal(err)
	}
	limit := at.Sub(at.Truncate(24 * time.Hour))
	if c.Transcode <= 0 || c.Transcode >= limit {
		t.Errorf("ffmpeg may take %s, a function %s", c.Transcode, limit)
	}
}
