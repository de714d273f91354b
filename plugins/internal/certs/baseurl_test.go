package certs

import "testing"

func TestBaseURL(t *testing.T) {
	for _, tt := range []struct {
		base, url string
		want      bool
	}{
		{"https://a/b", "https://a/b", true},
		{"https://a/b", "https://a/b/c", true},
		{"https://a/b/", "https://a/b/c", true},
		{"https://a/b", "https://a/b?x=1", true},
		{"https://a/b", "https://a/bc", false},
		{"https://a/b", "https://a", false},
		{"https://a/b", "xhttps://a/b", false},
		{"https://a/$releasever/c", "https://a/9/c/d", true},
		{"https://a/$releasever/c", "https://a//c/d", false},
		{"https://a/$releasever/c", "https://a/9/8/c/d", false},
		{"https://a/el$releasever-$arch/c", "https://a/el9-0-s390x/c/d", true},
		{"https://a/el$releasever-$arch/c", "https://a/el9/c/d", false},
		{"https://a/$basearch", "https://a/x86_64/d", true},
		{"https://a/$arch/$uuid", "https://a/x/1-2", true},
		{"https://a/$arch/$uuid", "https://a/x/", false},
		{"https://a/$other/b", "https://a/9/b", false},
		{"https://a/$other/b", "https://a/$other/b/c", true},
		{"https://a.b/c", "https://axb/c", false},
	} {
		if got := parseBaseURL(tt.base).contains(tt.url); got != tt.want {
			t.Errorf("baseurl %q contains %q: %v", tt.base, tt.url, got)
		}
	}
}
