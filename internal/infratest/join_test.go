package infratest

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// checks are the joins, by name.
func checks() map[string]func(world) problems {
	return map[string]func(world) problems{
		"each function runs in one zone":         zonesRunFunctions,
		"only web faces people":                  onlyWebFacesPeople,
		"each trigger has its queue":             triggersHaveEntities,
		"each sender has its queue":              sendersHaveEntities,
		"subscriptions take their own":           subscriptionsFilter,
		"timeouts and locks fit":                 timesFit,
		"settings reach the handler":             settingsReachTheHandler,
		"bindings find their settings":           bindingsAreSet,
		"containers are declared":                containersExist,
		"ledger and indexes are declared":        ledgerIsDeclared,
		"messages live long enough":              messagesLiveLongEnough,
		"retention is the same everywhere":       retentionAgrees,
		"the United Kingdom only":                ukOnly,
		"the shim's schema is complete":          schemaIsComplete,
		"examples fit the variables":             environmentsFit,
		"only keeper deletes originals":          onlyKeeperDeletesOriginals,
		"rights match the work":                  rightsMatchWork,
		"roles are narrow":                       rolesAreNarrow,
		"each alert has its runbook":             alertsHaveRunbooks,
		"runbooks ask for what there is":         runbooksAskForWhatIs,
		"alerts hang on events that are written": alertsHangOnEvents,
		"each stage is watched":                  stagesAreWatched,
	}
}

func TestJoin(t *testing.T) {
	w := load(t)
	for name, check := range checks() {
		t.Run(name, func(t *testing.T) {
			for _, problem := range check(w) {
				t.Error(problem)
			}
		})
	}
}

// mutation is a change that the check must notice.
type mutation struct{ check, file, old, new string }

func mutations() []mutation {
	const settings, variables = "infra/terraform/settings.tf", "infra/terraform/variables.tf"
	return []mutation{
		{"each function runs in one zone", "infra/functions.json", `"proxy"`, `"proxyy"`},
		{"each function runs in one zone", "infra/functions.json", `"proxy", "segment"]`, `"proxy", "segment", "expire"]`},
		{"each function runs in one zone", "functions/functions.go", `{"expire", "POST /expire"`, `{"expiry", "POST /expire"`},
		{"each function runs in one zone", "functions/detail/function.json", `api/evidence/{id}`, `api/record/{id}`},
		{"only web faces people", "functions/expire/function.json", `"serviceBusTrigger"`, `"httpTrigger"`},
		{"each function runs in one zone", "functions/playlist/function.json", `/playback/{file}`, `/playback/{file}/{range}`},
		{"only web faces people", "functions/flag/function.json", `api/evidence`, `evidence`},
		{"only web faces people", "infra/functions.json", `["metadata", `, `["metadata", "search", `},
		{"each trigger has its queue", "functions/expire/function.json", `"queueName": "expire"`, `"queueName": "expiry"`},
		{"each trigger has its queue", "functions/segment/function.json", `"queueName": "segment"`, `"queueName": "reprocess"`},
		{"each trigger has its queue", "functions/digest/function.json", `"subscriptionName": "digest"`, `"subscriptionName": "metadata"`},
		{"each trigger has its queue", "functions/ingest/function.json", `"dataType": "binary"`, `"dataType": "string"`},
		{"each trigger has its queue", "infra/servicebus.json", `"Name": "reprocess"`, `"Name": "again"`},
		{"each trigger has its queue", "infra/servicebus.json", `"Name": "proxy",
        "Properties": {
         "DeadLetter`, `"Name": "proxies",
        "Properties": {
         "DeadLetter`},
		{"each sender has its queue", "internal/servicebus/bus.go", `= "footage"`, `= "films"`},
		{"each sender has its queue", "infra/servicebus.json", `"Name": "segment"`, `"Name": "chunks"`},
		{"each sender has its queue", "infra/azure.json", `"reprocess": {`, `"again": {`},
		{"subscriptions take their own", "infra/servicebus.json", `"Label": "metadata"`, `"Label": "proxy"`},
		{"subscriptions take their own", "infra/servicebus.json", `"Label": "digest"`, `"Label": "retention"`},
		{"subscriptions take their own", "infra/servicebus.json", `"FilterType": "Correlation"`, `"FilterType": "Sql"`},
		{"timeouts and locks fit", "host.json", `"functionTimeout": "02:00:00"`, `"functionTimeout": "01:00:00"`},
		{"timeouts and locks fit", "host.json", `"maxAutoLockRenewalDuration": "02:05:00"`, `"maxAutoLockRenewalDuration": "00:05:00"`},
		{"timeouts and locks fit", "host.json", `"enableProxyingHttpRequest": true`, `"enableProxyingHttpRequest": false`},
		{"settings reach the handler", settings, `RETENTION_PAUSED `, `RETENTION_STOPPED `},
		{"settings reach the handler", settings, `LOG_LEVEL  `, `LOG_LEVEL = "info"` + "\n    LOG_COLOUR  "},
		{"settings reach the handler", settings, `RETENTION_PER_HOUR   `, `RETENTION_DEFER   `},
		{"settings reach the handler", "cmd/handler/config.go", `env:"RETENTION_PAUSED"`, `env:"PAUSED"`},
		{"settings reach the handler", settings, `SB__fullyQualifiedNamespace `, `SB `},
		{"bindings find their settings", settings, `RECONCILE_SCHEDULE `, `SCHEDULE `},
		{"bindings find their settings", "functions/reconcile/function.json", `%RECONCILE_SCHEDULE%`, `%WHEN%`},
		{"bindings find their settings", "local.settings.sample.json", `"IDENTITY"`, `"IDENTTY"`},
		{"containers are declared", "infra/storage.json", `"renditions"`, `"proxies"`},
		{"containers are declared", "infra/storage.json", `"container": "footage"`, `"container": "renditions"`},
		{"containers are declared", "infra/storage.json", `"PutBlockList", `, ``},
		{"containers are declared", "infra/storage.json", `"queue": "ingest"`, `"queue": "expire"`},
		{"containers are declared", "infra/azure.json", `"custody": {`, `"footage": {`},
		{"containers are declared", "cmd/handler/wire.go", `= "renditions"`, `= "proxies"`},
		{"ledger and indexes are declared", "infra/cosmos.json", `"/shard"`, `"/unit"`},
		{"ledger and indexes are declared", "infra/cosmos.json", `"/sort/created"`, `"/created"`},
		{"ledger and indexes are declared", "infra/cosmos.json", `"database": "bwv"`, `"database": "footage"`},
		{"ledger and indexes are declared", "infra/cosmos.json", `"partitionKey"`, `"defaultTtl": 86400, "partitionKey"`},
		{"ledger and indexes are declared", "infra/cosmos.json", `"/media/*"`, `"/retention/*"`},
		{"ledger and indexes are declared", "internal/cosmos/catalogue.go", `c.sort.created DESC, c.id DESC`, `c.sort.started DESC, c.id DESC`},
		{"messages live long enough", "infra/servicebus.json", `"P400D"`, `"P30D"`},
		{"messages live long enough", "infra/servicebus.json", `"LockDuration": "PT5M"`, `"LockDuration": "PT50M"`},
		{"messages live long enough", "infra/servicebus.json", `"MaxDeliveryCount": 10`, `"MaxDeliveryCount": 1`},
		{"messages live long enough", "infra/servicebus.json", `"DeadLetteringOnMessageExpiration": true`, `"DeadLetteringOnMessageExpiration": false`},
		{"messages live long enough", "infra/servicebus.json", `"RequiresDuplicateDetection": false`, `"RequiresDuplicateDetection": true`},
		{"messages live long enough", variables, `var.retention_days <= 365`, `var.retention_days <= 3650`},
		{"messages live long enough", "infra/azure.json", `81920`, `1024`},
		{"messages live long enough", "infra/azure.json", `"segment": { "maxSizeMegabytes": 10240 }`, `"segment": { "maxSizeMegabytes": 2048 }`},
		{"messages live long enough", "infra/azure.json", `"chunksADay": 1300000, `, ``},
		{"retention is the same everywhere", variables, `var.retention_days >= 7`, `var.retention_days >= 1`},
		{"retention is the same everywhere", "cmd/handler/config.go", `envDefault:"31d"`, `envDefault:"30d"`},
		{"retention is the same everywhere", variables, "default     = 10000", "default     = 500000"},
		{"the United Kingdom only", "infra/azure.json", `"ukwest"`, `"northeurope"`},
		{"the United Kingdom only", "infra/terraform/cosmos.tf", `var.secondary_location` + "\n", `"northeurope"` + "\n"},
		{"the shim's schema is complete", "infra/terraform/main.tf", `azurerm_management_lock" "this"`, `azurerm_management_group" "this"`},
		{"examples fit the variables", "infra/terraform/env/prod.tfvars.example", `tenant_id `, `tenant `},
		{"examples fit the variables", "infra/terraform/main.tfvars.json", `"tenant_id"`, `"tenant"`},
		{"examples fit the variables", variables, `variable "workload"`, `variable "name"`},
		{"only keeper deletes originals", "infra/roles.json", `{ "role": "custom:reader", "scope": "container:footage" }`, `{ "role": "custom:editor", "scope": "container:footage" }`},
		{"only keeper deletes originals", "infra/roles.json", `"Storage Blob Delegator", "scope": "account:evidence"`, `"Storage Blob Data Contributor", "scope": "account:evidence"`},
		{"only keeper deletes originals", "infra/roles.json", `"custom:prober"`, `"custom:disposer"`},
		{"only keeper deletes originals", "infra/roles.json", `{ "role": "custom:disposer", "scope": "container:footage" }`, `{ "role": "custom:editor", "scope": "container:footage" }`},
		{"rights match the work", "infra/roles.json", `{ "role": "Azure Service Bus Data Receiver", "scope": "queue:expire" },`, ``},
		{"rights match the work", "infra/roles.json", `"scope": "subscription:footage/proxy"`, `"scope": "subscription:footage/retention"`},
		{"rights match the work", "infra/roles.json", `{ "role": "AcrPull", "scope": "registry" }`, `{ "role": "Azure Service Bus Data Sender", "scope": "queue:expire" }`},
		{"rights match the work", "infra/roles.json", `{ "role": "Azure Service Bus Data Receiver", "scope": "subscription:footage/digest" },`, ``},
		{"rights match the work", "infra/roles.json", `{ "role": "Azure Service Bus Data Receiver", "scope": "queue:segment" },`, ``},
		{"rights match the work", "infra/roles.json", `"Azure Service Bus Data Sender", "scope": "queue:segment"`, `"Azure Service Bus Data Sender", "scope": "topic:footage"`},
		{"roles are narrow", "infra/roles.json", `"Azure Service Bus Data Sender", "scope": "queue:reprocess"`, `"Azure Service Bus Data Owner", "scope": "queue:reprocess"`},
		{"roles are narrow", "infra/roles.json", `"scope": "container:renditions" }`, `"scope": "resourceGroup" }`},
		{"roles are narrow", "infra/roles.json", `containers/items/replace"`, `containers/items/*"`},
		{"roles are narrow", "infra/roles.json", `containers/items/upsert"`, `containers/items/delete"`},
		{"roles are narrow", "infra/roles.json", `containers/blobs/add/action"`, `containers/blobs/deleteBlobVersion/action"`},
		{"each alert has its runbook", "infra/alerts.json", `"breaker": {`, `"fuse": {`},
		{"each alert has its runbook", "infra/alerts.json", `"mismatch": {`, `"digests": {`},
		{"each alert has its runbook", "docs/runbooks/segment.md", "## How to reprocess", "## Again"},
		{"each alert has its runbook", "docs/runbooks/expire.md", "## What is safe", "## Safety"},
		{"runbooks ask for what there is", "docs/runbooks/mismatch.md", `'digest.mismatch'`, `'metadata.digest-mismatch'`},
		{"runbooks ask for what there is", "docs/runbooks/failures.md", `'handler.failed')`, `'handler.broken')`},
		{"runbooks ask for what there is", "docs/runbooks/segment.md", `== 'segment'`, `== 'chunk'`},
		{"runbooks ask for what there is", "docs/runbooks/reprocess.md", `"digest",`, `"segment",`},
		{"alerts hang on events that are written", "infra/alerts.json", `'tripped'`, `'fell'`},
		{"alerts hang on events that are written", "infra/alerts.json", `toint(line.overdue)`, `toint(line.late)`},
		{"alerts hang on events that are written", "infra/alerts.json", `["digest.mismatch"]`, `["metadata.digest-mismatch"]`},
		{"alerts hang on events that are written", "docs/events.md", "`digest.mismatch`", "`metadata.digest-mismatch`"},
		{"alerts hang on events that are written", "internal/pipeline/reconcile.go", `"reconcile.report"`, `"reconcile.done"`},
		{"alerts hang on events that are written", "docs/events.md", "`reconcile.report`", "`reconcile.done`"},
		{"alerts hang on events that are written", "internal/azfunc/log.go", `"invocation.failed"`, `"invocation.error"`},
		{"each stage is watched", "infra/alerts.json", `"expire": { "severity": 1 },`, `"expire": { "severity": 1 }, "export": { "severity": 1 },`},
		{"each stage is watched", "infra/alerts.json", `"ingest": { "severity": 1 },`, ``},
		{"each stage is watched", "infra/alerts.json", `"digest": { "severity": 2 },`, ``},
		{"each stage is watched", "infra/alerts.json", `"segment": { "severity": 2 },`, ``},
		{"each stage is watched", "infra/alerts.json", `"backlog": {`, `"evening": {`},
		{"each stage is watched", "infra/alerts.json", `"reconcile": {`, `"reconciling": {`},
	}
}

// TestJoinBites breaks each joined file in memory and sees the check notice.
func TestJoinBites(t *testing.T) {
	w, all := load(t), checks()
	bitten := map[string]int{}
	for _, m := range mutations() {
		check, ok := all[m.check]
		if !ok {
			t.Fatalf("no check %q", m.check)
		}
		if !strings.Contains(w[m.file], m.old) {
			t.Errorf("%s has no %q to change", m.file, m.old)
			continue
		}
		changed := maps.Clone(w)
		changed[m.file] = strings.Replace(w[m.file], m.old, m.new, 1)
		found := check(changed)
		if len(found) == 0 {
			t.Errorf("%s: nobody notices that %q became %q in %s", m.check, m.old, m.new, m.file)
			continue
		}
		bitten[m.check]++
		t.Logf("%-40s | %s: %.60q -> %.60q | %s", m.check, m.file, m.old, m.new, found[0])
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if bitten[name] == 0 {
			t.Errorf("check %q was never seen to fail", name)
		}
	}
}
