//! Header in Rust: what ../main.go does.
#[path = "../../../../sdk/rust/sourcehost.rs"]
mod sourcehost;
use sourcehost::*;

const ORIGIN: &str = "https://rpms.acme.example/";
const MIRROR: &str = "https://mirror.acme.example/rpms/";

fn prepare(_: &Context, item: &mut Item) -> Result<()> {
    let mut remote = item.remote()?;
    if let Some(path) = remote.url().strip_prefix(ORIGIN) {
        let url = format!("{}{}", MIRROR, path);
        remote.add_url_first(url);
        remote.add_secret_header("Authorization", "Bearer ", "acme-token");
        item.set_remote(&remote);
    }
    Ok(())
}

plugin!(prepare: prepare);
