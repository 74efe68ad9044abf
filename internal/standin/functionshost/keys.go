package functionshost

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
)

// keyring holds the host's keys, as the blob container azure-webjobs-secrets does in Azure.
type keyring struct {
	Master    string            `json:"masterKey"`
	Host      string            `json:"hostKey"`
	Functions map[string]string `json:"functionKeys"`
}

// loadKeys reads keys.json and makes what is missing. A master key that is given is not stored.
func loadKeys(dir, master string, all []*function) (*keyring, error) {
	path := filepath.Join(dir, "keys.json")
	k := &keyring{}
	data, err := readLimited(path)
	switch {
	case err == nil:
		if err := json.Unmarshal(data, k); err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("reading the keys: %w", err)
	}
	changed := false
	fill := func(key *string) {
		if *key == "" {
			*key, changed = newKey(), true
		}
	}
	if master == "" {
		fill(&k.Master)
	}
	fill(&k.Host)
	if k.Functions == nil {
		k.Functions = map[string]string{}
	}
	for _, f := range all {
		if f.http != nil {
			key := k.Functions[f.name]
			fill(&key)
			k.Functions[f.name] = key
		}
	}
	if changed {
		if err := writeJSON(path, k); err != nil {
			return nil, fmt.Errorf("storing the keys: %w", err)
		}
	}
	if master != "" {
		k.Master = master
	}
	return k, nil
}

func newKey() string {
	var b [40]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return base64.URLEncoding.EncodeToString(b[:])
}

// writeJSON replaces a file: written aside, then renamed, so that a crash leaves the old one or the new one.
func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	aside := path + ".new"
	if err := os.WriteFile(aside, data, 0o600); err != nil {
		return err
	}
	return os.Rename(aside, path)
}

// given is the key of a request: the header wins over the query.
func given(r *http.Request) string {
	if key := r.Header.Get("X-Functions-Key"); key != "" {
		return key
	}
	return r.URL.Query().Get("code")
}

func same(a, b string) bool {
	return a != "" && b != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

// admin reports whether the request carries the master key.
func (k *keyring) admin(r *http.Request) bool { return same(given(r), k.Master) }

// allows reports whether the request may call an HTTP function: function level takes the function's key, the
// host's or the master's, admin level only the master's.
func (k *keyring) allows(r *http.Request, f *function) bool {
	switch key := given(r); f.http.auth {
	case "anonymous":
		return true
	case "admin":
		return same(key, k.Master)
	default:
		return same(key, k.Functions[f.name]) || same(key, k.Host) || same(key, k.Master)
	}
}
