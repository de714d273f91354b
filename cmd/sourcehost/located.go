package main

import (
	"errors"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/config"
)

// newHost makes the host of a configuration. What is wrong is reported with its
// place in the configuration's files.
func (a *app) newHost(cfg host.Config) (*host.Host, error) {
	h, err := host.New(cfg)
	if err == nil {
		return h, nil
	}
	if mistakes := a.locate(err); len(mistakes) > 0 {
		return nil, &usageError{err: mistakes}
	}
	return nil, err
}

// locate turns the errors of the host into mistakes in the configuration's files.
// It returns none when one of them is about nothing that a file says.
func (a *app) locate(err error) config.Mistakes {
	if a.file == nil {
		return nil
	}
	var mistakes config.Mistakes
	for _, err := range parts(err) {
		var usage *host.UsageError
		if !errors.As(err, &usage) {
			return nil
		}
		at, ok := a.file.Places.Nearest(usage.Setting...)
		if !ok {
			return nil
		}
		mistakes = append(mistakes, config.Mistake{Place: at, Message: usage.Error()})
	}
	return mistakes.Sorted(a.file.Files)
}

// parts returns the errors that were joined.
func parts(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, err := range joined.Unwrap() {
		all = append(all, parts(err)...)
	}
	return all
}
