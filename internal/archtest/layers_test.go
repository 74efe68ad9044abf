package archtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// layer is what a package may import, of ours. An import always leads to a lower level.
type layer struct {
	level int
	may   []string
}

// layers is the table of the architecture. A new package gets its row here first.
func layers() map[string]layer {
	return map[string]layer{
		"internal/evidence":              {0, nil},
		"internal/gpmf":                  {0, nil},
		"internal/isobmff":               {0, nil},
		"internal/hls":                   {0, nil},
		"internal/kinds":                 {0, nil},
		"internal/archtest":              {0, nil},
		"internal/evidence/evidencetest": {1, []string{"internal/evidence"}},
		"internal/retention":             {1, []string{"internal/evidence"}},
		"internal/reclaim":               {1, []string{"internal/isobmff"}},

		"internal/pipeline":  {2, []string{"internal/evidence", "internal/retention", "internal/hls", "internal/isobmff"}},
		"internal/custodian": {2, []string{"internal/evidence", "internal/retention", "internal/hls"}},

		"internal/blob":       {3, []string{"internal/evidence"}},
		"internal/cosmos":     {3, []string{"internal/evidence"}},
		"internal/servicebus": {3, []string{"internal/evidence"}},
		"internal/ffmpeg":     {3, []string{"internal/evidence", "internal/gpmf", "internal/isobmff", "internal/reclaim"}},
		"internal/memory":     {3, []string{"internal/evidence"}},
		"internal/azfunc":     {3, []string{"internal/evidence"}},
		"internal/api":        {3, []string{"internal/custodian", "internal/evidence"}},
		"internal/portal":     {3, []string{"internal/custodian", "internal/evidence"}},

		"functions": {4, []string{"internal/azfunc", "internal/api", "internal/portal", "internal/custodian", "internal/pipeline", "internal/evidence"}},
		"cmd/handler": {5, []string{"functions", "internal/azfunc", "internal/api", "internal/portal", "internal/custodian", "internal/pipeline", "internal/evidence",
			"internal/retention", "internal/blob", "internal/cosmos", "internal/servicebus", "internal/ffmpeg"}},

		"internal/standin/azurite":       {0, nil},
		"internal/standin/cosmos":        {0, nil},
		"internal/standin/eventgrid":     {0, nil},
		"internal/standin/functionshost": {0, nil},
		"internal/standin/servicebus":    {0, nil},
		"internal/standin/stack":         {1, standins()},

		"internal/journey/browser": {0, nil},
		"internal/journey":         {2, []string{"internal/evidence", "internal/hls", "internal/standin/stack", "internal/standin/azurite"}},
		"cmd/local":                {2, append(standins(), "internal/standin/stack")},
		"cmd/dock":                 {0, nil},
		"cmd/demo":                 {3, append(standins(), "internal/standin/stack", "internal/journey", "internal/evidence")},
		"cmd/cost":                 {0, nil},
		"cmd/sweep":                {0, nil},
		"internal/infratest":       {0, nil},
		"cmd/bench":                {4, append(standins(), "internal/standin/stack", "internal/journey", "internal/evidence", "internal/ffmpeg", "internal/hls", "internal/isobmff")},
	}
}

func standins() []string {
	return []string{"internal/standin/azurite", "internal/standin/cosmos", "internal/standin/eventgrid", "internal/standin/functionshost", "internal/standin/servicebus"}
}

// owner says who may import a library; everything below the path belongs to it.
type owner struct {
	library string
	may     []string
}

func owners() []owner {
	const azure = "github.com/Azure/azure-sdk-for-go/sdk/"
	return []owner{
		{azure + "storage/azblob", []string{"internal/blob", "cmd/dock", "internal/journey", "internal/standin/*"}},
		{azure + "data/azcosmos", []string{"internal/cosmos"}},
		{azure + "messaging/azservicebus", []string{"internal/servicebus", "internal/standin/*"}},
		{"github.com/Azure", []string{"internal/blob", "internal/cosmos", "internal/servicebus", "cmd/handler", "cmd/dock", "internal/journey", "internal/standin/*"}},
		{"github.com/chromedp", []string{"internal/journey/browser"}},
		{"gonum.org/v1/plot", []string{"cmd/sweep"}},
		{"github.com/u2takey/ffmpeg-go", []string{"internal/ffmpeg"}},
	}
}

// barred is what the domain may not reach of the standard library: it is pure.
func barred() []string { return []string{"net", "net/*", "os", "os/*", "database/*", "syscall"} }

// wrong says what is wrong about a package's importing path; empty when nothing is.
func wrong(from, path string) string {
	row, known := layers()[from]
	if !known {
		return fmt.Sprintf("%s has no row in the table of layers", from)
	}
	if ours, ok := strings.CutPrefix(path, module+"/"); ok {
		if !slices.Contains(row.may, ours) {
			return fmt.Sprintf("%s may not import %s", from, ours)
		}
		return ""
	}
	first, _, _ := strings.Cut(path, "/")
	if standard := !strings.Contains(first, "."); standard {
		if from == "internal/evidence" && matches(path, barred()) {
			return fmt.Sprintf("%s is the domain and may not import %s", from, path)
		}
		return ""
	}
	pure := []string{"internal/evidence", "internal/gpmf", "internal/isobmff", "internal/hls", "internal/reclaim", "internal/kinds", "internal/archtest"}
	if slices.Contains(pure, from) {
		return fmt.Sprintf("%s has the standard library only, not %s", from, path)
	}
	for _, o := range owners() {
		if (path == o.library || strings.HasPrefix(path, o.library+"/")) && !matches(from, o.may) {
			return fmt.Sprintf("%s may not import %s", from, path)
		}
	}
	return ""
}

// Tests may import more: a stand-in's is driven by the SDK, and a stage's by memory.
func TestImports(t *testing.T) {
	for from, files := range packages(sources(t)) {
		for _, file := range files {
			for _, path := range file.imports() {
				if problem := wrong(from, path); problem != "" {
					t.Errorf("%s: %s", file.path, problem)
				}
			}
		}
	}
}

func TestLayersLeadDownwards(t *testing.T) {
	table := layers()
	for from, row := range table {
		for _, to := range row.may {
			below, known := table[to]
			if !known {
				t.Errorf("%s may import %s, which has no row", from, to)
			} else if below.level >= row.level {
				t.Errorf("%s (level %d) may import %s (level %d): that is not downwards", from, row.level, to, below.level)
			}
		}
	}
}

// TestTheTableBites shows that each rule can be broken.
func TestTheTableBites(t *testing.T) {
	const azure = "github.com/Azure/azure-sdk-for-go/sdk/"
	refused := [][2]string{
		{"internal/evidence", "net/http"}, {"internal/evidence", "os"}, {"internal/evidence", "database/sql"},
		{"internal/evidence", "github.com/google/uuid"}, {"internal/evidence", "bwv/internal/retention"},
		{"internal/gpmf", "github.com/abema/go-mp4"}, {"internal/gpmf", "bwv/internal/evidence"},
		{"internal/reclaim", "bwv/internal/evidence"}, {"internal/reclaim", "golang.org/x/sync/errgroup"},
		{"internal/retention", "bwv/internal/pipeline"}, {"internal/pipeline", "bwv/internal/custodian"}, {"internal/custodian", "bwv/internal/blob"},
		{"internal/pipeline", azure + "azcore"}, {"internal/custodian", azure + "storage/azblob/sas"},
		{"internal/cosmos", azure + "storage/azblob"}, {"internal/blob", azure + "data/azcosmos"}, {"internal/blob", azure + "messaging/azservicebus"},
		{"internal/standin/cosmos", azure + "data/azcosmos"}, {"cmd/dock", "github.com/u2takey/ffmpeg-go"},
		{"internal/standin/cosmos", "bwv/internal/evidence"}, {"internal/standin/eventgrid", "bwv/internal/standin/servicebus"},
		{"internal/standin/stack", "bwv/internal/evidence"}, {"cmd/local", "bwv/functions"}, {"cmd/dock", "bwv/internal/evidence"},
		{"cmd/handler", "bwv/internal/standin/stack"}, {"cmd/handler", "bwv/internal/memory"},
		{"functions", "bwv/internal/retention"}, {"internal/new", "fmt"},
	}
	for _, c := range refused {
		if wrong(c[0], c[1]) == "" {
			t.Errorf("%s importing %s passes", c[0], c[1])
		}
	}
	granted := [][2]string{
		{"internal/evidence", "encoding/json"}, {"internal/blob", azure + "storage/azblob/sas"}, {"internal/ffmpeg", "bwv/internal/gpmf"},
		{"internal/standin/eventgrid", azure + "messaging/azservicebus"}, {"internal/custodian", "golang.org/x/sync/errgroup"},
		{"internal/standin/stack", "bwv/internal/standin/cosmos"}, {"cmd/handler", azure + "azidentity"},
	}
	for _, c := range granted {
		if problem := wrong(c[0], c[1]); problem != "" {
			t.Error(problem)
		}
	}
}
