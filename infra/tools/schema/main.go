// Schema keeps of a provider's schema (terraform providers schema -json) what the Terraform files of a folder use:
//
//	schema full.json ../terraform > shim/azurerm-schema.json
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"
)

const address = "registry.terraform.io/hashicorp/azurerm"

type provider struct {
	Provider    json.RawMessage            `json:"provider"`
	Resources   map[string]json.RawMessage `json:"resource_schemas"`
	DataSources map[string]json.RawMessage `json:"data_source_schemas"`
}

type schemas struct {
	Format    string              `json:"format_version"`
	Providers map[string]provider `json:"provider_schemas"`
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: schema FULL.json FOLDER > azurerm-schema.json")
	}
	out, err := filter(os.Args[1], os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		log.Fatal(err)
	}
}

func filter(full, folder string) (schemas, error) {
	raw, err := os.ReadFile(full)
	if err != nil {
		return schemas{}, err
	}
	var all schemas
	if err := json.Unmarshal(raw, &all); err != nil {
		return schemas{}, fmt.Errorf("reading %s: %w", full, err)
	}
	from, ok := all.Providers[address]
	if !ok {
		return schemas{}, fmt.Errorf("%s has no schema of %s", full, address)
	}
	to := provider{Provider: plain(from.Provider), Resources: map[string]json.RawMessage{}, DataSources: map[string]json.RawMessage{}}
	files, err := filepath.Glob(filepath.Join(folder, "*.tf"))
	if err != nil || len(files) == 0 {
		return schemas{}, fmt.Errorf("no Terraform files in %s: %w", folder, err)
	}
	used := regexp.MustCompile(`(?m)^(resource|data)\s+"(azurerm_[a-z0-9_]+)"`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return schemas{}, err
		}
		for _, m := range used.FindAllStringSubmatch(string(text), -1) {
			source, sink := from.Resources, to.Resources
			if m[1] == "data" {
				source, sink = from.DataSources, to.DataSources
			}
			schema, ok := source[m[2]]
			if !ok {
				return schemas{}, fmt.Errorf("%s: the provider has no %s %s", file, m[1], m[2])
			}
			sink[m[2]] = plain(schema)
		}
	}
	return schemas{Format: all.Format, Providers: map[string]provider{address: to}}, nil
}

// plain takes the descriptions away: two thirds of the text, and nothing that a test needs.
func plain(raw json.RawMessage) json.RawMessage {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return raw
	}
	out, err := json.Marshal(strip(v))
	if err != nil {
		return raw
	}
	return out
}

func strip(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			if _, text := inner.(string); text && (key == "description" || key == "description_kind") {
				delete(v, key)
				continue
			}
			v[key] = strip(inner)
		}
	case []any:
		for i := range v {
			v[i] = strip(v[i])
		}
	}
	return v
}
