package infratest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	forceTenant       = "44444444-4444-4444-4444-444444444444"
	forceSubscription = "11111111-1111-1111-1111-111111111111"
)

// desk is a checkout with the deployment script, and az and terraform that answer as told.
type desk struct{ dir, bin string }

func newDesk(t *testing.T) desk {
	t.Helper()
	d := desk{dir: t.TempDir(), bin: t.TempDir()}
	for _, pattern := range []string{"scripts/deploy", "infra/tools/go.*", "infra/tools/planguard/main.go"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("nothing at %s: %v", pattern, err)
		}
		for _, path := range found {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			below, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			d.write(t, filepath.Join(d.dir, below), string(text), 0o755)
		}
	}
	d.vars(t, forceTenant, "uksouth")
	d.write(t, filepath.Join(d.dir, "infra/terraform/env/prod.backend"), "", 0o644)
	d.az(t, "true", "")
	d.terraform(t, "azurerm_resource_group.this", `{"format_version":"1.2","resource_changes":[]}`)
	return d
}

func (d desk) write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func (d desk) vars(t *testing.T, tenant, location string) {
	d.write(t, filepath.Join(d.dir, "infra/terraform/env/prod.tfvars"), "environment = \"prod\"\nlocation    = \""+location+
		"\" # where\nsubscription_id = \""+forceSubscription+"\"\ntenant_id = \""+tenant+"\"\n", 0o644)
}

// az answers for an account in the force's tenant; extra lines come first.
func (d desk) az(t *testing.T, nameAvailable, extra string) {
	d.write(t, filepath.Join(d.bin, "az"), "#!/bin/bash\n"+extra+`
case "$*" in
account\ show*) echo `+forceTenant+` ;;
provider\ show*) echo Registered ;;
group\ exists*) echo false ;;
storage\ account\ check-name*) echo `+nameAvailable+` ;;
esac
`, 0o755)
}

// terraform has this state and this plan; what it is asked to apply is noted.
func (d desk) terraform(t *testing.T, state, plan string) {
	d.write(t, filepath.Join(d.bin, "terraform"), `#!/bin/bash
case "$*" in
*state\ list*) echo "`+state+`" ;;
*show\ -json*) echo '`+plan+`' ;;
*apply*) touch "`+d.bin+`/applied" ;;
esac
`, 0o755)
}

func (d desk) deploy(t *testing.T, answer string, args ...string) (string, error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "bash", append([]string{filepath.Join(d.dir, "scripts/deploy")}, args...)...)
	c.Env = append(os.Environ(), "PATH="+d.bin+":"+os.Getenv("PATH"), "DEPLOY_YES=", "DEPLOY_SHORTER_RETENTION=")
	c.Stdin = strings.NewReader(answer)
	out, err := c.CombinedOutput()
	return string(out), err
}

func (d desk) applied() bool {
	_, err := os.Stat(filepath.Join(d.bin, "applied"))
	return err == nil
}

const destroys = `{"format_version":"1.2","resource_changes":[{"address":"azurerm_storage_account.evidence","type":"azurerm_storage_account","change":{"actions":["delete","create"],"before":{},"after":{"location":"uksouth"}}}]}`

// TestDeployRefuses has what may go wrong before a deployment: each is refused with words, and nothing is applied.
func TestDeployRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*testing.T, desk)
		args   []string
		answer string
		words  string
	}{
		"no environment":      {nil, []string{"plan"}, "", "which environment?"},
		"unknown environment": {nil, []string{"plan", "live"}, "", "there is no infra/terraform/env/live.tfvars"},
		"a path":              {nil, []string{"plan", "../prod"}, "", "which environment?"},
		"region abroad":       {func(t *testing.T, d desk) { d.vars(t, forceTenant, "westeurope") }, []string{"plan", "prod", "1.2.3"}, "", "stays in the United Kingdom"},
		"missing tenant":      {func(t *testing.T, d desk) { d.vars(t, "", "uksouth") }, []string{"plan", "prod", "1.2.3"}, "", "tenant_id"},
		"nobody's tenant":     {func(t *testing.T, d desk) { d.vars(t, "00000000-0000-0000-0000-000000000000", "uksouth") }, []string{"plan", "prod", "1.2.3"}, "", "tenant_id"},
		"not signed in":       {func(t *testing.T, d desk) { d.az(t, "true", "exit 1") }, []string{"plan", "prod", "1.2.3"}, "", "az login"},
		"another tenant":      {func(t *testing.T, d desk) { d.az(t, "true", `[[ "$*" != account* ]] || { echo other; exit; }`) }, []string{"plan", "prod", "1.2.3"}, "", "belongs to tenant other"},
		"provider missing": {func(t *testing.T, d desk) {
			d.az(t, "true", `[[ "$*" != *EventGrid* ]] || { echo NotRegistered; exit; }`)
		}, []string{"preflight", "prod"}, "", "az provider register --namespace Microsoft.EventGrid"},
		"no place for state": {func(t *testing.T, d desk) { _ = os.Remove(filepath.Join(d.dir, "infra/terraform/env/prod.backend")) }, []string{"plan", "prod", "1.2.3"}, "", "bootstrap prod"},
		"group of another": {func(t *testing.T, d desk) {
			d.terraform(t, "", "{}")
			d.az(t, "true", `[[ "$*" != group* ]] || { echo true; exit; }`)
		}, []string{"plan", "prod", "1.2.3"}, "", "a second deployment into the same names is refused"},
		"name taken":            {func(t *testing.T, d desk) { d.terraform(t, "", "{}"); d.az(t, "false", "") }, []string{"plan", "prod", "1.2.3"}, "", "stbwvproduksev is taken"},
		"plan destroys":         {func(t *testing.T, d desk) { d.terraform(t, "azurerm_resource_group.this", destroys) }, []string{"apply", "prod", "1.2.3"}, "prod\n", "it holds evidence"},
		"terraform has no plan": {func(t *testing.T, d desk) { d.terraform(t, "azurerm_resource_group.this", "") }, []string{"apply", "prod", "1.2.3"}, "prod\n", "the plan is refused"},
		"second thoughts":       {nil, []string{"apply", "prod", "1.2.3"}, "no\n", "not applied"},
		"latest":                {nil, []string{"apply", "prod", "latest"}, "prod\n", "is not a version"},
		"uncommitted changes":   {nil, []string{"apply", "prod", "1.2.3-dirty"}, "prod\n", "not committed"},
		"nothing to publish":    {nil, []string{"publish", "prod", "1.2.3"}, "", "scripts/deploy package 1.2.3"},
		"back to nowhere":       {nil, []string{"rollback", "prod"}, "", "to which version?"},
		"never published":       {nil, []string{"rollback", "prod", "0.9.0"}, "", "was never published here"},
		"nonsense":              {nil, []string{"destroy", "prod"}, "", "bootstrap ENV"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			if c.change != nil {
				c.change(t, d)
			}
			out, err := d.deploy(t, c.answer, c.args...)
			if err == nil || !strings.Contains(out, c.words) {
				t.Errorf("%v, want %q in:\n%s", err, c.words, out)
			}
			if d.applied() {
				t.Error("it was applied all the same")
			}
		})
	}
}

// TestDeployApplies has the way through: the same desk, a plan that does no harm, and the right answer.
func TestDeployApplies(t *testing.T) {
	d := newDesk(t)
	out, err := d.deploy(t, "prod\n", "apply", "prod", "1.2.3")
	if err != nil || !d.applied() {
		t.Errorf("not applied: %v\n%s", err, out)
	}
}
