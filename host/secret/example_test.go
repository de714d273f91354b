package secret_test

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/sourcehost/sourcehost/host/secret"
)

func Example() {
	r, err := secret.New([]secret.Spec{{Name: "acme", Env: "ACME_TOKEN", Hosts: []string{"*.acme.example"}}},
		secret.WithEnviron(func(string) (string, bool) { return "hunter2-hunter3", true }))
	if err != nil {
		fmt.Println(err)
		return
	}
	log := slog.New(r.Handler(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{} // keeps the output below the same
			}
			return a
		},
	})))

	token, err := r.For("acme", "cdn.acme.example:443")
	if err != nil {
		fmt.Println(err)
		return
	}
	log.Info("request", "authorization", "Bearer "+token)

	_, err = r.For("acme", "evil.example")
	fmt.Println(err)
	// Output:
	// level=INFO msg=request authorization="Bearer [secret acme]"
	// secret "acme" must not be sent to "evil.example": it is bound to *.acme.example; add the server to the hosts of [secret.acme] if it should get it
}
