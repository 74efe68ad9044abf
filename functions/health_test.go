package functions_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

type health struct {
	Status string
	Checks map[string]string
}

func TestHealth(t *testing.T) {
	w := newWorld(t)
	var stores error
	w.health["blob"] = func(context.Context) error { return nil }
	w.health["cosmos"] = func(context.Context) error { return stores }

	var got health
	w.want(w.send(http.MethodGet, "/api/health", nil, nil), http.StatusOK, &got) // nobody has to sign in
	if want := (health{"healthy", map[string]string{"blob": "ok", "cosmos": "ok"}}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	stores = errors.New("dial bwv.documents.azure.com: refused")
	a := w.send(http.MethodGet, "/api/health", nil, nil)
	w.want(a, http.StatusServiceUnavailable, &got)
	if want := (health{"unhealthy", map[string]string{"blob": "ok", "cosmos": "no answer"}}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if strings.Contains(a.body, "documents.azure.com") {
		t.Errorf("%s tells anybody too much", a.body)
	}
}

// A store that hangs is asked for as long as the request lives, beside the others.
func TestHealthOfAHangingStore(t *testing.T) {
	w := newWorld(t)
	asked := make(chan struct{})
	w.health["blob"] = func(ctx context.Context) error {
		if _, limited := ctx.Deadline(); !limited {
			t.Error("no deadline")
		}
		close(asked)
		return nil
	}
	w.health["cosmos"] = func(context.Context) error { <-asked; return nil }
	w.want(w.send(http.MethodGet, "/api/health", nil, nil), http.StatusOK, nil)
}
