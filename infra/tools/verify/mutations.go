package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// mutation is a mistake that somebody could make, and the test that must notice it: a file of tests and, in it, a run.
type mutation struct{ name, file, old, new, test, run string }

const (
	security, identities, messaging, operations = "security", "identities", "messaging", "operations"
)

// list has for each promise at least one mistake. File names are below infra/.
func list() []mutation {
	return []mutation{
		{"footage account on the internet", "terraform/storage.tf", "public_network_access_enabled     = false\n", "public_network_access_enabled     = true\n", security, "storage"},
		{"shared keys", "terraform/storage.tf", "shared_access_key_enabled         = false", "shared_access_key_enabled         = true", security, "storage"},
		{"old TLS on a host account", "terraform/storage.tf", "min_tls_version                  = \"TLS1_2\"", "min_tls_version                  = \"TLS1_0\"", security, "storage"},
		{"a public container", "terraform/storage.tf", "container_access_type = \"private\"", "container_access_type = \"blob\"", security, "storage"},
		{"any page may read the store", "terraform/storage.tf", "allowed_origins    = [local.portal_url]", "allowed_origins    = [\"*\"]", security, "storage"},
		{"no versions", "terraform/storage.tf", "versioning_enabled            = true", "versioning_enabled            = false", security, "write_once"},
		{"write-once ends early", "terraform/locals.tf", "originals_worm_days = var.retention_days - 1", "originals_worm_days = 1", security, "write_once"},
		{"write-once for renditions", "terraform/storage.tf", "state                         = \"Disabled\"", "state                         = \"Unlocked\"", security, "write_once"},
		{"lifecycle deletes footage", "terraform/storage.tf", "tier_to_cold_after_days_since_modification_greater_than    = 120", "delete_after_days_since_modification_greater_than          = 120", security, "erasure_is_complete_in_bounded_time"},
		{"erased versions stay", "terraform/storage.tf", "delete_after_days_since_creation = var.retention_days\n", "delete_after_days_since_creation = 3650\n", security, "erasure_is_complete_in_bounded_time"},
		{"inventory without versions", "terraform/storage.tf", "include_blob_versions = true", "include_blob_versions = false", security, "erasure_is_complete_in_bounded_time"},
		{"Service Bus keys", "terraform/messaging.tf", "local_auth_enabled            = false", "local_auth_enabled            = true", security, "databases_and_messages"},
		{"Service Bus on the internet", "terraform/messaging.tf", "public_network_access_enabled = !local.premium_bus", "public_network_access_enabled = true", security, "databases_and_messages"},
		{"Event Grid locked out", "terraform/messaging.tf", "trusted_services_allowed      = true", "trusted_services_allowed      = false", security, "databases_and_messages"},
		{"ledger keys", "terraform/cosmos.tf", "local_authentication_enabled          = false", "local_authentication_enabled          = true", security, "databases_and_messages"},
		{"ledger backups by interval", "terraform/cosmos.tf", "type = \"Continuous\"\n    tier = \"Continuous30Days\"", "type = \"Periodic\"", security, "databases_and_messages"},
		{"a flag may be lost with the region", "azure.json", `"consistency": "Strong"`, `"consistency": "Session"`, security, "databases_and_messages"},
		{"keeper on the internet", "terraform/functions.tf", "public_network_access_enabled                  = each.key == \"web\"", "public_network_access_enabled                  = true", security, "apps"},
		{"portal without sign-in", "terraform/functions.tf", "require_authentication = true", "require_authentication = false", security, "apps"},
		{"any tenant signs in", "terraform/functions.tf", "microsoftonline.com/${var.tenant_id}/", "microsoftonline.com/common/", security, "apps"},
		{"more than health is open", "terraform/functions.tf", "excluded_paths         = [\"/api/health\"]", "excluded_paths         = [\"/api\"]", security, "apps"},
		{"a key in an app setting", "terraform/settings.tf", "LOG_LEVEL ", "EXTRA = \"AccountKey=abc\"\n    LOG_LEVEL ", security, "apps"},
		{"publishing with a password", "terraform/functions.tf", "webdeploy_publish_basic_authentication_enabled = false", "webdeploy_publish_basic_authentication_enabled = true", security, "apps"},
		{"one plan for hostile files and deletion", "terraform/functions.tf", "for_each                     = local.zones\n", "for_each                     = { for zone, names in local.zones : zone => names if zone != \"media\" }\n", security, "storage"},
		{"a store without private endpoint", "terraform/network.tf", "ledger        = { id = azurerm_cosmosdb_account.this.id, sub = \"Sql\", zone = \"cosmos\" }\n", "", security, "private_endpoints"},
		{"media reaches the internet", "terraform/network.tf", "access                     = \"Deny\"", "access                     = \"Allow\"", security, "private_endpoints"},
		{"deployer's opening reaches evidence", "terraform/storage.tf", "public_network_access_enabled     = false\n", "public_network_access_enabled     = length(var.deployer_ip_ranges) > 0\n", security, "publishing_from_outside_opens_no_evidence"},
		{"key can be purged", "terraform/keyvault.tf", "purge_protection_enabled      = true", "purge_protection_enabled      = false", security, "customer_managed_key"},
		{"media may delete originals", "roles.json", `{ "role": "custom:reader", "scope": "container:footage" }`, `{ "role": "custom:editor", "scope": "container:footage" }`, identities, "least_privilege"},
		{"web owns the account's data", "roles.json", `"Storage Blob Delegator", "scope": "account:evidence"`, `"Storage Blob Data Owner", "scope": "account:evidence"`, identities, "least_privilege"},
		{"reader deletes", "roles.json", `"dataActions": ["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"]`, `"dataActions": ["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read", "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete"]`, identities, "least_privilege"},
		{"Contributor", "roles.json", `"role": "AcrPull"`, `"role": "Contributor"`, identities, "least_privilege"},
		{"role on the resource group", "terraform/rbac.tf", "\"packages\"         = azurerm_storage_container.packages.id", "\"packages\"         = azurerm_resource_group.this.id", identities, "least_privilege"},
		{"media takes disposals", "roles.json", `"scope": "subscription:footage/proxy"`, `"scope": "queue:expire"`, identities, "least_privilege"},
		{"media announces recordings", "roles.json", `"Azure Service Bus Data Sender", "scope": "queue:segment"`, `"Azure Service Bus Data Sender", "scope": "topic:footage"`, identities, "least_privilege"},
		{"chunks that nobody may take", "roles.json", `{ "role": "Azure Service Bus Data Receiver", "scope": "queue:segment" },`, ``, identities, "least_privilege"},
		{"custody can be deleted", "roles.json", "containers/items/replace\"", "containers/items/delete\"", identities, "least_privilege"},
		{"a zone runs another's function", "functions.json", `"proxy", "segment"]`, `"proxy", "segment", "expire"]`, identities, "one_identity_a_zone"},
		{"media makes playlists for people", "functions.json", "\"playlist\", \"audit\", \"resubmit\", \"release\", \"health\"],\n    \"media\": [", "\"audit\", \"resubmit\", \"release\", \"health\"],\n    \"media\": [\"playlist\", ", identities, "each_app_runs_its_zone_only"},
		{"media runs as keeper", "terraform/functions.tf", "identity_ids = [azurerm_user_assigned_identity.this[each.key].id]", "identity_ids = [azurerm_user_assigned_identity.this[each.key == \"media\" ? \"keeper\" : each.key].id]", identities, "one_identity_a_zone"},
		{"media signs in as keeper", "terraform/settings.tf", "AZURE_CLIENT_ID                           = azurerm_user_assigned_identity.this[zone].client_id", "AZURE_CLIENT_ID                           = azurerm_user_assigned_identity.this[\"keeper\"].client_id", identities, "one_identity_a_zone"},
		{"keeper's rights for web", "terraform/rbac.tf", "azurerm_user_assigned_identity.this[each.value.identity].principal_id", "azurerm_user_assigned_identity.this[\"web\"].principal_id", identities, "one_identity_a_zone"},
		{"a rendition triggers ingest", "storage.json", `"container": "footage"`, `"container": "renditions"`, messaging, "uploads_start_the_pipeline_and_renditions_never_do"},
		{"incomplete uploads trigger", "storage.json", `"apis": ["PutBlob", `, `"apis": ["PutBlob", "PutBlock", `, messaging, "uploads_start_the_pipeline_and_renditions_never_do"},
		{"events of deletions, too", "storage.json", `Microsoft.Storage.BlobCreated`, `Microsoft.Storage.BlobDeleted`, messaging, "uploads_start_the_pipeline_and_renditions_never_do"},
		{"undeliverable events are lost", "terraform/eventing.tf", "azurerm_storage_container.this[\"eventgrid-dead-letter\"].name", "azurerm_storage_container.this[\"renditions\"].name", messaging, "uploads_start_the_pipeline_and_renditions_never_do"},
		{"another event schema", "terraform/eventing.tf", "\"EventGridSchema\"", "\"CloudEventSchemaV1_0\"", messaging, "uploads_start_the_pipeline_and_renditions_never_do"},
		{"lock beyond Azure's limit", "servicebus.json", `"LockDuration": "PT5M"`, `"LockDuration": "PT50M"`, messaging, "queues"},
		{"given up at once", "servicebus.json", `"MaxDeliveryCount": 10`, `"MaxDeliveryCount": 1`, messaging, "queues"},
		{"disposals die before they are due", "servicebus.json", `"P400D"`, `"P14D"`, messaging, "queues"},
		{"a filter for another stage", "servicebus.json", `"Label": "retention"`, `"Label": "proxy"`, messaging, "filters"},
		{"digests wait for another's message", "servicebus.json", `"Label": "digest"`, `"Label": "metadata"`, messaging, "filters"},
		{"chunks without a queue", "servicebus.json", `"Name": "segment"`, `"Name": "segments"`, messaging, "queues"},
		{"short locks for long work", "servicebus.json", `"LockDuration": "PT5M"`, `"LockDuration": "PT1M"`, messaging, "queues"},
		{"too small for three days of chunks", "azure.json", `"segment": { "maxSizeMegabytes": 10240 }`, `"segment": { "maxSizeMegabytes": 2048 }`, messaging, "queues"},
		{"too small for 2.7 million disposals", "azure.json", `"maxSizeMegabytes": 81920`, `"maxSizeMegabytes": 1024`, messaging, "queues"},
		{"records vanish by themselves", "cosmos.json", `"partitionKey": "/shard"`, `"partitionKey": "/shard", "defaultTtl": 86400`, messaging, "ledger"},
		{"listings without their index", "cosmos.json", `"/sort/created"`, `"/created"`, messaging, "ledger"},
		{"ledger copy abroad", "terraform/cosmos.tf", "location          = var.secondary_location", "location          = \"northeurope\"", operations, "uk_only"},
		{"logs abroad", "terraform/observability.tf", "location                     = var.location\n  sku", "location                     = \"westeurope\"\n  sku", operations, "uk_only"},
		{"readable copy", "terraform/locals.tf", `local.zonal ? "GZRS" : "GRS"`, `local.zonal ? "RAGZRS" : "GRS"`, operations, "uk_only"},
		{"retention does not reach the app", "terraform/settings.tf", "\"${var.retention_days}d\"", "\"31d\"", operations, "what_is_kept_reaches_the_handler"},
		{"kill switch does not reach the app", "terraform/settings.tf", "tostring(var.disposal_paused)", "\"false\"", operations, "what_is_kept_reaches_the_handler"},
		{"evidence without a lock", "terraform/main.tf", "    evidence   = azurerm_storage_account.evidence.id\n", "", operations, "locks"},
		{"a lock that forbids nothing", "terraform/main.tf", `"CanNotDelete"`, `"ReadOnly"`, operations, "locks"},
		{"write-once never locked", "terraform/storage.tf", "locked                                = var.immutability_locked", "locked                                = false", operations, "prod"},
		{"a resource without logs", "terraform/observability.tf", "      servicebus = azurerm_servicebus_namespace.this.id\n", "", operations, "everything_is_watched"},
		{"audit logs only", "terraform/observability.tf", `category_group = "allLogs"`, `category_group = "audit"`, operations, "everything_is_watched"},
		{"dead letters alert late", "alerts.json", `"aggregation": "Maximum", "operator": "GreaterThan", "threshold": 0`, `"aggregation": "Maximum", "operator": "GreaterThan", "threshold": 100`, operations, "everything_is_watched"},
		{"nobody hears of a mismatch", "alerts.json", `"mismatch": {`, `"mismatches": {`, operations, "everything_is_watched"},
		{"a mismatch is waited for in vain", "alerts.json", `'digest.mismatch'`, `'metadata.digest-mismatch'`, operations, "everything_is_watched"},
		{"chunks alert every evening", "alerts.json", `"value": "segment", "operator": "Exclude"`, `"value": "*"`, operations, "everything_is_watched"},
		{"chunks alert within the hour", "alerts.json", `"every": "PT1H", "window": "P1D", "dimension"`, `"every": "PT1H", "window": "PT1H", "dimension"`, operations, "everything_is_watched"},
		{"all but segment by another word", "terraform/alerts.tf", `try(dimension.value.operator, "Include")`, `"Include"`, operations, "everything_is_watched"},
		{"an alert is gone", "alerts.json", `"breaker": {`, `"breakers": {`, operations, "everything_is_watched"},
		{"an alert that is off", "terraform/alerts.tf", "skip_query_validation   = true # the tables come with the first lines\n  enabled                 = true", "skip_query_validation   = true\n  enabled                 = false", operations, "everything_is_watched"},
		{"an alert to nobody", "terraform/alerts.tf", "  action {\n    action_groups     = [azurerm_monitor_action_group.on_call.id]\n", "  action {\n", operations, "everything_is_watched"},
		{"lines sampled away", "terraform/settings.tf", `samplingSettings__isEnabled = "false"`, `samplingSettings__isEnabled = "true"`, operations, "everything_is_watched"},
		{"regions abroad accepted", "terraform/variables.tf", `condition     = contains(["uksouth", "ukwest"], var.location)`, `condition     = contains(["uksouth", "ukwest", "westeurope"], var.location)`, "refusals", "region_outside_the_uk"},
		{"retention of 0 accepted", "terraform/variables.tf", "var.retention_days >= 7", "var.retention_days >= 0", "refusals", "retention_of_0"},
		{"public Service Bus in prod accepted", "terraform/variables.tf", `var.servicebus_sku == "Premium" || var.environment == "dev"`, `var.servicebus_sku != "" || var.environment == "dev"`, "refusals", "public_service_bus_outside_dev"},
		{"attribute that does not exist", "terraform/messaging.tf", "lock_duration                           =", "lock_duration_seconds                   =", "messaging", "queues"},
	}
}

// mutations breaks one copy after the other and prints who noticed. A mutation that nobody notices is an error.
func (b *bench) mutations(first, only string) error {
	const workers = 2
	work := make(chan mutation)
	var lines, missed []string
	var mu sync.Mutex
	var wait sync.WaitGroup
	dirs := []string{first}
	for n := 1; n < workers; n++ {
		dir := filepath.Join(b.home, fmt.Sprint(n))
		if err := b.copy(dir); err != nil {
			return err
		}
		if out, _, err := b.do(dir, "init", "-backend=false", "-input=false", "-no-color"); err != nil {
			return fmt.Errorf("init: %w\n%s", err, out)
		}
		dirs = append(dirs, dir)
	}
	for _, dir := range dirs {
		wait.Go(func() {
			for m := range work {
				words, err := b.mutate(dir, m)
				mu.Lock()
				if err != nil {
					missed = append(missed, fmt.Sprintf("%s: %v", m.name, err))
				} else {
					lines = append(lines, fmt.Sprintf("| %-42s | %-30s | %-10s | %s |", m.name, m.file, m.test+"/"+m.run, words))
					fmt.Println(lines[len(lines)-1])
				}
				mu.Unlock()
			}
		})
	}
	fmt.Printf("\n| %-42s | %-30s | %-10s | %s |\n|---|---|---|---|\n", "mutation", "in", "caught by", "words")
	for _, m := range list() {
		if strings.Contains(m.name, only) {
			work <- m
		}
	}
	close(work)
	wait.Wait()
	fmt.Printf("\n%d mutations, %d caught, CPU in all %.1f s\n", len(lines)+len(missed), len(lines), b.cpu.Seconds())
	if len(missed) > 0 {
		return fmt.Errorf("not caught:\n%s", strings.Join(missed, "\n"))
	}
	return nil
}

// mutate breaks one file, runs the tests that should notice, and puts the file back.
func (b *bench) mutate(dir string, m mutation) (string, error) {
	path := filepath.Join(dir, m.file)
	sound, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if !strings.Contains(string(sound), m.old) {
		return "", fmt.Errorf("%s has no %q to change", m.file, m.old)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(sound), m.old, m.new, 1)), 0o644); err != nil {
		return "", err
	}
	defer os.WriteFile(path, sound, 0o644) //nolint:errcheck // the copy is thrown away
	test, err := alone(filepath.Join(dir, "terraform", "tests"), m)
	if err != nil {
		return "", err
	}
	defer os.Remove(test) //nolint:errcheck // it is written anew for the next one
	out, _, err := b.do(dir, "test", "-no-color", "-filter=tests/"+filepath.Base(test))
	if err == nil {
		return "", fmt.Errorf("%s of %s noticed nothing", m.run, m.test)
	}
	return reason(out), nil
}

var aRun = regexp.MustCompile(`(?ms)^run "(\w+)" \{$.*?^\}$`)

// alone writes a test file that has only the run that a mutation names: the others, which take most of the time, are about something else.
func alone(tests string, m mutation) (string, error) {
	text, err := os.ReadFile(filepath.Join(tests, m.test+".tftest.hcl"))
	if err != nil {
		return "", err
	}
	kept := 0
	text = aRun.ReplaceAllFunc(text, func(run []byte) []byte {
		if string(aRun.FindSubmatch(run)[1]) != m.run {
			return nil
		}
		kept++
		return run
	})
	if kept != 1 {
		return "", fmt.Errorf("%s has %d runs %q", m.test, kept, m.run)
	}
	file := filepath.Join(tests, "alone.tftest.hcl")
	return file, os.WriteFile(file, text, 0o644)
}

// reason is the first thing that the test said.
func reason(out string) string {
	plain := regexp.MustCompile(`[│╷╵]`).ReplaceAllString(out, "")
	_, after, found := strings.Cut(plain, "Error: ")
	if !found {
		return "?"
	}
	paragraphs := regexp.MustCompile(`\n\s*\n`).Split(after, -1)
	title := strings.TrimSpace(strings.SplitN(paragraphs[0], "\n", 2)[0])
	if title != "Test assertion failed" || len(paragraphs) < 3 {
		return title
	}
	return strings.TrimSpace(strings.SplitN(strings.TrimSpace(paragraphs[2]), "\n", 2)[0])
}
