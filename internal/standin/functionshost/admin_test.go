package functionshost

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAdmin(t *testing.T) {
	r := offline(t, "Ok", "Hang")
	r.Write(t, "Ok/sample.dat", "sample input")
	r.Write(t, "Web/function.json", httpFunction("web/{id}", "anonymous"))
	h := r.Start(t)
	s := front(t, h)
	master := http.Header{"X-Functions-Key": {"master"}}
	for _, c := range []struct {
		method, path, body string
		header             http.Header
		want               int
	}{
		{"GET", "/admin/host/ping", "", nil, 200}, {"GET", "/admin/host/status", "", nil, 401}, {"GET", "/admin/host/status?code=master", "", nil, 200},
		{"GET", "/admin/host/status", "", http.Header{"X-Functions-Key": {h.keys.Host}}, 401}, {"POST", "/admin/host/status", "", master, 404},
		{"GET", "/admin/functions", "", nil, 401}, {"GET", "/ADMIN/Functions", "", master, 200}, {"GET", "/admin/functions/ok", "", master, 200},
		{"GET", "/admin/functions/nope", "", master, 404}, {"GET", "/admin/functions/Ok/status", "", master, 200}, {"GET", "/admin/functions/nope/status", "", master, 404},
		{"GET", "/admin/functions/Ok/keys", "", master, 404}, {"GET", "/admin", "", master, 404}, {"GET", "/api/../admin/functions", "", nil, 401},
		{"POST", "/admin/functions/Ok", `{"input":"hello"}`, nil, 401}, {"POST", "/admin/functions/nope", `{"input":"x"}`, master, 404},
		{"POST", "/admin/functions/Ok", ``, master, 400}, {"POST", "/admin/functions/Ok", `{"input":7}`, master, 400}, {"POST", "/admin/functions/Ok", `{"input":{}}`, master, 400},
		{"POST", "/admin/functions/Ok", `nope`, master, 400}, {"POST", "/admin/functions/Ok", `null`, master, 400}, {"POST", "/admin/functions/Web", `{"input":"x"}`, master, 400},
		{"POST", "/admin/functions/Ok", `{"input":"` + strings.Repeat("x", maxAdminBody) + `"}`, master, 413},
	} {
		if response, text := send(t, c.method, s.URL+c.path, strings.NewReader(c.body), c.header); response.StatusCode != c.want {
			t.Errorf("%s %s %.40s: %d %s, want %d", c.method, c.path, c.body, response.StatusCode, text, c.want)
		}
	}
	if n := len(r.Calls(t, "Ok")); n != 0 {
		t.Errorf("a refused call ran %d times", n)
	}
	if response, text := send(t, "POST", s.URL+"/admin/functions/Ok", strings.NewReader(`{"Input":"hello"}`), master); response.StatusCode != 202 || text != "" {
		t.Errorf("%d %q", response.StatusCode, text)
	}
	Until(t, "the run", func() bool { return len(r.Calls(t, "Ok")) == 1 })
	if got := string(r.Calls(t, "Ok")[0].Data["msg"]); got != `"aGVsbG8="` {
		t.Errorf("the input arrived as %s", got)
	}
	// The answer does not wait for the function.
	if response, _ := send(t, "POST", s.URL+"/admin/functions/Hang", strings.NewReader(`{"input":""}`), master); response.StatusCode != 202 {
		t.Errorf("%d", response.StatusCode)
	}
	var list []struct {
		Name, Language string
		Config         map[string]any
		TestData       string `json:"test_data"`
		IsDisabled     bool
		InvokeURL      string `json:"invoke_url_template"`
	}
	_, text := send(t, "GET", s.URL+"/admin/functions", nil, master)
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) != 3 {
		t.Fatalf("%s: %v", text, err)
	}
	if f := list[1]; f.Name != "Ok" || !f.IsDisabled || f.TestData != "sample input" || f.Config["bindings"] == nil || f.Language != "Custom" {
		t.Errorf("%+v", f)
	}
	if f := list[2]; f.InvokeURL != s.URL+"/api/web/{id}" || f.IsDisabled {
		t.Errorf("%+v", f)
	}
	_, text = send(t, "GET", s.URL+"/admin/host/status", nil, master)
	mustContain(t, text, `"state":"Running"`, `"version":"4.`)
}

func TestRunsByHandAreLimited(t *testing.T) {
	r := offline(t, "Ok")
	h := r.Start(t)
	s := front(t, h)
	release := make(chan struct{})
	for n := range maxDetached {
		if !h.detach(func(context.Context) { <-release }) {
			t.Fatalf("run %d was refused", n)
		}
	}
	post := func() int {
		response, _ := send(t, "POST", s.URL+"/admin/functions/Ok?code=master", strings.NewReader(`{"input":"x"}`), nil)
		return response.StatusCode
	}
	if got := post(); got != http.StatusTooManyRequests {
		t.Errorf("one too many: %d", got)
	}
	close(release)
	Until(t, "room for a run", func() bool { return post() == http.StatusAccepted })
}

func TestDrain(t *testing.T) {
	t.Parallel()
	r := offline(t, "Hang")
	r.Write(t, "Tick/function.json", `{"bindings":[{"type":"timerTrigger","name":"t","schedule":"* * * * * *"}]}`)
	h := r.Start(t)
	s := front(t, h)
	master := http.Header{"X-Functions-Key": {"master"}}
	Until(t, "a tick", func() bool { return len(r.Calls(t, "Tick")) > 0 })
	done := make(chan error, 1)
	go func() { done <- run(h, "Hang", "x") }()
	Until(t, "a call in flight", func() bool { return len(r.Calls(t, "Hang")) == 1 })
	if response, text := send(t, "POST", s.URL+"/admin/host/drain", nil, master); response.StatusCode != 202 {
		t.Errorf("%d %s", response.StatusCode, text)
	}
	Until(t, "only the call in flight is left", func() bool {
		_, text := send(t, "GET", s.URL+"/admin/host/drain/status", nil, master)
		return strings.Contains(text, `"outstandingInvocations":1`) && strings.Contains(text, "InProgress")
	})
	h.worker.expire()
	if err := <-done; err == nil {
		t.Error("the call in flight succeeded without its handler")
	}
	Until(t, "it is drained", func() bool {
		_, text := send(t, "GET", s.URL+"/admin/host/drain/status", nil, master)
		return strings.Contains(text, "Completed")
	})
}

func TestKeysAreMadeOnceAndKept(t *testing.T) {
	r := web(t)
	o := r.Options()
	o.MasterKey = ""
	first, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	info, err := os.Stat(filepath.Join(r.State, "keys.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info.Mode(), err)
	}
	second, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if first.MasterKeyValue() == "" || first.MasterKeyValue() != second.MasterKeyValue() || first.keys.Functions["Locked"] != second.keys.Functions["Locked"] {
		t.Error("the keys changed")
	}
	o.MasterKey = "given"
	third, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	data, _ := os.ReadFile(filepath.Join(r.State, "keys.json"))
	if third.MasterKeyValue() != "given" || strings.Contains(string(data), "given") {
		t.Error("a given key was not used, or was stored")
	}
	if err := os.WriteFile(filepath.Join(r.State, "keys.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(o); err == nil {
		t.Error("a broken keys.json passed")
	}
}
