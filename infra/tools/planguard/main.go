// Planguard reads a Terraform plan (terraform show -json PLAN) on standard input and refuses, with words, what must not be applied: the
// destruction or replacement of anything that holds evidence, a resource outside the United Kingdom, and a retention that gets shorter
// without two people having said so (-shorter-retention).
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strconv"
	"strings"
)

func main() {
	log.SetFlags(0)
	shorter := flag.Bool("shorter-retention", false, "accept that unflagged recordings are kept for less time than now")
	flag.Parse()
	refused, err := judge(os.Stdin, *shorter)
	if err != nil {
		log.Fatal("plan: ", err)
	}
	for _, r := range refused {
		log.Print("refused: ", r)
	}
	if len(refused) > 0 {
		os.Exit(1)
	}
	fmt.Println("plan: destroys no evidence, stays in the United Kingdom, keeps what is kept")
}

type plan struct {
	Format  string   `json:"format_version"`
	Changes []change `json:"resource_changes"`
}

type change struct {
	Address string `json:"address"`
	Type    string `json:"type"`
	Change  struct {
		Actions []string       `json:"actions"`
		Before  map[string]any `json:"before"`
		After   map[string]any `json:"after"`
	} `json:"change"`
}

// evidence are the types that hold evidence, the key to it, or what decides about it; host storage and packages hold none.
func evidence(c change) bool {
	switch c.Type {
	case "azurerm_storage_account":
		return c.Address == "azurerm_storage_account.evidence"
	case "azurerm_storage_container":
		return strings.HasPrefix(c.Address, "azurerm_storage_container.this[")
	}
	return slices.Contains([]string{
		"azurerm_resource_group", "azurerm_storage_container_immutability_policy", "azurerm_cosmosdb_account", "azurerm_cosmosdb_sql_database",
		"azurerm_cosmosdb_sql_container", "azurerm_servicebus_namespace", "azurerm_servicebus_queue", "azurerm_servicebus_topic", "azurerm_servicebus_subscription",
		"azurerm_key_vault", "azurerm_key_vault_key", "azurerm_management_lock", "azurerm_log_analytics_workspace",
	}, c.Type)
}

func judge(r io.Reader, shorter bool) ([]string, error) {
	var p plan
	if err := json.NewDecoder(r).Decode(&p); err != nil {
		return nil, fmt.Errorf("reading: %w", err)
	}
	if p.Format == "" {
		return nil, errors.New("this is no plan in JSON: use terraform show -json")
	}
	var refused []string
	for _, c := range p.Changes {
		if slices.Contains(c.Change.Actions, "delete") && evidence(c) {
			refused = append(refused, fmt.Sprintf("%s would be %s: it holds evidence, or what decides about it", c.Address, strings.Join(c.Change.Actions, ", then ")))
		}
		if at, ok := c.Change.After["location"].(string); ok && !slices.Contains([]string{"uksouth", "ukwest", "global", "uk south", "uk west"}, strings.ToLower(at)) {
			refused = append(refused, fmt.Sprintf("%s would lie in %s: footage, and what knows of it, stays in the United Kingdom", c.Address, at))
		}
		was, is := days(c.Change.Before), days(c.Change.After)
		if !shorter && was > 0 && is > 0 && is < was {
			refused = append(refused, fmt.Sprintf("%s: unflagged recordings would be kept for %d days instead of %d, and what is older would go within the hour; two people, then -shorter-retention", c.Address, is, was))
		}
	}
	return refused, nil
}

// days reads RETENTION_KEEP of an app, 0 if there is none.
func days(values map[string]any) int {
	settings, _ := values["app_settings"].(map[string]any)
	keep, _ := settings["RETENTION_KEEP"].(string)
	n, err := strconv.Atoi(strings.TrimSuffix(keep, "d"))
	if err != nil {
		return 0
	}
	return n
}
