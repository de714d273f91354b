//go:build !sourcehost_profile

package main

// startProfile does nothing: a program that is built for use has no profiler.
func startProfile() (stop func()) { return func() {} }
