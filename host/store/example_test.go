package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/sourcehost/sourcehost/host/store"
)

func ExampleFiles_Stage() {
	dir, err := os.MkdirTemp("", "sources")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	s, err := store.Open(dir)
	if err != nil {
		panic(err)
	}
	defer s.Close()
	files, err := s.Files("org.osbuild.files")
	if err != nil {
		panic(err)
	}
	key, err := store.ParseKey("md5:5d41402abc4b2a76b9719d911017c592")
	if err != nil {
		panic(err)
	}
	stage, err := files.Stage(context.Background(), key)
	if errors.Is(err, store.ErrExists) {
		return // somebody else was faster
	}
	if err != nil {
		panic(err)
	}
	defer stage.Close()
	if _, err := stage.Write([]byte("hello")); err != nil {
		panic(err)
	}
	if err := stage.Commit(context.Background()); err != nil {
		panic(err)
	}
	fmt.Println(files.Verify(context.Background(), key))
	// Output: <nil>
}
