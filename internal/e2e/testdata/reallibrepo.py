"""Downloads with the real librepo what a source of the kind org.osbuild.librepo
names: the source as JSON on standard input, the folder as the argument. Prints, for
each item by its key, the error or null."""
import json
import os
import sys

import librepo

source = json.load(sys.stdin)
folder = sys.argv[1]
handles = {}
for name, mirror in source["options"]["mirrors"].items():
    h = librepo.Handle()
    h.repotype = librepo.LR_YUMREPO
    if mirror["type"] == "metalink":
        h.metalinkurl = mirror["url"]
    elif mirror["type"] == "mirrorlist":
        h.mirrorlisturl = mirror["url"]
    else:
        h.urls = [mirror["url"]]
    h.maxparalleldownloads = int(mirror.get("max-parallels", 1))
    if mirror.get("fastest-mirror"):
        h.fastestmirror = True
    if mirror.get("insecure"):
        h.sslverifypeer = False
        h.sslverifyhost = False
    handles[name] = h
kinds = {"sha1": librepo.SHA1, "sha256": librepo.SHA256, "sha384": librepo.SHA384, "sha512": librepo.SHA512}
targets = {}
for key, item in source["items"].items():
    algorithm, digest = key.split(":")
    targets[key] = librepo.PackageTarget(
        item["path"], dest=os.path.join(folder, key), checksum_type=kinds[algorithm], checksum=digest,
        handle=handles[item["mirror"]])
for name in handles:
    librepo.download_packages([targets[k] for k, i in source["items"].items() if i["mirror"] == name])
print(json.dumps({key: t.err for key, t in targets.items()}))
