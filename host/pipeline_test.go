package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/hosttest"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

func TestRunFetchesThenFindsCached(t *testing.T) {
	srv := serve(t)
	items := srv.many(3)
	dir := t.TempDir()
	h := newHost(t, nil, scripted(t, source(), "{}"))

	res := run(t, h, dir, items)
	wantStates(t, res, host.Fetched, host.Fetched, host.Fetched)
	if c := res.Counts(); c.Fetched != 3 || c.Bytes != int64(3*len("content 0")) {
		t.Errorf("counts are %+v", c)
	}
	for i, it := range res.Items {
		if it.Key != items[i].Key || it.Attempts != 1 || !strings.HasPrefix(it.URL, srv.URL) {
			t.Errorf("result %d is %+v", i, it)
		}
		data, err := os.ReadFile(filepath.Join(dir, testType, it.Key))
		if err != nil || keyOf(string(data)) != it.Key {
			t.Errorf("entry %s: %v", it.Key, err)
		}
	}
	wantStates(t, run(t, h, dir, items), host.Cached, host.Cached, host.Cached)
	if n := srv.requests("/file-0"); n != 1 {
		t.Errorf("a cached item was requested again: %d requests", n)
	}
}

// A plugin without filter and setup is not even compiled when nothing is
// missing: this one would trap in its first instruction.
func TestRunCachedNeedsNoPlugin(t *testing.T) {
	dir := t.TempDir()
	content := "here already"
	if err := os.MkdirAll(filepath.Join(dir, testType), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, testType, keyOf(content)), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	h := newHost(t, logTo(&log), scripted(t, source(), `{"fetch_one":{"log":"called"}}`))
	wantStates(t, run(t, h, dir, []host.Item{{Key: keyOf(content), Desc: json.RawMessage(`"x:"`)}}), host.Cached)
	if strings.Contains(log.String(), "called") {
		t.Error("a hook was called although nothing is missing")
	}
}

func TestRunFailingItemFailsAlone(t *testing.T) {
	srv := serve(t)
	items := srv.many(3)
	items[1].Desc = json.RawMessage(`"` + srv.URL + `/missing"`)
	wrong := srv.add("/wrong", "expected")
	srv.add("/wrong", "something else")
	items = append(items, wrong, host.Item{Key: "sha256:../../etc", Desc: json.RawMessage(`"x:"`)})
	dir := t.TempDir()
	res := run(t, newHost(t, nil, scripted(t, source(), "{}")), dir, items)
	wantStates(t, res, host.Fetched, host.Failed, host.Fetched, host.Failed, host.Failed)
	wantError(t, res.Items[1], "not found", "/missing", "404")
	wantError(t, res.Items[3], "mismatch", "/wrong")
	wantError(t, res.Items[4], "invalid")
	if len(entries(t, dir)) != 2 {
		t.Errorf("the store holds %v", entries(t, dir))
	}
	if len(res.Failed()) != 3 {
		t.Errorf("%d items failed, want 3", len(res.Failed()))
	}
}

func TestFilterSkipsWithReason(t *testing.T) {
	srv := serve(t)
	items := srv.many(2)
	h := newHost(t, nil, scripted(t, source("filter"),
		fmt.Sprintf(`{"filter":{"output":"{\"items\":[{\"key\":\"%s\",\"skip\":\"not today\"}]}"}}`, items[0].Key)))
	res := run(t, h, t.TempDir(), items)
	wantStates(t, res, host.Skipped, host.Fetched)
	if res.Items[0].Reason != "not today" {
		t.Errorf("reason is %q", res.Items[0].Reason)
	}
}

func TestSetupFailureIsAnErrorOfTheRun(t *testing.T) {
	h := newHost(t, nil, scripted(t, source("setup"), `{"setup":{"error":"{\"kind\":\"invalid\",\"message\":\"the options are wrong\",\"hint\":\"mend them\"}"}}`))
	_, err := h.Run(t.Context(), host.Request{Source: testSource, Store: t.TempDir()})
	var e *host.Error
	if !errors.As(err, &e) || e.Kind != "invalid" || e.Hook != "setup" || e.Message != "the options are wrong" || e.Hint != "mend them" {
		t.Errorf("got %#v", err)
	}
}

// Chained plugins run in the configured order, before the source's own hook,
// and each sees what the one before made of the description.
func TestPrepareChain(t *testing.T) {
	srv := serve(t)
	item := srv.add("/final", "content")
	item.Desc = json.RawMessage(`"start"`)
	prep := func(name, from, to string) host.Plugin {
		return scripted(t, preparer(name, plugin.Capability{Name: "download", Values: []string{"*"}, Reason: "any"}), fmt.Sprintf(`{"prepare":{"log":"%s","each":"{\"key\":\"$KEY\",\"desc\":\"%s\"}"}}`, name, to))
	}
	var log lockedBuffer
	own := scripted(t, source("prepare"), fmt.Sprintf(`{"prepare":{"log":"own","each":"{\"key\":\"$KEY\",\"desc\":\"%s/final\"}"}}`, srv.URL))
	h := newHost(t, func(c *host.Config) {
		logTo(&log)(c)
		c.Prepare = map[string][]string{testSource: {"two", "one"}}
	}, own, prep("one", "", "b"), prep("two", "", "a"))
	wantStates(t, run(t, h, t.TempDir(), []host.Item{item}), host.Fetched)
	text := log.String()
	two, one, ownAt := strings.Index(text, "msg=two"), strings.Index(text, "msg=one"), strings.Index(text, "msg=own")
	if two < 0 || one < two || ownAt < one {
		t.Errorf("the chain did not run in the order two, one, own:\n%s", text)
	}
}

func TestPreparedDescriptionIsValidated(t *testing.T) {
	srv := serve(t)
	m := source("prepare")
	m.Prepared = json.RawMessage(`{"type":"string"}`)
	h := newHost(t, nil, scripted(t, m, `{"prepare":{"each":"{\"key\":\"$KEY\",\"desc\":17}"}}`))
	res := run(t, h, t.TempDir(), srv.many(1))
	wantError(t, res.Items[0], "plugin", "prepare", "string")
}

// Pages flow: the first page is downloaded while the last is still unprepared.
func TestDownloadsStartBeforeAllIsPrepared(t *testing.T) {
	const n = 256 * 8 // more pages than the queue between the stages holds
	srv := serve(t)
	items := srv.many(n)
	var log lockedBuffer
	first := make(chan string, 1)
	h := newHost(t, func(c *host.Config) {
		logTo(&log)(c)
		c.Notify = func(e host.Event) {
			if e.Kind == host.EventStart {
				select {
				case first <- log.String():
				default:
				}
			}
		}
	}, scripted(t, source("prepare"), `{"prepare":{"log":"preparing $PAGE"}}`))
	run(t, h, t.TempDir(), items)
	if pages := strings.Count(<-first, "preparing 256"); pages >= 8 {
		t.Errorf("the first download began after all %d pages were prepared", pages)
	}
	if got := strings.Count(log.String(), "preparing 256"); got != 8 {
		t.Errorf("%d pages were prepared, want 8", got)
	}
}

func TestWorkersBoundTheDownloads(t *testing.T) {
	for _, workers := range []int{1, 3} {
		crowd := hosttest.NewCrowd(workers)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			crowd.Enter(r.Context())()
			fmt.Fprint(w, r.URL.Path)
		}))
		var items []host.Item
		for i := range 20 {
			path := fmt.Sprintf("/%d", i)
			items = append(items, host.Item{Key: keyOf(path), Desc: json.RawMessage(`"` + srv.URL + path + `"`)})
		}
		h := newHost(t, func(c *host.Config) { c.Workers = workers }, scripted(t, source(), "{}"))
		res := run(t, h, t.TempDir(), items)
		srv.Close()
		if c := res.Counts(); c.Fetched != 20 {
			t.Errorf("workers %d: %+v", workers, c)
		}
		if got := crowd.Most(); got != workers {
			t.Errorf("with %d workers %d requests were under way at once", workers, got)
		}
	}
}

// adversary: C8a
func TestVerifyRepairsCorruptEntries(t *testing.T) {
	srv := serve(t)
	items := srv.many(3)
	dir := t.TempDir()
	h := newHost(t, nil, scripted(t, source(), "{}"))
	run(t, h, dir, items)
	entry := filepath.Join(dir, testType, items[1].Key)
	if err := os.WriteFile(entry, []byte("content X"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, testType, items[2].Key)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, testType, items[2].Key), 0o755); err != nil {
		t.Fatal(err)
	}
	// Without Verify, what is no file at all is noticed, and reported.
	res := run(t, h, dir, items)
	wantStates(t, res, host.Cached, host.Cached, host.Failed)
	wantError(t, res.Items[2], "disk", "--verify")

	res, err := h.Run(t.Context(), host.Request{Source: testSource, Items: items, Store: dir, Verify: true})
	if err != nil {
		t.Fatal(err)
	}
	wantStates(t, res, host.Cached, host.Fetched, host.Fetched)
	for _, it := range items {
		data, err := os.ReadFile(filepath.Join(dir, testType, it.Key))
		if err != nil || keyOf(string(data)) != it.Key {
			t.Errorf("entry %s is wrong after repair: %v", it.Key, err)
		}
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	srv := serve(t)
	items := srv.many(2)
	dir := filepath.Join(t.TempDir(), "not", "there")
	h := newHost(t, nil, scripted(t, source(), "{}"))
	res, err := h.Run(t.Context(), host.Request{Source: testSource, Items: items, Store: dir, DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	wantStates(t, res, host.Planned, host.Planned)
	if res.Items[0].URL != srv.URL+"/file-0" || srv.requests("/file-0") != 0 {
		t.Errorf("planned %+v, %d requests", res.Items[0], srv.requests("/file-0"))
	}
	if _, err := os.Stat(filepath.Dir(dir)); !os.IsNotExist(err) {
		t.Errorf("a dry run made a folder: %v", err)
	}
}

func TestCancelStopsWithinASecond(t *testing.T) {
	started := make(chan struct{})
	var once sync.Once
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		once.Do(func() { close(started) })
		<-release
	}))
	defer srv.Close()
	defer close(release)
	items := []host.Item{{Key: keyOf("a"), Desc: json.RawMessage(`"` + srv.URL + `"`)}, {Key: keyOf("b"), Desc: json.RawMessage(`"` + srv.URL + `"`)}}
	ctx, cancel := context.WithCancel(t.Context())
	h := newHost(t, nil, scripted(t, source(), "{}"))
	go func() { <-started; cancel() }()
	within(t, patience, func() {
		res, err := h.Run(ctx, host.Request{Source: testSource, Items: items, Store: t.TempDir()})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
		wantStates(t, res, host.Failed, host.Failed)
		wantError(t, res.Items[0], "canceled")
	})
}

func TestUsageErrors(t *testing.T) {
	item := host.Item{Key: keyOf("a"), Desc: json.RawMessage(`"x:"`)}
	h := newHost(t, nil, scripted(t, source(), "{}"))
	for name, c := range map[string]struct {
		req  host.Request
		want string
	}{
		"unknown source": {host.Request{Source: "org.example.other", Store: "x"}, "known sources: " + testSource},
		"same key twice": {host.Request{Source: testSource, Store: "x", Items: []host.Item{item, item}}, "twice"},
		"options":        {host.Request{Source: testSource, Store: "x", Options: json.RawMessage(`5`)}, "/options"},
		"no store":       {host.Request{Source: testSource}, "no store"},
	} {
		_, err := h.Run(t.Context(), c.req)
		var usage *host.UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want a usage error with %q", name, err, c.want)
		}
	}
}

func TestEvents(t *testing.T) {
	srv := serve(t)
	items := srv.many(2)
	dir := t.TempDir()
	var mu sync.Mutex
	var kinds []string
	h := newHost(t, func(c *host.Config) {
		c.Workers = 1
		c.Notify = func(e host.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind != host.EventProgress {
				kinds = append(kinds, string(e.Kind))
			}
			if e.Kind == host.EventItem && e.Result.State != host.Fetched {
				t.Errorf("item event: %+v", e.Result)
			}
		}
	}, scripted(t, source(), "{}"))
	run(t, h, dir, items[:1])
	run(t, h, dir, items)
	want := "source cached start item source-done source cached start item source-done"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("events are %s, want %s", got, want)
	}
}

// What a hook call asks for waits in memory, so a plugin cannot ask without end.
func TestRequestsOfAPageAreBounded(t *testing.T) {
	srv := serve(t)
	items := srv.many(2)
	log := &lockedBuffer{}
	ask := func(key, path string) string {
		d := abi.Download{Key: key, URLs: []string{srv.URL + path}}
		for range 99 {
			d.URLs = append(d.URLs, srv.URL+"/"+strings.Repeat("x", 8000))
		}
		return abi.OpDownload + " " + string(d.Append(nil))
	}
	var calls []string
	for i, path := range []string{"/file-0", "/file-1"} {
		calls = append(calls, quoted(ask(items[i].Key, path)))
	}
	h := newHost(t, logTo(log), scripted(t, source(), `{"fetch_one":{"calls":[`+strings.Join(calls, ",")+`]}}`))
	res := run(t, h, t.TempDir(), items)
	wantStates(t, res, host.Fetched, host.Failed)
	if !strings.Contains(log.String(), "more than 1179648 bytes together") {
		t.Errorf("no limit: %s", log.String())
	}
}

// expensive is a schema whose regular expressions take some microseconds for each byte.
func expensive() json.RawMessage {
	var all []string
	for i := range 100 {
		all = append(all, fmt.Sprintf(`{"pattern":"(.*[ab]){20}%d$"}`, i))
	}
	return json.RawMessage(`{"anyOf":[` + strings.Join(all, ",") + `,{"type":"string"}]}`)
}

// A plugin does not keep the host busy with its own schema and its own descriptions: not
// with one that is large, and not with many.
func TestSchemaTakesItsTimeOnly(t *testing.T) {
	m := source("prepare")
	m.Prepared = expensive()
	returning := func(size int) string {
		return `{"prepare":{"each":` + quoted(`{"key":"$KEY","desc":"`+strings.Repeat("a", size)+`"}`) + `}}`
	}
	res := run(t, newHost(t, nil, scripted(t, m, returning(60_000))), t.TempDir(), []host.Item{{Key: keyOf("a"), Desc: json.RawMessage("1")}})
	wantError(t, res.Items[0], "plugin", "it has 60002 bytes, too many for what the schema does with each")

	var items []host.Item
	for i := range 40 {
		items = append(items, host.Item{Key: keyOf(fmt.Sprint(i)), Desc: json.RawMessage("1")})
	}
	h := newHost(t, func(c *host.Config) { c.Limits.HookTime = time.Second }, scripted(t, m, returning(4000)))
	res = run(t, h, t.TempDir(), items)
	wantError(t, res.Items[39], "timeout", "checking what it returned took longer than 1s")

	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	h = newHost(t, nil, scripted(t, m, returning(4000)))
	res, err := h.Run(ctx, host.Request{Source: testSource, Items: items, Store: t.TempDir()})
	if err == nil || res == nil {
		t.Fatalf("got %v, %v", res, err)
	}
	wantError(t, res.Items[39], "canceled", "stopped")
}
