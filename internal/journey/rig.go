package journey

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"bwv/internal/evidence"
	"bwv/internal/standin/azurite"
	"bwv/internal/standin/stack"
)

// Rig is a whole system on free ports, for one run.
type Rig struct {
	*stack.Stack
	Client Client
	Root   string // of the repository
	dock   string
}

// Root finds the repository: the folder above the working directory that has go.mod.
func Root() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod above the working directory")
		}
	}
	return "", err
}

// StackOptions are those of a run on free ports, with state in dir and the packaged app of the repository.
func StackOptions(root, dir string, settings map[string]string, output io.Writer) (stack.Options, error) {
	script, err := azurite.Find(root)
	if err != nil {
		return stack.Options{}, err
	}
	app := filepath.Join(root, "dist")
	if _, err := os.Stat(filepath.Join(app, "host.json")); err != nil {
		return stack.Options{}, fmt.Errorf("the function app is not packaged: run make package: %w", err)
	}
	return stack.Options{App: app, Infra: filepath.Join(root, "infra"), Azurite: script, State: dir, Settings: defaults(settings), Output: output}, nil
}

// NewRig starts a system with state in dir and builds the dock.
func NewRig(ctx context.Context, dir string, settings map[string]string, output io.Writer) (*Rig, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	options, err := StackOptions(root, filepath.Join(dir, "state"), settings, output)
	if err != nil {
		return nil, err
	}
	dock, err := Build(ctx, root, dir, "dock")
	if err != nil {
		return nil, err
	}
	running, err := stack.Start(ctx, options)
	if err != nil {
		return nil, err
	}
	return &Rig{Stack: running, Client: Client{Base: "http://" + running.Addresses.Functions, Person: "officer"}, Root: root, dock: dock}, nil
}

// Build compiles one of the repository's commands into dir.
func Build(ctx context.Context, root, dir, command string) (string, error) {
	binary := filepath.Join(dir, command)
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/"+command)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w: %s", command, err, out)
	}
	return binary, nil
}

// Docked is what the dock says of one file.
type Docked struct {
	File   string
	Blob   string
	Bytes  int64
	SHA256 string
	Status string
}

// Dock uploads files with the dock, as an officer's docking station does.
func (r *Rig) Dock(ctx context.Context, files ...string) ([]Docked, error) {
	return Dock(ctx, r.dock, r.Addresses.Blob, files...)
}

// Dock runs the dock binary against the blob storage at addr.
func Dock(ctx context.Context, binary, addr string, files ...string) ([]Docked, error) {
	arguments := append([]string{"--json", "--unit", "lambeth", "--officer", "P123456", "--camera", "X81234567"}, files...)
	run := exec.CommandContext(ctx, binary, arguments...)
	run.Env = append(os.Environ(), "FOOTAGE_STORAGE="+azurite.ConnectionString(addr))
	var out, errout bytes.Buffer
	run.Stdout, run.Stderr = &out, &errout
	if err := run.Run(); err != nil {
		return nil, fmt.Errorf("docking: %w: %s", err, strings.TrimSpace(errout.String()+out.String()))
	}
	var docked []Docked
	for d := json.NewDecoder(&out); ; {
		var one Docked
		if err := d.Decode(&one); errors.Is(err, io.EOF) {
			return docked, nil
		} else if err != nil {
			return docked, fmt.Errorf("reading what the dock says: %w", err)
		}
		docked = append(docked, one)
	}
}

// Blobs is a client of the store behind the pipeline's back: to look whether things are there, and to do what nobody should.
func (r *Rig) Blobs() (*azblob.Client, error) {
	return azblob.NewClientFromConnectionString(azurite.ConnectionString(r.Addresses.Blob), nil)
}

// Stored tells whether an original is in the store.
func (r *Rig) Stored(ctx context.Context, path string) (bool, error) {
	client, err := r.Blobs()
	if err != nil {
		return false, err
	}
	_, err = client.ServiceClient().NewContainerClient("footage").NewBlobClient(path).GetProperties(ctx, nil)
	if bloberror.HasCode(err, bloberror.BlobNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Renditions counts what is kept of one record beside its original.
func (r *Rig) Renditions(ctx context.Context, id evidence.ID) (int, error) {
	files, err := Renditions(ctx, r.Addresses.Blob, id)
	return len(files), err
}

// Renditions reads all that is kept of one record beside its original, from the blob storage at addr, by name.
func Renditions(ctx context.Context, addr string, id evidence.ID) (map[string][]byte, error) {
	client, err := azblob.NewClientFromConnectionString(azurite.ConnectionString(addr), nil)
	if err != nil {
		return nil, err
	}
	files, prefix := map[string][]byte{}, string(id)+"/"
	for pager := client.NewListBlobsFlatPager("renditions", &azblob.ListBlobsFlatOptions{Prefix: &prefix}); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, item := range page.Segment.BlobItems {
			answer, err := client.DownloadStream(ctx, "renditions", *item.Name, nil)
			if err != nil {
				return nil, err
			}
			body, err := io.ReadAll(answer.Body)
			if err != nil {
				return nil, err
			}
			files[strings.TrimPrefix(*item.Name, prefix)] = body
		}
	}
	return files, nil
}

// Processed waits until n records have been through every stage, and returns all records by their blob's path.
func (r *Rig) Processed(ctx context.Context, n int) (map[string]evidence.Record, error) {
	return r.Client.Processed(ctx, n)
}

// Processed waits until n records have been through every stage, and returns all records by their blob's path.
func (c Client) Processed(ctx context.Context, n int) (map[string]evidence.Record, error) {
	records := map[string]evidence.Record{}
	err := Wait(ctx, fmt.Sprintf("%d recordings are processed", n), func() (bool, error) {
		all, err := c.All(ctx)
		clear(records)
		done := 0
		for _, record := range all {
			records[record.Original.Path] = record
			if record.Media.State != "" && !record.Digest.At.IsZero() && proxied(record) && record.Retention.State != evidence.Received {
				done++
			}
		}
		if done < n {
			return false, errors.Join(err, fmt.Errorf("%d of %d processed, %d records", done, n, len(all)))
		}
		return true, err
	})
	return records, err
}

// proxied tells whether the proxy has come to its end.
func proxied(r evidence.Record) bool {
	return r.Proxy.State == evidence.ProxyReady || r.Proxy.State == evidence.ProxyFailed
}

// Pending counts the disposals that Service Bus holds.
func (r *Rig) Pending(ctx context.Context) (int, error) {
	answer, err := Client{Base: "http://" + r.Addresses.Control}.Do(ctx, "GET", "/entities", nil)
	if err != nil {
		return 0, err
	}
	var entities []struct {
		Name      string
		Scheduled int
	}
	if err := json.Unmarshal(answer.Body, &entities); err != nil {
		return 0, err
	}
	for _, e := range entities {
		if e.Name == "expire" {
			return e.Scheduled, nil
		}
	}
	return 0, fmt.Errorf("service bus has no queue expire")
}

// Until waits for a moment.
func Until(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
