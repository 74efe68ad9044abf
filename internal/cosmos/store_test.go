package cosmos_test

import (
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"bwv/internal/cosmos"
	"bwv/internal/evidence"
	"bwv/internal/evidence/evidencetest"
	account "bwv/internal/standin/cosmos"
)

const key = "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw=="

// stand is one account for all tests of this package; each test has a database of its own.
type stand struct {
	server      *account.Server
	url         string
	declaration string
	databases   atomic.Int32
}

var stands *stand

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	root, err := repository()
	if err != nil {
		return 0, err
	}
	declaration, err := os.ReadFile(filepath.Join(root, "infra", "cosmos.json"))
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "cosmos")
	if err != nil {
		return 0, err
	}
	defer func() {
		if e := os.RemoveAll(dir); err == nil {
			err = e
		}
	}()
	// pages of few documents, often empty, as Azure's may be
	server, err := account.Open(account.Options{Dir: dir, Key: key, PageScan: 7})
	if err != nil {
		return 0, err
	}
	web := httptest.NewServer(server)
	stands = &stand{server: server, url: web.URL, declaration: string(declaration)}
	code = m.Run()
	web.Close()
	if err := server.Close(); err != nil {
		return code, err
	}
	// the client's transport is the SDK's own and lives as long as the process; its connections ended with the server
	return code, goleak.Find(goleak.IgnoreTopFunction("internal/poll.runtime_pollWait"))
}

// repository is the folder of go.mod.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.mod above the working directory")
		}
		dir = parent
	}
}

// declare makes an empty database with the containers of infra/cosmos.json and returns its name.
func (s *stand) declare(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("test%d", s.databases.Add(1))
	declaration := strings.Replace(s.declaration, `"database": "bwv"`, `"database": "`+name+`"`, 1)
	if declaration == s.declaration {
		t.Fatal("infra/cosmos.json does not name its database as expected")
	}
	if err := s.server.Declare(io.LimitReader(strings.NewReader(declaration), 1<<20)); err != nil {
		t.Fatal(err)
	}
	return name
}

func open(t *testing.T, url, database string) *cosmos.Store {
	t.Helper()
	s, err := cosmos.Open(cosmos.Config{Endpoint: url, Key: key, Database: database, Container: "evidence"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func fresh(t *testing.T) *cosmos.Store {
	t.Helper()
	return open(t, stands.url, stands.declare(t))
}

func TestLedger(t *testing.T) {
	evidencetest.Ledger(t, func(t *testing.T) (evidence.Ledger, evidence.Catalogue) {
		s := fresh(t)
		return s, s
	})
}

func TestBreaker(t *testing.T) {
	evidencetest.Breaker(t, func(t *testing.T) evidence.Breaker { return fresh(t).Breaker() })
}

func TestReady(t *testing.T) {
	if err := fresh(t).Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := open(t, stands.url, "missing").Ready(t.Context()); err == nil {
		t.Fatal("a database that is not there is ready")
	}
}
