package main

import "golang.org/x/sys/unix"

// noCoreFiles keeps secrets in memory out of core files: of this process and of the
// programs that it runs. A limit of one byte, unlike none, is also kept where the
// kernel hands core files to a program (core(5)).
func noCoreFiles() {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &lim); err != nil {
		return
	}
	lim.Cur = min(1, lim.Max)
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &lim) // lowering one's own limit is always allowed
}
