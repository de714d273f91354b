// The conformance guest of docs/conformance.md in AssemblyScript.
import {
  call, Context, copyImage, download, env, exec, fail, forEachItem, forSetup, hmac, http, Item, Json, Level, list, log, now, probe, put, random, read,
  Remote, run, stat,
} from "../../../../sdk/assemblyscript/sourcehost";
export { sourcehost_abi_v1 } from "../../../../sdk/assemblyscript/sourcehost";

export function setup(length: u32): i32 {
  return forSetup(length, (context) => {
    log(Level.Info, "setup " + context.source);
    const message = context.config.getText("fail");
    if (message.length > 0) fail("invalid", message, "remove it");
  });
}

function failure(desc: Json): void {
  fail(desc.getText("kind"), desc.getText("message"), desc.getText("hint"));
}

export function filter(length: u32): i32 {
  return forEachItem(length, (_context, item) => {
    const what = item.desc.getText("do");
    if (what == "skip") item.skip = item.desc.getText("reason");
    if (what == "fail") failure(item.desc);
  });
}

let count: i64 = 0;

export function prepare(length: u32): i32 {
  return forEachItem(length, (context, item) => {
    const answer = answerTo(context, item);
    if (answer !== null) item.desc = answer;
  });
}

function utf8(text: string): ArrayBuffer { return String.UTF8.encode(text); }
function text(bytes: ArrayBuffer): Json { return Json.text(String.UTF8.decode(bytes)); }

function answerTo(context: Context, item: Item): Json | null {
  const desc = item.desc, what = desc.getText("do"), a = Json.object();
  if (what == "echo") return a.set("echo", desc.get("value"));
  if (what == "text") {
    const t = desc.getText("text");
    return a.set("text", Json.text(t)).set("bytes", Json.int(String.UTF8.byteLength(t)));
  }
  if (what == "page") {
    a.set("source", Json.text(context.source)).set("format", Json.text(context.format)).set("key", Json.text(item.key));
    return a.set("options", context.options).set("config", context.config);
  }
  if (what == "count") return a.set("count", Json.int(++count));
  if (what == "large") return a.set("text", Json.text("x".repeat(<i32>desc.getInt("size"))));
  if (what == "fail") failure(desc);
  if (what == "trap") unreachable();
  if (what == "log") log(<u32>desc.getInt("level"), desc.getText("text"));
  if (what == "read") return a.set("read", text(read(desc.getText("path"))));
  if (what == "stat") {
    const info = stat(desc.getText("path"));
    return a.set("type", Json.text(info.getText("type"))).set("size", Json.int(info.getInt("size")));
  }
  if (what == "list") return a.set("names", Json.texts(list(desc.getText("path"))));
  if (what == "env") {
    const value = env(desc.getText("name"));
    return a.set("set", Json.bool(value !== null)).set("value", Json.text(value === null ? "" : value));
  }
  if (what == "exec") return a.set("output", text(exec(desc))); // the contract ignores the member do
  if (what == "http") {
    const r = http(desc);
    return a.set("status", Json.int(r.status)).set("headers", r.headers).set("body", Json.text(r.body));
  }
  if (what == "hmac") {
    return a.set("digest", Json.text(hmac(desc.getText("secret"), desc.getText("url"), desc.getTexts("data"), desc.getText("prefix"))));
  }
  if (what == "probe") {
    const millis = probe(desc.getTexts("urls")), list = Json.array();
    for (let i = 0; i < millis.length; i++) list.items.push(Json.int(millis[i]));
    return a.set("millis", list);
  }
  if (what == "time") return a.set("time", Json.int(now()));
  if (what == "random") {
    const bytes = Uint8Array.wrap(random(<i32>desc.getInt("size"))), list = Json.array();
    for (let i = 0; i < bytes.length; i++) list.items.push(Json.int(bytes[i]));
    return a.set("bytes", list);
  }
  if (what == "call") {
    const r = call(desc.getText("op"), utf8(desc.getText("request")));
    return a.set("status", Json.int(<i64>r.status)).set("result", Json.text(r.text));
  }
  return null;
}

export function fetch_one(length: u32): i32 {
  return forEachItem(length, (_context, item) => {
    const desc = item.desc, what = desc.getText("do");
    if (what == "download") download(item, Remote.of(desc));
    if (what == "copy-image") copyImage(item, desc);
    if (what == "run") run(item, desc);
    if (what == "fail") failure(desc);
    if (what != "put") return;
    const parts = desc.getTexts("parts");
    for (let i = 0; i < parts.length; i++) put(item, parts[i], i < parts.length - 1);
  });
}
