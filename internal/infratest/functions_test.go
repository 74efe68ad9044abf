package infratest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// zonesRunFunctions: every folder under functions/ is run by exactly one zone, and All() serves it under the right pattern.
func zonesRunFunctions(w world) (p problems) {
	triggers, zone := w.triggers(&p), w.zoneOf(&p)
	p.same("function", "functions/", sorted(triggers), "infra/functions.json", sorted(zone))
	served := map[string]string{}
	for _, m := range regexp.MustCompile(`\{"([a-z]+)", "([A-Z]+ /[^"]*)", f\.`).FindAllStringSubmatch(w["functions/functions.go"], -1) {
		served[m[1]] = m[2]
	}
	p.same("function", "functions/", sorted(triggers), "functions.All()", sorted(served))
	for name, b := range triggers {
		want := "POST /" + name
		if b.Type == "httpTrigger" && len(b.Methods) == 1 {
			want = strings.ToUpper(b.Methods[0]) + " /" + b.Route
		}
		if served[name] != want {
			p.add("function %s is served as %q, its function.json says %q", name, served[name], want)
		}
	}
	p.same("zone", "infra/functions.json", sorted(w.zones(&p)), "the architecture", []string{"keeper", "media", "web"})
	return p
}

// onlyWebFacesPeople: HTTP functions are web's, all of them, below /api or /portal; no other zone has one.
func onlyWebFacesPeople(w world) (p problems) {
	zone := w.zoneOf(&p)
	for name, b := range w.triggers(&p) {
		if (b.Type == "httpTrigger") != (zone[name] == "web") {
			p.add("function %s with a %s is in zone %s", name, b.Type, zone[name])
		}
		if b.Type == "httpTrigger" && !strings.HasPrefix(b.Route, "api/") && !strings.HasPrefix(b.Route, "portal/") {
			p.add("function %s: its route %s begins with neither api/ nor portal/", name, b.Route)
		}
		if b.Type == "timerTrigger" && zone[name] != "keeper" {
			p.add("timer %s is not keeper's", name)
		}
	}
	return p
}

// triggersHaveEntities: each entity that can be received from has one trigger, and each trigger its entity.
func triggersHaveEntities(w world) (p problems) {
	var wanted []string
	for name, b := range w.triggers(&p) {
		if b.Type != "serviceBusTrigger" {
			continue
		}
		wanted = append(wanted, b.entity())
		if b.Connection != "SB" || b.DataType != "binary" || b.Cardinality == "many" {
			p.add("function %s: connection %q, dataType %q, cardinality %q", name, b.Connection, b.DataType, b.Cardinality)
		}
		if last := b.entity()[strings.LastIndex(b.entity(), "/")+1:]; last != name {
			p.add("function %s receives from %s: one name per stage", name, b.entity())
		}
	}
	p.same("entity", "function.json", wanted, "infra/servicebus.json", sorted(w.bus(&p).receivers()))
	return p
}

// sendersHaveEntities: what internal/servicebus sends to is declared, and everything declared is sent to by someone.
func sendersHaveEntities(w world) (p problems) {
	var sent, declared []string
	for _, m := range regexp.MustCompile(`(?m)^\t\w+(?:Queue|Topic)\s+= "([a-z]+)"`).FindAllStringSubmatch(w["internal/servicebus/bus.go"], -1) {
		sent = append(sent, m[1])
	}
	n := w.bus(&p)
	for _, q := range n.Queues {
		declared = append(declared, q.Name)
	}
	for _, t := range n.Topics {
		declared = append(declared, t.Name)
	}
	p.same("entity", "internal/servicebus", sent, "infra/servicebus.json", declared)
	var sizes struct{ Entities map[string]any }
	w.decode(&p, "infra/azure.json", &sizes, false)
	p.same("size of entity", "infra/azure.json", sorted(sizes.Entities), "infra/servicebus.json", declared)
	return p
}

// subscriptionsFilter: a subscription takes what was just received, and what is addressed to it; nothing else.
func subscriptionsFilter(w world) (p problems) {
	for _, t := range w.bus(&p).Topics {
		for _, s := range t.Subscriptions {
			var labels []string
			for _, r := range s.Rules {
				if r.Properties.FilterType != "Correlation" || r.Name != r.Properties.CorrelationFilter.Label {
					p.add("rule %s of %s: type %s, label %q", r.Name, s.Name, r.Properties.FilterType, r.Properties.CorrelationFilter.Label)
				}
				labels = append(labels, r.Properties.CorrelationFilter.Label)
			}
			p.same("label of "+s.Name, "infra/servicebus.json", labels, "the architecture", []string{"received", s.Name})
		}
	}
	subject := regexp.MustCompile(`SubjectReceived\s*(?:[A-Za-z]+\s*)?= "([a-z]+)"`).FindStringSubmatch(strings.Join(texts(w, "internal/evidence/"), "\n"))
	if subject == nil || subject[1] != "received" {
		p.add("internal/evidence announces %v, the rules take received", subject)
	}
	return p
}

func texts(w world, prefix string) []string {
	var list []string
	for _, path := range w.below(prefix, ".go") {
		list = append(list, w[path])
	}
	return list
}

// timesFit: a transcoding ends before the host's timeout, which ends before the lock is let go.
func timesFit(w world) (p problems) {
	var host struct {
		FunctionTimeout string
		CustomHandler   struct{ EnableProxyingHTTPRequest bool }
		Extensions      struct {
			HTTP       struct{ RoutePrefix *string }
			ServiceBus struct {
				MaxAutoLockRenewalDuration string
				AutoCompleteMessages       bool
			}
		}
	}
	w.decode(&p, "host.json", &host, false)
	timeout, err := span(host.FunctionTimeout)
	if err != nil || timeout <= 0 {
		p.add("host.json: functionTimeout: %v", err)
	}
	renewal, err := span(host.Extensions.ServiceBus.MaxAutoLockRenewalDuration)
	if err != nil || renewal <= timeout {
		p.add("locks are renewed for %s, not longer than the timeout of %s: a message would come twice at once (%v)", renewal, timeout, err)
	}
	transcode, err := time.ParseDuration(w.config(&p)["FFMPEG_TIMEOUT"].fallback)
	if err != nil || transcode >= timeout {
		p.add("a transcoding may take %s, the host kills it at %s (%v)", transcode, timeout, err)
	}
	if !host.CustomHandler.EnableProxyingHTTPRequest || host.Extensions.HTTP.RoutePrefix == nil || *host.Extensions.HTTP.RoutePrefix != "" || !host.Extensions.ServiceBus.AutoCompleteMessages {
		p.add("host.json: not proxied, a route prefix, or messages that nobody completes")
	}
	return p
}

// setting is one of the handler's, with its default.
type setting struct {
	name, fallback, kind string
}

// config parses the struct Config of cmd/handler, which is package main and cannot be imported.
func (w world) config(p *problems) map[string]setting {
	const path = "cmd/handler/config.go"
	all := map[string]setting{}
	file, err := parser.ParseFile(token.NewFileSet(), path, w[path], parser.SkipObjectResolution)
	if err != nil {
		p.add("%v", err)
		return all
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "Config" {
			return true
		}
		for _, field := range spec.Type.(*ast.StructType).Fields.List {
			if field.Tag == nil {
				p.add("%s: field %s has no tag env", path, field.Names[0].Name)
				continue
			}
			raw, err := strconv.Unquote(field.Tag.Value)
			if err != nil {
				p.add("%v", err)
			}
			tag := reflect.StructTag(raw)
			kind := ""
			if id, ok := field.Type.(*ast.Ident); ok {
				kind = id.Name
			}
			all[tag.Get("env")] = setting{tag.Get("env"), tag.Get("envDefault"), kind}
		}
		return false
	})
	if len(all) == 0 {
		p.add("%s has no struct Config", path)
	}
	return all
}

// handlerSettings lists what Terraform sets of the handler's.
func (w world) handlerSettings(p *problems) []string {
	const path = "infra/terraform/settings.tf"
	list := keys(w.block(p, path, "handler_settings"))
	zones := w.block(p, path, "zone_settings")
	for _, name := range keys(zones) {
		if !slices.Contains([]string{"web", "media", "keeper"}, name) && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	if strings.Contains(w[path], "AZURE_CLIENT_ID ") {
		list = append(list, "AZURE_CLIENT_ID")
	}
	return list
}

// leftAlone says why a setting of the handler is not set by Terraform.
func leftAlone() map[string]string {
	const given, local, fallback = "given by the platform", "connection string: one machine only", "its default is meant"
	return map[string]string{
		"FUNCTIONS_CUSTOMHANDLER_PORT": given, "WEBSITE_AUTH_ENABLED": given, "WEBSITE_SITE_NAME": given, "CONTAINER_APP_NAME": given,
		"WEBSITE_INSTANCE_ID": given, "IDENTITY_ENDPOINT": given,
		"SB": local, "FOOTAGE": local, "COSMOS": local,
		"RETENTION_DEFER": fallback, "RECONCILE_GRACE": fallback, "PLAYBACK_LINK": fallback, "FFMPEG_JOBS": fallback, "FFMPEG_TIMEOUT": fallback,
		"PROXY_PROFILE": fallback,
	}
}

// settingsReachTheHandler: every setting of the struct is set by Terraform or left alone for a reason, and Terraform sets no other.
func settingsReachTheHandler(w world) (p problems) {
	p.same("setting", "cmd/handler's Config", sorted(w.config(&p)), "settings.tf or the reasons not to set it",
		append(w.handlerSettings(&p), sorted(leftAlone())...))
	for _, name := range w.handlerSettings(&p) {
		if w.config(&p)[name].kind == "secret" {
			p.add("setting %s is a secret: Azure gets identities only", name)
		}
	}
	return p
}

// bindingsAreSet: a %NAME% in a function.json is an app setting on Azure and on one machine.
func bindingsAreSet(w world) (p problems) {
	var sample struct{ Values map[string]string }
	w.decode(&p, "local.settings.sample.json", &sample, false)
	host := keys(w.block(&p, "infra/terraform/settings.tf", "host_settings"))
	for _, path := range w.below("functions/", "/function.json") {
		for _, m := range regexp.MustCompile(`%([A-Z_]+)%`).FindAllStringSubmatch(w[path], -1) {
			if !slices.Contains(host, m[1]) {
				p.add("%s needs %s, which settings.tf does not set", path, m[1])
			}
			if sample.Values[m[1]] == "" {
				p.add("%s needs %s, which local.settings.sample.json does not set", path, m[1])
			}
		}
	}
	known := w.config(&p)
	for name := range sample.Values {
		if _, ok := known[name]; !ok && !slices.Contains(append(host, "AzureWebJobsStorage"), name) {
			p.add("local.settings.sample.json sets %s, which neither the handler nor the host reads", name)
		}
	}
	for _, name := range []string{"SB__credential", "FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage__credential"} {
		if !slices.Contains(host, name) {
			p.add("settings.tf does not set %s for the host", name)
		}
	}
	return p
}
