package conformance

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/sourcehost/sourcehost/host/guest"
	"github.com/sourcehost/sourcehost/internal/abi"
)

const headerManifest = "plugins/examples/header/plugin.json"

// header loads the example plugin in a language. Trusted code runs
// without checks for its deadline, as it does in a process of its own.
func header(t testing.TB, language string, limits *guest.Limits) *guest.Plugin {
	t.Helper()
	r := guest.NewRuntime(config)
	t.Cleanup(func() { r.Close(context.Background()) })
	p, err := r.Load(guest.Source{Name: language, Wasm: built(t, language, "header", headerManifest), Trusted: true, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestHeader has the example plugin do the same in each language, in little memory.
func TestHeader(t *testing.T) {
	t.Parallel()
	const headers = `"headers":[{"name":"Authorization","secret":"acme-token","prefix":"Bearer "}]`
	c := testCase{hook: abi.Prepare, items: []item{
		{`"https://rpms.acme.example/a/b.rpm"`, answers(`{"urls":["https://mirror.acme.example/rpms/a/b.rpm","https://rpms.acme.example/a/b.rpm"],` + headers + `}`)},
		{`{"url":"https://rpms.acme.example/\u00fc\".rpm","insecure":true}`, answers(`{"urls":["https://mirror.acme.example/rpms/ü\".rpm","https://rpms.acme.example/ü\".rpm"],"insecure":true,` + headers + `}`)},
		{`{"urls":["https://rpms.acme.example/a","https://b.example/"],"url":"https://rpms.acme.example/a","x":[1]}`, answers(`{"urls":["https://mirror.acme.example/rpms/a","https://rpms.acme.example/a","https://b.example/"],"x":[1],` + headers + `}`)},
		{`{"url":"https://rpms.acme.example/a","headers":[{"name":"A","value":"b"}],"secrets":{"name":"org.osbuild.mtls"}}`, answers(`{"urls":["https://mirror.acme.example/rpms/a","https://rpms.acme.example/a"],"secrets":{"name":"org.osbuild.mtls"},"headers":[{"name":"A","value":"b"},{"name":"Authorization","secret":"acme-token","prefix":"Bearer "}]}`)},
		{`{"url":"https://elsewhere.example/b.rpm"}`, outcome{}},
		{`{"url":"https://rpms.acme.example.evil/rpms.acme.example/b"}`, outcome{}},
		{`{"path":"Packages/a.rpm","mirror":"no url, which is not ours"}`, outcome{}},
		{`{"url":7}`, outcome{kind: "invalid", anyMessage: true}},
		{`{"urls":"https://rpms.acme.example/a"}`, outcome{kind: "invalid", anyMessage: true}},
		{`null`, outcome{kind: "invalid", anyMessage: true}},
	}}
	for _, language := range languages {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			limit := int64(4 << 20)
			if language == "go" {
				limit = 24 << 20
			}
			p := header(t, language, &guest.Limits{MemoryBytes: limit})
			if err := c.run(context.Background(), p); err != nil {
				t.Error(err)
			}
			usesMemoryAgain(t, p)
		})
	}
}

// page is a full page of items that the example plugin changes.
func page() []byte {
	p := abi.Page{Source: source}
	for i := range 256 {
		url := fmt.Sprintf("https://rpms.acme.example/fedora/releases/39/Everything/x86_64/os/Packages/a/abc-%d-4.fc39.x86_64.rpm", i)
		p.Items = append(p.Items, abi.Item{Key: key(i), Desc: []byte(`{"url":"` + url + `","secrets":{"name":"org.osbuild.rhsm"}}`)})
	}
	return p.Append(nil)
}

// usesMemoryAgain: 25,600 items do not need more memory than a page does.
func usesMemoryAgain(t *testing.T, p *guest.Plugin) {
	t.Helper()
	input := page()
	pool := p.Pool(nil, nil)
	defer pool.Close()
	for range 100 {
		if _, err := pool.Call(context.Background(), abi.Prepare, input, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkHeader prints the size of the example plugin in each language, with its
// manifest, and its time per item: that of the processor, which says the same on a
// machine that has other things to do.
func BenchmarkHeader(b *testing.B) {
	input := page()
	for _, language := range languages {
		b.Run(language, func(b *testing.B) {
			wasm := built(b, language, "header", headerManifest)
			pool := header(b, language, nil).Pool(nil, nil)
			defer pool.Close()
			ctx := context.Background()
			out, err := pool.Call(ctx, abi.Prepare, input, nil)
			if err != nil || strings.Count(string(out), "mirror.acme") != 256 {
				b.Fatal(err)
			}
			before := processorTime(b)
			for b.Loop() {
				if _, err := pool.Call(ctx, abi.Prepare, input, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N)/256, "cpu-ns/item")
			b.ReportMetric(float64(len(wasm)), "bytes")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// processorTime is what this process has used so far, in nanoseconds.
func processorTime(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
