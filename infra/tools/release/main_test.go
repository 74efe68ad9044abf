package main

import (
	"archive/zip"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// dist is a package whose handler is this test's own binary, which has the linker's list.
func dist(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{"host.json": "{}", "ingest/function.json": `{"bindings":[]}`, "handler": string(binary)} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestPack(t *testing.T) {
	from, out := dist(t), t.TempDir()
	for _, name := range []string{"1.0.0", "again"} {
		if err := pack(from, out, name); err != nil {
			t.Fatal(err)
		}
	}
	first, err := os.ReadFile(filepath.Join(out, "1.0.0.zip"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(filepath.Join(out, "again.zip"))
	if err != nil {
		t.Fatal(err)
	}
	if string(first) != string(second) {
		t.Error("the same folder gave two archives")
	}
	z, err := zip.OpenReader(filepath.Join(out, "1.0.0.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	modes := map[string]os.FileMode{}
	for _, f := range z.File {
		modes[f.Name] = f.Mode().Perm()
	}
	if len(modes) != 3 || modes["handler"] != 0o755 || modes["host.json"] != 0o644 || modes["ingest/function.json"] != 0o644 {
		t.Errorf("archive has %v", modes)
	}
	raw, err := os.ReadFile(filepath.Join(out, "1.0.0.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var b materialBill
	if err := json.Unmarshal(raw, &b); err != nil {
		t.Fatal(err)
	}
	if b.Format != "CycloneDX" || len(b.Components) == 0 || b.Components[0].Name != "go" || len(b.Metadata.Component.Hashes[0].Content) != 64 {
		t.Errorf("bill of materials: %+v", b)
	}
}

func TestPackRefuses(t *testing.T) {
	if err := pack(t.TempDir(), t.TempDir(), "1.0.0"); err == nil {
		t.Error("an empty folder was packed")
	}
	if err := pack(dist(t), t.TempDir(), "../1.0.0"); err == nil {
		t.Error("a name that leads elsewhere was taken")
	}
}
