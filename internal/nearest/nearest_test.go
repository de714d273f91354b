package nearest

import (
	"strings"
	"testing"
)

func TestName(t *testing.T) {
	known := []string{"url", "insecure", "secrets", "max_attempts", "workers"}
	for name, want := range map[string]string{
		"urll":                   "url",
		"URL":                    "url",
		"ulr":                    "url", // a swap is one step
		"insecrue":               "insecure",
		"secret":                 "secrets",
		"max-attempts":           "max_attempts",
		"wrokers":                "workers",
		"xyz":                    "",
		"":                       "",
		"x":                      "",
		"url":                    "", // what is known needs no suggestion of itself
		strings.Repeat("u", 100): "",
		"ürl":                    "url",
	} {
		if got := Name(name, known); got != want {
			t.Errorf("Name(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestEarlierNameWins(t *testing.T) {
	if got := Name("item", []string{"items", "itemz"}); got != "items" {
		t.Errorf("got %q", got)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"ab", "ba", 1}, {"abc", "abc", 0}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
