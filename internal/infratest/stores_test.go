package infratest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// containersExist: the handler's containers are declared, in the same words on Azure and on one machine.
func containersExist(w world) (p problems) {
	var s struct {
		Containers         []string
		EventSubscriptions []struct {
			Name, Container, EventType, Queue string
			APIs                              []string
		}
	}
	w.decode(&p, "infra/storage.json", &s, true)
	names := regexp.MustCompile(`(?m)^\t(?:footage|renditionsContainer)\s+= "([a-z]+)"`).FindAllStringSubmatch(strings.Join(texts(w, "cmd/handler/"), "\n"), -1)
	if len(names) != 2 {
		p.add("cmd/handler names %d containers, not two", len(names))
		return p
	}
	footage, renditions := names[0][1], names[1][1]
	p.same("container", "infra/storage.json", s.Containers, "the handler and Event Grid", []string{footage, renditions, "eventgrid-dead-letter"})
	var azure struct{ Containers map[string]any }
	w.decode(&p, "infra/azure.json", &azure, false)
	for name := range azure.Containers {
		if slices.Contains(s.Containers, name) {
			p.add("container %s: declared in storage.json and in azure.json", name)
		}
	}
	if len(s.EventSubscriptions) != 1 {
		p.add("%d event subscriptions, not one", len(s.EventSubscriptions))
		return p
	}
	e := s.EventSubscriptions[0]
	if trigger := w.triggers(&p)["ingest"]; e.Container != footage || e.Queue != trigger.QueueName || e.EventType != "Microsoft.Storage.BlobCreated" {
		p.add("event subscription %s: %s of %s to %s; ingest wants BlobCreated of %s on %s", e.Name, e.EventType, e.Container, e.Queue, footage, trigger.QueueName)
	}
	p.same("operation", "infra/storage.json", e.APIs, "those that complete an upload", []string{"PutBlob", "PutBlockList", "CopyBlob"})
	if want := fmt.Sprintf("/blobServices/default/containers/%s/blobs/", e.Container); !strings.Contains(strings.Join(texts(w, "internal/pipeline/"), "\n"), strconv.Quote(want)) {
		p.add("internal/pipeline does not take subjects that begin with %s", want)
	}
	return p
}

// ledgerIsDeclared: names, partition key and composite index are those that the adapter uses.
func ledgerIsDeclared(w world) (p problems) {
	type part struct{ Path, Order string }
	var c struct {
		Database   string
		Containers []struct {
			Name, PartitionKey string
			DefaultTTL         *int
			IndexingPolicy     struct {
				IndexingMode                 string
				Automatic                    bool
				IncludedPaths, ExcludedPaths []part
				CompositeIndexes             [][]part
			}
		}
	}
	w.decode(&p, "infra/cosmos.json", &c, true)
	config := w.config(&p)
	if len(c.Containers) != 1 || c.Database != config["COSMOS_DATABASE"].fallback || c.Containers[0].Name != config["COSMOS_CONTAINER"].fallback {
		p.add("infra/cosmos.json declares %s and %d containers, the handler uses %s of %s", c.Database, len(c.Containers), config["COSMOS_CONTAINER"].fallback, config["COSMOS_DATABASE"].fallback)
		return p
	}
	one := c.Containers[0]
	if one.DefaultTTL != nil {
		p.add("container %s has a time to live: records and custody entries would vanish", one.Name)
	}
	adapter := strings.Join(texts(w, "internal/cosmos/"), "\n")
	if field := strings.TrimPrefix(one.PartitionKey, "/"); !strings.Contains(adapter, "`json:\""+field+"\"`") {
		p.add("no document of internal/cosmos has the partition key %s", one.PartitionKey)
	}
	var orders, indexes []string
	for _, m := range regexp.MustCompile(`ORDER BY ([^"]+)"`).FindAllStringSubmatch(adapter, -1) {
		if strings.Contains(m[1], ",") { // one field needs no composite index
			orders = append(orders, m[1])
		}
	}
	for _, index := range one.IndexingPolicy.CompositeIndexes {
		var parts []string
		for _, x := range index {
			parts = append(parts, "c"+strings.ReplaceAll(x.Path, "/", ".")+map[string]string{"descending": " DESC", "ascending": ""}[x.Order])
		}
		indexes = append(indexes, strings.Join(parts, ", "))
	}
	slices.Sort(orders)
	p.same("order", "internal/cosmos", slices.Compact(orders), "infra/cosmos.json's composite indexes", indexes)
	var excluded []string
	for _, path := range one.IndexingPolicy.ExcludedPaths {
		excluded = append(excluded, strings.TrimSuffix(path.Path, "*"))
	}
	for _, m := range regexp.MustCompile(`c\.([a-z]+)(?:\.([a-z]+))? (?:=|<|>|DESC)`).FindAllStringSubmatch(adapter, -1) {
		if slices.Contains(excluded, "/"+m[1]+"/") {
			p.add("internal/cosmos asks for %s, which is not indexed", m[0])
		}
	}
	return p
}

const azureLongestLock = 5 * time.Minute // learn.microsoft.com/azure/service-bus-messaging/message-transfers-locks-settlement

// messagesLiveLongEnough: Azure's limits hold, and a scheduled disposal outlives the longest retention that may be configured.
func messagesLiveLongEnough(w world) (p problems) {
	longest := w.limit(&p, "retention_days", `<= (\d+)`)
	n := w.bus(&p)
	for name, e := range n.receivers() {
		lock, err := period(e.LockDuration)
		if err != nil || lock < 30*time.Second || lock > azureLongestLock {
			p.add("%s: lock of %s: Azure takes 5 minutes at most (%v)", name, e.LockDuration, err)
		}
		if e.MaxDeliveryCount < 5 || e.MaxDeliveryCount > 20 {
			p.add("%s: %d deliveries", name, e.MaxDeliveryCount)
		}
		if !e.DeadLetteringOnMessageExpiration || e.RequiresDuplicateDetection || e.RequiresSession || e.ForwardTo != "" || e.ForwardDeadLetteredMessagesTo != "" {
			p.add("%s: messages could vanish, be swallowed or go elsewhere: %+v", name, e)
		}
		life, err := period(e.DefaultMessageTimeToLive)
		if err != nil || life < 14*24*time.Hour {
			p.add("%s: messages live %s, less than a fortnight to mend something in (%v)", name, e.DefaultMessageTimeToLive, err)
		}
		if days := time.Duration(longest) * 24 * time.Hour; name == "expire" && life <= days+14*24*time.Hour {
			p.add("expire: messages live %s, but retention_days may be %d", e.DefaultMessageTimeToLive, longest)
		}
	}
	var azure struct {
		Entities map[string]struct{ MaxSizeMegabytes int }
		Sizing   struct{ PendingDisposals, ChunksADay, BytesEach int }
	}
	w.decode(&p, "infra/azure.json", &azure, false)
	if need := azure.Sizing.PendingDisposals * azure.Sizing.BytesEach / 1_000_000; need == 0 || azure.Entities["expire"].MaxSizeMegabytes < 2*need {
		p.add("queue expire has %d MB for %d MB of pending disposals", azure.Entities["expire"].MaxSizeMegabytes, need)
	}
	if need := 3 * azure.Sizing.ChunksADay * azure.Sizing.BytesEach / 1_000_000; need == 0 || azure.Entities["segment"].MaxSizeMegabytes < need {
		p.add("queue segment has %d MB for %d MB of chunks that wait when media stands still for a long weekend", azure.Entities["segment"].MaxSizeMegabytes, need)
	}
	return p
}

// limit finds a number in a variable's validation.
func (w world) limit(p *problems, variable, pattern string) int {
	_, rest, _ := strings.Cut(w["infra/terraform/variables.tf"], `variable "`+variable+`"`)
	rest, _, _ = strings.Cut(rest, "\nvariable ")
	m := regexp.MustCompile(pattern).FindStringSubmatch(rest)
	if m == nil {
		p.add("variable %s has no limit like %s", variable, pattern)
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		p.add("%v", err)
	}
	return n
}

// retentionAgrees: Terraform accepts what the handler accepts, with the same default.
func retentionAgrees(w world) (p problems) {
	least := regexp.MustCompile(`leastKeep = (\d+) \* 24 \* time\.Hour`).FindStringSubmatch(w["cmd/handler/config.go"])
	if low := w.limit(&p, "retention_days", `>= (\d+)`); least == nil || least[1] != strconv.Itoa(low) {
		p.add("Terraform accepts %d days of retention, the handler %v", low, least)
	}
	if days := w.limit(&p, "retention_days", `default\s+= (\d+)`); w.config(&p)["RETENTION_KEEP"].fallback != fmt.Sprintf("%dd", days) {
		p.add("Terraform keeps for %d days by default, the handler for %s", days, w.config(&p)["RETENTION_KEEP"].fallback)
	}
	if limit := w.limit(&p, "disposals_per_hour", `default\s+= (\d+)`); w.config(&p)["RETENTION_PER_HOUR"].fallback != strconv.Itoa(limit) {
		p.add("the breaker trips at %d an hour in Terraform, at %s in the handler", limit, w.config(&p)["RETENTION_PER_HOUR"].fallback)
	}
	return p
}

// ukOnly: no file of ours names a region outside the United Kingdom.
func ukOnly(w world) (p problems) {
	var azure struct{ Regions map[string]any }
	w.decode(&p, "infra/azure.json", &azure, false)
	p.same("region", "infra/azure.json", sorted(azure.Regions), "the United Kingdom", []string{"uksouth", "ukwest"})
	abroad := regexp.MustCompile(`(?i)"(?:(?:west|north|south|east|central|germany|france|sweden|norway|italy|poland|spain|switzerland)[a-z]*(?:europe|us|us2|us3|central|north)|eastus2?|westus[23]?)"`)
	for _, path := range append(w.below("infra/terraform/", ".tf"), w.below("infra/terraform/env/", "")...) {
		if m := abroad.FindString(w[path]); m != "" {
			p.add("%s names %s", path, m)
		}
	}
	return p
}

// schemaIsComplete: the shim knows every type that the Terraform files use, and no other.
func schemaIsComplete(w world) (p problems) {
	var used []string
	for _, path := range w.below("infra/terraform/", ".tf") {
		for _, m := range regexp.MustCompile(`(?m)^resource "(azurerm_[a-z0-9_]+)"`).FindAllStringSubmatch(w[path], -1) {
			if !slices.Contains(used, m[1]) {
				used = append(used, m[1])
			}
		}
	}
	var schema struct {
		Providers map[string]struct {
			Resources map[string]json.RawMessage `json:"resource_schemas"`
		} `json:"provider_schemas"`
	}
	w.decode(&p, "infra/tools/shim/azurerm-schema.json", &schema, false)
	for _, provider := range schema.Providers {
		p.same("type", "infra/terraform", used, "azurerm-schema.json", sorted(provider.Resources))
	}
	return p
}

// environmentsFit: each example sets what has no default, and nothing that does not exist.
func environmentsFit(w world) (p problems) {
	var all, required []string
	for _, block := range strings.Split(w["infra/terraform/variables.tf"], "\nvariable ") {
		m := regexp.MustCompile(`^(?:variable )?"([a-z_]+)"`).FindStringSubmatch(block)
		if m == nil {
			continue
		}
		all = append(all, m[1])
		if !regexp.MustCompile(`(?m)^\s+default\s+=`).MatchString(block) {
			required = append(required, m[1])
		}
		if !strings.Contains(block, "description =") {
			p.add("variable %s has no description", m[1])
		}
		if !strings.Contains(block, "validation {") && !strings.Contains(block, "= bool") && !strings.Contains(block, "= map(string)") {
			p.add("variable %s takes anything", m[1])
		}
	}
	var azd map[string]string
	w.decode(&p, "infra/terraform/main.tfvars.json", &azd, true)
	p.same("variable without default", "variables.tf", required, "main.tfvars.json", slices.DeleteFunc(sorted(azd), func(name string) bool { return name == "location" || name == "workload" }))
	examples := w.below("infra/terraform/env/", ".tfvars.example")
	if len(examples) != 3 {
		p.add("%d examples of environments, not dev, test and prod", len(examples))
	}
	for _, path := range examples {
		var set []string
		for _, m := range regexp.MustCompile(`(?m)^([a-z_]+)\s*=`).FindAllStringSubmatch(w[path], -1) {
			set = append(set, m[1])
		}
		for _, name := range set {
			if !slices.Contains(all, name) {
				p.add("%s sets %s, which is no variable", path, name)
			}
		}
		for _, name := range required {
			if !slices.Contains(set, name) && name != "package_version" { // scripts/deploy gives it
				p.add("%s does not set %s", path, name)
			}
		}
	}
	return p
}
