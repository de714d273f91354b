// Package command runs programs so that nothing of them is left when it returns.
//
// A program is started by its absolute path, without a shell, with exactly the
// environment and descriptors it is given, in a session of its own. It ends when it is done, at
// its deadline, when the caller cancels, or when it exceeds a limit; in each case
// every process that it has started is killed before Run returns, also a daemon
// that has left its session. What it writes is bounded in memory.
//
// This guards against accidents, not attacks: programs are granted by the operator
// and run with the operator's rights, so one that wants to stay finds a way.
package command
