package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// benchDir is where the benchmarks' stores are: $STORE_BENCH_DIR or the temp folder.
func benchDir(b *testing.B) string {
	b.Helper()
	dir, err := os.MkdirTemp(os.Getenv("STORE_BENCH_DIR"), "sourcehost-bench")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// BenchmarkCommit stores 2,000 files of 20 kB, with as many commits at a time as
// the name says.
func BenchmarkCommit(b *testing.B) {
	const n, size = 2000, 20_000
	data := make([][]byte, n)
	keys := make([]Key, n)
	for i := range data {
		data[i] = content(uint64(i), size)
		keys[i] = keyOf(b, data[i])
	}
	for _, mode := range []struct {
		name  string
		disk  disk
		whole bool
	}{{"whole", kernel{}, true}, {"whole late", lateSync{}, true}, {"each", kernel{}, false}, {"each late", lateSync{}, false}, {"unsynced", unsynced{}, true}} {
		for _, workers := range []int{1, 32, 256} {
			b.Run(fmt.Sprintf("%s/%d", mode.name, workers), func(b *testing.B) {
				b.SetBytes(n * size)
				for b.Loop() {
					b.StopTimer()
					s, f := openStore(b, benchDir(b), mode.disk)
					f.whole = f.whole && mode.whole
					b.StartTimer()
					commitAll(b, f, keys, data, workers)
					b.StopTimer()
					// Not deleted before the end: ext4 does not use an inode again within
					// seconds, and searching for others would be measured.
					s.Close()
					b.StartTimer()
				}
			})
		}
	}
}

func commitAll(b *testing.B, f *Files, keys []Key, data [][]byte, workers int) {
	work := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range work {
				if err := put(context.Background(), f, keys[i], data[i], ""); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range keys {
		work <- i
	}
	close(work)
	wg.Wait()
}

// BenchmarkPresent asks for 2,000 keys, in a store that has all of them, none, or
// many entries besides, and cleans that store: 50,000, or $STORE_BENCH_ENTRIES.
func BenchmarkPresent(b *testing.B) {
	many, err := strconv.Atoi(cmp.Or(os.Getenv("STORE_BENCH_ENTRIES"), "50000"))
	if err != nil {
		b.Fatal(err)
	}
	for _, bench := range []struct {
		name          string
		there, others int
	}{{"all", 2000, 0}, {"none", 0, 0}, {fmt.Sprintf("all of %d", 2000+many), 2000, many}} {
		b.Run(bench.name, func(b *testing.B) {
			_, f := openStore(b, benchDir(b), kernel{})
			keys := make([]Key, 2000)
			for i := range keys {
				keys[i] = SHA256.key(fmt.Append(nil, i))
			}
			for i := range bench.there {
				os.WriteFile(entryPath(f, keys[i]), []byte("x"), 0o644)
			}
			for i := range bench.others {
				os.WriteFile(entryPath(f, SHA256.key(fmt.Append(nil, "other", i))), []byte("x"), 0o644)
			}
			b.Run("lstat", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := f.Present(keys); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("clean", func(b *testing.B) {
				for b.Loop() {
					f.scanMany = 1 << 62 // as if for the first time in a day
					if err := f.Clean(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("readdir", func(b *testing.B) { // the alternative, for comparison
				b.ReportAllocs()
				for b.Loop() {
					there := make(map[string]bool)
					if err := f.content.each(func(name string) error { there[name] = true; return nil }); err != nil {
						b.Fatal(err)
					}
					n := 0
					for _, key := range keys {
						if there[key.text] {
							n++
						}
					}
					if n != bench.there {
						b.Fatal(n)
					}
				}
			})
		})
	}
}

// BenchmarkLarge stores one body of 256 MiB in writes of 32 KiB.
func BenchmarkLarge(b *testing.B) {
	const size = 256 << 20
	piece := content(1, 32<<10)
	for _, alg := range []Algorithm{MD5, SHA256, SHA512} {
		h := alg.New()
		for range size / len(piece) {
			h.Write(piece)
		}
		key := mustKey(b, Key{alg: alg}.digest(h))
		for _, mode := range []struct {
			name string
			disk disk
		}{{"synced", kernel{}}, {"sync at end", lateSync{}}, {"unsynced", unsynced{}}} {
			b.Run(alg.String()+"/"+mode.name, func(b *testing.B) {
				_, f := openStore(b, benchDir(b), mode.disk)
				b.SetBytes(size)
				for b.Loop() {
					s, err := f.Stage(b.Context(), key)
					if err != nil {
						b.Fatal(err)
					}
					err = s.Reset(size, "v1")
					for range size / len(piece) {
						_, werr := s.Write(piece)
						err = errors.Join(err, werr)
					}
					if err := errors.Join(err, s.Commit(b.Context())); err != nil {
						b.Fatal(err)
					}
					b.StopTimer()
					os.Remove(filepath.Join(f.content.path, key.text))
					b.StartTimer()
				}
			})
		}
	}
}

// lateSync does not begin to put anything on the disk before it must.
type lateSync struct{ kernel }

func (lateSync) startSync(int, int64, int64) {}
