// Package command runs programs so that nothing of them is left when it returns.
//
// A program is started by its absolute path, without a shell, with exactly the
// environment it is given, in a session of its own. It ends when it is done, at
// its deadline, when the caller cancels, or when it exceeds a limit; in each case
// every process of its session and every descendant that was seen is killed
// before Run returns. What it writes is bounded in memory.
//
// A process that leaves the session and loses its parent before it was seen
// (a daemon that detaches within a fraction of a second) is not found. Programs
// are granted by the operator, so this guards against accidents, not attacks.
package command
