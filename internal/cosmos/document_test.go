package cosmos_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"

	"bwv/internal/cosmos"
	"bwv/internal/evidence"
)

// raw reads every document of a partition as it is stored, by the SDK alone.
func raw(t *testing.T, database, partition string) map[string]map[string]any {
	t.Helper()
	credential, err := azcosmos.NewKeyCredential(key)
	if err != nil {
		t.Fatal(err)
	}
	client, err := azcosmos.NewClientWithKey(stands.url, credential, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	container, err := client.NewContainer(database, "evidence")
	if err != nil {
		t.Fatal(err)
	}
	documents := map[string]map[string]any{}
	pager := container.NewQueryItemsPager("SELECT * FROM c", azcosmos.NewPartitionKeyString(partition), nil)
	for pager.More() {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			var d map[string]any
			if err := json.Unmarshal(item, &d); err != nil {
				t.Fatal(err)
			}
			documents[d["id"].(string)] = d
		}
	}
	return documents
}

// TestDocuments pins what other tools read: ids, types, partitions and sort keys.
func TestDocuments(t *testing.T) {
	database := stands.declare(t)
	s := open(t, stands.url, database)
	r, e := received(t)
	stored, err := s.Commit(t.Context(), r, e)
	if err != nil {
		t.Fatal(err)
	}
	next, e, err := stored.Schedule(noon().AddDate(0, 0, 31), noon().AddDate(0, 0, 31), 1<<60, cause())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(t.Context(), next, e); err != nil {
		t.Fatal(err)
	}
	if ok, err := s.Breaker().Admit(t.Context(), noon(), 5); err != nil || !ok {
		t.Fatal(ok, err)
	}
	if err := s.Breaker().Release(t.Context(), cause()); err != nil {
		t.Fatal(err)
	}

	id := string(r.ID)
	partition := raw(t, database, "lambeth/2026-11")
	if len(partition) != 3 {
		t.Fatalf("%d documents", len(partition))
	}
	for name, want := range map[string]string{
		id:             `{"id":"` + id + `","shard":"lambeth/2026-11","type":"evidence","sort":{"created":"2026-11-22T12:00:00.500000000Z","fires":"2026-12-23T12:00:00.500000000Z","started":"2026-11-22T12:00:00.500000000Z"},"unit":"lambeth","unended":true}`,
		id + ":000001": `{"id":"` + id + `:000001","shard":"lambeth/2026-11","type":"custody","evidence":"` + id + `","number":1,"operation":"collection:receive"}`,
		id + ":000002": `{"id":"` + id + `:000002","shard":"lambeth/2026-11","type":"custody","evidence":"` + id + `","number":2,"operation":"alteration:schedule"}`,
	} {
		has(t, partition[name], want)
	}
	if sequence := partition[id]["retention"].(map[string]any)["sequence"]; sequence != "1152921504606846976" {
		t.Fatalf("sequence %v", sequence)
	}
	has(t, raw(t, database, "shards")["lambeth_2026-11"], `{"shard":"shards","type":"shard","name":"lambeth/2026-11"}`)
	has(t, raw(t, database, "control")["breaker"], `{"shard":"control","type":"breaker","hour":"2026-11-22T12:00:00Z","count":0,"limit":5,"released":{"at":"2026-11-22T12:00:00.5Z","by":{"id":"stage:test"},"reason":"why"}}`)
}

// has tells whether d has all of want, which is a JSON object.
func has(t *testing.T, d map[string]any, want string) {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(want), &members); err != nil {
		t.Fatal(err)
	}
	for name, member := range members {
		got, err := json.Marshal(d[name])
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(member) {
			t.Fatalf("%s is %s, want %s", name, got, member)
		}
	}
}

// TestOtherTypesAreNotRecords has a listing beside custody entries, and malformed IDs that lead nowhere.
func TestOtherTypesAreNotRecords(t *testing.T) {
	s := fresh(t)
	r, e := received(t)
	if _, err := s.Commit(t.Context(), r, e); err != nil {
		t.Fatal(err)
	}
	for _, shard := range []string{"shards", "control", ""} {
		if found, err := s.Find(t.Context(), shard, evidence.Query{Limit: 10}); err != nil || len(found) != 0 {
			t.Fatalf("%q holds %d records, %v", shard, len(found), err)
		}
	}
	for _, id := range []evidence.ID{"", "breaker", r.ID + ":000001", "lambeth_2026-11", evidence.ID(strings.Repeat("a", 5000))} {
		if _, err := s.Get(t.Context(), id); !errors.Is(err, evidence.NotFound) {
			t.Fatalf("%q: %v", id, err)
		}
		if entries, err := s.Chain(t.Context(), id); err != nil || len(entries) != 0 {
			t.Fatalf("%q: %d entries, %v", id, len(entries), err)
		}
	}
}

// TestTwoProcesses shares one container between two stores.
func TestTwoProcesses(t *testing.T) {
	database := stands.declare(t)
	a, b := open(t, stands.url, database), open(t, stands.url, database)
	r, e := received(t)
	stored, err := a.Commit(t.Context(), r, e)
	if err != nil {
		t.Fatal(err)
	}
	for n, s := range []*cosmos.Store{b, a, b} {
		stored, err = s.Get(t.Context(), stored.ID)
		if err != nil {
			t.Fatal(err)
		}
		next, e, err := stored.Consult(evidence.OpView, nil, cause())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Commit(t.Context(), next, e); err != nil {
			t.Fatalf("%d: %v", n, err)
		}
	}
	names, err := b.Shards(t.Context())
	if err != nil || !slices.Equal(names, []string{"lambeth/2026-11"}) {
		t.Fatal(names, err)
	}
	if ok, err := a.Breaker().Admit(t.Context(), noon(), 0); err != nil || ok {
		t.Fatal(ok, err)
	}
	if tripped, err := b.Breaker().Tripped(t.Context()); err != nil || !tripped {
		t.Fatal(tripped, err)
	}
}
