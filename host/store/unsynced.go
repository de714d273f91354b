package store

// unsynced is a disk that puts nothing on the disk: what the syncs cost is the
// difference to it. The benchmarks use it, and the program only when it was built
// with the tag sourcehost_unsynced to be compared with itself.
type unsynced struct{ kernel }

func (unsynced) startSync(int, int64, int64) {}
func (unsynced) syncFile(int) error          { return nil }
func (unsynced) syncFS(int) error            { return nil }
func (unsynced) checkFile(int) error         { return nil }
func (unsynced) syncDir(int) error           { return nil }
