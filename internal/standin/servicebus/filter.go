package servicebus

import (
	"errors"
	"fmt"

	"github.com/Azure/go-amqp"
)

func (f *CorrelationFilter) validate() error {
	if f.Label != "" && f.Subject != "" && f.Label != f.Subject {
		return errors.New("Label and Subject are the same field but differ")
	}
	for k, v := range f.Properties {
		switch v.(type) {
		case string, bool, float64:
		default:
			return fmt.Errorf("property %q is a %T, want a string, number or boolean", k, v)
		}
	}
	if len(f.conditions(&amqp.MessageProperties{})) == 0 && len(f.Properties) == 0 {
		return errors.New("CorrelationFilter without a condition")
	}
	return nil
}

// condition compares one field of a message with what the filter wants.
type condition struct {
	want string
	got  *string
}

// conditions lists the fields the filter gives a value for.
func (f *CorrelationFilter) conditions(p *amqp.MessageProperties) []condition {
	subject := f.Label
	if subject == "" {
		subject = f.Subject
	}
	all := []condition{
		{f.ContentType, p.ContentType},
		{f.CorrelationID, text(p.CorrelationID)},
		{subject, p.Subject},
		{f.MessageID, text(p.MessageID)},
		{f.ReplyTo, p.ReplyTo},
		{f.ReplyToSessionID, p.ReplyToGroupID},
		{f.SessionID, p.GroupID},
		{f.To, p.To},
	}
	given := all[:0]
	for _, c := range all {
		if c.want != "" {
			given = append(given, c)
		}
	}
	return given
}

func text(id any) *string {
	if id == nil {
		return nil
	}
	s := fmt.Sprint(id)
	return &s
}

// matches is true when every given condition holds.
func (f *CorrelationFilter) matches(m *amqp.Message) bool {
	p := m.Properties
	if p == nil {
		p = &amqp.MessageProperties{}
	}
	for _, c := range f.conditions(p) {
		if c.got == nil || *c.got != c.want {
			return false
		}
	}
	for k, want := range f.Properties {
		got, ok := m.ApplicationProperties[k]
		if !ok || !equalValue(got, want) {
			return false
		}
	}
	return true
}

// equalValue compares an application property with a JSON value; numbers compare by value whatever their AMQP type.
func equalValue(got, want any) bool {
	w, ok := want.(float64)
	if !ok {
		return got == want
	}
	switch g := got.(type) {
	case int8:
		return float64(g) == w
	case int16:
		return float64(g) == w
	case int32:
		return float64(g) == w
	case int64:
		return float64(g) == w
	case uint8:
		return float64(g) == w
	case uint16:
		return float64(g) == w
	case uint32:
		return float64(g) == w
	case uint64:
		return float64(g) == w
	case float32:
		return float64(g) == w
	case float64:
		return g == w
	}
	return false
}

// anyMatches is true when a subscription with these rules gets the message: one copy however many rules match.
func anyMatches(rules []Rule, m *amqp.Message) bool {
	if len(rules) == 0 {
		return true
	}
	for _, r := range rules {
		if r.Properties.CorrelationFilter.matches(m) {
			return true
		}
	}
	return false
}
