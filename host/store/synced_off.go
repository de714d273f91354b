//go:build sourcehost_unsynced

package store

// system is the disk that stores are on.
func system() disk { return unsynced{} }
