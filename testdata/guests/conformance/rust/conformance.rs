//! The conformance guest of docs/conformance.md in Rust.
#[path = "../../../../sdk/rust/sourcehost.rs"]
mod sourcehost;
use sourcehost::*;
use std::sync::atomic::{AtomicI64, Ordering};

static COUNT: AtomicI64 = AtomicI64::new(0);

fn setup(context: &Context) -> Result<()> {
    log(INFO, &format!("setup {}", context.source));
    match context.config.text("fail")? {
        "" => Ok(()),
        message => Err(Error::new("invalid", message).hint("remove it")),
    }
}

fn failure(desc: &Json) -> Result<()> {
    Err(Error::new(desc.text("kind")?, desc.text("message")?).hint(desc.text("hint")?))
}

fn filter(_: &Context, item: &mut Item) -> Result<()> {
    match item.desc.text("do")? {
        "skip" => {
            let reason = item.desc.text("reason")?.to_string();
            item.skip(&reason);
            Ok(())
        }
        "fail" => failure(&item.desc),
        _ => Ok(()),
    }
}

fn prepare(context: &Context, item: &mut Item) -> Result<()> {
    if let Some(answer) = answer(context, item)? {
        item.set_desc(answer);
    }
    Ok(())
}

fn lossy(bytes: Vec<u8>) -> Json {
    text(String::from_utf8_lossy(&bytes))
}

fn answer(context: &Context, item: &Item) -> Result<Option<Json>> {
    let desc = &item.desc;
    Ok(Some(match desc.text("do")? {
        "echo" => object([("echo", desc.get("value").cloned().unwrap_or(Json::Null))]),
        "text" => {
            let t = desc.text("text")?;
            object([("text", text(t)), ("bytes", Json::from(t.len() as i64))])
        }
        "page" => object([
            ("source", text(&context.source)),
            ("format", text(&context.format)),
            ("options", context.options.clone()),
            ("config", context.config.clone()),
            ("key", text(&item.key)),
        ]),
        "count" => object([("count", Json::from(COUNT.fetch_add(1, Ordering::Relaxed) + 1))]),
        "large" => object([("text", text("x".repeat(desc.int("size")? as usize)))]),
        "fail" => return failure(desc).map(|_| None),
        "trap" => panic!("as the item says"),
        "log" => {
            log(desc.int("level")? as u32, desc.text("text")?);
            return Ok(None);
        }
        "read" => object([("read", lossy(context.read(desc.text("path")?)?))]),
        "stat" => {
            let (kind, size) = context.stat(desc.text("path")?)?;
            object([("type", text(kind)), ("size", size.into())])
        }
        "list" => object([("names", context.list(desc.text("path")?)?.into_iter().map(text).collect())]),
        "env" => {
            let value = context.env(desc.text("name")?)?;
            object([("set", value.is_some().into()), ("value", text(value.unwrap_or_default()))])
        }
        "exec" => object([("output", lossy(context.exec(desc)?))]), // the contract ignores the member do
        "http" => {
            let r = context.http(desc)?;
            object([("status", r.status.into()), ("headers", r.headers), ("body", lossy(r.body))])
        }
        "hmac" => {
            let member = |name| desc.text(name).map(String::from);
            let s = Signing { secret: member("secret")?, prefix: member("prefix")?, url: member("url")?, data: desc.texts("data")? };
            object([("digest", text(context.hmac(&s)?))])
        }
        "probe" => {
            let millis = context.probe(&desc.texts("urls")?)?;
            object([("millis", millis.into_iter().map(|m| Json::from(m.map_or(-1, i64::from))).collect())])
        }
        "time" => object([("time", Json::from(now().as_nanos() as i64))]),
        "random" => {
            let mut bytes = vec![0; desc.int("size")? as usize];
            random(&mut bytes);
            object([("bytes", bytes.into_iter().map(|b| Json::from(i64::from(b))).collect())])
        }
        "call" => {
            let (status, result) = context.call(desc.text("op")?, desc.text("request")?.as_bytes());
            object([("status", Json::from(status as i64)), ("result", lossy(result))])
        }
        _ => return Ok(None),
    }))
}

fn fetch_one(context: &Context, item: &mut Item) -> Result<()> {
    match item.desc.text("do")? {
        "download" => context.download(&item.key, &item.remote()?),
        "copy-image" => context.copy_image(&item.key, &item.desc),
        "run" => context.run(&item.key, &item.desc),
        "put" => {
            let parts = item.desc.texts("parts")?;
            for (i, part) in parts.iter().enumerate() {
                context.put(&item.key, part.as_bytes(), i + 1 < parts.len())?;
            }
            Ok(())
        }
        "fail" => failure(&item.desc),
        _ => Ok(()),
    }
}

plugin!(setup: setup, filter: filter, prepare: prepare, fetch_one: fetch_one);
