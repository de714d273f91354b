package download

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// TestResumeFromEarlierRun: the target has bytes already.
func TestResumeFromEarlierRun(t *testing.T) {
	modified := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	date := modified.Format(http.TimeFormat)
	rows := []struct {
		name      string
		have      int
		validator string
		script    hosttest.Behaviour
		want      want
		ranges    string // of the first request
	}{
		{"etag", 20_000, `60000 "v1"`, hosttest.Good, want{attempts: 1, resumed: true}, "bytes=20000-"},
		{"date", 20_000, "60000 " + date, hosttest.Good, want{attempts: 1, resumed: true}, "bytes=20000-"},
		{"unknown size", 20_000, `-1 "v1"`, hosttest.Good, want{attempts: 1, resumed: true}, "bytes=20000-"},
		{"changed etag", 20_000, `60000 "v0"`, hosttest.Good, want{attempts: 1}, "bytes=20000-"},
		{"changed date", 20_000, "60000 Mon, 02 Jan 2006 15:04:05 GMT", hosttest.Good, want{attempts: 1}, "bytes=20000-"},
		{"changed size", 20_000, `50000 "v1"`, hosttest.Good, want{attempts: 2}, "bytes=20000-"},
		{"no validator", 20_000, "", hosttest.Good, want{attempts: 1}, ""},
		{"nonsense", 20_000, "x y", hosttest.Good, want{attempts: 1}, ""},
		{"more than there is", 70_000, `60000 "v1"`, hosttest.Good, want{attempts: 1}, ""},
		{"complete", 60_000, `60000 "v1"`, hosttest.Good, want{attempts: 1, resumed: true}, "bytes=60000-"},
		{"ignored", 20_000, `60000 "v1"`, hosttest.NoLength, want{attempts: 1}, "bytes=20000-"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			overProtocols(t, func(t *testing.T, e *env) {
				e.server.Put(filePath, hosttest.File{Content: e.content, ETag: `"v1"`, Modified: modified})
				e.server.Script(filePath, row.script)
				target := e.target()
				target.Bytes = append(append([]byte(nil), e.content...), make([]byte, 10_000)...)[:row.have]
				target.Valid = row.validator
				info, err := e.engine.Fetch(context.Background(), e.request(), target)
				row.want.check(t, info, asError(t, err), target)
				if got := e.server.Log()[0].Header.Get("Range"); got != row.ranges {
					t.Errorf("asked for %q, want %q", got, row.ranges)
				}
			})
		})
	}
}

// TestResumedMixture: bytes of an earlier run that are wrong cost one more
// request, and not the URL's second chance.
func TestResumedMixture(t *testing.T) {
	overProtocols(t, func(t *testing.T, e *env) {
		for _, have := range []int{20_000, 60_000} {
			target := e.target()
			target.Bytes, target.Valid = make([]byte, have), `60000 "v1"`
			e.server.Script(filePath, hosttest.Good, hosttest.WrongBytes, hosttest.Good)
			info, err := e.engine.Fetch(context.Background(), e.request(), target)
			want{attempts: 3}.check(t, info, asError(t, err), target)
		}
	})
}

// TestNotResumable: servers that give no strong validator or no ranges are asked
// for everything again.
func TestNotResumable(t *testing.T) {
	headers := map[string]http.Header{
		"weak etag":     {"ETag": {`W/"v1"`}},
		"open etag":     {"ETag": {`"v1`}},
		"just modified": {"Last-Modified": {time.Now().UTC().Add(time.Second).Format(http.TimeFormat)}},
		"no ranges":     {"ETag": {`"v1"`}, "Accept-Ranges": {"none"}},
		"nothing":       {},
	}
	for name, header := range headers {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, hosttest.HTTP, Config{})
			half := func(x *hosttest.Exchange) {
				for name, values := range header {
					x.W.Header()[http.CanonicalHeaderKey(name)] = values
				}
				x.W.Header().Set("Content-Length", fmt.Sprint(len(e.content)))
				x.W.Write(e.content[:100])
			}
			e.server.Script(filePath, half, hosttest.Good)
			info, err, target := e.fetch()
			want{attempts: 2}.check(t, info, err, target)
			if got := e.server.Log()[1].Header; got.Get("Range")+got.Get("If-Range") != "" {
				t.Errorf("asked for %q if %q", got.Get("Range"), got.Get("If-Range"))
			}
		})
	}
}

// TestRangesOtherwiseWrong: 206 answers that do not fit what was asked.
//
// adversary: B21
func TestRangesOtherwiseWrong(t *testing.T) {
	part := func(header map[string]string) hosttest.Behaviour {
		return func(x *hosttest.Exchange) {
			if x.R.Header.Get("Range") == "" {
				hosttest.Good(x)
				return
			}
			x.W.Header().Set("Content-Range", "bytes 20000-59999/60000")
			for name, value := range header {
				x.W.Header().Set(name, value)
			}
			x.W.WriteHeader(http.StatusPartialContent)
			x.W.Write(x.File.Content[20_000:])
			if header["Too"] != "" {
				http.NewResponseController(x.W).Flush()
				x.W.Write([]byte("and more"))
			}
		}
	}
	for name, header := range map[string]map[string]string{
		"other etag":   {"ETag": `"v2"`},
		"no range":     {"Content-Range": ""},
		"multipart":    {"Content-Range": "", "Content-Type": "multipart/byteranges; boundary=x"},
		"other unit":   {"Content-Range": "lines 20000-59999/60000"},
		"other length": {"Content-Range": "bytes 20000-59998/60000", "Content-Length": "40000"},
		"other start":  {"Content-Range": "bytes 0-39999/60000"},
		"later start":  {"Content-Range": "bytes 20001-60000/60001"},
		"more":         {"Too": "long"},
	} {
		e := newEnv(t, hosttest.HTTP, Config{})
		e.server.Script(filePath, part(header))
		target := e.target()
		target.Bytes, target.Valid = append([]byte(nil), e.content[:20_000]...), `60000 "v1"`
		info, err := e.engine.Fetch(context.Background(), e.request(), target)
		t.Run(name, func(t *testing.T) {
			want{attempts: 2}.check(t, info, asError(t, err), target)
			if target.Verified != 1 {
				t.Errorf("verified %d times: bytes that cannot be right were taken", target.Verified)
			}
			if slept := len(e.clock.slept); (slept > 0) != (name == "more") {
				t.Errorf("waited %d times: only the resuming had failed", slept)
			}
		})
	}
	e := newEnv(t, hosttest.HTTP, Config{})
	e.server.Script(filePath, part(map[string]string{"Last-Modified": "Mon, 02 Jan 2006 15:04:05 GMT"}))
	dated := e.target()
	dated.Bytes, dated.Valid = append([]byte(nil), e.content[:20_000]...), "60000 Sun, 01 Jan 2006 15:04:05 GMT"
	info, err := e.engine.Fetch(context.Background(), e.request(), dated)
	want{attempts: 2}.check(t, info, asError(t, err), dated)

	e.server.Script(filePath, part(map[string]string{"Content-Range": "bytes 20000-59999/*"}))
	target := e.target()
	target.Bytes, target.Valid = append([]byte(nil), e.content[:20_000]...), `60000 "v1"`
	info, err = e.engine.Fetch(context.Background(), e.request(), target)
	want{attempts: 1, resumed: true}.check(t, info, asError(t, err), target)
}

// TestShortRanges: a range that ends early is followed by the next one.
func TestShortRanges(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{})
	e.server.Script(filePath, hosttest.Truncated, hosttest.ShortRange, hosttest.ShortRange, hosttest.Good)
	_, err, target := e.fetch()
	var ranges []string
	for _, entry := range e.server.Log() {
		ranges = append(ranges, entry.Header.Get("Range"))
	}
	want := []string{"", "bytes=30000-", "bytes=45000-", "bytes=52500-"}
	if err != nil || !slices.Equal(ranges, want) || target.Verified != 1 {
		t.Errorf("%v; asked for %q, want %q; verified %d times", err, ranges, want, target.Verified)
	}
}

func TestParseContentRange(t *testing.T) {
	for s, w := range map[string][3]int64{
		"bytes 0-0/1":                    {0, 0, 1},
		"bytes 5-9/10":                   {5, 9, 10},
		"bytes 5-9/*":                    {5, 9, -1},
		"bytes 5-10/10":                  {},
		"bytes 9-5/10":                   {},
		"bytes */10":                     {},
		"bytes -5-9/10":                  {},
		"bytes +5-9/10":                  {},
		"bytes 5-9":                      {},
		"bytes=5-9/10":                   {},
		"bytes 5-9/10/11":                {},
		"bytes 5-99999999999999999999/*": {},
	} {
		start, end, total, ok := parseContentRange(s)
		if got := [3]int64{start, end, total}; got != w || ok != (w != [3]int64{}) {
			t.Errorf("%q: %v, %v; want %v", s, got, ok, w)
		}
	}
}

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-0/1", "bytes 5-9/*", "bytes */10", "bytes 9223372036854775807-9223372036854775807/*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		start, end, total, ok := parseContentRange(s)
		if !ok {
			return
		}
		if start < 0 || end < start || total >= 0 && end >= total {
			t.Errorf("%q: %d-%d/%d", s, start, end, total)
		}
		size := "*"
		if total >= 0 {
			size = fmt.Sprint(total)
		}
		again := fmt.Sprintf("bytes %d-%d/%s", start, end, size)
		if s2, e2, t2, ok := parseContentRange(again); !ok || s2 != start || e2 != end || t2 != total {
			t.Errorf("%q means something else than %q", again, s)
		}
	})
}

func FuzzValidator(f *testing.F) {
	f.Add(`"v1"`, int64(5))
	f.Add(`W/"v1"`, int64(-1))
	f.Fuzz(func(t *testing.T, tag string, size int64) {
		if size < -1 {
			return
		}
		v := validatorOf(http.Header{"Etag": {tag}}, size)
		if v == "" {
			return
		}
		gotSize, gotTag, ok := decodeValidator(v)
		if strings.ContainsAny(tag, "\r\n\x00") {
			if ok {
				t.Errorf("%q would break a header", tag)
			}
			return
		}
		if !ok || gotSize != size || gotTag != tag {
			t.Errorf("%q, %d became %q, %d", tag, size, gotTag, gotSize)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"1", "", "-1", "99999999999999999999", "Fri, 31 Dec 1999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"} {
		f.Add(s, "Fri, 31 Dec 1999 23:59:00 GMT")
	}
	f.Fuzz(func(t *testing.T, value, date string) {
		if d := retryAfter(http.Header{"Retry-After": {value}, "Date": {date}}, time.Now()); d < 0 {
			t.Errorf("%q at %q: %v", value, date, d)
		}
	})
}

func TestRetryAfterUsesServersClock(t *testing.T) {
	h := http.Header{"Retry-After": {"Fri, 31 Dec 1999 23:59:59 GMT"}, "Date": {"Fri, 31 Dec 1999 23:59:00 GMT"}}
	if d := retryAfter(h, time.Now()); d != 59*time.Second {
		t.Errorf("%v, want 59 s", d)
	}
	if d := retryAfter(http.Header{"Retry-After": {"99999999999999999999"}}, time.Now()); d < time.Hour {
		t.Errorf("a huge number became %v", d)
	}
}
