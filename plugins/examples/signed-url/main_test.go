package main

import (
	"strings"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/sdk"
	"github.com/sourcehost/sourcehost/sdk/sdktest"
)

// The example of the Amazon S3 API reference, "Authenticating Requests: Using Query
// Parameters (AWS Signature Version 4)".
const (
	exampleKeyID  = "AKIAIOSFODNN7EXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	exampleConfig = `{"bucket": [{"url": "https://examplebucket.s3.amazonaws.com/", "region": "us-east-1", "access_key_id": "` + exampleKeyID + `", "secret": "s3-secret-key", "expires": 86400}]}`
	exampleSigned = "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request" +
		"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
)

func prepared(t *testing.T, host *sdktest.Host, config, desc string, at time.Time) sdktest.Outcome {
	t.Helper()
	now = time.Now
	if _, err := sdktest.Try(plugin, host, sdk.Setup, sdktest.Page{Config: config}); err != nil {
		t.Fatal(err)
	}
	now = func() time.Time { return at }
	t.Cleanup(func() { now = time.Now })
	return sdktest.Prepare(t, plugin, host, sdktest.Item{Key: "sha256:0", Desc: desc})
}

var exampleTime = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

func TestPublishedVector(t *testing.T) {
	host := &sdktest.Host{Secrets: map[string]string{"s3-secret-key": exampleSecret}}
	for _, desc := range []string{`"https://examplebucket.s3.amazonaws.com/test.txt"`, `{"url":"https://examplebucket.s3.amazonaws.com/%74est.txt#x"}`, `"` + exampleSigned + `"`} {
		got := prepared(t, host, exampleConfig, desc, exampleTime)
		if want := `{"url":"` + exampleSigned + `"}`; got.Err != nil || got.Desc != want {
			t.Errorf("%s:\n got %s, %v\nwant %s", desc, got.Desc, got.Err, want)
		}
	}
}

func TestOtherItemsStay(t *testing.T) {
	host := &sdktest.Host{}
	for _, desc := range []string{`"https://elsewhere.example/a"`, `{"url":"https://examplebucket.s3.amazonaws.com.evil.example/"}`, `{"path":"a","mirror":"b"}`, `null`} {
		if got := prepared(t, host, exampleConfig, desc, exampleTime); got.Err != nil || got.Desc != desc {
			t.Errorf("%s became %s, %v", desc, got.Desc, got.Err)
		}
	}
}

func TestNeedsTheTime(t *testing.T) {
	now = func() time.Time { return time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) }
	t.Cleanup(func() { now = time.Now })
	_, err := sdktest.Try(plugin, &sdktest.Host{}, sdk.Setup, sdktest.Page{Config: exampleConfig})
	if err == nil || !strings.Contains(err.Error(), "clock = true") {
		t.Errorf("got %v", err)
	}
}

func TestFailures(t *testing.T) {
	host := &sdktest.Host{}
	got := prepared(t, host, exampleConfig, `"https://examplebucket.s3.amazonaws.com/a"`, exampleTime)
	if got.Err == nil || got.Err.Kind != sdk.ErrDenied || !strings.Contains(got.Err.Message, "s3-secret-key") {
		t.Errorf("without the secret: %v", got.Err)
	}
	now = time.Now
	config := strings.Replace(exampleConfig, `"expires"`, `"session_token_env": "AWS_SESSION_TOKEN", "expires"`, 1)
	_, err := sdktest.Try(plugin, host, sdk.Setup, sdktest.Page{Config: config})
	if err == nil || !strings.Contains(err.Error(), "AWS_SESSION_TOKEN") {
		t.Errorf("without the token: %v", err)
	}
}
