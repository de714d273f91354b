package download

import (
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// TestSetAside: a host that some items could not connect to costs the others
// one attempt, and comes last where there is another one.
func TestSetAside(t *testing.T) {
	for _, proto := range hosttest.Protocols {
		e := newEnv(t, proto, Config{})
		addr := hosttest.Refused(t)
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
	e := newEnv(t, hosttest.HTTP, Config{ConnectTimeout: 50 * time.Millisecond})
	dead := "http://" + hosttest.BlackHole(t, "127.0.0.1:0") + "/f"
	for i := range 5 {
		info, err, target := e.fetch(dead, e.server.URL(filePath))
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
