// Verify runs the Terraform files offline: formatting, validation, their tests with a mocked provider, and then each test against a
// mutation that it must catch. It needs terraform 1.11 or later, and no registry: the provider is ../shim, or with -provider a real one.
//
//	verify [-provider terraform-provider-azurerm] [-mutations=false] [-only name]
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

const (
	version   = "5.2.0" // of the provider, whose schema the shim serves
	noneFound = 3       // exit code: there is no terraform
)

func main() {
	log.SetFlags(0)
	provider := flag.String("provider", "", "a compiled terraform-provider-azurerm to use instead of the shim")
	mutate := flag.Bool("mutations", true, "break the files and see the tests notice")
	only := flag.String("only", "", "mutations whose name contains this")
	flag.Parse()
	terraform, err := exec.LookPath("terraform")
	if err != nil {
		log.Print("infra-test: there is no terraform here. Install terraform 1.11 or later (https://developer.hashicorp.com/terraform/install) and run this again;\n" +
			"the join tests (go test ./internal/infratest) do without it and have run.")
		os.Exit(noneFound)
	}
	if err := run(terraform, *provider, *mutate, *only); err != nil {
		log.Fatal("infra-test: ", err)
	}
}

// bench is a place to run terraform in: a copy of infra/, and a mirror with the provider.
type bench struct {
	terraform, home string
	cpu             time.Duration
}

func run(terraform, provider string, mutate bool, only string) error {
	home, err := os.MkdirTemp("", "infra-test-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	b := &bench{terraform: terraform, home: home}
	if err := b.mirror(provider); err != nil {
		return err
	}
	first := filepath.Join(home, "0")
	if err := b.copy(first); err != nil {
		return err
	}
	for _, lane := range []struct {
		name string
		args []string
	}{
		{"fmt", []string{"fmt", "-check", "-recursive", "-diff"}},
		{"init", []string{"init", "-backend=false", "-input=false", "-no-color"}},
		{"validate", []string{"validate", "-no-color"}},
		{"test", []string{"test", "-no-color"}},
	} {
		out, took, err := b.do(first, lane.args...)
		if err != nil {
			return fmt.Errorf("terraform %s: %w\n%s", lane.name, err, out)
		}
		last := out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:]
		fmt.Printf("%-10s ok  %6.1f s  %s\n", lane.name, took.Seconds(), strings.TrimSpace(last))
	}
	fmt.Printf("CPU so far: %.1f s\n", b.cpu.Seconds())
	if !mutate {
		return nil
	}
	return b.mutations(first, only)
}

// mirror makes what terraform init takes the provider from.
func (b *bench) mirror(provider string) error {
	dir := filepath.Join(b.home, "mirror", "registry.terraform.io", "hashicorp", "azurerm", version, runtime.GOOS+"_"+runtime.GOARCH)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	binary := filepath.Join(dir, "terraform-provider-azurerm_v"+version+"_x5")
	if provider == "" {
		build := exec.Command("go", "build", "-o", binary, "./shim")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("building the shim: %w\n%s", err, out)
		}
		schema, err := os.ReadFile("shim/azurerm-schema.json")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "azurerm-schema.json"), schema, 0o644); err != nil {
			return err
		}
	} else {
		real, err := filepath.Abs(provider)
		if err != nil {
			return err
		}
		if err := os.Symlink(real, binary); err != nil {
			return err
		}
	}
	config := fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path    = %q\n    include = [\"registry.terraform.io/*/*\"]\n  }\n}\ndisable_checkpoint = true\n", filepath.Join(b.home, "mirror"))
	return os.WriteFile(filepath.Join(b.home, "terraform.rc"), []byte(config), 0o644)
}

// copy puts infra/ into dir: the lock file of the shim must not stay in the working tree, since its checksum is no registry's.
func (b *bench) copy(dir string) error {
	return filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && (name == "tools" || strings.HasPrefix(name, ".terraform")) {
			return filepath.SkipDir
		}
		if !entry.Type().IsRegular() || strings.HasPrefix(name, ".terraform") || strings.HasSuffix(name, ".tfvars") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, path[len(".."):])
		return errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, text, 0o644))
	})
}

func (b *bench) do(dir string, args ...string) (string, time.Duration, error) {
	var out bytes.Buffer
	c := exec.Command(b.terraform, args...)
	c.Dir = filepath.Join(dir, "terraform")
	c.Env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+filepath.Join(b.home, "terraform.rc"), "TF_IN_AUTOMATION=1", "GOGC=off", "GOMEMLIMIT=3GiB") // terraform is made of Go: a fifth faster
	c.Stdout, c.Stderr = &out, &out
	start := time.Now()
	err := c.Run()
	if c.ProcessState != nil {
		account.Lock()
		b.cpu += c.ProcessState.UserTime() + c.ProcessState.SystemTime()
		account.Unlock()
	}
	return out.String(), time.Since(start), err
}

var account sync.Mutex // guards bench.cpu
