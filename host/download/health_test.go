package download

import (
	"context"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// TestSetAside: a host that some items could not connect to costs the others
// one attempt, and comes last where there is another one.
func TestSetAside(t *testing.T) {
	for _, proto := range hosttest.Protocols {
		e := newEnv(t, proto, Config{})
		addr := hosttest.Free(t)
		dead := e.server.URL("")[:len(e.server.URL(""))-len(e.server.Addr())] + addr + filePath
		for range 3 {
			info, err, target := e.fetch(dead)
			want{kind: KindNetwork, attempts: 10, text: "no server listens"}.check(t, info, err, target)
		}
		info, err, target := e.fetch(dead)
		want{kind: KindNetwork, attempts: 1, text: "tried only once"}.check(t, info, err, target)
		info, err, target = e.fetch(dead, e.server.URL(filePath))
		want{attempts: 1}.check(t, info, err, target)
		info, err, target = e.fetch(dead, e.server.FaultURL("404", 0, filePath))
		want{kind: KindNetwork, attempts: 2, text: "404 Not Found"}.check(t, info, err, target)

		// Once it answers, whatever it says, it is like any other.
		alive := e.start(hosttest.Options{Protocol: proto, Addr: addr})
		info, err, target = e.fetch(dead)
		want{kind: KindNotFound, attempts: 1, text: "404"}.check(t, info, err, target)
		alive.Put(filePath, hosttest.File{Content: e.content})
		info, err, target = e.fetch(dead, e.server.URL(filePath))
		want{attempts: 1}.check(t, info, err, target)
		if info.URL != dead {
			t.Errorf("the bytes came from %s, want them from the first URL", info.URL)
		}
	}
}

// TestSetAsideAfterFailover: a dead first mirror is noticed although every item
// succeeds, so that its time-out is not waited for again and again.
func TestSetAsideAfterFailover(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{ConnectTimeout: 200 * time.Millisecond})
	info, err, target := e.fetch() // from now on there is a connection, which has no time-out
	want{attempts: 1}.check(t, info, err, target)
	dead := "http://" + hosttest.BlackHole(t, "127.0.0.1:0") + "/f"
	for i := range 5 {
		info, err, target = e.fetch(dead, e.server.URL(filePath))
		attempts := 2
		if i >= DefaultSetAside {
			attempts = 1
		}
		want{attempts: attempts}.check(t, info, err, target)
	}
}

// TestNotSetAside: errors of a host that answers do not count, nor those of a
// host that a redirect leads to, nor any when it is turned off.
func TestNotSetAside(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{MaxAttempts: 2})
	e.server.Script("/go", hosttest.Redirect(302, "http://"+hosttest.Refused(t)+"/f"))
	for range 5 {
		for _, u := range []string{e.server.FaultURL("503", 0, filePath), e.server.FaultURL("reset", 0, filePath), e.server.URL("/go")} {
			info, err, target := e.fetch(u)
			want{kind: KindNetwork, attempts: 2}.check(t, info, err, target)
		}
	}
	e = newEnv(t, hosttest.HTTP, Config{MaxAttempts: 2, SetAside: -1})
	dead := "http://" + hosttest.Refused(t) + "/f"
	for range 5 {
		info, err, target := e.fetch(dead)
		want{kind: KindNetwork, attempts: 2}.check(t, info, err, target)
	}
}

// TestSuccessIsNoStrike: items that succeeded, in a later attempt or elsewhere,
// that were canceled, or that name a host several times, do not take the retries
// from the next item.
func TestSuccessIsNoStrike(t *testing.T) {
	addr := hosttest.Free(t)
	dead := "http://" + addr + filePath
	for _, row := range []struct {
		name  string
		items int
		fetch func(t *testing.T, e *env)
	}{
		{"retried side by side", 1, func(t *testing.T, e *env) { retried(t, e, addr) }},
		{"retried under another name", 5, func(t *testing.T, e *env) {
			e.engine.sleep = func(ctx context.Context, d time.Duration) bool {
				t.Error("waited")
				return false
			}
			var alive *hosttest.Server
			req := e.request(dead+"?1", dead)
			req.CheckURL = func(source string, _ *url.URL) error {
				if source == dead {
					alive = e.start(hosttest.Options{Addr: addr})
					alive.Put(filePath, hosttest.File{Content: e.content})
				}
				return nil
			}
			info, err, target := e.fetchReq(req)
			want{attempts: 2}.check(t, info, err, target)
			alive.Close()
			e.engine.trans.close()
		}},
		{"failed over", 5, func(t *testing.T, e *env) {
			info, err, target := e.fetch(dead, e.server.URL(filePath))
			if err != nil {
				t.Fatal(err)
			}
			want{attempts: info.Attempts}.check(t, info, err, target)
		}},
		{"canceled", 5, func(t *testing.T, e *env) {
			ctx, cancel := context.WithCancel(t.Context())
			e.engine.sleep = func(context.Context, time.Duration) bool { cancel(); return false }
			_, err := e.engine.Fetch(ctx, e.request(dead), e.target())
			if asError(t, err).Kind != KindCanceled {
				t.Fatalf("got %v, want it canceled", err)
			}
		}},
		{"three URLs, one item", 1, func(t *testing.T, e *env) {
			info, err, target := e.fetch(dead, dead+"?2", dead+"?3")
			want{kind: KindNetwork, attempts: 10}.check(t, info, err, target)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := newEnv(t, hosttest.HTTP, Config{})
			for range row.items {
				row.fetch(t, e)
			}
			e.engine.sleep = e.clock.sleep
			info, err, target := e.fetch(dead)
			want{kind: KindNetwork, attempts: 10}.check(t, info, err, target)
		})
	}
}

// retried fetches several items at once from a server at addr that starts after
// their first attempts. None of them ends before all have got an answer.
func retried(t *testing.T, e *env, addr string) {
	const items = DefaultSetAside
	var refused, answered, done sync.WaitGroup
	refused.Add(items)
	answered.Add(items)
	up := sync.OnceValue(func() *hosttest.Server {
		refused.Wait()
		s := e.start(hosttest.Options{Addr: addr})
		s.Put(filePath, hosttest.File{Content: e.content})
		return s
	})
	e.engine.sleep = func(context.Context, time.Duration) bool {
		refused.Done()
		up()
		return true
	}
	for range items {
		done.Go(func() {
			target := e.target()
			target.OnWrite = func(have int) {
				if have == 0 {
					answered.Done()
					answered.Wait()
				}
			}
			if info, err := e.engine.Fetch(t.Context(), e.request("http://"+addr+filePath), target); err != nil || info.Attempts != 2 {
				t.Errorf("%d attempts: %v", info.Attempts, err)
			}
		})
	}
	done.Wait()
	up().Close()
	e.engine.trans.close()
}

// TestSetAsideComesBack: a host that is set aside is asked as soon as the others
// have failed once, not after all their retries.
func TestSetAsideComesBack(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{})
	addr := hosttest.Free(t)
	dead := "http://" + addr + filePath
	for range DefaultSetAside {
		e.fetch(dead)
	}
	alive := e.start(hosttest.Options{Addr: addr})
	alive.Put(filePath, hosttest.File{Content: e.content})
	info, err, target := e.fetch(dead, e.server.FaultURL("503", 0, filePath))
	want{attempts: 2}.check(t, info, err, target)
}
