// Package e2e holds no code. Its tests run the real program, with the plugins
// that are part of it, against real servers (nginx, tinyproxy) and misbehaving
// ones, on the loopback and in folders of their own, and look at what is in the
// store afterwards.
package e2e
