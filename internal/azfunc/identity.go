package azfunc

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"bwv/internal/evidence"
)

// Identify finds out who sends a request; the error is Anonymous when nobody is known.
type Identify func(*http.Request) (evidence.Actor, error)

// Nobody knows nobody: what a handler uses that was not told where identities come from.
func Nobody(*http.Request) (evidence.Actor, error) {
	return evidence.Actor{}, fmt.Errorf("this system has no sign-in configured: %w", evidence.Anonymous)
}

// Platform trusts the principal header of App Service authentication. The caller MUST have made sure that the platform sets it, and
// strips what clients send: cmd/handler refuses to start otherwise.
func Platform(r *http.Request) (evidence.Actor, error) {
	header := r.Header.Get("X-MS-CLIENT-PRINCIPAL")
	if header == "" {
		return evidence.Actor{}, fmt.Errorf("sign in first: %w", evidence.Anonymous)
	}
	raw, err := base64.StdEncoding.DecodeString(header)
	var principal struct {
		Type   string `json:"auth_typ"`
		Role   string `json:"role_typ"`
		Claims []struct {
			Type  string `json:"typ"`
			Value string `json:"val"`
		} `json:"claims"`
	}
	if err == nil {
		err = json.Unmarshal(raw, &principal)
	}
	if err != nil || principal.Type != "aad" {
		return evidence.Actor{}, fmt.Errorf("the platform's principal is not one of Entra ID: %w", evidence.Anonymous)
	}
	var a evidence.Actor
	for _, claim := range principal.Claims {
		switch claim.Type {
		case "oid", "http://schemas.microsoft.com/identity/claims/objectidentifier":
			a.ID = claim.Value
		case "preferred_username":
			a.Name = claim.Value
		case "name":
			if a.Name == "" {
				a.Name = claim.Value
			}
		case "roles", principal.Role:
			a.Roles = append(a.Roles, claim.Value)
		}
	}
	if a.ID == "" {
		return evidence.Actor{}, fmt.Errorf("the platform's principal has no object id: %w", evidence.Anonymous)
	}
	return a, nil
}

// DevelopmentHeader names one of the sample people on a developer's machine.
const DevelopmentHeader = "X-Development-Person"

// Development believes the DevelopmentHeader. The caller MUST have made sure that this is not Azure: cmd/handler refuses to start there.
func Development(people []evidence.Actor) Identify {
	return func(r *http.Request) (evidence.Actor, error) {
		name := r.Header.Get(DevelopmentHeader)
		names := make([]string, len(people))
		for i, p := range people {
			names[i] = strings.TrimPrefix(p.ID, "development:")
			if name == names[i] {
				return p, nil
			}
		}
		return evidence.Actor{}, fmt.Errorf("send header %s with one of %s: %w", DevelopmentHeader, strings.Join(names, ", "), evidence.Anonymous)
	}
}
