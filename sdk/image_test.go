package sdk

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func imageOf(t *testing.T, desc string) (*Item, *Image) {
	t.Helper()
	it := &Item{desc: Value(desc)}
	i, err := it.Image()
	if err != nil {
		t.Fatalf("%s: %v", desc, err)
	}
	return it, i
}

func TestImage(t *testing.T) {
	const full = `{"more":[1],"image":{"name":"quay.io/a","digest":"sha256:1","containers-transport":"containers-storage","storage-location":"/s","tls-verify":false,"x":{"y":1}}}`
	it, i := imageOf(t, full)
	want := &CopyImage{Key: "k", Transport: TransportStorage, Name: "quay.io/a", Digest: "sha256:1", Storage: "/s", Insecure: true}
	if got := i.CopyImage("k"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	it.SetImage(i)
	if string(it.Desc()) != full || !it.changed {
		t.Errorf("after a round trip: %s", it.Desc())
	}
	i.Name = `mirror/"a"`
	it.SetImage(i)
	if !strings.Contains(string(it.Desc()), `"name":"mirror/\"a\""`) || !json.Valid(it.Desc()) {
		t.Errorf("after a change: %s", it.Desc())
	}
	it, i = imageOf(t, `{"image":{"name":"a","tls-verify":true}}`)
	if it.SetImage(i); i.Insecure || string(it.Desc()) != `{"image":{"name":"a"}}` {
		t.Errorf("got %+v, %s", i, it.Desc())
	}
}

func TestImageErrors(t *testing.T) {
	for desc, part := range map[string]string{
		`{}`:                               "names no image",
		`"x"`:                              "an object",
		`{"image":{}}`:                     "names no image",
		`{"image":"x"}`:                    "/image: expected an object",
		`{"image":{"name":1}}`:             "/image/name: expected a string",
		`{"image":{"tls-verify":"no"}}`:    "/image/tls-verify",
		`{"image":{"name":"a"}} {}`:        "end of the text",
		`{"image":{"name":"a","name":"b"}`: "twice",
	} {
		_, err := (&Item{desc: Value(desc)}).Image()
		if err == nil || KindOf(err) != ErrInvalid || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, expected an error with %q", desc, err, part)
		}
	}
}
