//go:build !wasip1

package main

import (
	"os"
	"slices"
	"testing"

	"github.com/sourcehost/sourcehost/internal/abi"
	pluginfile "github.com/sourcehost/sourcehost/internal/plugin"
)

func TestPluginManifest(t *testing.T) {
	data, err := os.ReadFile("plugin.json")
	if err != nil {
		t.Fatal(err)
	}
	m, err := pluginfile.ParseManifest(data)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(m.Hooks, []abi.Hook{abi.Prepare}) || len(m.Capabilities) != 2 ||
		!slices.Equal(m.Capabilities[0].Values, []string{mirror}) || !slices.Equal(m.Capabilities[1].Values, []string{"acme-token"}) {
		t.Errorf("the manifest requests %+v for the hooks %q, want the mirror and the secret of prepare", m.Capabilities, m.Hooks)
	}
}
