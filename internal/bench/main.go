// Bench measures sourcehost against its peers, side by side: the whole process
// from start to exit, in turn, on the same servers on the loopback interface.
// `make bench-peers` runs it; docs/performance.md explains the method and records
// results. It measures and never judges: its exit status says only whether every
// run could be made.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	bin, unsynced string
	pattern       string
	against       string
	runs          int
	scale         float64
	data, scratch string
	goServer      bool
	list          bool
	unsettled     bool // no sync before a run: for tests, whose figures nobody reads
}

func main() {
	if role := roleOf(os.Args); role != nil {
		fail(role())
		return
	}
	var o options
	flag.StringVar(&o.bin, "bin", "bin/sourcehost", "the program to measure")
	flag.StringVar(&o.unsynced, "unsynced", "bin/sourcehost-unsynced", "the same program built with the tag sourcehost_unsynced, for the case durability")
	flag.StringVar(&o.pattern, "case", "", "run only the cases whose name matches this `regexp`; see -list")
	flag.StringVar(&o.against, "against", "", "run only the peers whose name matches this `regexp`")
	flag.IntVar(&o.runs, "runs", 5, "runs of each contender of a case")
	flag.Float64Var(&o.scale, "scale", 1, "factor on the number of small and the size of large files, for quick looks")
	flag.StringVar(&o.data, "data", "", "folder for the files that are served; kept, and used again (default: a temporary one)")
	flag.StringVar(&o.scratch, "scratch", "", "folder for stores and what peers write (default: the system's for temporary files)")
	flag.BoolVar(&o.goServer, "go-server", false, "serve with Go's net/http also where nginx is installed")
	flag.BoolVar(&o.list, "list", false, "list the cases")
	flag.Parse()
	fail(run(o, os.Stdout))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run makes everything that the chosen cases need and measures them.
func run(o options, out io.Writer) (err error) {
	chosen, err := choose(o.pattern)
	if err != nil {
		return err
	}
	if o.list {
		for _, c := range chosen {
			fmt.Fprintf(out, "%-22s %s\n", c.name(), c.title())
		}
		return nil
	}
	if o.runs < 1 {
		return errors.New("-runs must be at least 1")
	}
	b, err := prepare(o, out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	defer b.closeWhenStopped()()
	b.introduce()
	for _, c := range chosen {
		if err := b.measure(c); err != nil {
			return fmt.Errorf("%s: %w", c.name(), err)
		}
	}
	return nil
}

func choose(pattern string) ([]benchCase, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("-case: %w", err)
	}
	var chosen []benchCase
	for _, c := range allCases() {
		if re.MatchString(c.name()) {
			chosen = append(chosen, c)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no case matches %q: -list shows them", pattern)
	}
	return chosen, nil
}

// bench is what the cases share.
type bench struct {
	options
	out     io.Writer
	dir     string // of everything that is removed at the end
	cas     *certs
	servers map[string]*server // by workload
	peers   []*contender
	// leftover are the folders that earlier cases wrote to, with about so many bytes.
	leftover []string
	left     int64
	serial   int // of the folders that runs write to: none is used twice
}

func prepare(o options, out io.Writer) (*bench, error) {
	var err error
	if o.bin, err = filepath.Abs(o.bin); err != nil {
		return nil, err
	}
	if o.unsynced, err = filepath.Abs(o.unsynced); err != nil {
		return nil, err
	}
	if _, err := os.Stat(o.bin); err != nil {
		return nil, fmt.Errorf("the program to measure is missing, `make build` makes it: %w", err)
	}
	dir, err := os.MkdirTemp(o.scratch, "sourcehost-bench-")
	if err != nil {
		return nil, err
	}
	if o.data == "" {
		o.data = filepath.Join(dir, "data")
	}
	b := &bench{options: o, out: out, dir: dir, servers: map[string]*server{}}
	if b.cas, err = newCerts(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	re, err := regexp.Compile(o.against)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("-against: %w", err), os.RemoveAll(dir))
	}
	all := findPeers(b)
	for i, p := range all {
		if i == 0 || re.MatchString(p.name) {
			b.peers = append(b.peers, p)
		}
	}
	return b, nil
}

func (b *bench) close() error {
	var failed []error
	for _, s := range b.servers {
		failed = append(failed, s.stop())
	}
	return errors.Join(append(failed, os.RemoveAll(b.dir))...)
}

// closeWhenStopped leaves nothing behind when the user has seen enough. The result
// ends that.
func (b *bench) closeWhenStopped() (end func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		if _, stopped := <-signals; stopped {
			_ = b.close()
			os.Exit(130)
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
	}
}

// introduce prints what is measured, with what, and where.
func (b *bench) introduce() {
	fmt.Fprintf(b.out, "%s; %s\n", time.Now().UTC().Format("2006-01-02 15:04 MST"), machine())
	fmt.Fprintf(b.out, "server: %s; it shares the processors with whom it serves\n", serverVersion(b.goServer))
	for _, p := range b.peers {
		if p.missing != "" {
			fmt.Fprintf(b.out, "%-12s MISSING: %s\n", p.name, p.missing)
		} else {
			fmt.Fprintf(b.out, "%-12s %s\n", p.name, p.version)
		}
	}
	fmt.Fprintf(b.out, "medians of %d runs, in turn; (least..most); each run in a new folder, after a sync\n", b.runs)
	fmt.Fprintf(b.out, "no peak can be read below %.0f MB, this program's own\n", ownPeak())
}

// newFolder returns a folder that was never used before: on ext4 making files in
// one that was just emptied is several times slower.
func (b *bench) newFolder() (string, error) {
	b.serial++
	dir := filepath.Join(b.dir, fmt.Sprintf("run-%d", b.serial))
	return dir, os.Mkdir(dir, 0o755)
}
