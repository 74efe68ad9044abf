package servicebus

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// Config declares the entities, in the shape of Microsoft's Service Bus emulator's Config.json.
type Config struct {
	UserConfig UserConfig `json:"UserConfig"`
}

// UserConfig holds exactly one namespace, as the emulator's does.
type UserConfig struct {
	Namespaces []Namespace `json:"Namespaces"`
	Logging    Logging     `json:"Logging"`
}

// Logging is accepted and ignored: the log goes to Options.Logger.
type Logging struct {
	Type string `json:"Type"`
}

// Namespace holds the queues and topics; their names share one space and ignore case.
type Namespace struct {
	Name   string  `json:"Name"`
	Queues []Queue `json:"Queues"`
	Topics []Topic `json:"Topics"`
}

// Queue declares a queue.
type Queue struct {
	Name       string     `json:"Name"`
	Properties Properties `json:"Properties"`
}

// Topic declares a topic and its subscriptions.
type Topic struct {
	Name          string         `json:"Name"`
	Properties    Properties     `json:"Properties"`
	Subscriptions []Subscription `json:"Subscriptions"`
}

// Subscription declares a subscription; without rules it gets every message.
type Subscription struct {
	Name       string     `json:"Name"`
	Properties Properties `json:"Properties"`
	Rules      []Rule     `json:"Rules"`
}

// Properties are those of a queue, a topic or a subscription. Durations are ISO 8601, e.g. PT1M or P14D; left out,
// they take Azure's defaults (lock PT1M, no expiry, duplicate detection PT10M). MaxDeliveryCount 0 means 10.
type Properties struct {
	DeadLetteringOnMessageExpiration    bool     `json:"DeadLetteringOnMessageExpiration"`
	DefaultMessageTimeToLive            Duration `json:"DefaultMessageTimeToLive"`
	DuplicateDetectionHistoryTimeWindow Duration `json:"DuplicateDetectionHistoryTimeWindow"`
	ForwardDeadLetteredMessagesTo       string   `json:"ForwardDeadLetteredMessagesTo"`
	ForwardTo                           string   `json:"ForwardTo"`
	LockDuration                        Duration `json:"LockDuration"`
	MaxDeliveryCount                    int      `json:"MaxDeliveryCount"`
	RequiresDuplicateDetection          bool     `json:"RequiresDuplicateDetection"`
	RequiresSession                     bool     `json:"RequiresSession"`
}

// Rule is one filter of a subscription.
type Rule struct {
	Name       string         `json:"Name"`
	Properties RuleProperties `json:"Properties"`
}

// RuleProperties hold the filter; only FilterType Correlation is supported.
type RuleProperties struct {
	FilterType        string             `json:"FilterType"`
	CorrelationFilter *CorrelationFilter `json:"CorrelationFilter"`
	SQLFilter         json.RawMessage    `json:"SqlFilter"`
	Action            json.RawMessage    `json:"Action"`
}

// CorrelationFilter matches when every field that is given equals the message's. Label and Subject are the same field.
type CorrelationFilter struct {
	ContentType      string         `json:"ContentType"`
	CorrelationID    string         `json:"CorrelationId"`
	Label            string         `json:"Label"`
	Subject          string         `json:"Subject"`
	MessageID        string         `json:"MessageId"`
	ReplyTo          string         `json:"ReplyTo"`
	ReplyToSessionID string         `json:"ReplyToSessionId"`
	SessionID        string         `json:"SessionId"`
	To               string         `json:"To"`
	Properties       map[string]any `json:"Properties"`
}

// Azure's limits and defaults.
const (
	defaultLock        = time.Minute
	maxLock            = 5 * time.Minute
	defaultMaxDelivery = 10
	maxMaxDelivery     = 2000
	defaultDuplicate   = 10 * time.Minute
	minDuplicate       = 20 * time.Second
	maxDuplicate       = 7 * 24 * time.Hour
	maxConfigSize      = 1 << 20
)

// ParseConfig reads a Config. It is strict: unknown fields, sessions, SQL filters, rule actions and forwarding are
// errors that name what they are about.
func ParseConfig(r io.Reader) (Config, error) {
	var c Config
	d := json.NewDecoder(io.LimitReader(r, maxConfigSize))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Config{}, fmt.Errorf("reading the service bus config: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Config{}, errors.New("reading the service bus config: more than one json value")
	}
	if err := c.validate(); err != nil {
		return Config{}, fmt.Errorf("checking the service bus config: %w", err)
	}
	return c, nil
}

func (c Config) validate() error {
	if n := len(c.UserConfig.Namespaces); n != 1 {
		return fmt.Errorf("%d namespaces, want exactly one", n)
	}
	ns := c.UserConfig.Namespaces[0]
	seen := map[string]bool{}
	for _, q := range ns.Queues {
		if err := validateEntity(q.Name, q.Properties, seen); err != nil {
			return fmt.Errorf("queue %q: %w", q.Name, err)
		}
	}
	for _, t := range ns.Topics {
		if err := validateEntity(t.Name, t.Properties, seen); err != nil {
			return fmt.Errorf("topic %q: %w", t.Name, err)
		}
		subs := map[string]bool{}
		for _, s := range t.Subscriptions {
			if err := validateSubscription(s, subs); err != nil {
				return fmt.Errorf("topic %q, subscription %q: %w", t.Name, s.Name, err)
			}
		}
	}
	return nil
}

func validateEntity(name string, p Properties, seen map[string]bool) error {
	valid := regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._~/-]{0,258}[A-Za-z0-9_])?$`)
	lower := strings.ToLower(name)
	switch {
	case !valid.MatchString(name), strings.Contains(name, "//"), strings.Contains(lower, "/subscriptions/"):
		return errors.New("not a valid entity name")
	case seen[lower]:
		return errors.New("declared twice")
	}
	seen[lower] = true
	return p.validate()
}

func validateSubscription(s Subscription, seen map[string]bool) error {
	if strings.Contains(s.Name, "/") || len(s.Name) > 50 {
		return errors.New("not a valid subscription name")
	}
	if err := validateEntity(s.Name, s.Properties, seen); err != nil {
		return err
	}
	if s.Properties.RequiresDuplicateDetection {
		return errors.New("RequiresDuplicateDetection belongs to the topic")
	}
	rules := map[string]bool{}
	for _, r := range s.Rules {
		lower := strings.ToLower(r.Name)
		if r.Name == "" || rules[lower] {
			return fmt.Errorf("rule %q has no name of its own", r.Name)
		}
		rules[lower] = true
		if err := r.Properties.validate(); err != nil {
			return fmt.Errorf("rule %q: %w", r.Name, err)
		}
	}
	return nil
}

func (p Properties) validate() error {
	switch {
	case p.RequiresSession:
		return errors.New("RequiresSession is not supported")
	case p.ForwardTo != "":
		return errors.New("ForwardTo is not supported")
	case p.ForwardDeadLetteredMessagesTo != "":
		return errors.New("ForwardDeadLetteredMessagesTo is not supported")
	case p.LockDuration < 0 || time.Duration(p.LockDuration) > maxLock:
		return fmt.Errorf("LockDuration %s, want up to %s", time.Duration(p.LockDuration), maxLock)
	case p.MaxDeliveryCount < 0 || p.MaxDeliveryCount > maxMaxDelivery:
		return fmt.Errorf("MaxDeliveryCount %d, want 1 to %d", p.MaxDeliveryCount, maxMaxDelivery)
	case p.DefaultMessageTimeToLive < 0:
		return errors.New("DefaultMessageTimeToLive is negative")
	}
	if d := time.Duration(p.DuplicateDetectionHistoryTimeWindow); d != 0 && (d < minDuplicate || d > maxDuplicate) {
		return fmt.Errorf("DuplicateDetectionHistoryTimeWindow %s, want %s to %s", d, minDuplicate, maxDuplicate)
	}
	return nil
}

func (p RuleProperties) validate() error {
	given := func(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }
	switch {
	case given(p.SQLFilter) || strings.EqualFold(p.FilterType, "Sql"):
		return errors.New("SqlFilter is not supported")
	case given(p.Action):
		return errors.New("Action is not supported")
	case !strings.EqualFold(p.FilterType, "Correlation") || p.CorrelationFilter == nil:
		return fmt.Errorf("FilterType %q, want Correlation with a CorrelationFilter", p.FilterType)
	}
	return p.CorrelationFilter.validate()
}
