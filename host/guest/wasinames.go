package guest

import "github.com/sourcehost/sourcehost/internal/abi"

// wasiFunc returns the signature of a function of WASI preview 1 as the runtime
// offers it. A test compares the list with the runtime's, so that the checks
// need not start it.
func wasiFunc(name string) (abi.Func, bool) {
	sig, ok := wasiSignatures()[name]
	if !ok {
		return abi.Func{}, false
	}
	f := abi.Func{Name: name}
	for _, c := range sig {
		t := abi.I32
		if c == 'I' {
			t = abi.I64
		}
		f.Params = append(f.Params, t)
	}
	// All but one return an errno.
	if name != "proc_exit" {
		f.Results = []abi.ValueType{abi.I32}
	}
	return f, true
}

// wasiSignatures maps names to parameters: i stands for i32, I for i64
// (https://github.com/WebAssembly/WASI, preview 1).
func wasiSignatures() map[string]string {
	return map[string]string{
		"args_get":                "ii",
		"args_sizes_get":          "ii",
		"clock_res_get":           "ii",
		"clock_time_get":          "iIi",
		"environ_get":             "ii",
		"environ_sizes_get":       "ii",
		"fd_advise":               "iIIi",
		"fd_allocate":             "iII",
		"fd_close":                "i",
		"fd_datasync":             "i",
		"fd_fdstat_get":           "ii",
		"fd_fdstat_set_flags":     "ii",
		"fd_fdstat_set_rights":    "iII",
		"fd_filestat_get":         "ii",
		"fd_filestat_set_size":    "iI",
		"fd_filestat_set_times":   "iIIi",
		"fd_pread":                "iiiIi",
		"fd_prestat_dir_name":     "iii",
		"fd_prestat_get":          "ii",
		"fd_pwrite":               "iiiIi",
		"fd_read":                 "iiii",
		"fd_readdir":              "iiiIi",
		"fd_renumber":             "ii",
		"fd_seek":                 "iIii",
		"fd_sync":                 "i",
		"fd_tell":                 "ii",
		"fd_write":                "iiii",
		"path_create_directory":   "iii",
		"path_filestat_get":       "iiiii",
		"path_filestat_set_times": "iiiiIIi",
		"path_link":               "iiiiiii",
		"path_open":               "iiiiiIIii",
		"path_readlink":           "iiiiii",
		"path_remove_directory":   "iii",
		"path_rename":             "iiiiii",
		"path_symlink":            "iiiii",
		"path_unlink_file":        "iii",
		"poll_oneoff":             "iiii",
		"proc_exit":               "i",
		"proc_raise":              "i",
		"random_get":              "ii",
		"sched_yield":             "",
		"sock_accept":             "iii",
		"sock_recv":               "iiiiii",
		"sock_send":               "iiiii",
		"sock_shutdown":           "ii",
	}
}
