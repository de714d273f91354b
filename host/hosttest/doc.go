// Package hosttest has what tests of the host need to see it fail in every way
// that a network can: servers that misbehave on purpose over HTTP/1.1 and
// HTTP/2, certificates that are wrong, proxies, name servers, dead addresses,
// and a Target to receive downloads. Everything is on the loopback, and
// Tripwire proves that nothing else is connected to.
//
// A Server serves files. What goes wrong with a file is a Behaviour, given for
// a path with Server.Script, or asked for in the URL: /fault/NAME/FILE serves
// FILE with the behaviour NAME of Faults, /fault/NAME:2/FILE does so for the
// first two requests and behaves well afterwards.
package hosttest
