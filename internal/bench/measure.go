package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sample is what one run cost.
type sample struct {
	wall, cpu float64 // seconds; cpu is user and system time together
	peak      float64 // MB resident, of the largest process
}

// timed runs commands one after the other, from the start of the first to the end
// of the last. All must succeed.
func timed(cmds []*exec.Cmd) (sample, error) {
	var s sample
	for _, cmd := range cmds {
		var text bytes.Buffer
		cmd.Stderr = &text
		start := time.Now()
		err := cmd.Run()
		s.wall += time.Since(start).Seconds()
		if err != nil {
			return s, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, lastLines(text.String()))
		}
		usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		s.cpu += time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
		s.peak = max(s.peak, float64(usage.Maxrss)*1024/1e6)
	}
	return s, nil
}

func lastLines(s string) string {
	const most = 500
	s = strings.TrimSpace(s)
	return s[max(0, len(s)-most):]
}

// ownPeak is this process's peak resident size in MB. A child's begins there:
// the kernel carries it over from the process that starts it.
func ownPeak() float64 {
	s, err := timed([]*exec.Cmd{exec.Command("true")})
	if err != nil {
		return 0
	}
	return s.peak
}

// spread is a figure of many runs.
type spread struct{ least, median, most float64 }

func spreadOf(values []float64) spread {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return spread{sorted[0], (sorted[(n-1)/2] + sorted[n/2]) / 2, sorted[n-1]}
}

func column(samples []sample, of func(sample) float64) []float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	return values
}

func wallOf(s sample) float64 { return s.wall }
func cpuOf(s sample) float64  { return s.cpu }
func peakOf(s sample) float64 { return s.peak }

// ratios divides run by run: what drifts meanwhile meets both.
func ratios(a, b []sample, of func(sample) float64) []float64 {
	values := make([]float64, len(a))
	for i := range a {
		values[i] = of(a[i]) / max(of(b[i]), 1e-6)
	}
	return values
}

// measure runs a case and prints its table.
func (b *bench) measure(c benchCase) error {
	srv, err := b.server(c.load)
	if err != nil {
		return err
	}
	base, err := srv.base(c.proto, c.rtt)
	if err != nil {
		return err
	}
	in := c.contenders(b)
	job, err := b.newJob(c, srv.files, base)
	if err != nil {
		return err
	}
	all := make([][]sample, len(in))
	for round := -1; round < b.runs; round++ { // the first round warms up
		for i := range in {
			// Who begins changes, so that nobody always follows the same one.
			k := (i + max(round, 0)) % len(in)
			s, err := b.once(job, in[k])
			if err != nil {
				return fmt.Errorf("%s: %w", in[k].name, err)
			}
			if round >= 0 {
				all[k] = append(all[k], s)
			}
		}
	}
	b.report(c, in, all)
	return b.clean(job)
}

// What runs leave is removed once it has keepBytes, and then nothing is measured for
// forgetTime: for half a minute ext4 gives no inode away again that was freed, and
// searches for others at every new file.
const (
	keepBytes  = 16 << 30
	forgetTime = 40 * time.Second
)

// once makes one run in a new folder and looks at what it left.
func (b *bench) once(j *job, p *contender) (sample, error) {
	dir, err := b.newFolder()
	if err != nil {
		return sample{}, err
	}
	cmds, err := p.commands(b, j, dir)
	if err != nil {
		return sample{}, err
	}
	if !b.unsettled {
		unix.Sync() // else this run pays for the write-back of the last one
	}
	s, err := timed(cmds)
	if err == nil {
		err = j.complete(p, dir)
	}
	if j.heavy {
		// Few files: removing them slows no later run, and keeping would fill the disk.
		return s, firstError(err, os.RemoveAll(dir))
	}
	j.leftover = append(j.leftover, dir)
	return s, err
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) clean(j *job) error {
	b.leftover = append(b.leftover, append(j.leftover, j.dir)...)
	for _, f := range j.served {
		b.left += f.Size * int64(len(j.leftover))
	}
	if b.left < keepBytes {
		return nil
	}
	for _, dir := range b.leftover {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	b.leftover, b.left = nil, 0
	time.Sleep(forgetTime)
	return nil
}

func (b *bench) report(c benchCase, in []*contender, all [][]sample) {
	fmt.Fprintf(b.out, "\n%s: %s\n", c.name(), c.title())
	fmt.Fprintf(b.out, "  %-16s %-24s %-22s %-8s %-22s %s\n", "", "wall, s", "cpu, s", "peak, MB", "wall: sourcehost/this", "cpu: sourcehost/this")
	for i, p := range in {
		wall, cpu := spreadOf(column(all[i], wallOf)), spreadOf(column(all[i], cpuOf))
		line := fmt.Sprintf("  %-16s %-24s %-22s %-8.0f", p.name, wall, cpu, spreadOf(column(all[i], peakOf)).most)
		if i > 0 {
			line += fmt.Sprintf(" %-22s %s", spreadOf(ratios(all[0], all[i], wallOf)).short(), spreadOf(ratios(all[0], all[i], cpuOf)).short())
		}
		fmt.Fprintln(b.out, strings.TrimRight(line, " "))
	}
}

func (s spread) String() string { return fmt.Sprintf("%.3f (%.3f..%.3f)", s.median, s.least, s.most) }
func (s spread) short() string  { return fmt.Sprintf("%.2f (%.2f..%.2f)", s.median, s.least, s.most) }
