// Package ostree reads the objects of an ostree repository in archive mode and
// checks them against their names. It knows no folders: that is the store's.
//
// The formats are those of ostree's "Anatomy of a repository" and
// ostree-core.h; metadata is in GVariant's serialization.
package ostree
