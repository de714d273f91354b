package command

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/internal/landlock"
)

// needLandlock is the version that writing is confined by: since this one files can be
// moved from one folder to another where both allow it (Linux 5.19).
const needLandlock = 2

// reading are the rights to files and folders that are not about writing.
const reading = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV

// confineWrites keeps this thread, and what it starts, from writing anywhere but to paths
// and what is beneath them. It must have given up new privileges.
func confineWrites(paths []string) error {
	version, err := landlock.Version()
	if err != nil {
		return err
	}
	if version < needLandlock {
		return errors.New("the kernel's version of Landlock is too old: it is needed as Linux 5.19 has it")
	}
	writing := landlock.FileRights(version) &^ reading
	rules, err := landlock.New(unix.LandlockRulesetAttr{Handled_access_fs: writing})
	if err != nil {
		return err
	}
	defer rules.Close()
	for _, path := range paths {
		if err := rules.Allow(path, writing); err != nil {
			return err
		}
	}
	return rules.Restrict()
}
