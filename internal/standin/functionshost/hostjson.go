package functionshost

import (
	"encoding/json"
	"fmt"
	"runtime"
	"sort"
	"strings"
	"time"
)

// hostConfig is what host.json says, with the host's own defaults filled in.
type hostConfig struct {
	functionTimeout time.Duration // 0 is unlimited
	handler         handlerConfig
	routePrefix     string // no slashes at either end
	serviceBus      serviceBusConfig
	only            map[string]bool // lower-case names; nil is every function
	bundle          bool            // an extension bundle is declared
	warnings        []string
}

type handlerConfig struct {
	executable       string
	workingDirectory string
	arguments        []string
	workerPath       string
	proxying         bool
	initTimeout      time.Duration
	port             int // 0 is any free port
}

type serviceBusConfig struct {
	maxCalls   int
	maxRenewal time.Duration
	retryDelay time.Duration
	retryMax   time.Duration
	retries    int
}

// The shapes of host.json; encoding/json matches names without regard to case, as .NET does.
type hostFile struct {
	Version             string                     `json:"version"`
	FunctionTimeout     *string                    `json:"functionTimeout"`
	CustomHandler       *customHandlerFile         `json:"customHandler"`
	HTTPWorker          json.RawMessage            `json:"httpWorker"`
	Extensions          map[string]json.RawMessage `json:"extensions"`
	ExtensionBundle     json.RawMessage            `json:"extensionBundle"`
	Functions           []string                   `json:"functions"`
	Retry               json.RawMessage            `json:"retry"`
	Concurrency         *concurrencyFile           `json:"concurrency"`
	ConfigurationSource json.RawMessage            `json:"configurationProfile"`
}

type concurrencyFile struct {
	Dynamic bool `json:"dynamicConcurrencyEnabled"`
}

type customHandlerFile struct {
	Description struct {
		Executable       string   `json:"defaultExecutablePath"`
		WorkingDirectory string   `json:"workingDirectory"`
		Arguments        []string `json:"arguments"`
		WorkerPath       string   `json:"defaultWorkerPath"`
	} `json:"description"`
	Proxying    bool            `json:"enableProxyingHttpRequest"`
	Forwarding  bool            `json:"enableForwardingHttpRequest"`
	InitTimeout *string         `json:"initializationTimeout"`
	Port        json.RawMessage `json:"port"`
	HTTP        json.RawMessage `json:"http"`
}

type httpExtensionFile struct {
	RoutePrefix *string `json:"routePrefix"`
}

type serviceBusExtensionFile struct {
	AutoComplete *bool   `json:"autoCompleteMessages"`
	MaxRenewal   *string `json:"maxAutoLockRenewalDuration"`
	MaxCalls     *int    `json:"maxConcurrentCalls"`
	Prefetch     int     `json:"prefetchCount"`
	Retry        *struct {
		Delay      *string `json:"delay"`
		MaxDelay   *string `json:"maxDelay"`
		MaxRetries *int    `json:"maxRetries"`
	} `json:"clientRetryOptions"`
	Transport      string          `json:"transportType"`
	MessageHandler json.RawMessage `json:"messageHandlerOptions"`
}

const maxConfigFile = 1 << 20

// parseHostJSON reads host.json and refuses, with words, what this stand-in does not do.
func parseHostJSON(data []byte) (hostConfig, error) {
	c := hostConfig{
		functionTimeout: 30 * time.Minute,
		routePrefix:     "api",
		serviceBus: serviceBusConfig{maxCalls: 16 * runtime.NumCPU(), maxRenewal: 5 * time.Minute,
			retryDelay: 800 * time.Millisecond, retryMax: time.Minute, retries: 3},
	}
	var f hostFile
	if len(data) > maxConfigFile {
		return c, fmt.Errorf("host.json is larger than %d bytes", maxConfigFile)
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return c, fmt.Errorf("reading host.json: %w", err)
	}
	switch {
	case f.Version != "2.0":
		return c, fmt.Errorf(`host.json: version is %q, it must be "2.0"`, f.Version)
	case f.CustomHandler == nil && set(f.HTTPWorker):
		return c, fmt.Errorf("host.json: httpWorker is the legacy section: write customHandler")
	case f.CustomHandler == nil:
		return c, fmt.Errorf("host.json: the section customHandler is missing")
	case set(f.Retry):
		return c, fmt.Errorf("host.json: retry is not covered: a failed message is abandoned, a failed timer waits for its next tick")
	case f.Concurrency != nil && f.Concurrency.Dynamic:
		return c, fmt.Errorf("host.json: dynamicConcurrencyEnabled is not covered: set maxConcurrentCalls")
	case set(f.ConfigurationSource):
		return c, fmt.Errorf("host.json: configurationProfile is not covered")
	}
	if set(f.HTTPWorker) {
		c.warnings = append(c.warnings, "host.json: httpWorker is ignored beside customHandler")
	}
	if f.FunctionTimeout != nil {
		d, err := functionTimeout(*f.FunctionTimeout)
		if err != nil {
			return c, err
		}
		c.functionTimeout = d
	}
	if f.Functions != nil {
		c.only = map[string]bool{}
		for _, name := range f.Functions {
			c.only[strings.ToLower(name)] = true
		}
	}
	c.bundle = set(f.ExtensionBundle)
	if err := c.readHandler(f.CustomHandler); err != nil {
		return c, err
	}
	return c, c.readExtensions(f.Extensions)
}

// set reports whether a section is there; an explicit null is not.
func set(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

func functionTimeout(s string) (time.Duration, error) {
	if s == "-1" {
		return 0, nil
	}
	d, err := parseTimeSpan(s)
	if err == nil && d <= 0 {
		err = fmt.Errorf(`%q is not above zero (write "-1" for no limit)`, s)
	}
	if err != nil {
		return 0, fmt.Errorf("host.json: functionTimeout: %w", err)
	}
	return d, nil
}

func (c *hostConfig) readHandler(f *customHandlerFile) error {
	h := handlerConfig{executable: f.Description.Executable, workingDirectory: f.Description.WorkingDirectory,
		arguments: f.Description.Arguments, workerPath: f.Description.WorkerPath,
		proxying: f.Proxying, initTimeout: 30 * time.Second}
	switch {
	case h.executable == "":
		return fmt.Errorf("host.json: customHandler.description.defaultExecutablePath is required")
	case set(f.HTTP):
		return fmt.Errorf("host.json: customHandler.http (functions without function.json) is not covered")
	case f.Forwarding && !f.Proxying:
		return fmt.Errorf("host.json: enableForwardingHttpRequest is the legacy mode (it drops chunked bodies and most headers): set enableProxyingHttpRequest")
	case f.Forwarding:
		c.warnings = append(c.warnings, "host.json: enableProxyingHttpRequest wins over enableForwardingHttpRequest")
	}
	if f.InitTimeout != nil {
		d, err := parseTimeSpan(*f.InitTimeout)
		if err == nil && d <= 0 {
			err = fmt.Errorf("%q is not above zero", *f.InitTimeout)
		}
		if err != nil {
			return fmt.Errorf("host.json: initializationTimeout: %w", err)
		}
		h.initTimeout = d
	}
	if set(f.Port) {
		n, err := number(strings.Trim(string(f.Port), `"`), 65535)
		if err != nil || n == 0 {
			return fmt.Errorf("host.json: customHandler.port %s is not a port", f.Port)
		}
		h.port = n
	}
	c.handler = h
	return nil
}

func (c *hostConfig) readExtensions(all map[string]json.RawMessage) error {
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		raw := all[name]
		var err error
		switch strings.ToLower(name) {
		case "http":
			err = c.readHTTP(raw)
		case "servicebus":
			err = c.readServiceBus(raw)
		default:
			c.warnings = append(c.warnings, fmt.Sprintf("host.json: extensions.%s is ignored", name))
		}
		if err != nil {
			return fmt.Errorf("host.json: extensions.%s: %w", name, err)
		}
	}
	return nil
}

func (c *hostConfig) readHTTP(raw json.RawMessage) error {
	var f httpExtensionFile
	if err := json.Unmarshal(raw, &f); err != nil {
		return err
	}
	if f.RoutePrefix != nil {
		c.routePrefix = strings.Trim(*f.RoutePrefix, "/")
	}
	if strings.ContainsAny(c.routePrefix, "{}?*") {
		return fmt.Errorf("routePrefix %q must be literal text", c.routePrefix)
	}
	return nil
}

func (c *hostConfig) readServiceBus(raw json.RawMessage) error {
	var f serviceBusExtensionFile
	if err := json.Unmarshal(raw, &f); err != nil {
		return err
	}
	switch {
	case f.AutoComplete != nil && !*f.AutoComplete:
		return fmt.Errorf("autoCompleteMessages must be true: a custom handler has no way to settle a message")
	case f.Prefetch != 0:
		return fmt.Errorf("prefetchCount must be 0: the locks of prefetched messages are not renewed")
	case set(f.MessageHandler):
		return fmt.Errorf("messageHandlerOptions is of extension 4.x: write maxConcurrentCalls and maxAutoLockRenewalDuration beside it")
	case f.Transport != "" && !strings.EqualFold(f.Transport, "amqpTcp"):
		return fmt.Errorf("transportType %q is not covered, only amqpTcp", f.Transport)
	}
	if f.MaxCalls != nil {
		if *f.MaxCalls < 1 || *f.MaxCalls > 10_000 {
			return fmt.Errorf("maxConcurrentCalls is %d, it must be 1 to 10000", *f.MaxCalls)
		}
		c.serviceBus.maxCalls = *f.MaxCalls
	}
	if err := span(f.MaxRenewal, "maxAutoLockRenewalDuration", &c.serviceBus.maxRenewal); err != nil {
		return err
	}
	if f.Retry == nil {
		return nil
	}
	if f.Retry.MaxRetries != nil {
		if *f.Retry.MaxRetries < 0 || *f.Retry.MaxRetries > 100 {
			return fmt.Errorf("clientRetryOptions.maxRetries is %d, it must be 0 to 100", *f.Retry.MaxRetries)
		}
		c.serviceBus.retries = *f.Retry.MaxRetries
	}
	if err := span(f.Retry.Delay, "clientRetryOptions.delay", &c.serviceBus.retryDelay); err != nil {
		return err
	}
	return span(f.Retry.MaxDelay, "clientRetryOptions.maxDelay", &c.serviceBus.retryMax)
}

// span stores a non-negative time span where one is given.
func span(text *string, name string, into *time.Duration) error {
	if text == nil {
		return nil
	}
	d, err := parseTimeSpan(*text)
	if err == nil && d < 0 {
		err = fmt.Errorf("%q is negative", *text)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	*into = d
	return nil
}
