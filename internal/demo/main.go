// Demo shows sourcehost at work, offline: it starts servers on the loopback
// interface, writes an osbuild manifest, runs the program on it as a user
// would, and checks with its own means what arrived. `make demo` runs it. It
// exits with a status other than 0 when anything is not as it should be.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	bin := flag.String("bin", "bin/sourcehost", "the program to show")
	keep := flag.Bool("keep", false, "leave the demo's folder in place")
	flag.Parse()
	if err := run(*bin, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run makes a folder for everything, and removes it again.
func run(bin string, keep bool) (err error) {
	bin, err = filepath.Abs(bin)
	if err != nil {
		return err
	}
	if _, err := os.Stat(bin); err != nil {
		return fmt.Errorf("the program to show is missing, `make build` makes it: %w", err)
	}
	dir, err := os.MkdirTemp("", "sourcehost-demo-")
	if err != nil {
		return err
	}
	if keep {
		defer fmt.Println("left in place:", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	d, err := prepare(dir, bin)
	if err != nil {
		return fmt.Errorf("setting up: %w", err)
	}
	defer d.stop()
	return d.show()
}

// show runs the scenes one after the other.
func (d *demo) show() error {
	d.introduce()
	scenes := []struct {
		title string
		play  func() error
	}{
		{"What can be fetched, by which plugin", d.listSources},
		{"Fetch everything into a fresh store", d.fetchAll},
		{"What landed, hashed again by this demo", d.verifyStore},
		{"Fetch once more: all is in the store, no server is asked", d.fetchAgain},
		{"Check a manifest with mistakes in it", d.checkBroken},
	}
	for i, s := range scenes {
		fmt.Printf("\n== %d. %s\n\n", i+1, s.title)
		if err := s.play(); err != nil {
			return fmt.Errorf("scene %d (%s): %w", i+1, s.title, err)
		}
	}
	fmt.Println("\nAll as it should be. README.md says how to prepare items in your own way.")
	return nil
}
