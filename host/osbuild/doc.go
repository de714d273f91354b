// Package osbuild is what osbuild starts in place of one of its sources: a
// service that takes requests over a socket and has a host.Host carry them out.
// It speaks the protocol of every osbuild since version 37.
package osbuild
