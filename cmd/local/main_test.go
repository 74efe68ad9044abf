package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	var out bytes.Buffer
	o, err := parse([]string{"--retention", "2m", "--port", "0"}, &out)
	if err != nil || o.retention != "2m" || o.ports.Functions != 0 || o.ports.Blob != 10000 {
		t.Errorf("%+v, %v", o, err)
	}
	if _, err := parse([]string{"--help"}, &out); !errors.Is(err, flag.ErrHelp) || !strings.Contains(out.String(), "until Ctrl-C") {
		t.Errorf("%v: %s", err, out.String())
	}
	if _, err := parse([]string{"up"}, &out); err == nil || !strings.Contains(err.Error(), `"up" is not a flag`) {
		t.Errorf("%v", err)
	}
}

func TestReadSettings(t *testing.T) {
	settings, err := readSettings(filepath.Join("..", "..", "local.settings.sample.json"))
	if err != nil || settings["IDENTITY"] != "development" || settings["FUNCTIONS_WORKER_RUNTIME"] != "custom" {
		t.Errorf("%v, %v", settings, err)
	}
	for name, test := range map[string]struct{ content, words string }{
		"encrypted": {`{"IsEncrypted":true,"Values":{"A":"x"}}`, "func settings decrypt"},
		"half":      {`{"Values":`, "reading"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "settings.json")
			if err := os.WriteFile(file, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := readSettings(file); err == nil || !strings.Contains(err.Error(), test.words) {
				t.Errorf("%v", err)
			}
		})
	}
	if _, err := readSettings("nowhere.json"); err == nil || !strings.Contains(err.Error(), "repository's root") {
		t.Errorf("%v", err)
	}
}
