// Header in C: what ../main.go does.
#include "sourcehost.h"

#define ORIGIN SH("https://rpms.acme.example/")
#define MIRROR SH("https://mirror.acme.example/rpms/")

static void prepare(sh_context *c, sh_item *item) {
	(void)c;
	sh_remote r;
	if (!sh_remote_read(item, &r) || r.url_count == 0) return;
	sh_str path = r.urls[0];
	if (!sh_cut_prefix(&path, ORIGIN)) return;
	sh_add_url_first(&r, sh_concat(MIRROR, path));
	sh_add_secret_header(&r, SH("Authorization"), SH("Bearer "), SH("acme-token"));
	sh_remote_write(item, &r);
}
SH_PREPARE(prepare)
