// Package container copies container images out of registries, and out of the
// host's own storage, into a folder.
//
// Two engines do the work behind one interface: the embedded one, a library
// linked in with the build tag containers_image_openpgp, and the program
// skopeo. A Copier chooses between them, retries what can pass, and verifies
// what came, whichever engine ran: no engine is trusted to have done so.
package container
