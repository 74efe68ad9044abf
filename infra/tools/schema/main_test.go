package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFilter(t *testing.T) {
	dir := t.TempDir()
	full := filepath.Join(dir, "full.json")
	text := `{"format_version":"1.0","provider_schemas":{"` + address + `":{"provider":{"block":{}},"resource_schemas":{` +
		`"azurerm_a":{"block":{"description":"long","attributes":{"description":{"type":"string","description":"long"}}}},"azurerm_b":{}},"data_source_schemas":{}}}}`
	if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	write := func(hcl string) {
		if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(hcl), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("resource \"azurerm_a\" \"x\" {\n}\n")
	got, err := filter(full, dir)
	if err != nil {
		t.Fatal(err)
	}
	kept := got.Providers[address].Resources
	if len(kept) != 1 || string(kept["azurerm_a"]) != `{"block":{"attributes":{"description":{"type":"string"}}}}` {
		t.Errorf("kept %s", kept)
	}
	write("resource \"azurerm_c\" \"x\" {\n}\n")
	if _, err := filter(full, dir); err == nil || !strings.Contains(err.Error(), "azurerm_c") {
		t.Errorf("an unknown type: %v", err)
	}
}
