package command

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// scratchVariable makes the test binary make a scratch folder with a file and a
// deeper folder in it, tell its path, and wait.
const scratchVariable = "COMMAND_TEST_SCRATCH"

func holdScratch(parent string) {
	s, err := NewScratch(parent)
	if err == nil {
		err = errors.Join(os.MkdirAll(filepath.Join(s.Dir(), "a/b"), 0o755), os.WriteFile(filepath.Join(s.Dir(), "a/b/c"), []byte("x"), 0o600))
	}
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString(s.Dir() + "\n")
	time.Sleep(time.Hour)
}

// holder starts a process that has a scratch folder.
func holder(t *testing.T, parent string) (path string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), scratchVariable+"="+parent)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line[:len(line)-1], kill
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// What a process that was killed has left is removed, and what others use is not.
//
// adversary: C1g
func TestCleanScratch(t *testing.T) {
	parent := t.TempDir()
	dead, kill := holder(t, parent)
	used, _ := holder(t, parent)
	mine, err := NewScratch(parent)
	if err != nil {
		t.Fatal(err)
	}
	if err := CleanScratch(parent); err != nil {
		t.Fatal(err)
	}
	if !exists(dead) {
		t.Error("the folder of a process that lives was removed")
	}
	kill()
	if err := CleanScratch(parent); err != nil {
		t.Fatal(err)
	}
	if exists(dead) || !exists(filepath.Join(used, "a/b/c")) || !exists(mine.Dir()) {
		t.Errorf("there are: the dead one's %v, the used one's %v, mine %v", exists(dead), exists(used), exists(mine.Dir()))
	}
	if err := mine.Close(); err != nil || exists(mine.Dir()) {
		t.Errorf("mine is not removed: %v", err)
	}
}

// Links are not followed, neither in the place of a folder nor within one, and what is
// not ours stays.
//
// adversary: C1g
func TestCleanScratchStaysInside(t *testing.T) {
	parent, other := t.TempDir(), t.TempDir()
	kept := filepath.Join(other, "kept")
	inside := filepath.Join(parent, "precious")
	for _, path := range []string{kept, filepath.Join(inside, "kept")} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("x"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	dead := filepath.Join(parent, scratchPrefix+"dead")
	err := errors.Join(
		os.Symlink(other, filepath.Join(parent, scratchPrefix+"link")),
		os.Symlink("precious", filepath.Join(parent, scratchPrefix+"near")),
		os.WriteFile(filepath.Join(parent, scratchPrefix+"file"), nil, 0o600),
		os.Mkdir(dead, 0o700),
		os.Symlink(other, filepath.Join(dead, "out")),
		os.Symlink("../precious", filepath.Join(dead, "near")),
		os.Mkdir(filepath.Join(parent, "sourcehost-other"), 0o700),
	)
	if err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(parent, scratchPrefix+"foreign")
	if err := os.Mkdir(foreign, 0o777); err != nil {
		t.Fatal(err)
	}
	isForeign := os.Chown(foreign, 12345, 12345) == nil // which takes root
	if err := CleanScratch(parent); err != nil {
		t.Fatal(err)
	}
	if exists(dead) {
		t.Error("the dead one's folder is still there")
	}
	for _, path := range []string{kept, filepath.Join(inside, "kept"), filepath.Join(parent, scratchPrefix+"link"), filepath.Join(parent, scratchPrefix+"near"),
		filepath.Join(parent, scratchPrefix+"file"), filepath.Join(parent, "sourcehost-other")} {
		if !exists(path) {
			t.Errorf("%s was removed", path)
		}
	}
	if isForeign && !exists(foreign) {
		t.Error("a folder of another user was removed")
	}
}

// Where others may rename folders nothing is removed.
//
// adversary: C1g
func TestCleanScratchNeedsAPrivateParent(t *testing.T) {
	parent := t.TempDir()
	dead := filepath.Join(parent, scratchPrefix+"dead")
	if err := errors.Join(os.Mkdir(dead, 0o700), os.Chmod(parent, 0o777)); err != nil {
		t.Fatal(err)
	}
	if err := CleanScratch(parent); err == nil || !exists(dead) {
		t.Errorf("a folder was removed where others may rename it: %v", err)
	}
	if err := os.Chmod(parent, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	if err := CleanScratch(parent); err != nil || exists(dead) {
		t.Errorf("the folder is still there: %v", err)
	}
}

// A folder is locked before anybody can take it for a dead one's, however many are made
// and cleaned at once.
//
// adversary: C1g
func TestScratchConcurrently(t *testing.T) {
	parent := t.TempDir()
	stop := make(chan struct{})
	var cleaning, making sync.WaitGroup
	for range 2 {
		cleaning.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if err := CleanScratch(parent); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	for range 4 {
		making.Go(func() {
			for range 200 {
				s, err := NewScratch(parent)
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(s.Dir(), "file"), nil, 0o600); err != nil {
					t.Error(err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	making.Wait()
	close(stop)
	cleaning.Wait()
	if left, err := os.ReadDir(parent); len(left) > 0 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
}

// A program does not inherit the lock.
func TestScratchLockIsNotInherited(t *testing.T) {
	parent := t.TempDir()
	s, err := NewScratch(parent)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sleep", "60")
	cmd.Dir = s.Dir()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	s.lock.Close() // as a dead process does
	if err := CleanScratch(parent); err != nil || exists(s.Dir()) {
		t.Errorf("the folder is still there: %v", err)
	}
}
