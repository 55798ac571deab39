// Turns the image of an OCI image layout into nydus' form, in place, out of the library of nydus' own snapshotter: nydusify,
// which does so in a registry, is in a Go module that was never published.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"log"
	"os"
	"path/filepath"
	"sync"

	"github.com/containerd/containerd/v2/core/images/converter"
	"github.com/containerd/containerd/v2/plugins/content/local"
	nydus "github.com/containerd/nydus-snapshotter/pkg/converter"
	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func main() {
	layout := flag.String("layout", "", "the layout")
	builder := flag.String("nydus-image", "", "nydus' builder")
	zran := flag.Bool("zran", false, "leave the layers as they are, and only index them")
	flag.Parse()
	if err := convert(context.Background(), *layout, *builder, *zran); err != nil {
		log.Fatal(err)
	}
}

func convert(ctx context.Context, layout, builder string, zran bool) error {
	// a layout's blobs lie as in containerd's content store
	store, err := local.NewLabeledStore(layout, &labels{known: map[digest.Digest]map[string]string{}})
	if err != nil {
		return err
	}
	file := filepath.Join(layout, "index.json")
	var index ocispec.Index
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &index); err != nil {
		return err
	}
	work, err := os.MkdirTemp(layout, "work")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	made, err := converter.IndexConvertFuncWithHook(
		nydus.LayerConvertFunc(nydus.PackOption{
			WorkDir: work, BuilderPath: builder, FsVersion: "6", Compressor: "zstd", OCIRef: zran}),
		true,
		platforms.All,
		converter.ConvertHooks{PostConvertHook: nydus.ConvertHookFunc(nydus.MergeOption{
			WorkDir: work, BuilderPath: builder, FsVersion: "6", OCI: true, OCIRef: zran})},
	)(ctx, store, index.Manifests[0])
	if err != nil {
		return err
	}
	index.Manifests = []ocispec.Descriptor{*made}
	text, err = json.Marshal(index)
	if err != nil {
		return err
	}
	// in place of the old file, which may have other names
	if err := os.WriteFile(file+".part", text, 0o644); err != nil {
		return err
	}
	return os.Rename(file+".part", file)
}

// What the content store remembers of blobs besides their bytes, for as long as this program runs.
type labels struct {
	lock  sync.Mutex
	known map[digest.Digest]map[string]string
}

var _ local.LabelStore = (*labels)(nil)

func (l *labels) Get(blob digest.Digest) (map[string]string, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	return copied(l.known[blob]), nil
}

func (l *labels) Set(blob digest.Digest, values map[string]string) error {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.known[blob] = copied(values)
	return nil
}

func (l *labels) Update(blob digest.Digest, values map[string]string) (map[string]string, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	now := copied(l.known[blob])
	for key, value := range values {
		if value == "" {
			delete(now, key)
		} else {
			now[key] = value
		}
	}
	l.known[blob] = now
	return copied(now), nil
}

func copied(values map[string]string) map[string]string {
	made := map[string]string{}
	for key, value := range values {
		made[key] = value
	}
	return made
}
