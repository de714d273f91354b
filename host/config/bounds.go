package config

import (
	"strconv"
	"time"
)

// The largest values of keys. Larger ones would be without a meaning, or too large for
// what is computed from them.
const (
	// MaxWorkers is the largest value of "workers": the host's own bound.
	MaxWorkers = 1024
	// MaxCount is the largest number, MaxSize the largest size in bytes and
	// MaxDuration the longest duration of keys without another bound.
	MaxCount    = 1_000_000_000
	MaxSize     = 1 << 40
	MaxDuration = 168 * time.Hour

	maxMemory  = 4 << 30 // what 32 bits can address
	maxMessage = 1 << 30 // lengths of messages have 32 bits, with room for an envelope
	maxCall    = int64(24 * time.Hour)
)

// bound is the largest value of a key, 0 for keys that are not numbers.
func (k key) bound() int64 {
	if k.most > 0 {
		return k.most
	}
	return map[kind]int64{kindCount: MaxCount, kindSize: MaxSize, kindDuration: int64(MaxDuration)}[k.kind]
}

// boundText is the bound as it is written in the file.
func (k key) boundText() string {
	switch n := k.bound(); k.kind {
	case kindSize:
		return tomlSize(n)
	case kindDuration:
		return tomlValue(durationText(time.Duration(n)))
	default:
		return strconv.FormatInt(n, 10)
	}
}
