package infratest

import (
	"regexp"
	"slices"
	"strings"
)

type assignment struct{ Role, Scope string }

type roles struct {
	Custom map[string]struct {
		Description          string
		Actions, DataActions []string
	}
	Ledger     map[string][]string
	Identities map[string]struct {
		Ledger      string
		Assignments []assignment
	}
	EveryZone []assignment
}

func (w world) roles(p *problems) (r roles) {
	w.decode(p, "infra/roles.json", &r, true)
	return r
}

// may tells what an identity can do with blobs of a container: read, write, delete.
func (r roles) may(identity, container string) []string {
	builtIn := map[string][]string{
		"Storage Blob Data Reader": {"read"}, "Storage Blob Data Contributor": {"read", "write", "delete"}, "Storage Blob Data Owner": {"read", "write", "delete"},
	}
	var list []string
	for _, a := range r.Identities[identity].Assignments {
		if a.Scope != "container:"+container && a.Scope != "account:evidence" {
			continue
		}
		list = append(list, builtIn[a.Role]...)
		if name, custom := strings.CutPrefix(a.Role, "custom:"); custom {
			for _, action := range r.Custom[name].DataActions {
				switch {
				case strings.HasSuffix(action, "blobs/read"):
					list = append(list, "read")
				case strings.HasSuffix(action, "blobs/delete"):
					list = append(list, "delete")
				case strings.HasSuffix(action, "blobs/write"), strings.HasSuffix(action, "blobs/add/action"):
					list = append(list, "write")
				default:
					list = append(list, action)
				}
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// onlyKeeperDeletesOriginals is the first promise: what each identity may do with originals and renditions, and no more.
func onlyKeeperDeletesOriginals(w world) (p problems) {
	r := w.roles(&p)
	for container, want := range map[string]map[string]string{
		"footage":               {"web": "", "media": "read", "keeper": "delete read", "events": ""},
		"renditions":            {"web": "read", "media": "delete read write", "keeper": "delete read", "events": ""},
		"eventgrid-dead-letter": {"web": "", "media": "", "keeper": "", "events": "delete read write"},
		"custody":               {"web": "", "media": "", "keeper": "", "events": ""},
		"inventory":             {"web": "", "media": "", "keeper": "", "events": ""},
	} {
		for identity, rights := range want {
			if got := strings.Join(r.may(identity, container), " "); got != rights {
				p.add("%s may %q blobs of %s, not %q", identity, got, container, rights)
			}
		}
	}
	p.same("identity", "infra/roles.json", sorted(r.Identities), "the zones and Event Grid", append(sorted(w.zones(&p)), "events"))
	return p
}

// rightsMatchWork: a zone may receive exactly what its functions are triggered by, and send exactly what its stages send.
func rightsMatchWork(w world) (p problems) {
	r, zone := w.roles(&p), w.zoneOf(&p)
	var receive, granted []string
	for name, b := range w.triggers(&p) {
		if b.QueueName != "" {
			receive = append(receive, zone[name]+" queue:"+b.QueueName)
		} else if b.TopicName != "" {
			receive = append(receive, zone[name]+" subscription:"+b.entity())
		}
	}
	var sends []string
	for identity, i := range r.Identities {
		for _, a := range i.Assignments {
			switch a.Role {
			case "Azure Service Bus Data Receiver":
				granted = append(granted, identity+" "+a.Scope)
			case "Azure Service Bus Data Sender":
				sends = append(sends, identity+" "+a.Scope)
			}
		}
	}
	p.same("right to receive", "the triggers", receive, "infra/roles.json", granted)
	p.same("right to send", "the stages", []string{
		"web queue:expire",    // flag cancels, unflag schedules
		"web queue:reprocess", // resubmit
		"media queue:segment", // proxy has its chunks made
		"keeper queue:ingest", // reconcile announces what was lost
		"keeper queue:expire", // retention schedules, expire defers
		"keeper topic:footage",
		"events queue:ingest",
	}, "infra/roles.json", sends)
	return p
}

// rolesAreNarrow: nothing with a wildcard, nothing that manages, nothing on more than one resource.
func rolesAreNarrow(w world) (p problems) {
	r := w.roles(&p)
	every := slices.Clone(r.EveryZone)
	for _, i := range r.Identities {
		every = append(every, i.Assignments...)
	}
	scope := regexp.MustCompile(`^(container:[a-z-]+|queue:[a-z]+|topic:[a-z]+|subscription:[a-z]+/[a-z]+|account:evidence|host|packages|registry|insights)$`)
	allowed := []string{"Azure Service Bus Data Sender", "Azure Service Bus Data Receiver", "Storage Blob Delegator", "AcrPull", "Monitoring Metrics Publisher", "Storage Blob Data Reader"}
	for _, a := range every {
		name, custom := strings.CutPrefix(a.Role, "custom:")
		_, known := r.Custom[name]
		narrow := slices.Contains(allowed, a.Role) || custom && known ||
			a.Scope == "host" && slices.Contains([]string{"Storage Blob Data Owner", "Storage Queue Data Contributor", "Storage Table Data Contributor"}, a.Role) ||
			a == assignment{"Storage Blob Data Contributor", "container:eventgrid-dead-letter"}
		if !narrow || !scope.MatchString(a.Scope) || a.Scope == "account:evidence" && a.Role != "Storage Blob Delegator" {
			p.add("%s on %s is too much", a.Role, a.Scope)
		}
	}
	for name, c := range r.Custom {
		for _, action := range append(slices.Clone(c.Actions), c.DataActions...) {
			if !regexp.MustCompile(`^Microsoft\.Storage/storageAccounts/blobServices/containers/(read|blobs/(read|write|delete|add/action))$`).MatchString(action) {
				p.add("role %s: %s", name, action)
			}
		}
	}
	for name, actions := range r.Ledger {
		for _, action := range actions {
			if !regexp.MustCompile(`^Microsoft\.DocumentDB/databaseAccounts/(readMetadata|sqlDatabases/containers/(executeQuery|items/(create|read|replace|upsert)))$`).MatchString(action) {
				p.add("ledger role %s: %s", name, action)
			}
		}
	}
	for identity, i := range r.Identities {
		if _, ok := r.Ledger[i.Ledger]; !ok && identity != "events" {
			p.add("%s has no role on the ledger", identity)
		}
	}
	return p
}
