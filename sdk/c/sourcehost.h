// sourcehost.h is for authors of sourcehost plugins in C. Include it in one
// file, write a function for each hook, and name it:
//
//	#include "sourcehost.h"
//
//	static void prepare(sh_context *c, sh_item *item) {
//		sh_remote r;
//		if (!sh_remote_read(item, &r)) return; // and the item fails
//		sh_add_secret_header(&r, SH("Authorization"), SH("Bearer "), SH("acme-token"));
//		sh_remote_write(item, &r);
//	}
//	SH_PREPARE(prepare)
//
// It needs clang and lld, and no library:
//
//	clang --target=wasm32 -Os -mbulk-memory -nostdlib -Wl,--no-entry -o plugin.wasm plugin.c
//
// With wasi-libc: --target=wasm32-wasi -mexec-model=reactor, without -nostdlib.
//
// All memory comes from an arena that is emptied after each hook call: nothing is
// freed, and what has to outlive a call belongs into static variables. Strings
// are UTF-8 with a length. The contract is docs/abi.md.
#ifndef SOURCEHOST_H
#define SOURCEHOST_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SH__FN static __attribute__((unused))
#define SH__IMPORT(name) __attribute__((import_module("sourcehost_v1"), import_name(name)))
#define SH__EXPORT(name) __attribute__((export_name(name)))

SH__IMPORT("input_read") uint32_t sh__input_read(void *dst, uint32_t off, uint32_t cap);
SH__IMPORT("result_read") uint32_t sh__result_read(void *dst, uint32_t off, uint32_t cap);
SH__IMPORT("output_write") void sh__output_write(const void *ptr, uint32_t len);
SH__IMPORT("error_set") void sh__error_set(const void *ptr, uint32_t len);
SH__IMPORT("log") void sh__log(uint32_t level, const void *ptr, uint32_t len);
SH__IMPORT("call") uint64_t sh__call(const void *op, uint32_t op_len, const void *req, uint32_t req_len);
#define SH__WASI(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(name)))
SH__WASI("clock_time_get") uint16_t sh__clock_time_get(uint32_t clock, uint64_t precision, uint64_t *ns);
SH__WASI("random_get") uint16_t sh__random_get(void *to, uint32_t len);

SH__EXPORT("sourcehost_abi_v1") void sh__abi(void) {}

// The compiler may call these two; a C library brings stronger ones.
__attribute__((weak, no_builtin)) void *memcpy(void *restrict to, const void *restrict from, size_t n) {
	for (size_t i = 0; i < n; i++) ((char *)to)[i] = ((const char *)from)[i];
	return to;
}
__attribute__((weak, no_builtin)) void *memset(void *to, int c, size_t n) {
	for (size_t i = 0; i < n; i++) ((char *)to)[i] = (char)c;
	return to;
}

// ---- Memory and text ----

typedef struct { const char *ptr; size_t len; } sh_str;

// SH makes a text of a literal.
#define SH(literal) ((sh_str){(literal), sizeof(literal) - 1})

// A chunk of the arena; the bytes follow it.
typedef struct sh__chunk { struct sh__chunk *next; size_t size; } sh__chunk;
static sh__chunk *sh__first, *sh__now;
static size_t sh__used;

// sh_alloc returns n bytes of the arena; it traps when there is no memory.
SH__FN void *sh_alloc(size_t n) {
	n = (n + 7) & ~(size_t)7;
	while (!sh__now || sh__used + n > sh__now->size) {
		sh__chunk *next = sh__now ? sh__now->next : sh__first;
		if (!next) { // whole pages, apart from what a C library may use
			size_t pages = (n + sizeof *next + 65535) / 65536 + 3;
			size_t at = __builtin_wasm_memory_grow(0, pages);
			if (at == (size_t)-1) __builtin_trap();
			next = (sh__chunk *)(at * 65536);
			*next = (sh__chunk){0, pages * 65536 - sizeof *next};
			*(sh__now ? &sh__now->next : &sh__first) = next;
		}
		sh__now = next, sh__used = 0;
	}
	sh__used += n;
	return (char *)(sh__now + 1) + sh__used - n;
}

SH__FN bool sh_equal(sh_str a, sh_str b) {
	if (a.len != b.len) return false;
	for (size_t i = 0; i < a.len; i++) if (a.ptr[i] != b.ptr[i]) return false;
	return true;
}

// sh_cut_prefix takes prefix away from the front of s, if it stands there.
SH__FN bool sh_cut_prefix(sh_str *s, sh_str prefix) {
	if (s->len < prefix.len || !sh_equal((sh_str){s->ptr, prefix.len}, prefix)) return false;
	*s = (sh_str){s->ptr + prefix.len, s->len - prefix.len};
	return true;
}

SH__FN sh_str sh_concat(sh_str a, sh_str b) {
	char *p = sh_alloc(a.len + b.len);
	memcpy(p, a.ptr, a.len);
	memcpy(p + a.len, b.ptr, b.len);
	return (sh_str){p, a.len + b.len};
}

// ---- Reading JSON: a value is the text that it stands in ----

SH__FN const char *sh__space(const char *p, const char *end) {
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')) p++;
	return p;
}

// sh__skip returns what follows a value, or NULL when there is none.
SH__FN const char *sh__skip(const char *p, const char *end, int depth) {
	p = sh__space(p, end);
	if (p == end || depth > 512) return NULL;
	char c = *p++;
	if (c == '"') {
		for (; p < end && *p != '"'; p++) if (*p == '\\') p++;
		return p < end ? p + 1 : NULL;
	}
	if (c != '{' && c != '[') { // a number or word
		while (p < end && *p != ',' && *p != '}' && *p != ']' && *p != ' ' && *p != '\n' && *p != '\t' && *p != '\r') p++;
		return p;
	}
	char close = c == '{' ? '}' : ']';
	p = sh__space(p, end);
	if (p < end && *p == close) return p + 1;
	for (;;) {
		if (close == '}') {
			if (!(p = sh__skip(p, end, depth + 1))) return NULL;
			p = sh__space(p, end);
			if (p == end || *p++ != ':') return NULL;
		}
		if (!(p = sh__skip(p, end, depth + 1))) return NULL;
		p = sh__space(p, end);
		if (p == end) return NULL;
		if (*p == close) return p + 1;
		if (*p++ != ',') return NULL;
	}
}

SH__FN int sh__hex(const char *p, const char *end) {
	int n = 0;
	for (int i = 0; i < 4; i++, p++) {
		if (p >= end) return -1;
		int c = *p, d = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
		if (d < 0) return -1;
		n = n << 4 | d;
	}
	return n;
}

SH__FN char *sh__utf8(char *to, uint32_t c) {
	if (c < 0x80) return *to++ = (char)c, to;
	int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
	*to++ = (char)(0xFF00 >> (more + 1) | c >> 6 * more);
	while (more--) *to++ = (char)(0x80 | (c >> 6 * more & 0x3F));
	return to;
}

// sh_text decodes a string. It returns false when the value is none.
SH__FN bool sh_text(sh_str json, sh_str *out) {
	if (json.len < 2 || json.ptr[0] != '"' || json.ptr[json.len - 1] != '"') return false;
	const char *p = json.ptr + 1, *end = json.ptr + json.len - 1, *q = p;
	while (q < end && *q != '\\') q++;
	if (q == end) return *out = (sh_str){p, (size_t)(end - p)}, true;
	char *start = sh_alloc((size_t)(end - p)), *to = start;
	while (p < end) {
		if (*p != '\\') { *to++ = *p++; continue; }
		if (++p == end) return false;
		static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
		if (*p != 'u') {
			int i = 0;
			while (from[i] && from[i] != *p) i++;
			if (!from[i]) return false;
			*to++ = into[i], p++;
			continue;
		}
		int c = sh__hex(p + 1, end), low = 0;
		p += 5;
		if (c < 0) return false;
		if (c >= 0xD800 && c < 0xE000) { // two escapes make one character
			if (c >= 0xDC00 || end - p < 6 || p[0] != '\\' || p[1] != 'u') return false;
			low = sh__hex(p + 2, end);
			if (low < 0xDC00 || low >= 0xE000) return false;
			p += 6, c = 0x10000 + ((c - 0xD800) << 10 | (low - 0xDC00));
		}
		to = sh__utf8(to, (uint32_t)c);
	}
	*out = (sh_str){start, (size_t)(to - start)};
	return true;
}

// sh_int reads an integer of at most 64 bits.
SH__FN bool sh_int(sh_str json, int64_t *out) {
	bool minus = sh_cut_prefix(&json, SH("-"));
	uint64_t n = 0, max = (uint64_t)INT64_MAX + minus;
	for (size_t i = 0; i < json.len; i++) {
		unsigned d = (unsigned char)json.ptr[i] - '0';
		if (d > 9 || n > (max - d) / 10) return false;
		n = n * 10 + d;
	}
	*out = (int64_t)(minus ? -n : n);
	return json.len > 0;
}

SH__FN bool sh_bool(sh_str json, bool *out) {
	*out = sh_equal(json, SH("true"));
	return *out || sh_equal(json, SH("false"));
}

SH__FN bool sh_is_object(sh_str json) { return json.len > 0 && *json.ptr == '{'; }
SH__FN bool sh_is_array(sh_str json) { return json.len > 0 && *json.ptr == '['; }

// sh_iter walks over the members of an object or the elements of an array; over
// nothing, when the value is neither:
//
//	for (sh_iter it = sh_each(json); sh_next(&it);) use(it.name, it.value);
typedef struct { sh_str name, value; const char *p, *end; bool object; } sh_iter;

SH__FN sh_iter sh_each(sh_str json) {
	bool any = sh_is_object(json) || sh_is_array(json);
	return (sh_iter){{0}, {0}, any ? json.ptr + 1 : NULL, json.ptr + json.len, sh_is_object(json)};
}

SH__FN bool sh_next(sh_iter *it) {
	const char *p = it->p, *end = it->end;
	it->p = NULL;
	if (!p) return false;
	p = sh__space(p, end);
	if (p < end && *p == ',') p = sh__space(p + 1, end);
	if (p == end || *p == '}' || *p == ']') return false;
	if (it->object) {
		const char *q = sh__skip(p, end, 0);
		if (!q || !sh_text((sh_str){p, (size_t)(q - p)}, &it->name)) return false;
		p = sh__space(q, end);
		if (p == end || *p != ':') return false;
		p = sh__space(p + 1, end);
	}
	const char *q = sh__skip(p, end, 0);
	if (!q) return false;
	it->value = (sh_str){p, (size_t)(q - p)};
	it->p = q;
	return true;
}

// sh_field returns a member of an object, or a value of length 0.
SH__FN sh_str sh_field(sh_str object, sh_str name) {
	if (sh_is_object(object))
		for (sh_iter it = sh_each(object); sh_next(&it);) if (sh_equal(it.name, name)) return it.value;
	return (sh_str){0};
}

// ---- Writing JSON: commas come by themselves ----

typedef struct { char *ptr; size_t len, cap; } sh_buf;

SH__FN void sh_raw(sh_buf *b, sh_str json) {
	if (b->len + json.len > b->cap) {
		size_t cap = 2 * b->cap + json.len + 64;
		char *p = sh_alloc(cap);
		memcpy(p, b->ptr, b->len);
		b->ptr = p, b->cap = cap;
	}
	memcpy(b->ptr + b->len, json.ptr, json.len);
	b->len += json.len;
}

SH__FN sh_str sh_json(const sh_buf *b) { return (sh_str){b->ptr, b->len}; }

// sh__valid is the length of the character at p, or 0 when it is not UTF-8.
SH__FN size_t sh__valid(const unsigned char *p, const unsigned char *end) {
	if (*p < 0x80) return 1;
	size_t n = *p >= 0xC2 && *p < 0xE0 ? 2 : *p >= 0xE0 && *p < 0xF0 ? 3 : *p >= 0xF0 && *p < 0xF5 ? 4 : 0;
	if (n == 0 || (size_t)(end - p) < n) return 0;
	for (size_t i = 1; i < n; i++) if ((p[i] & 0xC0) != 0x80) return 0;
	unsigned two = (unsigned)(p[0] << 8 | p[1]); // too long, a surrogate, too large
	if ((two >= 0xE080 && two < 0xE0A0) || (two >= 0xEDA0 && two < 0xEDC0) || (two >= 0xF080 && two < 0xF090) || (two >= 0xF490 && two < 0xF4C0)) return 0;
	return n;
}

// sh_string writes text as a string; bytes that are not UTF-8 become U+FFFD.
SH__FN void sh_string(sh_buf *b, sh_str text) {
	const unsigned char *p = (const unsigned char *)text.ptr, *end = p + text.len, *plain = p;
	sh_raw(b, SH("\""));
	while (p < end) {
		size_t n = *p >= 0x80 ? sh__valid(p, end) : *p >= 0x20 && *p != '"' && *p != '\\';
		if (n) { p += n; continue; }
		sh_raw(b, (sh_str){(const char *)plain, (size_t)(p - plain)});
		char escape[6] = {'\\', 'u', '0', '0', "0123456789abcdef"[*p >> 4], "0123456789abcdef"[*p & 15]};
		if (*p >= 0x80) sh_raw(b, SH("\xEF\xBF\xBD"));
		else if (*p < 0x20) sh_raw(b, (sh_str){escape, 6});
		else escape[1] = (char)*p, sh_raw(b, (sh_str){escape, 2});
		plain = ++p;
	}
	sh_raw(b, (sh_str){(const char *)plain, (size_t)(p - plain)});
	sh_raw(b, SH("\""));
}

SH__FN void sh_integer(sh_buf *b, int64_t n) {
	char digits[20], *p = digits + 20;
	uint64_t u = n < 0 ? -(uint64_t)n : (uint64_t)n;
	do *--p = (char)('0' + u % 10); while (u /= 10);
	if (n < 0) *--p = '-';
	sh_raw(b, (sh_str){p, (size_t)(digits + 20 - p)});
}

// sh_element goes before each element of an array, sh_member before the value of
// each member of an object.
SH__FN void sh_element(sh_buf *b) {
	if (b->len > 0 && b->ptr[b->len - 1] != '{' && b->ptr[b->len - 1] != '[') sh_raw(b, SH(","));
}
SH__FN void sh_member(sh_buf *b, sh_str name) { sh_element(b), sh_string(b, name), sh_raw(b, SH(":")); }
SH__FN void sh_member_text(sh_buf *b, sh_str name, sh_str text) { sh_member(b, name), sh_string(b, text); }

// ---- What hooks see ----

// sh_error is an error: kind is one of the contract's, such as "invalid" or
// "denied"; one of length 0 stands for no error.
typedef struct { sh_str kind, message, hint; } sh_error;

// sh_context is what a hook knows beside its item. A hook that sets error makes
// the whole page fail; setup has no other way to fail.
typedef struct { sh_str source, options, config, format; sh_error error; } sh_context;

// sh_item is one item. Desc is its description as JSON; sh_set_desc replaces it, in
// prepare only. Skip is for filter: why the item is not to be fetched. An item
// whose error has a kind fails.
typedef struct { sh_str key, desc, skip; sh_error error; bool changed; } sh_item;

SH__FN void sh_set_desc(sh_item *item, sh_str json) { item->desc = json, item->changed = true; }

SH__FN bool sh_fail(sh_error *e, sh_str kind, sh_str message, sh_str hint) {
	*e = (sh_error){kind, message, hint};
	return false;
}

// sh_text_field reads a string of an object, "" where there is none. A value of
// another type is an error.
SH__FN bool sh_text_field(sh_str object, sh_str name, sh_str *out, sh_error *e) {
	sh_str json = sh_field(object, name);
	*out = (sh_str){0};
	if (json.len == 0 || sh_text(json, out)) return true;
	return sh_fail(e, SH("invalid"), sh_concat(SH("expected a string in the field "), name), (sh_str){0});
}

#define SH_DEBUG 0
#define SH_INFO 1
#define SH_WARN 2
#define SH_ERROR 3
SH__FN void sh_log(uint32_t level, sh_str line) { sh__log(level, line.ptr, line.len); }

// ---- Operations: false means that the error was set ----

// sh_call performs an operation and returns its status.
SH__FN uint32_t sh_call(sh_str op, sh_str request, sh_str *result) {
	uint64_t r = sh__call(op.ptr, op.len, request.ptr, request.len);
	char *p = sh_alloc((uint32_t)r);
	*result = (sh_str){p, sh__result_read(p, 0, (uint32_t)r)};
	return (uint32_t)(r >> 32);
}

// sh_ask is sh_call whose statuses other than 0 are errors.
SH__FN bool sh_ask(sh_str op, sh_str request, sh_str *result, sh_error *e) {
	uint32_t status = sh_call(op, request, result);
	if (status == 0) return true;
	sh_str kind = status == 2 ? SH("denied") : status == 3 ? SH("invalid") : status == 6 ? SH("not found") : SH("failed");
	sh_error said = {0}, ignored = {0};
	sh_text_field(*result, SH("kind"), &said.kind, &ignored);
	sh_text_field(*result, SH("message"), &said.message, &ignored);
	sh_text_field(*result, SH("hint"), &said.hint, &ignored);
	static const sh_str known[] = {{"invalid", 7}, {"not found", 9}, {"denied", 6}, {"tls", 3}, {"timeout", 7}, {"mismatch", 8}, {"network", 7}, {"disk", 4}, {"plugin", 6}, {"canceled", 8}};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) if (sh_equal(said.kind, known[i])) kind = said.kind;
	if (said.message.len == 0) said.message = sh_concat(op, status == 1 ? SH(" is not known to this host") : SH(" was not done"));
	return sh_fail(e, kind, said.message, said.hint);
}

SH__FN bool sh__named(sh_str op, sh_str field, sh_str value, sh_str *result, sh_error *e) {
	sh_buf b = {0};
	sh_raw(&b, SH("{")), sh_member_text(&b, field, value), sh_raw(&b, SH("}"));
	return sh_ask(op, sh_json(&b), result, e);
}

SH__FN bool sh_read(sh_str path, sh_str *content, sh_error *e) { return sh__named(SH("read/v1"), SH("path"), path, content, e); }

// sh_stat says what is at a path: "file", "dir", "other" or "none".
SH__FN bool sh_stat(sh_str path, sh_str *type, int64_t *size, sh_error *e) {
	sh_str result;
	if (!sh__named(SH("stat/v1"), SH("path"), path, &result, e)) return false;
	*size = 0, sh_int(sh_field(result, SH("size")), size);
	return sh_text_field(result, SH("type"), type, e);
}

// sh_list returns the names in a folder as a JSON array of strings.
SH__FN bool sh_list(sh_str path, sh_str *names, sh_error *e) {
	sh_str result;
	if (!sh__named(SH("list/v1"), SH("path"), path, &result, e)) return false;
	*names = sh_field(result, SH("names"));
	if (names->len == 0) *names = SH("[]");
	return true;
}

SH__FN bool sh_env(sh_str name, sh_str *value, bool *set, sh_error *e) {
	sh_str result;
	if (!sh__named(SH("env/v1"), SH("name"), name, &result, e)) return false;
	sh_bool(sh_field(result, SH("set")), set);
	return sh_text_field(result, SH("value"), value, e);
}

// sh_exec runs a program to its end and returns what it wrote to its standard output.
// The request is an Exec of the contract.
SH__FN bool sh_exec(sh_str request, sh_str *output, sh_error *e) { return sh_ask(SH("exec/v1"), request, output, e); }

SH__FN void sh__texts(sh_buf *b, sh_str name, const sh_str *list, size_t count) {
	sh_member(b, name), sh_raw(b, SH("["));
	for (size_t i = 0; i < count; i++) sh_element(b), sh_string(b, list[i]);
	sh_raw(b, SH("]"));
}

// sh_signing is what sh_hmac signs, as in HMAC of the contract: data are the count
// parts, the first of which is signed with prefix and secret as the key, each further
// one with the digest before. url is what is signed for.
typedef struct { sh_str secret, prefix, url; const sh_str *data; size_t count; } sh_signing;

// sh_hmac signs with a secret that the plugin does not see; the digest is hexadecimal.
SH__FN bool sh_hmac(const sh_signing *s, sh_str *digest, sh_error *e) {
	sh_buf b = {0};
	sh_str result;
	sh_raw(&b, SH("{")), sh_member_text(&b, SH("secret"), s->secret), sh_member_text(&b, SH("prefix"), s->prefix);
	sh_member_text(&b, SH("url"), s->url), sh__texts(&b, SH("data"), s->data, s->count), sh_raw(&b, SH("}"));
	return sh_ask(SH("hmac/v1"), sh_json(&b), &result, e) && sh_text_field(result, SH("digest"), digest, e);
}

// sh_probe measures how long it takes to connect to the servers of count URLs, all at the
// same time. millis has a place for each; -1 stands where that failed.
SH__FN bool sh_probe(const sh_str *urls, size_t count, int64_t *millis, sh_error *e) {
	sh_buf b = {0};
	sh_str result;
	size_t n = 0;
	bool good = true;
	sh_raw(&b, SH("{")), sh__texts(&b, SH("urls"), urls, count), sh_raw(&b, SH("}"));
	if (!sh_ask(SH("probe/v1"), sh_json(&b), &result, e)) return false;
	for (sh_iter it = sh_each(sh_field(result, SH("millis"))); good && sh_next(&it); n++) good = n < count && sh_int(it.value, &millis[n]);
	return (good && n == count) || sh_fail(e, SH("plugin"), SH("the host's answer to probe/v1 has not one number for each URL"), (sh_str){0});
}

// sh_now is the time in nanoseconds since 1970. It is real with the capability clock.
SH__FN int64_t sh_now(void) {
	uint64_t ns = 0;
	sh__clock_time_get(0, 1, &ns); // fails for clocks that are not known
	return (int64_t)ns;
}

// sh_random fills n bytes with numbers that are random with the capability random.
// Without it they are the same for each instance.
SH__FN void sh_random(void *to, size_t n) {
	if (sh__random_get(to, n)) __builtin_trap();
}

// sh_http makes a request of http/v1: message and body as the contract says.
SH__FN bool sh_http(sh_str message, sh_str *response, sh_str *body, sh_error *e) {
	sh_str result;
	if (!sh_ask(SH("http/v1"), message, &result, e)) return false;
	size_t n = 0;
	while (n < result.len && result.ptr[n] != '\n') n++;
	*response = (sh_str){result.ptr, n};
	*body = n < result.len ? (sh_str){result.ptr + n + 1, result.len - n - 1} : (sh_str){0};
	return true;
}

// sh_put hands over content of an item, in fetch_one; more says that more follows.
SH__FN bool sh_put(const sh_item *item, sh_str content, bool more, sh_error *e) {
	sh_buf b = {0};
	sh_str none;
	sh_raw(&b, SH("{")), sh_member_text(&b, SH("key"), item->key);
	sh_raw(&b, more ? SH(",\"more\":true}\n") : SH("}\n")), sh_raw(&b, content);
	return sh_ask(SH("put/v1"), sh_json(&b), &none, e);
}

// sh_produce hands an item over, in fetch_one, by an operation that produces it. Members
// is an object with what the request has beside the key.
SH__FN bool sh_produce(sh_str op, const sh_item *item, sh_str members, sh_error *e) {
	sh_buf b = {0};
	sh_str none;
	sh_raw(&b, SH("{")), sh_member_text(&b, SH("key"), item->key);
	for (sh_iter it = sh_each(members); sh_next(&it);) sh_member(&b, it.name), sh_raw(&b, it.value);
	sh_raw(&b, SH("}"));
	return sh_ask(op, sh_json(&b), &none, e);
}

// sh_copy_image hands an item over to be copied from a registry or storage, in fetch_one.
// Members is a CopyImage of the contract but for its key.
SH__FN bool sh_copy_image(const sh_item *item, sh_str members, sh_error *e) { return sh_produce(SH("copy-image/v1"), item, members, e); }

// sh_run hands an item over to be produced by programs, in fetch_one. Members is a Run of
// the contract but for its key.
SH__FN bool sh_run(const sh_item *item, sh_str members, sh_error *e) { return sh_produce(SH("run/v1"), item, members, e); }

// ---- Items that are downloaded ----

// sh_header has a value, or the name of a secret with a prefix before it.
typedef struct { sh_str name, value, secret, prefix; } sh_header;

// sh_remote is the description of an item that is downloaded. The URLs are tried
// in order; rest are the members that this struct does not know.
typedef struct {
	sh_str *urls; size_t url_count;
	sh_header *headers; size_t header_count;
	sh_str insecure, secrets, auth, query, tls, proxy_env; // as JSON
	sh_buf rest;
} sh_remote;

SH__FN void sh__add_url(sh_remote *r, sh_str url, size_t at) {
	sh_str *urls = sh_alloc((r->url_count + 1) * sizeof url);
	for (size_t i = 0; i <= r->url_count; i++) urls[i] = i < at ? r->urls[i] : i == at ? url : r->urls[i - 1];
	r->urls = urls, r->url_count++;
}

// sh_add_url_first has a URL tried before those there are so far.
SH__FN void sh_add_url_first(sh_remote *r, sh_str url) { sh__add_url(r, url, 0); }

SH__FN void sh__add_header(sh_remote *r, sh_header h) {
	sh_header *headers = sh_alloc((r->header_count + 1) * sizeof h);
	if (r->header_count) memcpy(headers, r->headers, r->header_count * sizeof h);
	headers[r->header_count++] = h, r->headers = headers;
}

SH__FN void sh_add_header(sh_remote *r, sh_str name, sh_str value) { sh__add_header(r, (sh_header){name, value, {0}, {0}}); }

// sh_add_secret_header has the host put a secret in, which the plugin never sees.
SH__FN void sh_add_secret_header(sh_remote *r, sh_str name, sh_str prefix, sh_str secret) {
	sh__add_header(r, (sh_header){name, {0}, secret, prefix});
}

// sh_remote_read decodes a description, a URL or an object. On false the item has
// its error.
SH__FN bool sh_remote_read(sh_item *item, sh_remote *r) {
	sh_str url = {0}, one = {0};
	sh_error *e = &item->error;
	*r = (sh_remote){0};
	if (!sh_is_object(item->desc) && !sh_text(item->desc, &url))
		return sh_fail(e, SH("invalid"), SH("expected a URL or an object as the description"), (sh_str){0});
	for (sh_iter it = sh_each(item->desc); sh_next(&it);) {
		if (sh_equal(it.name, SH("url"))) {
			if (!sh_text(it.value, &url)) return sh_fail(e, SH("invalid"), SH("expected a string in the field url"), (sh_str){0});
		} else if (sh_equal(it.name, SH("urls"))) {
			if (!sh_is_array(it.value)) return sh_fail(e, SH("invalid"), SH("expected an array in the field urls"), (sh_str){0});
			for (sh_iter u = sh_each(it.value); sh_next(&u); sh__add_url(r, one, r->url_count))
				if (!sh_text(u.value, &one)) return sh_fail(e, SH("invalid"), SH("expected strings in the field urls"), (sh_str){0});
		} else if (sh_equal(it.name, SH("headers"))) {
			for (sh_iter h = sh_each(it.value); sh_next(&h);) {
				sh_header n = {0};
				if (!sh_text_field(h.value, SH("name"), &n.name, e) || !sh_text_field(h.value, SH("value"), &n.value, e) ||
				    !sh_text_field(h.value, SH("secret"), &n.secret, e) || !sh_text_field(h.value, SH("prefix"), &n.prefix, e)) return false;
				sh__add_header(r, n);
			}
		}
		else if (sh_equal(it.name, SH("insecure"))) r->insecure = it.value;
		else if (sh_equal(it.name, SH("secrets"))) r->secrets = it.value;
		else if (sh_equal(it.name, SH("auth"))) r->auth = it.value;
		else if (sh_equal(it.name, SH("query"))) r->query = it.value;
		else if (sh_equal(it.name, SH("tls"))) r->tls = it.value;
		else if (sh_equal(it.name, SH("proxy_env"))) r->proxy_env = it.value;
		else sh_member(&r->rest, it.name), sh_raw(&r->rest, it.value);
	}
	for (size_t i = 0; i < r->url_count; i++) if (sh_equal(url, r->urls[i])) url.len = 0;
	if (url.len > 0) sh__add_url(r, url, r->url_count);
	return true;
}

SH__FN void sh__optional(sh_buf *b, sh_str name, sh_str json) {
	if (json.len > 0) sh_member(b, name), sh_raw(b, json);
}
SH__FN void sh__optional_text(sh_buf *b, sh_str name, sh_str text) {
	if (text.len > 0) sh_member_text(b, name, text);
}

// sh__shared writes what a description and a Download have in common.
SH__FN void sh__shared(sh_buf *b, const sh_remote *r) {
	if (r->header_count > 0) {
		sh_member(b, SH("headers")), sh_raw(b, SH("["));
		for (size_t i = 0; i < r->header_count; i++) {
			const sh_header *h = &r->headers[i];
			sh_element(b), sh_raw(b, SH("{"));
			sh_member_text(b, SH("name"), h->name), sh__optional_text(b, SH("value"), h->value);
			sh__optional_text(b, SH("secret"), h->secret), sh__optional_text(b, SH("prefix"), h->prefix), sh_raw(b, SH("}"));
		}
		sh_raw(b, SH("]"));
	}
	sh__optional(b, SH("auth"), r->auth), sh__optional(b, SH("query"), r->query);
	sh__optional(b, SH("insecure"), r->insecure), sh__optional(b, SH("tls"), r->tls), sh__optional(b, SH("proxy_env"), r->proxy_env);
}

SH__FN void sh__urls(sh_buf *b, const sh_remote *r) {
	sh_member(b, SH("urls")), sh_raw(b, SH("["));
	for (size_t i = 0; i < r->url_count; i++) sh_element(b), sh_string(b, r->urls[i]);
	sh_raw(b, SH("]"));
}

// sh_remote_write makes r the item's description.
SH__FN void sh_remote_write(sh_item *item, const sh_remote *r) {
	sh_buf b = {0};
	sh_raw(&b, SH("{"));
	if (r->url_count == 1) sh_member_text(&b, SH("url"), r->urls[0]);
	else if (r->url_count > 1) sh__urls(&b, r);
	sh__optional(&b, SH("secrets"), r->secrets), sh__shared(&b, r);
	if (r->rest.len > 0) sh_element(&b), sh_raw(&b, sh_json(&r->rest));
	sh_raw(&b, SH("}"));
	sh_set_desc(item, sh_json(&b));
}

// sh_download hands an item over to be downloaded, in fetch_one.
SH__FN bool sh_download(const sh_item *item, const sh_remote *r, sh_error *e) {
	sh_buf b = {0};
	sh_str none;
	sh_raw(&b, SH("{")), sh_member_text(&b, SH("key"), item->key);
	sh__urls(&b, r), sh__shared(&b, r), sh_raw(&b, SH("}"));
	return sh_ask(SH("download/v1"), sh_json(&b), &none, e);
}

// ---- Hooks ----

SH__FN void sh__write_error(sh_buf *b, const sh_error *e) {
	sh_raw(b, SH("{")), sh_member_text(b, SH("kind"), e->kind), sh_member_text(b, SH("message"), e->message);
	sh__optional_text(b, SH("hint"), e->hint), sh_raw(b, SH("}"));
}

// sh__one calls a hook for one item and writes what it said about it.
SH__FN void sh__one(sh_context *c, void (*each)(sh_context *, sh_item *), sh_str json, sh_buf *out) {
	sh_item item = {0};
	for (sh_iter it = sh_each(json); sh_next(&it);) {
		if (sh_equal(it.name, SH("key"))) sh_text(it.value, &item.key);
		else if (sh_equal(it.name, SH("desc"))) item.desc = it.value;
	}
	each(c, &item);
	if (!item.error.kind.len && !item.skip.len && !item.changed) return;
	sh_element(out), sh_raw(out, SH("{")), sh_member_text(out, SH("key"), item.key);
	if (item.error.kind.len) sh_member(out, SH("error")), sh__write_error(out, &item.error);
	else if (item.skip.len) sh_member_text(out, SH("skip"), item.skip);
	else sh_member(out, SH("desc")), sh_raw(out, item.desc);
	sh_raw(out, SH("}"));
}

SH__FN int32_t sh__run(void (*each)(sh_context *, sh_item *), void (*setup)(sh_context *), uint32_t len) {
	sh__now = NULL, sh__used = 0; // the arena is empty
	char *input = sh_alloc(len);
	sh_str page = {input, sh__input_read(input, 0, len)}, items = {0}, text;
	sh_context c = {.options = SH("{}"), .config = SH("{}")};
	sh_buf out = {0};
	for (sh_iter it = sh_each(page); sh_next(&it);) {
		if (sh_equal(it.name, SH("items"))) items = it.value;
		else if (sh_equal(it.name, SH("options"))) c.options = it.value;
		else if (sh_equal(it.name, SH("config"))) c.config = it.value;
		else if (sh_equal(it.name, SH("source")) && sh_text(it.value, &text)) c.source = text;
		else if (sh_equal(it.name, SH("format")) && sh_text(it.value, &text)) c.format = text;
	}
	if (setup) setup(&c);
	sh_raw(&out, SH("{\"items\":["));
	if (each) for (sh_iter it = sh_each(items); !c.error.kind.len && sh_next(&it);) sh__one(&c, each, it.value, &out);
	if (c.error.kind.len) {
		sh_buf e = {0};
		sh__write_error(&e, &c.error), sh__error_set(e.ptr, e.len);
		return 1;
	}
	sh_raw(&out, SH("]}"));
	sh__output_write(out.ptr, out.len);
	return 0;
}

#define SH_SETUP(fn) SH__EXPORT("setup") int32_t sh__setup(uint32_t len) { return sh__run(NULL, fn, len); }
#define SH_FILTER(fn) SH__EXPORT("filter") int32_t sh__filter(uint32_t len) { return sh__run(fn, NULL, len); }
#define SH_PREPARE(fn) SH__EXPORT("prepare") int32_t sh__prepare(uint32_t len) { return sh__run(fn, NULL, len); }
#define SH_FETCH_ONE(fn) SH__EXPORT("fetch_one") int32_t sh__fetch_one(uint32_t len) { return sh__run(fn, NULL, len); }
#endif
