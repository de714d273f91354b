package config

// Everything that is known about a key stands here, in one table: how it is
// read, shown by `sourcehost config show`, and described in
// docs/configuration.md follows from it.

// key is one key of a table of the file.
type key struct {
	name string
	kind kind
	// field points to where the value belongs. What else than its kind says how
	// it is read is the type of the field.
	field any
	// most is the largest value of a number, a size in bytes or a duration in
	// nanoseconds; 0 means the bound of its kind.
	most int64
	// words are the values of a key of the kind choice.
	words []string
	// unset says what holds when the key is left out and has no default value.
	unset string
	// meaning is a sentence for the documentation.
	meaning string
}

// rootKeys are those of the file itself, outside of any table.
func rootKeys(f *File) []key {
	return []key{
		{name: "workers", kind: kindCount, field: &f.Workers, most: MaxWorkers, meaning: "How many items are fetched at once. By default 16 from near servers and up to this many from far ones."},
		{name: "cache_dir", kind: kindPath, field: &f.CacheDir, unset: "`$XDG_CACHE_HOME/sourcehost`, then `$HOME/.cache/sourcehost`, then `/var/cache/sourcehost`: the first that can be used",
			meaning: "The folder for compiled plugins."},
		{name: "root", kind: kindPath, field: &f.Root, meaning: "The folder beneath which the paths of files that plugins ask for are looked up."},
	}
}

func downloadKeys(d *Download) []key {
	return []key{
		{name: "user_agent", kind: kindText, field: &d.UserAgent, meaning: "What servers are told about the program."},
		{name: "max_attempts", kind: kindCount, field: &d.MaxAttempts, meaning: "How often an item is tried, over all its URLs."},
		{name: "connect_timeout", kind: kindDuration, field: &d.ConnectTimeout, meaning: "How long making a connection may take."},
		{name: "tls_timeout", kind: kindDuration, field: &d.TLSTimeout, meaning: "How long a TLS handshake may take."},
		{name: "header_timeout", kind: kindDuration, field: &d.HeaderTimeout, meaning: "How long a server may take until the header of its response is there."},
		{name: "http2", kind: kindFlag, field: &d.HTTP2, meaning: "Whether HTTP/2 is offered to servers. HTTP/1.1 costs less time and memory."},
		{name: "stall_timeout", kind: kindDuration, field: &d.StallTimeout, meaning: "How long a transfer may stay below `stall_bytes_per_second` before it is given up."},
		{name: "stall_bytes_per_second", kind: kindSize, field: &d.StallBytesPerSecond, meaning: "The rate below which a transfer counts as stalled."},
		{name: "per_host", kind: kindCount, field: &d.PerHost, meaning: "How many connections to one host are open at once."},
		{name: "max_redirects", kind: kindCount, field: &d.MaxRedirects, meaning: "How many redirects a request may follow."},
		{name: "allow_downgrade", kind: kindFlag, field: &d.AllowDowngrade, meaning: "Whether a redirect may lead from https to http."},
		{name: "allow_link_local", kind: kindFlag, field: &d.AllowLinkLocal, meaning: "Whether everybody may connect to link-local addresses, the metadata services of clouds among them."},
		{name: "backoff_base", kind: kindDuration, field: &d.BackoffBase, meaning: "The pause before the first retry, doubled for each further one."},
		{name: "backoff_max", kind: kindDuration, field: &d.BackoffMax, meaning: "The longest pause between two attempts."},
		{name: "retry_after_max", kind: kindDuration, field: &d.RetryAfterMax, meaning: "The longest pause that a server can ask for with `Retry-After`."},
	}
}

func limitsKeys(l *Limits) []key {
	return []key{
		{name: "page_items", kind: kindCount, field: &l.PageItems, meaning: "How many items a hook gets at once, at most."},
		{name: "load_timeout", kind: kindDuration, field: &l.LoadTimeout, most: maxCall, meaning: "How long compiling a plugin may take."},
		{name: "hook_timeout", kind: kindDuration, field: &l.HookTimeout, most: maxCall, meaning: "How long one call of a hook may take."},
		{name: "memory", kind: kindSize, field: &l.MemoryBytes, most: maxMemory, meaning: "The largest linear memory of an instance."},
		{name: "output", kind: kindSize, field: &l.OutputBytes, most: maxMessage, meaning: "The largest output of one call."},
		{name: "result", kind: kindSize, field: &l.ResultBytes, most: maxMessage, meaning: "The largest result of one operation."},
		{name: "request", kind: kindSize, field: &l.RequestBytes, most: maxMessage, meaning: "The largest request of one operation."},
		{name: "log_lines", kind: kindCount, field: &l.LogLines, meaning: "How many lines one call may log."},
		{name: "log_line", kind: kindSize, field: &l.LogLineBytes, most: maxMessage, meaning: "Where a log line is cut."},
		{name: "put", kind: kindSize, field: &l.PutBytes, meaning: "The largest item that a plugin may hand over itself."},
		{name: "program_timeout", kind: kindDuration, field: &l.ProgramTimeout, meaning: "How long a program that an item needs may run."},
		{name: "calls", kind: kindCount, field: &l.Calls, meaning: "How many operations one call may ask for."},
		{name: "module", kind: kindSize, field: &l.ModuleBytes, most: maxMessage, meaning: "The largest plugin file."},
		{name: "function", kind: kindSize, field: &l.FunctionBytes, most: maxMessage, meaning: "The largest body of one function of a plugin."},
		{name: "table_entries", kind: kindCount, field: &l.TableEntries, meaning: "How many entries a plugin's tables may have."},
	}
}

func containerKeys(c *Container) []key {
	const usual = "the usual places"
	return []key{
		{name: "engine", kind: kindChoice, field: &c.Engine, words: []string{"embedded", "skopeo"}, meaning: "What copies images: the engine that is part of the program, or the program skopeo."},
		{name: "format", kind: kindChoice, field: &c.Format, words: []string{"dir", "docker-archive"}, meaning: "The form in which images are stored. osbuild before v83 reads `docker-archive` only."},
		{name: "policy", kind: kindChoice, field: &c.Policy, words: []string{"accept-anything"}, unset: "what the policy file says", meaning: "`accept-anything` checks no signatures."},
		{name: "policy_file", kind: kindPath, field: &c.PolicyFile, unset: "the user's `policy.json`, then `/etc/containers/policy.json`", meaning: "The signature policy, containers-policy.json(5)."},
		{name: "auth_file", kind: kindPath, field: &c.AuthFile, unset: "the file that `$REGISTRY_AUTH_FILE` names, then " + usual, meaning: "The credentials of registries, containers-auth.json(5)."},
		{name: "registries_conf", kind: kindPath, field: &c.RegistriesConf, unset: "the file that `$CONTAINERS_REGISTRIES_CONF` names, then " + usual, meaning: "Registries and their mirrors, containers-registries.conf(5)."},
		{name: "registries_dir", kind: kindPath, field: &c.RegistriesDir, unset: usual, meaning: "Where signatures are, containers-registries.d(5)."},
		{name: "certs_dir", kind: kindPath, field: &c.CertsDir, unset: usual, meaning: "Certificates for registries, containers-certs.d(5)."},
		{name: "max_attempts", kind: kindCount, field: &c.MaxAttempts, meaning: "How often the copy of an image is begun."},
		{name: "skopeo", kind: kindProgram, field: &c.Skopeo, unset: "`[program.skopeo]`, then the usual folders of programs", meaning: "The program skopeo, for the engine `skopeo`."},
	}
}

func sourceKeys(s *Source) []key {
	return []key{
		{name: "prepare", kind: kindTexts, field: &s.Prepare, meaning: "The plugins whose filter and prepare hooks run before the source's own, in this order."},
		{name: "plugin", kind: kindText, field: &s.Plugin, unset: "the plugin whose manifest names the source",
			meaning: "The plugin that serves the source. The source's name may be a new one."},
	}
}

func pluginKeys(p *Plugin) []key {
	return []key{
		{name: "path", kind: kindPath, field: &p.Path, unset: "required", meaning: "The plugin's `.wasm` file, or `oci://REGISTRY/REPOSITORY@sha256:DIGEST`, which `plugin pull` prints."},
		{name: "sha256", kind: kindDigest, field: &p.SHA256, unset: "the file is not pinned", meaning: "The digest that the file must have, 64 hexadecimal digits."},
	}
}

func grantKeys(g *Grant) []key {
	return []key{
		{name: "download", kind: kindURLs, field: &g.Download, meaning: "What items may be downloaded from; `\"*\"` means any URL."},
		{name: "http", kind: kindURLs, field: &g.HTTP, meaning: "What the plugin itself may send requests to. Addresses of this machine, link-local and metadata ones must be named literally, here as in `download`."},
		{name: "read", kind: kindPaths, field: &g.Read, meaning: "Files that it may read; with `/` at the end everything beneath."},
		{name: "stat", kind: kindPaths, field: &g.Stat, meaning: "Paths that it may look for and list, in the same form."},
		{name: "tls", kind: kindPaths, field: &g.TLS, meaning: "Certificates and keys that it may refer to without reading them, in the same form."},
		{name: "env", kind: kindEnvs, field: &g.Env, meaning: "Environment variables that it may read."},
		{name: "secrets", kind: kindTexts, field: &g.Secrets, meaning: "Secrets that it may refer to without seeing them: names of `[secret.NAME]`, or `org.osbuild.rhsm` and `org.osbuild.mtls`."},
		{name: "exec", kind: kindPrograms, field: &g.Exec, meaning: "Programs that it may run, by plain name (see `[program.NAME]`) or absolute path."},
		{name: "image", kind: kindImages, field: &g.Image, meaning: "Container images that it may have copied: `\"docker://REGISTRY/PREFIX\"`, `\"containers-storage:\"`, or `\"*\"` for any. Special addresses must be named literally, as in `http`."},
		{name: "clock", kind: kindFlag, field: &g.Clock, meaning: "The real time instead of a fixed one."},
		{name: "random", kind: kindFlag, field: &g.Random, meaning: "Real random numbers instead of fixed ones."},
	}
}

func programKeys(p *Program) []key {
	return []key{
		{name: "path", kind: kindProgram, field: &p.Path, unset: "required", meaning: "The program's absolute path."},
		{name: "set_user_id", kind: kindFlag, field: &p.SetUserID, meaning: "Whether it, and what it executes, may gain rights by set-user-ID bits and capabilities of files also when a plugin that is not built in runs it, as `sudo` and rootless containers do."},
		{name: "writable", kind: kindPaths, field: &p.Writable, unset: "anything", meaning: "Paths that it may write to, with what is beneath, and nothing else but its scratch folder and `/dev`. It can then neither mount nor gain rights. It takes Linux 5.19 with Landlock; elsewhere it is not run."},
	}
}

func secretKeys(s *Secret) []key {
	const one = "one of `file`, `env` and `command` is required"
	return []key{
		{name: "file", kind: kindPath, field: &s.File, unset: one, meaning: "The file that holds the value."},
		{name: "env", kind: kindEnv, field: &s.Env, unset: one, meaning: "The environment variable that holds the value."},
		{name: "command", kind: kindCommand, field: &s.Command, unset: one, meaning: "The program, by its absolute path, that prints the value, and its arguments."},
		{name: "hosts", kind: kindTexts, field: &s.Hosts, unset: "required", meaning: "The servers that the value may be sent to: `host`, `host:port`, `*.suffix` or an IP address, with `http://` before it if it may be sent unencrypted."},
	}
}
