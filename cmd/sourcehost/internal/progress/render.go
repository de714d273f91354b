package progress

import (
	"fmt"
	"strings"
	"time"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
)

const (
	// minBar and maxBar bound the width of the bar itself, brackets included.
	minBar = 12
	maxBar = 60
	// slowAfter is how long an item must run before it is named.
	slowAfter = time.Second
)

// totalLine is the bar and the numbers of the whole run, at most width columns
// wide. The bar is left out when there is no room for it.
func totalLine(s snapshot, width int) string {
	parts := []string{
		fmt.Sprintf("%d of %d items", s.done, s.items),
		text.Bytes(s.bytes),
		text.Bytes(int64(s.rate)) + "/s",
		fmt.Sprintf("%.0f s", s.elapsed.Seconds()),
	}
	if s.failed > 0 {
		parts = append([]string{fmt.Sprintf("%d failed", s.failed)}, parts...)
	}
	numbers := strings.Join(parts, "  ")
	room := width - text.Width(numbers) - 2
	if room < minBar {
		return text.Cut(numbers, width)
	}
	return drawBar(s.done, s.items, min(room, maxBar)) + "  " + numbers
}

// drawBar is width columns wide.
func drawBar(done, all, width int) string {
	inner := width - 2
	filled := 0
	if all > 0 {
		filled = inner * done / all
	}
	bar := strings.Repeat("=", filled)
	if filled < inner {
		bar += ">" + strings.Repeat(" ", inner-filled-1)
	}
	return "[" + bar + "]"
}

// slowLines names the n items that have been running longest, one per line of
// at most width columns.
func slowLines(s snapshot, width, n int) []string {
	var lines []string
	for _, a := range s.active {
		age := s.at.Sub(a.start)
		if len(lines) == n || age < slowAfter {
			break // they are in the order of their age
		}
		size := text.Bytes(a.done)
		if a.total > 0 {
			size = fmt.Sprintf("%s of %s", size, text.Bytes(a.total))
		}
		numbers := fmt.Sprintf("  %s  %.0f s", size, age.Seconds())
		room := min(width-2-text.Width(numbers), maxBar)
		lines = append(lines, text.Cut("  "+text.Pad(name(a.url, a.key), max(room, 8))+numbers, width))
	}
	return lines
}
