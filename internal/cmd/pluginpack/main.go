// Command pluginpack puts a plugin manifest into a wasm module:
//
//	pluginpack IN.wasm MANIFEST.json OUT.wasm
//
// The manifest is checked and written without white space. Packing the same
// input twice gives the same output.
package main

import (
	"fmt"
	"os"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: pluginpack IN.wasm MANIFEST.json OUT.wasm")
		os.Exit(2)
	}
	if err := pack(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "pluginpack:", err)
		os.Exit(1)
	}
}

func pack(in, manifest, out string) error {
	wasm, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(manifest)
	if err != nil {
		return err
	}
	compact, err := plugin.Compact(data)
	if err != nil {
		return plugin.Locate(manifest, data, err)
	}
	packed, err := plugin.AppendSection(wasm, abi.ManifestSection, compact)
	if err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	// The target is replaced in one step, so that a build that is interrupted
	// leaves no half of a plugin behind.
	part := out + ".part"
	if err := os.WriteFile(part, packed, 0o644); err != nil {
		return err
	}
	return os.Rename(part, out)
}
