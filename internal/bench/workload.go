package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
)

// workload is a set of files.
type workload struct {
	name, title string
	sizes       func(scale float64) []int64
}

var (
	small  = workload{"small", "2,000 files of 20 kB", func(f float64) []int64 { return repeat(scaled(2000, f), 20_000) }}
	medium = workload{"medium", "200 files of 2 MB", func(f float64) []int64 { return repeat(scaled(200, f), 2_000_000) }}
	large  = workload{"large", "4 files of 300 MB", func(f float64) []int64 { return repeat(4, scaled(300_000_000, f)) }}
	// The number of items of the largest manifest known, Fedora 39's live installer.
	realistic = workload{"realistic", "1,965 files, median 60 kB, mean 500 kB, largest 150 MB",
		func(f float64) []int64 { return drawn(int(scaled(1965, f)), 60e3, 500e3, 150e6) }}
)

func scaled(n int64, f float64) int64 { return max(1, int64(float64(n)*f)) }

func repeat(n, size int64) []int64 {
	sizes := make([]int64, n)
	for i := range sizes {
		sizes[i] = size
	}
	return sizes
}

// drawn returns sizes with this median, mean and maximum: evenly spaced quantiles
// of a log-normal distribution, cut at the maximum, in an order that is always the
// same.
func drawn(n int, median, mean, largest float64) []int64 {
	quantiles := func(sigma float64) (sizes []int64, sum float64) {
		for i := range n {
			z := math.Sqrt2 * math.Erfinv(2*(float64(i)+0.5)/float64(n)-1)
			size := math.Round(min(largest, median*math.Exp(sigma*z)))
			sizes, sum = append(sizes, int64(size)), sum+size
		}
		sizes[n-1], sum = int64(largest), sum+largest-float64(sizes[n-1])
		return sizes, sum
	}
	low, high := 0.0, 5.0
	for range 50 {
		if _, sum := quantiles((low + high) / 2); sum > mean*float64(n) {
			high = (low + high) / 2
		} else {
			low = (low + high) / 2
		}
	}
	sizes, _ := quantiles(low)
	rand.New(rand.NewPCG(1, 2)).Shuffle(n, func(i, j int) { sizes[i], sizes[j] = sizes[j], sizes[i] })
	return sizes
}

// served is one file as it was generated.
type served struct {
	Name   string
	Size   int64
	SHA256 string
}

const indexName = "index.json"

// generate makes the files of a workload in dir, or finds them there, and leaves
// them in the page cache. It runs in a process of its own, so that its memory is
// not part of what the peaks of others are read against.
func generate(w workload, scale float64, dir string) error {
	sizes := w.sizes(scale)
	if files, err := readIndex(dir); err == nil && slices.EqualFunc(files, sizes, func(f served, n int64) bool { return f.Size == n }) {
		return warm(dir, files)
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files := make([]served, len(sizes))
	for i, size := range sizes {
		name := fmt.Sprintf("package-%05d.rpm", i)
		sum, err := writeRandom(filepath.Join(dir, name), size, uint64(i))
		if err != nil {
			return err
		}
		files[i] = served{Name: name, Size: size, SHA256: sum}
	}
	data, err := json.Marshal(files)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, indexName), data, 0o644)
}

func readIndex(dir string) ([]served, error) {
	data, err := os.ReadFile(filepath.Join(dir, indexName))
	if err != nil {
		return nil, err
	}
	var files []served
	return files, json.Unmarshal(data, &files)
}

// writeRandom writes bytes that do not compress and returns their digest.
func writeRandom(path string, size int64, seed uint64) (string, error) {
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var key [32]byte
	key[0], key[1], key[2] = byte(seed), byte(seed>>8), byte(size)
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(f, h), io.LimitReader(rand.NewChaCha8(key), size)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), f.Close()
}

func warm(dir string, files []served) error {
	for _, file := range files {
		f, err := os.Open(filepath.Join(dir, file.Name))
		if err != nil {
			return err
		}
		_, err = io.Copy(struct{ io.Writer }{io.Discard}, f)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
