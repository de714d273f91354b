package command

import (
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Folders returns the folders that Find looks through by default, in this order.
func Folders() []string {
	return []string{"/usr/bin", "/usr/local/bin", "/bin", "/usr/sbin", "/sbin"}
}

// Find returns the absolute path of a program that is named either by an absolute
// path or by a plain name, which is looked for in dirs (nil: Folders). PATH is not
// used. Symbolic links are followed; the program must be a regular file that may be
// executed. The error is an *Error of kind KindNotFound or KindInvalid.
func Find(name string, dirs []string) (string, error) {
	refuse := func(format string, args ...any) error {
		return &Error{Program: name, ExitCode: -1, Kind: KindInvalid, Err: fmt.Errorf(format, args...)}
	}
	if name == "" || name == "." || name == ".." || strings.ContainsRune(name, 0) {
		return "", refuse("%q is no name of a program", name)
	}
	if filepath.IsAbs(name) {
		if err := executable(name); err != nil {
			return "", notFound(name, err)
		}
		return filepath.Clean(name), nil
	}
	if strings.ContainsRune(name, '/') {
		return "", refuse("a program must be named by an absolute path or by a plain name")
	}
	if dirs == nil {
		dirs = Folders()
	}
	found := error(nil)
	for _, dir := range dirs {
		if !filepath.IsAbs(dir) {
			return "", refuse("the folder %q to look in is not an absolute path", dir)
		}
		path := filepath.Join(dir, name)
		err := executable(path)
		if err == nil {
			return path, nil
		}
		if err != unix.ENOENT && found == nil {
			found = fmt.Errorf("%s: %w", path, err)
		}
	}
	if found == nil {
		found = fmt.Errorf("there is no such program in %s", strings.Join(dirs, ", "))
	}
	return "", notFound(name, found)
}

func notFound(name string, err error) *Error {
	return &Error{
		Program: name, ExitCode: -1, Kind: KindNotFound, Err: err,
		Hint: "install the program, or name its path in the configuration",
	}
}

// executable returns nil for a regular file that this process may execute.
func executable(path string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return fmt.Errorf("it is not a regular file")
	}
	// The permission bits, too: root may access a file that it cannot execute.
	if st.Mode&0o111 == 0 {
		return unix.EACCES
	}
	return unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS)
}
