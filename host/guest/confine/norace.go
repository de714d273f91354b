//go:build !race

package confine

// underRace says that the race detector is linked in.
const underRace = false
