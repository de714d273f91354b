package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// resumeAge is how long a partial is kept that nobody goes on with.
	resumeAge = 7 * 24 * time.Hour
	// foreignAge is how old a leftover of osbuild's own sources must be: a younger
	// one may belong to a source that is running.
	foreignAge = 24 * time.Hour
)

// scannedName stands in the staging folder of a large store since its last search
// for leftovers of others.
const scannedName = "scanned"

// scanMany is from how many names on that search is made once in foreignAge only:
// nothing younger would be removed, and reading a million names takes a second.
const scanMany = 50_000

// foreignPrefixes are the names that osbuild's own sources, of all versions, give
// to files and folders in a content type's folder and leave behind when killed.
func foreignPrefixes() []string {
	return []string{".unverified-", "osbuild-unverified-file-", "tmp-download-"}
}

// Clean removes what dead runs have left: staged files whose lock is free, except
// large partials younger than seven days, and leftovers of osbuild's own sources
// older than a day. It touches nothing else, and follows no link. What cannot be
// removed is in the error, after all the rest was removed.
func (f *Files) Clean(ctx context.Context) error {
	if err := f.store.enter(); err != nil {
		return err
	}
	defer f.store.leave()
	if f.store.lookOnly {
		return fmt.Errorf("%s: %w", f.content.path, ErrLookOnly)
	}
	return errors.Join(f.cleanStaging(ctx), f.cleanForeign(ctx))
}

func (f *Files) cleanStaging(ctx context.Context) error {
	f.mu.Lock()
	staging := f.staging
	f.mu.Unlock()
	if staging == nil {
		if _, err := f.content.lstat(stagingName); err == unix.ENOENT {
			return nil // nothing to clean, and the store may be read-only
		}
		var err error
		if staging, err = f.stagingFolder(); err != nil {
			return err
		}
	}
	// What a run left that died while another made the same folder.
	_ = unix.Unlinkat(f.content.fd, newPrefix+stagingName, unix.AT_REMOVEDIR)
	return staging.eachError(ctx, func(name string) error {
		text, suffix, ok := stagedName(name)
		if !ok {
			return nil
		}
		if suffix == corruptSuffix {
			return f.cleanCorrupt(staging, text)
		}
		return staging.cleanPart(text)
	})
}

// eachError calls fn with every name until ctx ends and joins fn's errors.
func (d *folder) eachError(ctx context.Context, fn func(name string) error) error {
	var failed []error
	err := d.each(func(name string) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := fn(name); err != nil {
			failed = append(failed, err)
		}
		return nil
	})
	return errors.Join(append(failed, err)...)
}

// stagedName takes a name of ours apart.
func stagedName(name string) (key, suffix string, ok bool) {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return "", "", false
	}
	switch suffix = name[dot:]; suffix {
	case partSuffix, resumeSuffix, corruptSuffix:
	default:
		return "", "", false
	}
	if _, err := ParseKey(name[:dot]); err != nil {
		return "", "", false
	}
	return name[:dot], suffix, true
}

// cleanPart removes a key's partial and .resume file if nobody has the key.
func (d *folder) cleanPart(key string) error {
	part, resume := key+partSuffix, key+resumeSuffix
	if st, err := d.lstat(part); err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil // not ours
	}
	fd, st, err := d.tryLock(part)
	if err == errBusy {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock(fd)
	if st.Size >= resumeMin && age(st) < resumeAge {
		if sc, ok := d.readSidecar(resume); ok && (sc.Size < 0 || st.Size <= sc.Size) {
			return nil
		}
	}
	return errors.Join(d.unlink(part), d.unlink(resume))
}

// cleanCorrupt removes what Remove moved aside, unless Remove is at it.
func (f *Files) cleanCorrupt(staging *folder, key string) error {
	fd, st, err := staging.tryLock(key + partSuffix)
	if err == errBusy {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock(fd)
	if st.Size == 0 {
		defer staging.unlink(key + partSuffix)
	}
	return staging.removeAll(key+corruptSuffix, st.Dev)
}

func (f *Files) cleanForeign(ctx context.Context) error {
	if f.scanned() {
		return nil
	}
	prefixes, names := foreignPrefixes(), 0
	err := f.content.eachError(ctx, func(name string) error {
		names++
		for _, prefix := range prefixes {
			if strings.HasPrefix(name, prefix) {
				return f.cleanLeftover(name)
			}
		}
		return nil
	})
	if err != nil || names < f.scanMany {
		return err
	}
	return f.markScanned()
}

// scanned tells whether the folder is large and was searched lately.
func (f *Files) scanned() bool {
	f.mu.Lock()
	staging := f.staging
	f.mu.Unlock()
	if staging == nil { // Clean has opened the folder if there is one
		return false
	}
	st, err := staging.lstat(scannedName)
	return err == nil && age(st) < foreignAge && age(st) >= 0
}

// markScanned makes the file whose age scanned looks at.
func (f *Files) markScanned() error {
	staging, err := f.stagingFolder()
	if err != nil {
		return err
	}
	if err := staging.unlink(scannedName); err != nil {
		return err
	}
	return staging.create(scannedName, nil)
}

func (f *Files) cleanLeftover(name string) error {
	st, err := f.content.lstat(name)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return f.content.fail("stat", name, err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		if age(st) < foreignAge {
			return nil
		}
	case unix.S_IFDIR:
		if young, err := f.youngFolder(name, st); young || err != nil {
			return err
		}
	default:
		return nil
	}
	return f.content.removeAll(name, st.Dev)
}

// errYoung ends the walk through a folder that is in use.
var errYoung = errors.New("young")

// youngFolder tells whether the folder or anything directly in it has changed
// lately: a file that grows does not change its folder's time.
func (f *Files) youngFolder(name string, st unix.Stat_t) (bool, error) {
	if age(st) < foreignAge {
		return true, nil
	}
	sub, err := f.content.sub(name)
	if err != nil {
		return false, f.content.fail("open folder", name, err)
	}
	defer sub.close()
	err = sub.each(func(inner string) error {
		if st, err := sub.lstat(inner); err == nil && age(st) < foreignAge {
			return errYoung
		}
		return nil
	})
	if err == errYoung {
		return true, nil
	}
	return false, err
}

// age is the time since the last change of content; a time in the future is young.
func age(st unix.Stat_t) time.Duration {
	return time.Since(time.Unix(st.Mtim.Unix()))
}
