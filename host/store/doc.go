// Package store puts files into an osbuild store so that a name is never seen
// before its content is there, whole, verified and on the disk.
//
// A store is a folder that holds one folder for each content type, and in it
// one entry for each key: DIR/org.osbuild.files/sha256:<64 hex>. What is not an
// entry yet stands in the hidden folder .sourcehost of the same content type:
//
//	<key>.part     the bytes so far: at once lock, partial and temporary file
//	<key>.resume   what must be known to go on with a large partial later
//	<key>.corrupt  an entry that was moved out of the way
//
// An entry may be a folder of parts instead, DIR/<content type>/<key>/<part>: see
// Trees. A part is made beside the others:
//
//	<key>.<part>.tree   the folder that holds the part
//	<key>.<part>.lock   the lock on it
//
// Or an entry is a commit in an ostree repository, DIR/<content type>/repo: see
// Commits. Its objects are brought together in <key>.scratch.tree.
//
// Whoever stages a key holds the lock on its .part file, so a second goroutine
// or process that wants the same key waits, and then finds the entry or takes
// over from the first one.
//
// No function follows a symbolic link beneath the store: all access is relative
// to open folders, and a link where a file or folder should be is an error.
package store
