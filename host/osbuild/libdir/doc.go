// Package libdir puts sourcehost in place of the sources in a library folder of
// osbuild, and takes it away again without a trace.
//
// A library folder ("libdir") has a folder sources/, every file of which is a
// module to osbuild. What was there before is kept in sourcehost/ beside it,
// with a journal, so that an installation that was interrupted is noticed and
// can be completed.
package libdir
