// Header in AssemblyScript: what ../main.go does.
import { forEachItem, Remote } from "../../../../sdk/assemblyscript/sourcehost";
export { sourcehost_abi_v1 } from "../../../../sdk/assemblyscript/sourcehost";

const origin = "https://rpms.acme.example/";
const mirror = "https://mirror.acme.example/rpms/";

export function prepare(length: u32): i32 {
  return forEachItem(length, (_context, item) => {
    const remote = Remote.of(item.desc);
    if (!remote.url.startsWith(origin)) return;
    remote.addURLFirst(mirror + remote.url.substring(origin.length));
    remote.addSecretHeader("Authorization", "Bearer ", "acme-token");
    item.desc = remote.json();
  });
}
