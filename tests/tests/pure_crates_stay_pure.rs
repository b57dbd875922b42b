//! The pure crates know no I/O, async, clock or randomness: neither by dependency nor in their own source.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

const PURE: [&str; 2] = ["domain", "sync"];

/// Crates that bring I/O, async, a clock or randomness.
const REFUSED: [&str; 24] = [
    "async-std",
    "axum",
    "chrono",
    "fastrand",
    "getrandom",
    "hyper",
    "jiff",
    "libc",
    "mio",
    "nix",
    "quinn",
    "quinn-proto",
    "rand",
    "rand_chacha",
    "rand_core",
    "reqwest",
    "ring",
    "rusqlite",
    "rustix",
    "rustls",
    "smol",
    "socket2",
    "time",
    "tokio",
];

/// Paths of the standard library that do.
const REFUSED_PATHS: [&str; 10] = [
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time",
    "SystemTime",
    "Instant::now",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Everything that `name` is built from on Linux, itself left out; build scripts and tests do not count.
fn dependencies(metadata: &Value, name: &str) -> BTreeSet<String> {
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeMap<&str, &str> =
        packages.iter().map(|p| (p["id"].as_str().unwrap(), p["name"].as_str().unwrap())).collect();
    let nodes: BTreeMap<&str, &Value> =
        metadata["resolve"]["nodes"].as_array().unwrap().iter().map(|n| (n["id"].as_str().unwrap(), n)).collect();
    let root = packages.iter().find(|p| p["name"] == name && p["source"].is_null()).unwrap()["id"].as_str().unwrap();
    let (mut found, mut todo) = (BTreeSet::new(), vec![root]);
    while let Some(id) = todo.pop() {
        for dep in nodes[id]["deps"].as_array().unwrap() {
            let is_normal = dep["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null());
            let id = dep["pkg"].as_str().unwrap();
            if is_normal && found.insert(names[id].to_owned()) {
                todo.push(id);
            }
        }
    }
    found
}

fn metadata() -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let arguments = ["metadata", "--format-version=1", "--locked", "--filter-platform=x86_64-unknown-linux-gnu"];
    let output = Command::new(cargo).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn no_pure_crate_depends_on_io_async_a_clock_or_randomness() {
    let metadata = metadata();
    for pure in PURE {
        let dependencies = dependencies(&metadata, pure);
        assert!(dependencies.contains("blake3"), "{pure}: the walk found nothing");
        // zstd's C library is reached through libc's types only on other platforms
        let refused: Vec<_> = REFUSED.iter().filter(|name| dependencies.contains(**name)).collect();
        assert!(refused.is_empty(), "{pure} depends on {refused:?}");
    }
    assert!(dependencies(&metadata, "sync-quic").contains("quinn"), "the walk does not see what it should refuse");
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_pure_crate_reaches_for_the_operating_system() {
    for pure in PURE {
        let mut files = Vec::new();
        sources(&root().join("crates").join(pure).join("src"), &mut files);
        assert!(files.len() > 5, "{pure}: the walk found {} files", files.len());
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            for refused in REFUSED_PATHS {
                assert!(!code.contains(refused), "{} uses {refused}", file.display());
            }
            assert!(!code.contains("async fn"), "{} is async", file.display());
        }
    }
}
