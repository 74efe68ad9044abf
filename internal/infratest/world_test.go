package infratest

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const root = "../.."

// world is the text of every file that a check reads, by path below the repository's root. A mutation changes a copy of it.
type world map[string]string

func load(t *testing.T) world {
	t.Helper()
	w := world{}
	for _, pattern := range []string{
		"infra/*.json", "infra/terraform/*.tf", "infra/terraform/*.json", "infra/terraform/env/*", "infra/terraform/tests/*.hcl", "infra/tools/shim/azurerm-schema.json",
		"functions/*/function.json", "functions/functions.go", "host.json", "local.settings.sample.json", "cmd/handler/*.go",
		"internal/servicebus/*.go", "internal/cosmos/*.go", "internal/azfunc/*.go", "internal/pipeline/*.go", "internal/retention/*.go", "internal/evidence/*.go",
		"docs/runbooks/*.md", "docs/events.md", "azure.yaml",
	} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("nothing at %s: %v", pattern, err)
		}
		for _, path := range found {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			below, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			w[filepath.ToSlash(below)] = string(text)
		}
	}
	return w
}

// below lists the files of a folder, sorted.
func (w world) below(prefix, suffix string) []string {
	var list []string
	for path := range w {
		if strings.HasPrefix(path, prefix) && strings.HasSuffix(path, suffix) {
			list = append(list, path)
		}
	}
	slices.Sort(list)
	return list
}

// problems collects what is wrong.
type problems []string

func (p *problems) add(format string, a ...any) { *p = append(*p, fmt.Sprintf(format, a...)) }

// same compares two sets in both directions.
func (p *problems) same(what, leftName string, left []string, rightName string, right []string) {
	for _, x := range left {
		if !slices.Contains(right, x) {
			p.add("%s %s: in %s, but not in %s", what, x, leftName, rightName)
		}
	}
	for _, x := range right {
		if !slices.Contains(left, x) {
			p.add("%s %s: in %s, but not in %s", what, x, rightName, leftName)
		}
	}
	for name, list := range map[string][]string{leftName: left, rightName: right} {
		for _, x := range list {
			if n := len(list) - len(slices.DeleteFunc(slices.Clone(list), func(y string) bool { return y == x })); n > 1 {
				p.add("%s %s: %d times in %s", what, x, n, name)
			}
		}
	}
}

// decode reads strictly: an unknown field is a field that nothing here looks at.
func (w world) decode(p *problems, path string, into any, strict bool) {
	d := json.NewDecoder(strings.NewReader(w[path]))
	if strict {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(into); err != nil {
		p.add("%s: %v", path, err)
	}
}

// entityProperties are those of Microsoft's emulator's Config.json.
type entityProperties struct {
	DeadLetteringOnMessageExpiration    bool
	DefaultMessageTimeToLive            string
	DuplicateDetectionHistoryTimeWindow string
	ForwardDeadLetteredMessagesTo       string
	ForwardTo                           string
	LockDuration                        string
	MaxDeliveryCount                    int
	RequiresDuplicateDetection          bool
	RequiresSession                     bool
}

type rule struct {
	Name       string
	Properties struct {
		FilterType        string
		CorrelationFilter struct{ Label string }
	}
}

type namespace struct {
	Name   string
	Queues []struct {
		Name       string
		Properties entityProperties
	}
	Topics []struct {
		Name       string
		Properties struct {
			DefaultMessageTimeToLive            string
			DuplicateDetectionHistoryTimeWindow string
			RequiresDuplicateDetection          bool
		}
		Subscriptions []struct {
			Name       string
			Properties entityProperties
			Rules      []rule
		}
	}
}

func (w world) bus(p *problems) namespace {
	var c struct {
		UserConfig struct {
			Namespaces []namespace
			Logging    struct{ Type string }
		}
	}
	w.decode(p, "infra/servicebus.json", &c, true)
	if len(c.UserConfig.Namespaces) != 1 {
		p.add("infra/servicebus.json has %d namespaces, not one", len(c.UserConfig.Namespaces))
		return namespace{}
	}
	return c.UserConfig.Namespaces[0]
}

// receivers lists what can be received from, with its properties: queues, and subscriptions as topic/subscription.
func (n namespace) receivers() map[string]entityProperties {
	all := map[string]entityProperties{}
	for _, q := range n.Queues {
		all[q.Name] = q.Properties
	}
	for _, t := range n.Topics {
		for _, s := range t.Subscriptions {
			all[t.Name+"/"+s.Name] = s.Properties
		}
	}
	return all
}

type binding struct {
	Name, Type, Direction, AuthLevel, Route, Connection, DataType, Cardinality, Schedule string
	QueueName, TopicName, SubscriptionName                                               string
	Methods                                                                              []string
	UseMonitor                                                                           bool
}

// entity is what a trigger receives from.
func (b binding) entity() string {
	if b.TopicName != "" {
		return b.TopicName + "/" + b.SubscriptionName
	}
	return b.QueueName
}

// triggers reads every function.json.
func (w world) triggers(p *problems) map[string]binding {
	all := map[string]binding{}
	for _, path := range w.below("functions/", "/function.json") {
		var f struct{ Bindings []binding }
		w.decode(p, path, &f, true)
		name := strings.Split(path, "/")[1]
		for _, b := range f.Bindings {
			if b.Direction == "in" {
				all[name] = b
			}
		}
		if _, ok := all[name]; !ok {
			p.add("%s has no trigger", path)
		}
	}
	return all
}

func (w world) zones(p *problems) map[string][]string {
	var f struct{ Zones map[string][]string }
	w.decode(p, "infra/functions.json", &f, true)
	return f.Zones
}

func (w world) zoneOf(p *problems) map[string]string {
	all := map[string]string{}
	for zone, names := range w.zones(p) {
		for _, name := range names {
			if other, twice := all[name]; twice {
				p.add("function %s: in zone %s and in zone %s", name, other, zone)
			}
			all[name] = zone
		}
	}
	return all
}

// block returns the lines of a map in a Terraform file: from "name = {" to the brace at the same depth.
func (w world) block(p *problems, path, name string) string {
	text := w[path]
	start := regexp.MustCompile(`(?m)^(\s*)` + regexp.QuoteMeta(name) + `\s*=\s*\{`).FindStringSubmatchIndex(text)
	if start == nil {
		p.add("%s has no map %s", path, name)
		return ""
	}
	indent := text[start[2]:start[3]]
	end := strings.Index(text[start[1]:], "\n"+strings.TrimLeft(indent, "\n")+"}")
	if end < 0 {
		p.add("%s: the map %s does not end", path, name)
		return ""
	}
	return text[start[1] : start[1]+end]
}

func keys(block string) []string {
	var list []string
	for _, m := range regexp.MustCompile(`(?m)(?:^|[{,])\s*([A-Za-z_][A-Za-z0-9_]*)\s*=`).FindAllStringSubmatch(block, -1) {
		list = append(list, m[1])
	}
	return list
}

// period reads an ISO 8601 duration of days, hours, minutes and seconds.
func period(text string) (time.Duration, error) {
	m := regexp.MustCompile(`^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$`).FindStringSubmatch(text)
	if m == nil || text == "P" || strings.HasSuffix(text, "T") {
		return 0, fmt.Errorf("%q is not a duration", text)
	}
	var sum time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		if m[i+1] != "" {
			n, err := strconv.Atoi(m[i+1])
			if err != nil {
				return 0, err
			}
			sum += time.Duration(n) * unit
		}
	}
	return sum, nil
}

// span reads .NET's hh:mm:ss.
func span(text string) (time.Duration, error) {
	var h, m, s int
	if _, err := fmt.Sscanf(text, "%d:%d:%d", &h, &m, &s); err != nil {
		return 0, fmt.Errorf("%q is not a time span: %w", text, err)
	}
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second, nil
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
