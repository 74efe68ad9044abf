package main

import (
	"fmt"
	"strings"
	"testing"
)

func planned(address, kind, actions, before, after string) string {
	return fmt.Sprintf(`{"format_version":"1.2","resource_changes":[{"address":%q,"type":%q,"change":{"actions":[%s],"before":%s,"after":%s}}]}`, address, kind, actions, before, after)
}

func TestJudge(t *testing.T) {
	const app = "azurerm_linux_function_app"
	keep := func(v string) string { return `{"location":"uksouth","app_settings":{"RETENTION_KEEP":"` + v + `"}}` }
	for name, c := range map[string]struct {
		plan    string
		shorter bool
		refused string
	}{
		"create":                 {planned("azurerm_storage_account.evidence", "azurerm_storage_account", `"create"`, `null`, `{"location":"uksouth"}`), false, ""},
		"change":                 {planned("azurerm_cosmosdb_account.this", "azurerm_cosmosdb_account", `"update"`, `{}`, `{"location":"UK South"}`), false, ""},
		"destroy the account":    {planned("azurerm_storage_account.evidence", "azurerm_storage_account", `"delete"`, `{}`, `null`), false, "holds evidence"},
		"replace the account":    {planned("azurerm_storage_account.evidence", "azurerm_storage_account", `"delete","create"`, `{}`, `{"location":"uksouth"}`), false, "delete, then create"},
		"create before destroy":  {planned("azurerm_cosmosdb_account.this", "azurerm_cosmosdb_account", `"create","delete"`, `{}`, `{}`), false, "holds evidence"},
		"destroy a container":    {planned(`azurerm_storage_container.this["footage"]`, "azurerm_storage_container", `"delete"`, `{}`, `null`), false, "holds evidence"},
		"destroy a queue":        {planned(`azurerm_servicebus_queue.this["expire"]`, "azurerm_servicebus_queue", `"delete"`, `{}`, `null`), false, "decides about it"},
		"destroy the key":        {planned("azurerm_key_vault_key.evidence[0]", "azurerm_key_vault_key", `"delete"`, `{}`, `null`), false, "holds evidence"},
		"take a lock":            {planned(`azurerm_management_lock.this["ledger"]`, "azurerm_management_lock", `"delete"`, `{}`, `null`), false, "holds evidence"},
		"replace an app":         {planned(`azurerm_linux_function_app.this["web"]`, app, `"delete","create"`, keep("31d"), keep("31d")), false, ""},
		"destroy a host account": {planned(`azurerm_storage_account.host["web"]`, "azurerm_storage_account", `"delete"`, `{}`, `null`), false, ""},
		"abroad":                 {planned("azurerm_container_registry.this", "azurerm_container_registry", `"create"`, `null`, `{"location":"westeurope"}`), false, "United Kingdom"},
		"shorter retention":      {planned(`azurerm_linux_function_app.this["keeper"]`, app, `"update"`, keep("31d"), keep("7d")), false, "7 days instead of 31"},
		"shorter, by two people": {planned(`azurerm_linux_function_app.this["keeper"]`, app, `"update"`, keep("31d"), keep("7d")), true, ""},
		"longer retention":       {planned(`azurerm_linux_function_app.this["keeper"]`, app, `"update"`, keep("31d"), keep("60d")), false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			refused, err := judge(strings.NewReader(c.plan), c.shorter)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(refused, "; "); (got == "") != (c.refused == "") || !strings.Contains(got, c.refused) {
				t.Errorf("got %q, want %q", got, c.refused)
			}
		})
	}
}

func TestNoPlan(t *testing.T) {
	for _, text := range []string{"", "{}", "[]", "Error: no plan"} {
		if _, err := judge(strings.NewReader(text), false); err == nil {
			t.Errorf("%q was taken for a plan", text)
		}
	}
}
