package main

import (
	"encoding/base64"
	"strconv"

	"github.com/sourcehost/sourcehost/sdk"
)

// identity is what the metadata service of AWS says about this instance, in base64.
// It does not change while an instance lives.
type identity struct {
	document, signature string
	err                 error
}

// metadataTimeout is short: the service is on the machine or nowhere.
const metadataTimeout = 5000 // milliseconds

// load asks the metadata service, once.
func (d *identity) load(ctx *sdk.Context) error {
	if d.document != "" || d.err != nil {
		return d.err
	}
	document, signature, err := ask(ctx)
	if err != nil {
		d.err = err
		return err
	}
	// The alphabet of the RHUI clients of AWS: "-" and "_", with padding.
	d.document, d.signature = base64.URLEncoding.EncodeToString(document), base64.URLEncoding.EncodeToString(signature)
	return nil
}

// ask gets the identity document and its signature, with a session token where the
// service hands one out (IMDSv2).
func ask(ctx *sdk.Context) (document, signature []byte, err error) {
	var headers []sdk.Header
	r, err := ctx.HTTP(&sdk.HTTPRequest{
		Method: "PUT", URL: config.metadataURL + "/latest/api/token", Timeout: metadataTimeout,
		Headers: []sdk.Header{{Name: "X-aws-ec2-metadata-token-ttl-seconds", Value: "300"}},
	})
	switch {
	case err != nil:
		return nil, nil, unreachable(err)
	case r.Status == 200 && len(r.Body) > 0:
		headers = []sdk.Header{{Name: "X-aws-ec2-metadata-token", Value: string(r.Body)}}
	}
	if document, err = get(ctx, "document", headers); err == nil {
		signature, err = get(ctx, "signature", headers)
	}
	return document, signature, err
}

func get(ctx *sdk.Context, what string, headers []sdk.Header) ([]byte, error) {
	r, err := ctx.HTTP(&sdk.HTTPRequest{URL: config.metadataURL + "/latest/dynamic/instance-identity/" + what, Headers: headers, Timeout: metadataTimeout})
	if err != nil {
		return nil, unreachable(err)
	}
	if r.Status != 200 || len(r.Body) == 0 {
		return nil, &sdk.Error{
			Kind: sdk.ErrFailed, Message: "the metadata service answered the request for the identity's " + what + " with the status " + strconv.FormatInt(r.Status, 10),
			Hint: "on other clouds than AWS, set cloud = \"none\"",
		}
	}
	return r.Body, nil
}

// unreachable says what else may be wrong when there is no metadata service.
func unreachable(err error) error {
	e := &sdk.Error{Kind: sdk.KindOf(err), Message: "the metadata service does not tell who this instance is: " + err.Error()}
	if e.Kind != sdk.ErrDenied {
		e.Hint = "this works on an instance of AWS; on other clouds, set cloud = \"none\""
	}
	return e
}
