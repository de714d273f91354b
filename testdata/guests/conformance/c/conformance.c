// The conformance guest of docs/conformance.md in C.
#include "sourcehost.h"

static int64_t count;

// text returns a string of the description; on false the item has its error.
static bool text(sh_item *item, const char *name, sh_str *out) {
	sh_str n = {name, 0};
	while (name[n.len]) n.len++;
	return sh_text_field(item->desc, n, out, &item->error);
}

static bool is(sh_str a, const char *b) {
	size_t i = 0;
	while (i < a.len && b[i] && a.ptr[i] == b[i]) i++;
	return i == a.len && !b[i];
}

static void fail(sh_item *item, sh_error *to) {
	sh_error e;
	if (text(item, "kind", &e.kind) && text(item, "message", &e.message) && text(item, "hint", &e.hint)) *to = e;
}

static void answer(sh_item *item, sh_buf *b) {
	sh_raw(b, SH("}"));
	sh_set_desc(item, sh_json(b));
}

static void setup(sh_context *c) {
	sh_log(SH_INFO, sh_concat(SH("setup "), c->source));
	sh_str message;
	if (sh_text_field(c->config, SH("fail"), &message, &c->error) && message.len > 0)
		sh_fail(&c->error, SH("invalid"), message, SH("remove it"));
}
SH_SETUP(setup)

static void filter(sh_context *c, sh_item *item) {
	(void)c;
	sh_str what;
	if (!text(item, "do", &what)) return;
	if (is(what, "skip")) text(item, "reason", &item->skip);
	if (is(what, "fail")) fail(item, &item->error);
}
SH_FILTER(filter)

static void large(sh_item *item, sh_buf *b) {
	int64_t size = 0;
	if (!sh_int(sh_field(item->desc, SH("size")), &size)) {
		sh_fail(&item->error, SH("invalid"), SH("expected an integer in the field size"), (sh_str){0});
		return;
	}
	char *x = sh_alloc((size_t)size);
	memset(x, 'x', (size_t)size);
	sh_member_text(b, SH("text"), (sh_str){x, (size_t)size});
}

// texts returns the strings of an array in the description.
static sh_str *texts(sh_item *item, sh_str name, size_t *count) {
	sh_str json = sh_field(item->desc, name);
	*count = 0;
	for (sh_iter it = sh_each(json); sh_next(&it);) ++*count;
	sh_str *list = sh_alloc(*count * sizeof *list);
	size_t i = 0;
	for (sh_iter it = sh_each(json); sh_next(&it); i++) if (!sh_text(it.value, &list[i])) list[i] = SH("");
	return list;
}

static void sign(sh_item *item, sh_buf *b) {
	sh_signing s = {0};
	sh_str digest;
	s.data = texts(item, SH("data"), &s.count);
	if (text(item, "secret", &s.secret) && text(item, "prefix", &s.prefix) && text(item, "url", &s.url) && sh_hmac(&s, &digest, &item->error))
		sh_member_text(b, SH("digest"), digest);
}

static void probe(sh_item *item, sh_buf *b) {
	size_t count;
	sh_str *urls = texts(item, SH("urls"), &count);
	int64_t *millis = sh_alloc(count * sizeof *millis);
	if (!sh_probe(urls, count, millis, &item->error)) return;
	sh_member(b, SH("millis")), sh_raw(b, SH("["));
	for (size_t i = 0; i < count; i++) sh_element(b), sh_integer(b, millis[i]);
	sh_raw(b, SH("]"));
}

static void numbers(sh_item *item, sh_buf *b) {
	int64_t size = 0;
	if (!sh_int(sh_field(item->desc, SH("size")), &size)) return;
	unsigned char *bytes = sh_alloc((size_t)size);
	sh_random(bytes, (size_t)size);
	sh_member(b, SH("bytes")), sh_raw(b, SH("["));
	for (int64_t i = 0; i < size; i++) sh_element(b), sh_integer(b, bytes[i]);
	sh_raw(b, SH("]"));
}

// look is what asks the host, each of which answers with members of b.
static void look(sh_item *item, sh_str what, sh_buf *b) {
	sh_error *e = &item->error;
	sh_str path, out, body, op, request;
	if (is(what, "read")) {
		if (text(item, "path", &path) && sh_read(path, &out, e)) sh_member_text(b, SH("read"), out);
	} else if (is(what, "stat")) {
		int64_t size;
		if (text(item, "path", &path) && sh_stat(path, &out, &size, e))
			sh_member_text(b, SH("type"), out), sh_member(b, SH("size")), sh_integer(b, size);
	} else if (is(what, "list")) {
		if (text(item, "path", &path) && sh_list(path, &out, e)) sh_member(b, SH("names")), sh_raw(b, out);
	} else if (is(what, "env")) {
		bool set = false;
		if (text(item, "name", &path) && sh_env(path, &out, &set, e))
			sh_member(b, SH("set")), sh_raw(b, set ? SH("true") : SH("false")), sh_member_text(b, SH("value"), out);
	} else if (is(what, "exec")) {
		if (sh_exec(item->desc, &out, e)) sh_member_text(b, SH("output"), out); // unknown members are ignored
	} else if (is(what, "http")) {
		if (!sh_http(item->desc, &out, &body, e)) return;
		sh_member(b, SH("status")), sh_raw(b, sh_field(out, SH("status")));
		sh_member(b, SH("headers")), sh_raw(b, sh_field(out, SH("headers")));
		sh_member_text(b, SH("body"), body);
	} else if (is(what, "hmac")) {
		sign(item, b);
	} else if (is(what, "probe")) {
		probe(item, b);
	} else if (is(what, "call")) {
		if (!text(item, "op", &op) || !text(item, "request", &request)) return;
		uint32_t status = sh_call(op, request, &out);
		sh_member(b, SH("status")), sh_integer(b, status), sh_member_text(b, SH("result"), out);
	}
}

static void prepare(sh_context *c, sh_item *item) {
	sh_str what, out;
	int64_t level = 0;
	if (!text(item, "do", &what)) return;
	sh_buf b = {0};
	sh_raw(&b, SH("{"));
	if (is(what, "echo")) {
		sh_member(&b, SH("echo")), sh_raw(&b, sh_field(item->desc, SH("value")));
	} else if (is(what, "text")) {
		if (text(item, "text", &out)) sh_member_text(&b, SH("text"), out), sh_member(&b, SH("bytes")), sh_integer(&b, (int64_t)out.len);
	} else if (is(what, "page")) {
		sh_member_text(&b, SH("source"), c->source), sh_member_text(&b, SH("format"), c->format);
		sh_member(&b, SH("options")), sh_raw(&b, c->options), sh_member(&b, SH("config")), sh_raw(&b, c->config);
		sh_member_text(&b, SH("key"), item->key);
	} else if (is(what, "count")) {
		sh_member(&b, SH("count")), sh_integer(&b, ++count);
	} else if (is(what, "time")) {
		sh_member(&b, SH("time")), sh_integer(&b, sh_now());
	} else if (is(what, "random")) {
		numbers(item, &b);
	} else if (is(what, "large")) {
		large(item, &b);
	} else if (is(what, "fail")) {
		fail(item, &item->error);
	} else if (is(what, "fail page")) {
		fail(item, &c->error);
	} else if (is(what, "trap")) {
		__builtin_trap();
	} else if (is(what, "log")) {
		if (sh_int(sh_field(item->desc, SH("level")), &level) && text(item, "text", &out)) sh_log((uint32_t)level, out);
	} else {
		look(item, what, &b);
	}
	if (b.len > 1) answer(item, &b);
}
SH_PREPARE(prepare)

static void fetch_one(sh_context *c, sh_item *item) {
	(void)c;
	sh_str what, part;
	sh_error *e = &item->error;
	sh_remote r;
	if (!text(item, "do", &what)) return;
	if (is(what, "download")) {
		if (sh_remote_read(item, &r)) sh_download(item, &r, e);
	} else if (is(what, "copy-image")) {
		sh_copy_image(item, item->desc, e);
	} else if (is(what, "run")) {
		sh_run(item, item->desc, e);
	} else if (is(what, "put")) {
		for (sh_iter it = sh_each(sh_field(item->desc, SH("parts"))); sh_next(&it);) {
			sh_iter rest = it;
			if (!sh_text(it.value, &part)) continue;
			if (!sh_put(item, part, sh_next(&rest), e)) return;
		}
	} else if (is(what, "fail")) {
		fail(item, e);
	}
}
SH_FETCH_ONE(fetch_one)
