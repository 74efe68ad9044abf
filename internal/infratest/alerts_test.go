package infratest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

type alerts struct {
	Stages     map[string]struct{ Severity int }
	Logs       map[string]logAlert
	Metrics    map[string]map[string]any
	Activities map[string]map[string]any
	Budgets    map[string]map[string]any
}

type logAlert struct {
	Severity                             int
	Every, Window, Operator, Description string
	Query, Measure                       string
	Threshold                            int
	Events                               []string
}

func (w world) alerts(p *problems) (a alerts) {
	w.decode(p, "infra/alerts.json", &a, true)
	return a
}

func (a alerts) names() []string {
	return slices.Concat(sorted(a.Stages), sorted(a.Logs), sorted(a.Metrics), sorted(a.Activities), sorted(a.Budgets))
}

// notAlerts are runbooks that people open by themselves.
func notAlerts() []string { return []string{"region-failover"} }

// alertsHaveRunbooks: one runbook an alert, of its name, with the same headings in each.
func alertsHaveRunbooks(w world) (p problems) {
	var books []string
	for _, path := range w.below("docs/runbooks/", ".md") {
		name := strings.TrimSuffix(strings.TrimPrefix(path, "docs/runbooks/"), ".md")
		if name == "README" {
			continue
		}
		books = append(books, name)
		if slices.Contains(notAlerts(), name) {
			continue
		}
		for _, heading := range []string{"## What it means", "## What is safe", "## The query", "## How to fix it", "## How to reprocess"} {
			if !strings.Contains(w[path], "\n"+heading+"\n") {
				p.add("%s has no %q", path, heading)
			}
		}
	}
	p.same("alert", "infra/alerts.json", append(w.alerts(&p).names(), notAlerts()...), "docs/runbooks", books)
	return p
}

// runbooksAskForWhatIs: a runbook's query asks for events and functions that there are, and what it has done again is a stage of the topic.
func runbooksAskForWhatIs(w world) (p problems) {
	functions, stages := w.triggers(&p), w.bus(&p).receivers()
	for _, path := range w.below("docs/runbooks/", ".md") {
		for _, m := range regexp.MustCompile(`line\.msg\) (?:==|in) \(?'([^)\n|]+)'`).FindAllStringSubmatch(w[path], -1) {
			for _, event := range strings.Split(m[1], "', '") {
				if !strings.Contains(w["docs/events.md"], "\n| `"+event+"` |") {
					p.add("%s asks for %s, which is not in docs/events.md", path, event)
				}
			}
		}
		for _, m := range regexp.MustCompile(`line\['function'\]\) == '([a-z]+)'`).FindAllStringSubmatch(w[path], -1) {
			if _, ok := functions[m[1]]; !ok {
				p.add("%s asks for function %s, which is not there", path, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`"stages":\[([^\]]*)\]`).FindAllStringSubmatch(w[path], -1) {
			for _, stage := range strings.Split(m[1], ",") {
				if _, ok := stages["footage/"+strings.Trim(stage, `"`)]; !ok {
					p.add("%s has %s done again, which is no stage of the topic", path, stage)
				}
			}
		}
	}
	return p
}

// alertsHangOnEvents: what a log alert asks for is what the handler writes, with the attributes that it has, as docs/events.md lists them.
func alertsHangOnEvents(w world) (p problems) {
	code := strings.Join(slices.Concat(texts(w, "cmd/handler/"), texts(w, "internal/")), "\n")
	for name, a := range w.alerts(&p).Logs {
		if !strings.Contains(a.Query, a.Measure+" = ") {
			p.add("alert %s measures %s, which its query does not compute", name, a.Measure)
		}
		for _, event := range a.Events {
			if !strings.Contains(a.Query, "'"+event+"'") {
				p.add("alert %s does not ask for its event %s", name, event)
			}
			if !strings.Contains(code, fmt.Sprintf("%q", event)) || !strings.Contains(w["docs/events.md"], "\n| `"+event+"` |") {
				p.add("alert %s: event %s is not written, or not in docs/events.md", name, event)
			}
		}
		for _, m := range regexp.MustCompile(`line\.msg\) (?:==|in) \(?'([^']+)'`).FindAllStringSubmatch(a.Query, -1) {
			if !slices.Contains(a.Events, m[1]) {
				p.add("alert %s asks for %s, which is not among its events", name, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`line\.outcome\) == '([a-z-]+)'`).FindAllStringSubmatch(a.Query, -1) {
			if !strings.Contains(w["docs/events.md"], "`"+m[1]+"`") || !strings.Contains(code, `"`+m[1]+`"`) && m[1] != "broken" {
				p.add("alert %s waits for the outcome %s, which no function has", name, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`to(?:int|string)\(line(?:\.([a-z]+)|\['([a-z-]+)'\])\)`).FindAllStringSubmatch(a.Query, -1) {
			if field := m[1] + m[2]; field != "msg" && !strings.Contains(code, `"`+field+`"`) {
				p.add("alert %s reads the attribute %s, which no line has", name, field)
			}
		}
	}
	return p
}

// stagesAreWatched: each function that a message triggers has its alert, each timer its own, and the namespace the backstop.
func stagesAreWatched(w world) (p problems) {
	a := w.alerts(&p)
	var stages []string
	for name, b := range w.triggers(&p) {
		switch b.Type {
		case "serviceBusTrigger":
			stages = append(stages, name)
		case "timerTrigger":
			if _, ok := a.Logs[name]; !ok {
				p.add("nobody hears when the timer %s fails", name)
			}
		}
	}
	p.same("stage", "function.json", stages, "infra/alerts.json", sorted(a.Stages))
	for _, must := range []string{"dead-letters", "event-grid", "stuck", "backlog", "disposal-lag", "breaker", "mismatch", "failures", "budget", "tampering", "guard"} {
		if !slices.Contains(a.names(), must) {
			p.add("no alert %s", must)
		}
	}
	for name, alert := range a.Logs {
		if alert.Severity > 2 || alert.Description == "" {
			p.add("alert %s: severity %d, description %q", name, alert.Severity, alert.Description)
		}
	}
	return p
}
