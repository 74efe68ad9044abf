package azfunc

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"bwv/internal/evidence"
)

func ask(header, value string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/api/evidence", nil)
	if header != "" {
		r.Header.Set(header, value)
	}
	return r
}

// principal is the header as App Service authentication makes it.
func principal(kind, claims string) string {
	return base64.StdEncoding.EncodeToString([]byte(`{"auth_typ":"` + kind + `","name_typ":"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",` +
		`"role_typ":"http://schemas.microsoft.com/ws/2008/06/identity/claims/role","claims":[` + claims + `]}`))
}

func TestPlatform(t *testing.T) {
	const (
		name   = `{"typ":"name","val":"Ada Morris"}`
		user   = `{"typ":"preferred_username","val":"ada@force.example"}`
		tenant = `{"typ":"http://schemas.microsoft.com/identity/claims/tenantid","val":"t-1"}`
	)
	for title, c := range map[string]struct {
		claims string
		want   evidence.Actor
	}{
		"short claim": {`{"typ":"oid","val":"o-1"},` + name, evidence.Actor{ID: "o-1", Name: "Ada Morris"}},
		"long claim":  {`{"typ":"http://schemas.microsoft.com/identity/claims/objectidentifier","val":"o-1"},` + tenant, evidence.Actor{ID: "o-1"}},
		"name first":  {`{"typ":"oid","val":"o-1"},` + name + "," + user, evidence.Actor{ID: "o-1", Name: "ada@force.example"}},
		"name last":   {`{"typ":"oid","val":"o-1"},` + user + "," + name, evidence.Actor{ID: "o-1", Name: "ada@force.example"}},
		"roles, both spellings": {`{"typ":"oid","val":"o-1"},{"typ":"roles","val":"officer"},` +
			`{"typ":"http://schemas.microsoft.com/ws/2008/06/identity/claims/role","val":"auditor"},{"typ":"groups","val":"g-1"}`,
			evidence.Actor{ID: "o-1", Roles: []string{"officer", "auditor"}}},
	} {
		t.Run(title, func(t *testing.T) {
			got, err := Platform(ask("X-MS-CLIENT-PRINCIPAL", principal("aad", c.claims)))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestNobodyIsBelieved(t *testing.T) {
	const oid = `{"typ":"oid","val":"o-1"}`
	people := []evidence.Actor{{ID: "development:officer"}, {ID: "development:auditor"}}
	for title, c := range map[string]struct {
		who           Identify
		header, value string
	}{
		"no principal":                       {Platform, "", ""},
		"another header":                     {Platform, "X-MS-CLIENT-PRINCIPAL-ID", "o-1"},
		"another provider":                   {Platform, "X-MS-CLIENT-PRINCIPAL", principal("google", oid)},
		"no provider":                        {Platform, "X-MS-CLIENT-PRINCIPAL", principal("", oid)},
		"no base64":                          {Platform, "X-MS-CLIENT-PRINCIPAL", "{}"},
		"no JSON":                            {Platform, "X-MS-CLIENT-PRINCIPAL", base64.StdEncoding.EncodeToString([]byte("aad"))},
		"wrong types":                        {Platform, "X-MS-CLIENT-PRINCIPAL", base64.StdEncoding.EncodeToString([]byte(`{"auth_typ":"aad","claims":7}`))},
		"no object id":                       {Platform, "X-MS-CLIENT-PRINCIPAL", principal("aad", `{"typ":"name","val":"Ada"}`)},
		"empty object id":                    {Platform, "X-MS-CLIENT-PRINCIPAL", principal("aad", `{"typ":"oid","val":""}`)},
		"development header on Azure":        {Platform, DevelopmentHeader, "officer"},
		"nobody said":                        {Development(people), "", ""},
		"unknown person":                     {Development(people), DevelopmentHeader, "chief"},
		"the id instead of the name":         {Development(people), DevelopmentHeader, "development:officer"},
		"principal on a developer's machine": {Development(people), "X-MS-CLIENT-PRINCIPAL", principal("aad", oid)},
		"no sign-in, principal":              {Nobody, "X-MS-CLIENT-PRINCIPAL", principal("aad", oid)},
		"no sign-in, development":            {Nobody, DevelopmentHeader, "officer"},
	} {
		t.Run(title, func(t *testing.T) {
			got, err := c.who(ask(c.header, c.value))
			if !errors.Is(err, evidence.Anonymous) {
				t.Errorf("error %v", err)
			}
			if got.ID != "" {
				t.Errorf("believed to be %+v", got)
			}
		})
	}
}

func TestDevelopment(t *testing.T) {
	people := []evidence.Actor{{ID: "development:officer", Roles: []string{"officer"}}, {ID: "development:auditor"}}
	got, err := Development(people)(ask(DevelopmentHeader, "officer"))
	if err != nil || !reflect.DeepEqual(got, people[0]) {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err = Development(people)(ask("", ""))
	for _, word := range []string{DevelopmentHeader, "officer", "auditor"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%v does not say %s", err, word)
		}
	}
}
