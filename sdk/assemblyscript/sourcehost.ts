/**
 * For authors of sourcehost plugins in AssemblyScript: a file to put beside a
 * plugin. A plugin exports the marker and a function for each hook it has:
 *
 *     import { forEachItem, Remote } from "./sourcehost";
 *     export { sourcehost_abi_v1 } from "./sourcehost";
 *
 *     export function prepare(length: u32): i32 {
 *       return forEachItem(length, (context, item) => {
 *         const remote = Remote.of(item.desc);
 *         remote.addSecretHeader("Authorization", "Bearer ", "acme-token");
 *         item.desc = remote.json();
 *       });
 *     }
 *
 *     asc plugin.ts -O2 --runtime minimal --use abort=sourcehost/abort --exportStart _initialize -o plugin.wasm
 *
 * Not -Os or -Oz, whose code needs memory that grows with the square of a page.
 *
 * There are no exceptions: what fails returns an empty value, and the first failure
 * of an item stays and is the item's error, unless takeError() takes it away. The
 * contract is docs/abi.md.
 */

// @ts-ignore: decorator
@external("sourcehost_v1", "input_read")
declare function input_read(dst: usize, off: u32, cap: u32): u32;
// @ts-ignore: decorator
@external("sourcehost_v1", "result_read")
declare function result_read(dst: usize, off: u32, cap: u32): u32;
// @ts-ignore: decorator
@external("sourcehost_v1", "output_write")
declare function output_write(ptr: usize, len: u32): void;
// @ts-ignore: decorator
@external("sourcehost_v1", "error_set")
declare function error_set(ptr: usize, len: u32): void;
// @ts-ignore: decorator
@external("sourcehost_v1", "log")
declare function host_log(level: u32, ptr: usize, len: u32): void;
// @ts-ignore: decorator
@external("sourcehost_v1", "call")
declare function host_call(op: usize, opLength: u32, request: usize, requestLength: u32): u64;

// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "clock_time_get")
declare function clock_time_get(clock: u32, precision: u64, ns: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "random_get")
declare function random_get(to: usize, len: u32): u32;

/** States the version of the contract; a plugin exports it again. */
export function sourcehost_abi_v1(): void {}

/** What the runtime calls before it traps; a plugin names it to the compiler. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  log(Level.Error, `${message === null ? "abort" : message} (${file === null ? "" : file}:${line})`);
  unreachable();
}

function utf8(text: string): ArrayBuffer {
  return String.UTF8.encode(text, false, String.UTF8.ErrorMode.REPLACE);
}

export enum Level { Debug = 0, Info = 1, Warn = 2, Error = 3 }

/** Logs a line. */
export function log(level: u32, line: string): void {
  const bytes = utf8(line);
  host_log(level, changetype<usize>(bytes), bytes.byteLength);
}

// ---- Failures ----

/** An error with a kind of the contract, such as "invalid", "denied" or "network". */
export class Failure {
  constructor(public kind: string, public message: string, public hint: string = "") {}
  json(): Json {
    return Json.object().set("kind", Json.text(this.kind)).set("message", Json.text(this.message)).set("hint", Json.text(this.hint));
  }
}

let failure: Failure | null = null;

/** Makes the item, or in setup the run, fail; an earlier failure stays. */
export function fail(kind: string, message: string, hint: string = ""): void {
  if (failure === null) failure = new Failure(kind, message, hint);
}

/** Returns the failure so far and forgets it. */
export function takeError(): Failure | null {
  const f = failure;
  failure = null;
  return f;
}

// ---- JSON ----

export enum Kind { None, Null, Bool, Number, Text, Array, Object }

const none = new Json(Kind.None);

/** A value of JSON, or none. Numbers are kept as their text, members in order. */
export class Json {
  names: string[] = [];
  items: Json[] = [];
  constructor(public kind: Kind, public raw: string = "") {}

  static text(s: string): Json { return new Json(Kind.Text, s); }
  static int(n: i64): Json { return new Json(Kind.Number, n.toString()); }
  static bool(b: bool): Json { return new Json(Kind.Bool, b ? "true" : "false"); }
  static object(): Json { return new Json(Kind.Object); }
  static array(): Json { return new Json(Kind.Array); }
  static texts(list: string[]): Json {
    const a = Json.array();
    for (let i = 0; i < list.length; i++) a.items.push(Json.text(list[i]));
    return a;
  }

  /** Reads a text; none, without a failure, when it is not JSON. */
  static parse(text: string): Json {
    const p = new Parser(text);
    const value = p.value(0);
    p.space();
    return p.bad || p.at < text.length ? none : value;
  }

  /** Sets a member of an object. */
  set(name: string, value: Json): Json {
    const i = this.names.indexOf(name);
    if (i >= 0) {
      this.items[i] = value;
    } else {
      this.names.push(name);
      this.items.push(value);
    }
    return this;
  }

  /** A member of an object; none where there is none. */
  get(name: string): Json {
    const i = this.names.indexOf(name);
    return i < 0 ? none : this.items[i];
  }

  private typed(name: string, kind: Kind, what: string): Json {
    const value = this.get(name);
    if (value.kind == kind) return value;
    if (value.kind != Kind.None) fail("invalid", `expected ${what} in the field "${name}"`);
    return none;
  }

  /** The string in a member, "" where there is none; another type is a failure. */
  getText(name: string): string { return this.typed(name, Kind.Text, "a string").raw; }
  /** The integer in a member, 0 where there is none. */
  getInt(name: string): i64 {
    const raw = this.typed(name, Kind.Number, "an integer").raw;
    return raw.length == 0 ? 0 : I64.parseInt(raw);
  }
  getBool(name: string): bool { return this.typed(name, Kind.Bool, "true or false").raw == "true"; }
  /** The elements of the array in a member, none where there is none. */
  getArray(name: string): Json[] { return this.typed(name, Kind.Array, "an array").items; }
  /** The strings of the array in a member. */
  getTexts(name: string): string[] {
    const values = this.getArray(name);
    const list: string[] = [];
    for (let i = 0; i < values.length; i++) {
      if (values[i].kind != Kind.Text) fail("invalid", `expected strings in the field "${name}"`);
      list.push(values[i].raw);
    }
    return list;
  }

  toString(): string {
    const out: string[] = [];
    this.write(out);
    return out.join("");
  }

  private write(out: string[]): void {
    if (this.kind == Kind.Text) {
      quote(out, this.raw);
    } else if (this.kind == Kind.Array || this.kind == Kind.Object) {
      const isObject = this.kind == Kind.Object;
      out.push(isObject ? "{" : "[");
      for (let i = 0; i < this.items.length; i++) {
        if (i > 0) out.push(",");
        if (isObject) {
          quote(out, this.names[i]);
          out.push(":");
        }
        this.items[i].write(out);
      }
      out.push(isObject ? "}" : "]");
    } else {
      out.push(this.kind == Kind.Null || this.kind == Kind.None ? "null" : this.raw);
    }
  }
}

function quote(out: string[], s: string): void {
  out.push('"');
  let plain = 0;
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i);
    if (c >= 0x20 && c != 0x22 && c != 0x5c) continue;
    out.push(s.substring(plain, i));
    out.push(c >= 0x20 ? "\\" + s.charAt(i) : "\\u00" + (c < 16 ? "0" : "") + c.toString(16));
    plain = i + 1;
  }
  out.push(plain == 0 ? s : s.substring(plain));
  out.push('"');
}

class Parser {
  at: i32 = 0;
  bad: bool = false;
  constructor(private s: string) {}

  private peek(): i32 { return this.at < this.s.length ? this.s.charCodeAt(this.at) : 0; }

  space(): void {
    for (;;) {
      const c = this.peek();
      if (c != 0x20 && c != 0x0a && c != 0x09 && c != 0x0d) return;
      this.at++;
    }
  }

  private take(c: i32): bool {
    this.space();
    if (this.peek() != c) return false;
    this.at++;
    return true;
  }

  value(depth: i32): Json {
    this.space();
    const c = this.peek();
    if (depth > 512) this.bad = true;
    if (this.bad) return none;
    if (c == 0x22) return Json.text(this.string());
    if (c == 0x7b || c == 0x5b) return this.nested(depth);
    const start = this.at;
    for (let d = c; (d >= 0x61 && d <= 0x7a) || (d >= 0x30 && d <= 0x39) || d == 0x2d || d == 0x2b || d == 0x2e || d == 0x45; d = this.peek()) this.at++;
    const word = this.s.substring(start, this.at);
    if (word == "null") return new Json(Kind.Null);
    if (word == "true" || word == "false") return new Json(Kind.Bool, word);
    if (c != 0x2d && (c < 0x30 || c > 0x39)) this.bad = true;
    return new Json(Kind.Number, word);
  }

  private nested(depth: i32): Json {
    const isObject = this.peek() == 0x7b;
    const close = isObject ? 0x7d : 0x5d;
    const v = new Json(isObject ? Kind.Object : Kind.Array);
    this.at++;
    if (this.take(close)) return v;
    do {
      if (isObject) {
        this.space();
        v.names.push(this.string());
        if (!this.take(0x3a)) this.bad = true;
      }
      v.items.push(this.value(depth + 1));
    } while (!this.bad && this.take(0x2c));
    if (!this.take(close)) this.bad = true;
    return v;
  }

  private string(): string {
    const s = this.s;
    if (this.peek() != 0x22) this.bad = true;
    const parts: string[] = [];
    let plain = ++this.at;
    for (; !this.bad && this.at < s.length; this.at++) {
      const c = s.charCodeAt(this.at);
      if (c != 0x22 && c != 0x5c) continue;
      const part = s.substring(plain, this.at);
      if (c == 0x22) {
        this.at++;
        if (parts.length == 0) return part;
        parts.push(part);
        return parts.join("");
      }
      parts.push(part);
      parts.push(this.escape());
      plain = this.at + 1;
    }
    this.bad = true;
    return "";
  }

  /** Reads what follows a backslash and stays on its last character. */
  private escape(): string {
    const c = ++this.at < this.s.length ? this.s.charAt(this.at) : "";
    if (c == "n") return "\n";
    if (c == "t") return "\t";
    if (c == "r") return "\r";
    if (c == "b") return "\b";
    if (c == "f") return "\f";
    if (c != "u") {
      if (c != '"' && c != "\\" && c != "/") this.bad = true;
      return c;
    }
    let code = 0; // half of a pair of surrogates too: strings are UTF-16
    for (let i = 0; i < 4; i++) {
      const d = ++this.at < this.s.length ? this.s.charCodeAt(this.at) : 0;
      const digit = d >= 0x30 && d <= 0x39 ? d - 0x30 : (d | 32) >= 0x61 && (d | 32) <= 0x66 ? (d | 32) - 0x57 : -1;
      if (digit < 0) this.bad = true;
      code = (code << 4) | digit;
    }
    return String.fromCharCode(code);
  }
}

// ---- What hooks see ----

/** What a hook knows beside its item. */
export class Context {
  constructor(public source: string, public options: Json, public config: Json, public format: string) {}
}

/** An item. Prepare may set desc, filter may set skip to a reason. */
export class Item {
  skip: string = "";
  constructor(public key: string, public desc: Json) {}
}

/** A header with a value, or with the name of a secret and a prefix before it. */
export class Header {
  constructor(public name: string, public value: string, public secret: string = "", public prefix: string = "") {}
  json(): Json {
    const h = Json.object().set("name", Json.text(this.name));
    if (this.value.length > 0) h.set("value", Json.text(this.value));
    if (this.secret.length > 0) h.set("secret", Json.text(this.secret));
    if (this.prefix.length > 0) h.set("prefix", Json.text(this.prefix));
    return h;
  }
}

/** The description of an item that is downloaded: URLs, tried in order, headers, and other members. */
export class Remote {
  urls: string[] = [];
  headers: Header[] = [];
  rest: Json = Json.object();

  /** Reads a description; null, and a failure, for one that has another shape. */
  static of(desc: Json): Remote {
    const r = new Remote();
    if (desc.kind == Kind.Text) {
      r.urls.push(desc.raw);
      return r;
    }
    if (desc.kind != Kind.Object) fail("invalid", "expected a URL or an object as the description");
    for (let i = 0; i < desc.names.length; i++) {
      const name = desc.names[i];
      if (name != "url" && name != "urls" && name != "headers") r.rest.set(name, desc.items[i]);
    }
    r.urls = desc.getTexts("urls");
    const url = desc.getText("url");
    if (url.length > 0 && !r.urls.includes(url)) r.urls.push(url);
    const headers = desc.getArray("headers");
    for (let i = 0; i < headers.length; i++) {
      const h = headers[i];
      r.headers.push(new Header(h.getText("name"), h.getText("value"), h.getText("secret"), h.getText("prefix")));
    }
    return r;
  }

  /** The first URL, or "". */
  get url(): string { return this.urls.length > 0 ? this.urls[0] : ""; }
  /** Has a URL tried before those there are so far. */
  addURLFirst(url: string): void { this.urls.unshift(url); }
  addHeader(name: string, value: string): void { this.headers.push(new Header(name, value)); }
  /** Has the host put a secret in, which the plugin never sees. */
  addSecretHeader(name: string, prefix: string, secret: string): void { this.headers.push(new Header(name, "", secret, prefix)); }

  json(): Json {
    const v = Json.object();
    if (this.urls.length == 1) v.set("url", Json.text(this.urls[0]));
    else if (this.urls.length > 1) v.set("urls", Json.texts(this.urls));
    for (let i = 0; i < this.rest.names.length; i++) v.set(this.rest.names[i], this.rest.items[i]);
    if (this.headers.length > 0) v.set("headers", this.headersJson());
    return v;
  }

  headersJson(): Json {
    const list = Json.array();
    for (let i = 0; i < this.headers.length; i++) list.items.push(this.headers[i].json());
    return list;
  }
}

// ---- What hooks can ask ----

/** The outcome of an operation. */
export class Result {
  constructor(public status: u32, public bytes: ArrayBuffer) {}
  get text(): string { return String.UTF8.decode(this.bytes); }
}

/** Performs an operation, whatever its status. */
export function call(op: string, request: ArrayBuffer): Result {
  const name = utf8(op);
  const r = host_call(changetype<usize>(name), name.byteLength, changetype<usize>(request), request.byteLength);
  const bytes = new ArrayBuffer(<i32>r);
  result_read(changetype<usize>(bytes), 0, <u32>r);
  return new Result(<u32>(r >> 32), bytes);
}

const kinds = ["invalid", "not found", "denied", "tls", "timeout", "mismatch", "network", "disk", "plugin", "canceled"];

/** Performs an operation; a status other than 0 is a failure. */
export function ask(op: string, request: ArrayBuffer): Result {
  const r = call(op, request);
  if (r.status == 0) return r;
  const said = Json.parse(r.text);
  const kind = said.get("kind").raw;
  const message = said.get("message").raw;
  const byStatus = r.status == 2 ? "denied" : r.status == 3 ? "invalid" : r.status == 6 ? "not found" : "failed";
  fail(kinds.includes(kind) ? kind : byStatus, message.length > 0 ? message : op + (r.status == 1 ? " is not known to this host" : " was not done"), said.get("hint").raw);
  return new Result(r.status, new ArrayBuffer(0));
}

function askFor(op: string, name: string, value: string): Result {
  return ask(op, utf8(Json.object().set(name, Json.text(value)).toString()));
}

/** The content of a file of the host. */
export function read(path: string): ArrayBuffer { return askFor("read/v1", "path", path).bytes; }
/** What is at a path: an object with type ("file", "dir", "other", "none") and size. */
export function stat(path: string): Json { return Json.parse(askFor("stat/v1", "path", path).text); }
/** The names in a folder. */
export function list(path: string): string[] { return Json.parse(askFor("list/v1", "path", path).text).getTexts("names"); }
/** The value of an environment variable of the host; null when it is not set. */
export function env(name: string): string | null {
  const v = Json.parse(askFor("env/v1", "name", name).text);
  return v.getBool("set") ? v.getText("value") : null;
}
/** Runs a program; the request is an Exec of the contract. */
export function exec(request: Json): ArrayBuffer { return ask("exec/v1", utf8(request.toString())).bytes; }

/**
 * Signs with a secret that the plugin does not see; the digest is hexadecimal. The first
 * part of data is signed with prefix and secret as the key, each further one with the
 * digest before. The url is what is signed for.
 */
export function hmac(secret: string, url: string, data: string[], prefix: string = ""): string {
  const request = Json.object().set("secret", Json.text(secret)).set("prefix", Json.text(prefix)).set("url", Json.text(url)).set("data", Json.texts(data));
  return Json.parse(ask("hmac/v1", utf8(request.toString())).text).getText("digest");
}

/**
 * Measures how long it takes to connect to the servers of URLs, all at the same time, in
 * milliseconds; -1 stands where that failed.
 */
export function probe(urls: string[]): i64[] {
  const r = ask("probe/v1", utf8(Json.object().set("urls", Json.texts(urls)).toString()));
  const values = Json.parse(r.text).getArray("millis");
  const millis: i64[] = [];
  for (let i = 0; i < values.length; i++) if (values[i].kind == Kind.Number) millis.push(I64.parseInt(values[i].raw));
  if (millis.length != urls.length) fail("plugin", "the host's answer to probe/v1 has not one number for each URL"); // unless the host has failed
  return millis;
}

/** The time in nanoseconds since 1970. It is real with the capability clock. */
export function now(): i64 {
  const ns = new ArrayBuffer(8);
  clock_time_get(0, 1, changetype<usize>(ns)); // fails for clocks that are not known
  return load<i64>(changetype<usize>(ns));
}

/** Bytes that are random with the capability random. Without it they are the same for each instance. */
export function random(length: i32): ArrayBuffer {
  const bytes = new ArrayBuffer(length);
  if (random_get(changetype<usize>(bytes), length) != 0) unreachable();
  return bytes;
}

/** The response to http/v1, whatever its status. */
export class Response {
  constructor(public status: i64, public headers: Json, public body: string) {}
}

/** Makes a small request; it is an HTTPRequest of the contract. */
export function http(request: Json): Response {
  const text = ask("http/v1", utf8(request.toString())).text;
  const end = text.indexOf("\n");
  const message = Json.parse(end < 0 ? text : text.substring(0, end));
  return new Response(message.getInt("status"), message.get("headers"), end < 0 ? "" : text.substring(end + 1));
}

/** Hands an item over, in fetch_one, by an operation that produces it; members are the request but for its key. */
export function produce(op: string, item: Item, members: Json): void {
  const request = Json.object().set("key", Json.text(item.key));
  for (let i = 0; i < members.names.length; i++) if (members.names[i] != "key") request.set(members.names[i], members.items[i]);
  ask(op, utf8(request.toString()));
}

/** Hands an item over to be copied from a registry or storage, in fetch_one; members are a CopyImage of the contract but for its key. */
export function copyImage(item: Item, members: Json): void { produce("copy-image/v1", item, members); }

/** Hands an item over to be produced by programs, in fetch_one; members are a Run of the contract but for its key. */
export function run(item: Item, members: Json): void { produce("run/v1", item, members); }

/** Hands an item over to be downloaded, in fetch_one. */
export function download(item: Item, remote: Remote): void {
  const members = Json.object().set("urls", Json.texts(remote.urls)).set("headers", remote.headersJson());
  for (let i = 0; i < remote.rest.names.length; i++) members.set(remote.rest.names[i], remote.rest.items[i]);
  produce("download/v1", item, members);
}

/** Hands over content of an item, in fetch_one; more says that more follows. */
export function put(item: Item, content: string, more: bool): void {
  const message = Json.object().set("key", Json.text(item.key)).set("more", Json.bool(more));
  ask("put/v1", utf8(message.toString() + "\n" + content));
}

// ---- Hooks ----

/** Calls a function for each item of the hook's page. */
export function forEachItem(length: u32, each: (context: Context, item: Item) => void): i32 {
  const page = input(length);
  const context = contextOf(page);
  const items = page.getArray("items");
  const outcomes = Json.array();
  for (let i = 0; i < items.length; i++) {
    const desc = items[i].get("desc");
    const item = new Item(items[i].getText("key"), desc);
    each(context, item);
    const said = Json.object().set("key", Json.text(item.key));
    const failed = takeError();
    if (failed !== null) said.set("error", failed.json());
    else if (item.skip.length > 0) said.set("skip", Json.text(item.skip));
    else if (item.desc !== desc) said.set("desc", item.desc);
    else continue;
    outcomes.items.push(said);
  }
  if (outcomes.items.length == 0) return 0;
  const out = utf8(Json.object().set("items", outcomes).toString());
  output_write(changetype<usize>(out), out.byteLength);
  return 0;
}

/** Calls a function for the hook setup, which fails with fail(). */
export function forSetup(length: u32, setup: (context: Context) => void): i32 {
  setup(contextOf(input(length)));
  const failed = takeError();
  if (failed === null) return 0;
  const e = utf8(failed.json().toString());
  error_set(changetype<usize>(e), e.byteLength);
  return 1;
}

function input(length: u32): Json {
  __collect(); // between calls nothing but module variables is in use
  failure = null;
  const bytes = new ArrayBuffer(length);
  input_read(changetype<usize>(bytes), 0, length);
  return Json.parse(String.UTF8.decode(bytes));
}

function contextOf(page: Json): Context {
  const options = page.get("options"), config = page.get("config");
  return new Context(
    page.getText("source"),
    options.kind == Kind.Object ? options : Json.object(),
    config.kind == Kind.Object ? config : Json.object(),
    page.getText("format"),
  );
}
