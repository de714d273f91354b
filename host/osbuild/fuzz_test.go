package osbuild

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host"
)

// FuzzPacket sends any packet, with any file as its first descriptor. There is
// always one valid answer, or none for signals, and what reaches the host is
// what the packet says.
func FuzzPacket(f *testing.F) {
	f.Add([]byte(`{"type":"method","data":{"name":"download","args":{"items":{"a":{}},"options":{},"cache":"/c"}}}`), []byte(""), uint8(191))
	f.Add([]byte(`{"type":"method","data":{"name":"download","args":{"options":null,"cache":"/c"}}}`), []byte(`{"a":"b"}`), uint8(104))
	f.Add([]byte(viaDescriptor), []byte(`{"type":"method","data":{"name":"copy","args":{"items":{},"cache":"/c","dst_cache":"/d"}}}`), uint8(185))
	f.Add([]byte(`{"type":"signal","data":{}}`), []byte("x"), uint8(0))
	f.Add([]byte{0xff}, []byte{}, uint8(56))
	f.Fuzz(func(t *testing.T, data, file []byte, v uint8) {
		fd, err := unix.MemfdCreate("fuzz", unix.MFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unix.Write(fd, file); err != nil {
			t.Fatal(err)
		}
		null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer null.Close()
		lines := NewLines(null)
		defer lines.Close(time.Second)
		s := &Service{Source: "org.test", Version: Version(v), Lines: lines, Open: func(func(host.Event), *slog.Logger) (Backend, error) {
			return &fake{run: func(ctx context.Context, req host.Request) (*host.Result, error) {
				for _, it := range req.Items {
					if !json.Valid(it.Desc) {
						t.Errorf("the item %q has the description %q", it.Key, it.Desc)
					}
				}
				return failing("x")(ctx, req)
			}, copied: func(ctx context.Context, req CopyRequest) (*host.Result, error) {
				return cached(ctx, host.Request{Items: req.Items})
			}}, nil
		}}
		p := &packet{data: data, fds: []int{fd}}
		err = (&conn{fd: -1}).complete(p, len(data), 0)
		if err != nil {
			p.close()
			return
		}
		reply := s.handle(t.Context(), p)
		if len(p.fds) > 0 {
			t.Error("descriptors are left open")
		}
		if bytes.Contains(reply, []byte("InternalError")) {
			t.Errorf("the service has a fault: %s", reply)
		}
		if reply != nil && !json.Valid(reply) {
			t.Errorf("the reply is no JSON: %q", reply)
		}
	})
}
