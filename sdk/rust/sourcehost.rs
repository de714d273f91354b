//! For authors of sourcehost plugins in Rust: a file to put beside a plugin, which
//! needs no crate. A plugin is functions, one for each hook:
//!
//! ```
//! mod sourcehost;
//! use sourcehost::*;
//!
//! fn prepare(_: &Context, item: &mut Item) -> Result<()> {
//!     let mut remote = item.remote()?;
//!     remote.add_secret_header("Authorization", "Bearer ", "acme-token");
//!     item.set_remote(&remote);
//!     Ok(())
//! }
//!
//! plugin!(prepare: prepare);
//! ```
//!
//!     rustc --target wasm32-unknown-unknown --crate-type cdylib -C opt-level=s -C lto -C panic=abort -o plugin.wasm plugin.rs
//!
//! An error makes its item fail, that of setup the run. The contract is docs/abi.md.
#![allow(dead_code)] // a plugin uses what it needs

use std::fmt::{self, Display, Write};

mod host {
    #[link(wasm_import_module = "sourcehost_v1")]
    extern "C" {
        pub fn input_read(dst: *mut u8, off: u32, cap: u32) -> u32;
        pub fn result_read(dst: *mut u8, off: u32, cap: u32) -> u32;
        pub fn output_write(ptr: *const u8, len: u32);
        pub fn error_set(ptr: *const u8, len: u32);
        pub fn log(level: u32, ptr: *const u8, len: u32);
        pub fn call(op: *const u8, op_len: u32, req: *const u8, req_len: u32) -> u64;
    }
    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    extern "C" {
        pub fn clock_time_get(clock: u32, precision: u64, ns: *mut u64) -> u32;
        pub fn random_get(to: *mut u8, len: u32) -> u32;
    }
}

#[export_name = "sourcehost_abi_v1"]
pub extern "C" fn marker() {}

/// Names the functions that are the plugin's hooks, for example
/// `plugin!(setup: setup, prepare: prepare);`. Setup has the type
/// `fn(&Context) -> Result<()>`, others `fn(&Context, &mut Item) -> Result<()>`.
#[macro_export]
macro_rules! plugin {
    ($($hook:tt: $function:path),+ $(,)?) => { $($crate::plugin!(@ $hook $function);)+ };
    (@ setup $function:path) => {
        const _: () = { #[export_name = "setup"] extern "C" fn hook(len: u32) -> i32 { $crate::sourcehost::run_setup(len, $function) } };
    };
    (@ filter $function:path) => { $crate::plugin!(@@ "filter" $function); };
    (@ prepare $function:path) => { $crate::plugin!(@@ "prepare" $function); };
    (@ fetch_one $function:path) => { $crate::plugin!(@@ "fetch_one" $function); };
    (@@ $name:literal $function:path) => {
        const _: () = { #[export_name = $name] extern "C" fn hook(len: u32) -> i32 { $crate::sourcehost::run_items(len, $function) } };
    };
}

// ---- Errors ----

/// An error with a kind of the contract, such as "invalid", "denied" or "network".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Error {
    pub kind: String,
    /// What happened, in one sentence without a full stop.
    pub message: String,
    /// What the user can do about it; may be empty.
    pub hint: String,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(kind: &str, message: impl Display) -> Error {
        Error { kind: kind.into(), message: message.to_string(), hint: String::new() }
    }
    pub fn hint(mut self, hint: &str) -> Error {
        self.hint = hint.into();
        self
    }
    fn json(&self) -> Json {
        object([("kind", text(&self.kind)), ("message", text(&self.message)), ("hint", text(&self.hint))])
    }
}

fn invalid(message: impl Display) -> Error {
    Error::new("invalid", message)
}

// ---- JSON ----

/// A value of JSON. Numbers are kept as their text, members in their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Makes a string.
pub fn text(s: impl Into<String>) -> Json {
    Json::Text(s.into())
}

/// Makes an object of names and values.
pub fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    Json::Object(members.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
}

impl From<bool> for Json {
    fn from(b: bool) -> Json {
        Json::Bool(b)
    }
}

impl From<i64> for Json {
    fn from(n: i64) -> Json {
        Json::Number(n.to_string())
    }
}

impl Json {
    pub fn parse(input: &str) -> Result<Json> {
        let mut p = Parser { input, at: 0 };
        let value = p.value(0)?;
        p.space();
        if p.at < input.len() {
            return p.fail("more after the end of a value");
        }
        Ok(value)
    }

    /// A member of an object, or an element that is not there.
    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members.iter().find(|(n, _)| n == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The string in a member of an object, "" where there is none; a value of
    /// another type is an error.
    pub fn text(&self, name: &str) -> Result<&str> {
        match self.get(name) {
            None => Ok(""),
            Some(Json::Text(s)) => Ok(s),
            Some(_) => Err(invalid(format_args!("expected a string in the field {:?}", name))),
        }
    }

    /// The integer in a member of an object, 0 where there is none.
    pub fn int(&self, name: &str) -> Result<i64> {
        let wrong = || invalid(format_args!("expected an integer in the field {:?}", name));
        match self.get(name) {
            None => Ok(0),
            Some(Json::Number(n)) => n.parse().map_err(|_| wrong()),
            Some(_) => Err(wrong()),
        }
    }

    /// The elements of the array in a member of an object, none where there is none.
    pub fn array(&self, name: &str) -> Result<&[Json]> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Json::Array(list)) => Ok(list),
            Some(_) => Err(invalid(format_args!("expected an array in the field {:?}", name))),
        }
    }

    /// The strings of the array in a member of an object.
    pub fn texts(&self, name: &str) -> Result<Vec<String>> {
        let one = |v: &Json| match v {
            Json::Text(s) => Ok(s.clone()),
            _ => Err(invalid(format_args!("expected strings in the field {:?}", name))),
        };
        self.array(name)?.iter().map(one).collect()
    }

    pub fn is_object(&self) -> bool {
        matches!(self, Json::Object(_))
    }
}

struct Parser<'a> {
    input: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn fail<T>(&self, what: &str) -> Result<T> {
        Err(invalid(format_args!("not JSON: {} (byte {})", what, self.at)))
    }

    fn peek(&self) -> u8 {
        *self.input.as_bytes().get(self.at).unwrap_or(&0)
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\t' | b'\r') {
            self.at += 1;
        }
    }

    /// Takes a byte if it is the next one after space.
    fn take(&mut self, c: u8) -> bool {
        self.space();
        let is = self.peek() == c;
        self.at += is as usize;
        is
    }

    fn value(&mut self, depth: usize) -> Result<Json> {
        if depth > 512 {
            return self.fail("too deep");
        }
        self.space();
        match self.peek() {
            b'"' => Ok(Json::Text(self.string()?)),
            b'{' | b'[' => self.nested(depth),
            _ => self.word(),
        }
    }

    fn nested(&mut self, depth: usize) -> Result<Json> {
        let is_object = self.peek() == b'{';
        let close = if is_object { b'}' } else { b']' };
        let (mut members, mut list) = (Vec::new(), Vec::new());
        self.at += 1;
        let mut more = !self.take(close);
        while more {
            if is_object {
                self.space();
                let name = self.string()?;
                if !self.take(b':') {
                    return self.fail("expected ':'");
                }
                members.push((name, self.value(depth + 1)?));
            } else {
                list.push(self.value(depth + 1)?);
            }
            more = self.take(b',');
            if !more && !self.take(close) {
                return self.fail("expected ',' or the end of an object or array");
            }
        }
        Ok(if is_object { Json::Object(members) } else { Json::Array(list) })
    }

    fn word(&mut self) -> Result<Json> {
        let start = self.at;
        while matches!(self.peek(), b'a'..=b'z' | b'0'..=b'9' | b'-' | b'+' | b'.' | b'E') {
            self.at += 1;
        }
        match &self.input[start..self.at] {
            "null" => Ok(Json::Null),
            "true" => Ok(Json::Bool(true)),
            "false" => Ok(Json::Bool(false)),
            n if n.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => Ok(Json::Number(n.into())),
            _ => self.fail("expected a value"),
        }
    }

    fn string(&mut self) -> Result<String> {
        if self.peek() != b'"' {
            return self.fail("expected a string");
        }
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.input[self.at..];
            let plain = match rest.find(|c| c == '"' || c == '\\') {
                Some(n) => n,
                None => return self.fail("the text ends within a string"),
            };
            out.push_str(&rest[..plain]);
            self.at += plain + 1;
            if rest.as_bytes()[plain] == b'"' {
                return Ok(out);
            }
            out.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char> {
        self.at += 1;
        Ok(match self.input.as_bytes().get(self.at - 1) {
            Some(&c @ (b'"' | b'\\' | b'/')) => c as char,
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let high = self.hex()?;
                let mut code = high;
                if (0xD800..0xDC00).contains(&high) && self.input.as_bytes()[self.at..].starts_with(b"\\u") {
                    self.at += 2; // two escapes make one character
                    let low = self.hex()?;
                    if (0xDC00..0xE000).contains(&low) {
                        code = 0x10000 + ((high - 0xD800) << 10 | (low - 0xDC00));
                    }
                }
                match char::from_u32(code) {
                    Some(c) => c,
                    None => return self.fail("a surrogate without its other half"),
                }
            }
            _ => return self.fail("unknown escape sequence"),
        })
    }

    fn hex(&mut self) -> Result<u32> {
        let digits = self.input.as_bytes().get(self.at..self.at + 4).unwrap_or(b"");
        let code = digits.iter().try_fold(0, |n, &d| Some(n << 4 | (d as char).to_digit(16)?));
        match code {
            Some(n) if digits.len() == 4 => {
                self.at += 4;
                Ok(n)
            }
            _ => self.fail("expected four hexadecimal digits"),
        }
    }
}

fn quote(out: &mut impl Write, s: &str) -> fmt::Result {
    out.write_char('"')?;
    for c in s.chars() {
        match c {
            '"' | '\\' => write!(out, "\\{}", c)?,
            '\0'..='\x1f' => write!(out, "\\u{:04x}", c as u32)?,
            _ => out.write_char(c)?,
        }
    }
    out.write_char('"')
}

impl Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Bool(b) => f.write_str(if *b { "true" } else { "false" }),
            Json::Number(n) => f.write_str(n),
            Json::Text(s) => quote(f, s),
            Json::Array(list) => {
                for (i, v) in list.iter().enumerate() {
                    f.write_str(if i > 0 { "," } else { "[" })?;
                    v.fmt(f)?;
                }
                f.write_str(if list.is_empty() { "[]" } else { "]" })
            }
            Json::Object(members) => {
                for (i, (name, v)) in members.iter().enumerate() {
                    f.write_str(if i > 0 { "," } else { "{" })?;
                    quote(f, name)?;
                    f.write_char(':')?;
                    v.fmt(f)?;
                }
                f.write_str(if members.is_empty() { "{}" } else { "}" })
            }
        }
    }
}

// ---- What hooks see ----

/// What a hook knows beside its item, and what it can ask of the host.
pub struct Context {
    pub source: String,
    pub options: Json,
    pub config: Json,
    pub format: String,
}

/// One item: its key, which never changes, and its description.
pub struct Item {
    pub key: String,
    pub desc: Json,
    changed: bool,
    skip: String,
}

impl Item {
    /// Replaces the description, in prepare.
    pub fn set_desc(&mut self, desc: Json) {
        self.desc = desc;
        self.changed = true;
    }

    /// Says why the item is not to be fetched, in filter.
    pub fn skip(&mut self, reason: &str) {
        self.skip = reason.into();
    }

    /// The description of an item that is downloaded: a URL or an object.
    pub fn remote(&self) -> Result<Remote> {
        let mut r = Remote::default();
        let members = match &self.desc {
            Json::Text(url) => {
                r.urls.push(url.clone());
                return Ok(r);
            }
            Json::Object(members) => members,
            _ => return Err(invalid("expected a URL or an object as the description")),
        };
        r.urls = self.desc.texts("urls")?;
        let url = self.desc.text("url")?;
        if !url.is_empty() && !r.urls.iter().any(|u| u == url) {
            r.urls.push(url.into());
        }
        for h in self.desc.array("headers")? {
            let (name, value) = (h.text("name")?.into(), h.text("value")?.into());
            r.headers.push(Header { name, value, secret: h.text("secret")?.into(), prefix: h.text("prefix")?.into() });
        }
        r.rest = members.iter().filter(|(name, _)| name != "url" && name != "urls" && name != "headers").cloned().collect();
        Ok(r)
    }

    /// Makes a Remote the description.
    pub fn set_remote(&mut self, r: &Remote) {
        let mut members = r.rest.clone();
        match &r.urls[..] {
            [] => {}
            [url] => members.push(("url".into(), text(url))),
            urls => members.push(("urls".into(), urls.iter().map(text).collect())),
        }
        if !r.headers.is_empty() {
            members.push(("headers".into(), r.headers.iter().map(Header::json).collect()));
        }
        self.set_desc(Json::Object(members));
    }
}

impl FromIterator<Json> for Json {
    fn from_iter<I: IntoIterator<Item = Json>>(values: I) -> Json {
        Json::Array(values.into_iter().collect())
    }
}

/// A header with a value, or with the name of a secret and a prefix before it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Header {
    pub name: String,
    pub value: String,
    pub secret: String,
    pub prefix: String,
}

impl Header {
    fn json(&self) -> Json {
        let all = [("name", &self.name), ("value", &self.value), ("secret", &self.secret), ("prefix", &self.prefix)];
        Json::Object(all.iter().filter(|(_, v)| !v.is_empty()).map(|(n, v)| (n.to_string(), text(*v))).collect())
    }
}

/// The description of an item that is downloaded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Remote {
    /// Tried in order.
    pub urls: Vec<String>,
    pub headers: Vec<Header>,
    /// The other members, such as "insecure", "tls" or "proxy_env".
    pub rest: Vec<(String, Json)>,
}

impl Remote {
    /// The first URL, or "".
    pub fn url(&self) -> &str {
        self.urls.first().map_or("", |u| u)
    }
    /// Has a URL tried before those there are so far.
    pub fn add_url_first(&mut self, url: impl Into<String>) {
        self.urls.insert(0, url.into());
    }
    pub fn add_header(&mut self, name: &str, value: &str) {
        self.headers.push(Header { name: name.into(), value: value.into(), ..Default::default() });
    }
    /// Has the host put a secret in, which the plugin never sees.
    pub fn add_secret_header(&mut self, name: &str, prefix: &str, secret: &str) {
        self.headers.push(Header { name: name.into(), prefix: prefix.into(), secret: secret.into(), ..Default::default() });
    }
}

// ---- What hooks can ask ----

/// Levels of log lines.
pub const DEBUG: u32 = 0;
pub const INFO: u32 = 1;
pub const WARN: u32 = 2;
pub const ERROR: u32 = 3;

/// Logs a line.
pub fn log(level: u32, line: &str) {
    unsafe { host::log(level, line.as_ptr(), line.len() as u32) }
}

/// The time since 1970. It is real with the capability clock.
pub fn now() -> std::time::Duration {
    let mut ns = 0;
    unsafe { host::clock_time_get(0, 1, &mut ns) }; // fails for clocks that are not known
    std::time::Duration::from_nanos(ns)
}

/// Fills bytes with numbers that are random with the capability random. Without it they
/// are the same for each instance.
pub fn random(bytes: &mut [u8]) {
    let failed = unsafe { host::random_get(bytes.as_mut_ptr(), bytes.len() as u32) };
    assert_eq!(failed, 0, "no random numbers");
}

/// What hmac/v1 signs. The first part of data is signed with prefix and secret as the key,
/// each further one with the digest before. The url is what is signed for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signing {
    pub secret: String,
    pub prefix: String,
    pub url: String,
    pub data: Vec<String>,
}

/// The response to http/v1, whatever its status.
pub struct Response {
    pub status: i64,
    pub headers: Json,
    pub body: Vec<u8>,
}

impl Context {
    /// Performs an operation; returns its status and result.
    pub fn call(&self, op: &str, request: &[u8]) -> (u32, Vec<u8>) {
        unsafe {
            let r = host::call(op.as_ptr(), op.len() as u32, request.as_ptr(), request.len() as u32);
            let mut result = vec![0; r as u32 as usize];
            let n = host::result_read(result.as_mut_ptr(), 0, r as u32);
            result.truncate(n as usize);
            ((r >> 32) as u32, result)
        }
    }

    /// Performs an operation; a status other than 0 is an error.
    pub fn ask(&self, op: &str, request: &[u8]) -> Result<Vec<u8>> {
        let (status, result) = self.call(op, request);
        if status == 0 {
            return Ok(result);
        }
        let said = Json::parse(&String::from_utf8_lossy(&result)).unwrap_or(Json::Null);
        let field = |name| said.text(name).unwrap_or("").to_string();
        let mut e = Error { kind: field("kind"), message: field("message"), hint: field("hint") };
        let known = ["invalid", "not found", "denied", "tls", "timeout", "mismatch", "network", "disk", "plugin", "canceled"];
        if !known.contains(&e.kind.as_str()) {
            e.kind = match status { 2 => "denied", 3 => "invalid", 6 => "not found", _ => "failed" }.into();
        }
        if e.message.is_empty() {
            e.message = format!("{} {}", op, if status == 1 { "is not known to this host" } else { "was not done" });
        }
        Err(e)
    }

    fn named(&self, op: &str, name: &str, value: &str) -> Result<Json> {
        parse(&self.ask(op, object([(name, text(value))]).to_string().as_bytes())?)
    }

    /// The content of a file of the host.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        self.ask("read/v1", object([("path", text(path))]).to_string().as_bytes())
    }
    /// What is at a path, "file", "dir", "other" or "none", and its size.
    pub fn stat(&self, path: &str) -> Result<(String, i64)> {
        let r = self.named("stat/v1", "path", path)?;
        Ok((r.text("type")?.into(), r.int("size")?))
    }
    /// The names in a folder.
    pub fn list(&self, path: &str) -> Result<Vec<String>> {
        self.named("list/v1", "path", path)?.texts("names")
    }
    /// The value of an environment variable of the host, if it is set.
    pub fn env(&self, name: &str) -> Result<Option<String>> {
        let r = self.named("env/v1", "name", name)?;
        Ok(if r.get("set") == Some(&Json::Bool(true)) { Some(r.text("value")?.into()) } else { None })
    }
    /// Runs a program; the request is an Exec of the contract.
    pub fn exec(&self, request: &Json) -> Result<Vec<u8>> {
        self.ask("exec/v1", request.to_string().as_bytes())
    }
    /// Makes a small request; it is an HTTPRequest of the contract.
    pub fn http(&self, request: &Json) -> Result<Response> {
        let result = self.ask("http/v1", request.to_string().as_bytes())?;
        let end = result.iter().position(|&c| c == b'\n').unwrap_or(result.len());
        let message = parse(&result[..end])?;
        let body = result.get(end + 1..).unwrap_or(b"").to_vec();
        Ok(Response { status: message.int("status")?, headers: message.array("headers")?.iter().cloned().collect(), body })
    }
    /// Signs with a secret that the plugin does not see; the digest is hexadecimal.
    pub fn hmac(&self, s: &Signing) -> Result<String> {
        let data = s.data.iter().map(text).collect();
        let request = object([("secret", text(&s.secret)), ("prefix", text(&s.prefix)), ("url", text(&s.url)), ("data", data)]);
        Ok(parse(&self.ask("hmac/v1", request.to_string().as_bytes())?)?.text("digest")?.into())
    }
    /// Measures how long it takes to connect to the servers of URLs, all at the same time,
    /// in milliseconds; None stands where that failed.
    pub fn probe<S: AsRef<str>>(&self, urls: &[S]) -> Result<Vec<Option<u32>>> {
        let request = object([("urls", urls.iter().map(|u| text(u.as_ref())).collect())]);
        let result = parse(&self.ask("probe/v1", request.to_string().as_bytes())?)?;
        let one = |v: &Json| match v {
            Json::Number(n) => Some(n.parse().ok()),
            _ => None,
        };
        let millis: Option<Vec<_>> = result.array("millis")?.iter().map(one).collect();
        millis.filter(|m| m.len() == urls.len()).ok_or_else(|| Error::new("plugin", "the host's answer to probe/v1 has not one number for each URL"))
    }
    /// Hands an item over to be copied from a registry or storage, in fetch_one; the
    /// members are a CopyImage of the contract but for its key.
    pub fn copy_image(&self, key: &str, members: &Json) -> Result<()> {
        self.produce("copy-image/v1", key, members)
    }
    /// Hands an item over to be produced by programs, in fetch_one; the members are a Run
    /// of the contract but for its key.
    pub fn run(&self, key: &str, members: &Json) -> Result<()> {
        self.produce("run/v1", key, members)
    }
    /// Hands an item over, in fetch_one, by an operation that produces it. The members of
    /// an object are the request but for its key.
    pub fn produce(&self, op: &str, key: &str, members: &Json) -> Result<()> {
        let mut all = vec![("key".to_string(), text(key))];
        if let Json::Object(members) = members {
            all.extend(members.iter().filter(|(name, _)| name != "key").cloned());
        }
        self.ask(op, Json::Object(all).to_string().as_bytes()).map(|_| ())
    }
    /// Hands over an item to be downloaded, in fetch_one.
    pub fn download(&self, key: &str, r: &Remote) -> Result<()> {
        let mut members = r.rest.clone();
        members.push(("urls".into(), r.urls.iter().map(text).collect()));
        members.push(("headers".into(), r.headers.iter().map(Header::json).collect()));
        self.produce("download/v1", key, &Json::Object(members))
    }
    /// Hands over content of an item, in fetch_one; more says that more follows.
    pub fn put(&self, key: &str, content: &[u8], more: bool) -> Result<()> {
        let mut request = object([("key", text(key)), ("more", more.into())]).to_string().into_bytes();
        request.push(b'\n');
        request.extend_from_slice(content);
        self.ask("put/v1", &request).map(|_| ())
    }
}

fn parse(bytes: &[u8]) -> Result<Json> {
    Json::parse(std::str::from_utf8(bytes).map_err(|_| Error::new("plugin", "the host's message is not UTF-8"))?)
}

// ---- Hooks ----

pub fn run_setup(len: u32, setup: fn(&Context) -> Result<()>) -> i32 {
    finish(page(len).and_then(|(context, _)| setup(&context)).map(|_| Vec::new()))
}

pub fn run_items(len: u32, each: fn(&Context, &mut Item) -> Result<()>) -> i32 {
    finish(page(len).map(|(context, items)| items.into_iter().filter_map(|item| outcome(&context, item, each)).collect()))
}

/// Reads the page: the context, and the items as they stand.
fn page(len: u32) -> Result<(Context, Vec<Json>)> {
    std::panic::set_hook(Box::new(|info| log(ERROR, &info.to_string())));
    let mut input = vec![0; len as usize];
    let n = unsafe { host::input_read(input.as_mut_ptr(), 0, len) };
    let mut page = parse(&input[..n as usize])?;
    drop(input);
    let field = |name| page.get(name).cloned().unwrap_or(Json::Object(Vec::new()));
    let context = Context { source: page.text("source")?.into(), options: field("options"), config: field("config"), format: page.text("format")?.into() };
    let items = match &mut page {
        Json::Object(members) => members.iter_mut().find(|(name, _)| name == "items"),
        _ => return Err(Error::new("plugin", "the page is no object")),
    };
    match items {
        Some((_, Json::Array(items))) => Ok((context, std::mem::take(items))),
        _ => Ok((context, Vec::new())),
    }
}

/// Calls a hook for an item; returns what it said, if anything.
fn outcome(context: &Context, json: Json, each: fn(&Context, &mut Item) -> Result<()>) -> Option<Json> {
    let mut item = Item { key: String::new(), desc: Json::Null, changed: false, skip: String::new() };
    if let Json::Object(members) = json {
        for (name, value) in members {
            match (name.as_str(), value) {
                ("key", Json::Text(key)) => item.key = key,
                ("desc", desc) => item.desc = desc,
                _ => {}
            }
        }
    }
    let said = match each(context, &mut item) {
        Err(e) => ("error", e.json()),
        Ok(()) if !item.skip.is_empty() => ("skip", Json::Text(item.skip)),
        Ok(()) if item.changed => ("desc", item.desc),
        Ok(()) => return None,
    };
    Some(object([("key", Json::Text(item.key)), said]))
}

fn finish(result: Result<Vec<Json>>) -> i32 {
    match result {
        Ok(outcomes) if outcomes.is_empty() => 0,
        Ok(outcomes) => {
            let out = object([("items", Json::Array(outcomes))]).to_string();
            unsafe { host::output_write(out.as_ptr(), out.len() as u32) };
            0
        }
        Err(e) => {
            let e = e.json().to_string();
            unsafe { host::error_set(e.as_ptr(), e.len() as u32) };
            1
        }
    }
}
