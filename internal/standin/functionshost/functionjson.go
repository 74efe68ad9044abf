package functionshost

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// function is one folder with its function.json. Exactly one of bus, timer and http is set.
type function struct {
	name     string
	disabled bool
	config   json.RawMessage // function.json as it is
	testData string          // sample.dat
	binding  string          // the trigger's name: its key in Data
	binary   bool            // dataType binary
	bus      *busTrigger
	timer    *timerTrigger
	http     *httpTrigger
}

type busTrigger struct {
	queue, topic, subscription string
	connection                 string // the setting's name
	connectionString           string
}

// path names the entity for people: a queue, or topic/subscription.
func (b *busTrigger) path() string {
	if b.queue != "" {
		return b.queue
	}
	return b.topic + "/" + b.subscription
}

type timerTrigger struct {
	schedule     schedule
	runOnStartup bool
	monitor      bool
}

type httpTrigger struct {
	route route
	auth  string // anonymous, function or admin
}

// bindingFile is one entry of "bindings" with its names in lower case.
type bindingFile map[string]json.RawMessage

func (b bindingFile) text(key string) (string, error) {
	raw, ok := b[strings.ToLower(key)]
	if !ok || string(raw) == "null" {
		return "", nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("%s must be a string", key)
	}
	return s, nil
}

func (b bindingFile) truth(key string, fallback bool) (bool, error) {
	raw, ok := b[strings.ToLower(key)]
	if !ok || string(raw) == "null" {
		return fallback, nil
	}
	switch strings.ToLower(strings.Trim(string(raw), `"`)) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%s must be true or false", key)
}

// texts reads several strings at once, by name.
func (b bindingFile) texts(keys ...string) (map[string]string, error) {
	out := map[string]string{}
	for _, key := range keys {
		v, err := b.text(key)
		if err != nil {
			return nil, err
		}
		out[key] = v
	}
	return out, nil
}

// parseFunction reads one function.json; settings resolve %NAME% and the connection.
func parseFunction(name string, data []byte, prefix string, s settings) (*function, error) {
	if !regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,126}$`).MatchString(name) {
		return nil, fmt.Errorf("%q is not a function's name: a letter, then letters, digits, - and _, 127 at most", name)
	}
	if len(data) > maxConfigFile {
		return nil, fmt.Errorf("function.json is larger than %d bytes", maxConfigFile)
	}
	var file struct {
		Bindings []map[string]json.RawMessage `json:"bindings"`
		Disabled json.RawMessage              `json:"disabled"`
		Retry    json.RawMessage              `json:"retry"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("reading function.json: %w", err)
	}
	if set(file.Retry) {
		return nil, fmt.Errorf("retry is not covered: a failed message is abandoned, a failed timer waits for its next tick")
	}
	f := &function{name: name, config: json.RawMessage(data), disabled: s.truthy("AzureWebJobs." + name + ".Disabled")}
	switch disabled := string(file.Disabled); disabled {
	case "", "null", "false":
	case "true":
		f.disabled = true
	default:
		f.disabled = f.disabled || s.truthy(strings.Trim(disabled, `"`))
	}
	bindings := make([]bindingFile, 0, len(file.Bindings))
	for _, b := range file.Bindings {
		lower := bindingFile{}
		for k, v := range b {
			lower[strings.ToLower(k)] = v
		}
		bindings = append(bindings, lower)
	}
	return f, f.readBindings(bindings, prefix, s)
}

func (f *function) readBindings(bindings []bindingFile, prefix string, s settings) error {
	var trigger bindingFile
	var triggerType string
	var others []string
	for i, b := range bindings {
		v, err := b.texts("type", "name", "direction", "cardinality", "dataType")
		if err != nil {
			return fmt.Errorf("binding %d: %w", i+1, err)
		}
		direction := strings.ToLower(v["direction"])
		switch {
		case v["type"] == "":
			return fmt.Errorf("binding %d has no type", i+1)
		case v["name"] == "":
			return fmt.Errorf("binding %q has no name", v["type"])
		case !strings.HasSuffix(strings.ToLower(v["type"]), "trigger"):
			others = append(others, v["type"]+" "+direction)
			continue
		case direction != "in" && direction != "":
			return fmt.Errorf("%s: direction is %q, a trigger's is in", v["type"], v["direction"])
		case trigger != nil:
			return fmt.Errorf("two triggers: %s and %s", triggerType, v["type"])
		case strings.EqualFold(v["cardinality"], "many"):
			return fmt.Errorf("cardinality many is refused: one failure abandons the whole batch and locks are not renewed")
		}
		trigger, triggerType, f.binding = b, v["type"], v["name"]
		switch strings.ToLower(v["dataType"]) {
		case "", "string":
		case "binary":
			f.binary = true
		default:
			return fmt.Errorf("dataType %q is not covered: binary, string or none", v["dataType"])
		}
	}
	if trigger == nil {
		return fmt.Errorf("no binding is a trigger")
	}
	taken, err := f.readTrigger(triggerType, trigger, others, prefix, s)
	switch {
	case err != nil:
		return err
	case !taken && len(others) > 0:
		return fmt.Errorf("bindings beside the trigger are refused, found %q: the host decodes base64-looking strings of output bindings; send with the SDK", others)
	}
	return nil
}

// readTrigger reads the one trigger; taken means that it has use for the other bindings.
func (f *function) readTrigger(kind string, trigger bindingFile, others []string, prefix string, s settings) (taken bool, err error) {
	switch strings.ToLower(kind) {
	case "servicebustrigger":
		err = f.readBus(trigger, s)
	case "timertrigger":
		err = f.readTimer(trigger, s)
	case "httptrigger":
		if len(others) != 1 || !strings.EqualFold(others[0], "http out") {
			return false, fmt.Errorf("an HTTP function has exactly one httpTrigger and one http out: with %q the host would fall back to the JSON mode, which is not covered", others)
		}
		taken, err = true, f.readHTTP(trigger, prefix)
	case "eventgridtrigger":
		return false, fmt.Errorf("eventGridTrigger is not covered: let Event Grid deliver to a Service Bus queue")
	default:
		return false, fmt.Errorf("trigger type %q is unknown here: serviceBusTrigger, timerTrigger or httpTrigger", kind)
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", kind, err)
	}
	return taken, nil
}

func (f *function) readBus(b bindingFile, s settings) error {
	v, err := b.texts("queueName", "topicName", "subscriptionName", "connection")
	if err != nil {
		return err
	}
	sessions, err := b.truth("isSessionsEnabled", false)
	if err != nil {
		return err
	}
	complete, err := b.truth("autoComplete", true)
	if err != nil {
		return err
	}
	completeMessages, err := b.truth("autoCompleteMessages", true)
	if err != nil {
		return err
	}
	queue, topic, subscription := v["queueName"], v["topicName"], v["subscriptionName"]
	switch {
	case sessions:
		return fmt.Errorf("isSessionsEnabled is not covered")
	case !complete || !completeMessages:
		return fmt.Errorf("autoComplete must be true: a custom handler has no way to settle a message")
	case queue == "" && (topic == "" || subscription == ""):
		return fmt.Errorf("queueName, or topicName with subscriptionName, is required")
	case queue != "" && (topic != "" || subscription != ""):
		return fmt.Errorf("queueName excludes topicName and subscriptionName")
	}
	f.bus = &busTrigger{queue: queue, topic: topic, subscription: subscription, connection: v["connection"]}
	if f.disabled { // its settings may belong to another app
		return nil
	}
	for _, p := range []*string{&f.bus.queue, &f.bus.topic, &f.bus.subscription} {
		if *p, err = s.resolve(*p); err != nil {
			return err
		}
	}
	f.bus.connectionString, err = connectionString(v["connection"], s)
	return err
}

// connectionString finds the value behind a binding's connection, as ServiceBusClientFactory does.
func connectionString(name string, s settings) (string, error) {
	if name == "" {
		name = "ServiceBus"
	}
	for _, setting := range []string{"AzureWebJobs" + name, name} {
		if v, ok := s.lookup(setting); ok && v != "" {
			return v, nil
		}
	}
	for _, setting := range []string{name, "AzureWebJobs" + name} {
		if _, ok := s.lookup(setting + "__fullyQualifiedNamespace"); ok {
			return "", fmt.Errorf("connection %q is by managed identity, which one machine does not have: set %s to a connection string", name, name)
		}
	}
	return "", fmt.Errorf("connection %q: there is no app setting %s", name, name)
}

func (f *function) readTimer(b bindingFile, s settings) error {
	text, err := b.text("schedule")
	if err != nil {
		return err
	}
	t := &timerTrigger{}
	if t.runOnStartup, err = b.truth("runOnStartup", false); err != nil {
		return err
	}
	if t.monitor, err = b.truth("useMonitor", true); err != nil {
		return err
	}
	f.timer = t
	switch {
	case text == "":
		return fmt.Errorf("schedule is required")
	case f.disabled && strings.Contains(text, "%"):
		return nil
	}
	if text, err = s.resolve(text); err != nil {
		return err
	}
	t.schedule, err = parseSchedule(text)
	return err
}

func (f *function) readHTTP(b bindingFile, prefix string) error {
	v, err := b.texts("route", "authLevel", "webHookType")
	if err != nil {
		return err
	}
	var methods []string
	if raw, ok := b["methods"]; ok {
		if err := json.Unmarshal(raw, &methods); err != nil {
			return fmt.Errorf("methods must be a list of strings")
		}
	}
	for i, m := range methods {
		methods[i] = strings.ToUpper(m)
		if !slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}, methods[i]) {
			return fmt.Errorf("method %q is unknown", m)
		}
	}
	h := &httpTrigger{auth: strings.ToLower(v["authLevel"])}
	switch h.auth {
	case "":
		h.auth = "function"
	case "anonymous", "function", "admin":
	default:
		return fmt.Errorf("authLevel %q is unknown: anonymous, function or admin", v["authLevel"])
	}
	template := v["route"]
	if template == "" {
		template = f.name
	}
	if prefix != "" {
		template = prefix + "/" + template
	}
	if h.route, err = parseRoute(template); err != nil {
		return err
	}
	h.route.methods, h.route.fn = methods, f
	f.http = h
	return nil
}
