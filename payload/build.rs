//! Link arguments of the binary, nothing else.
//!
//! They are the linker's own: the payload needs no C compiler, since the
//! toolchain's rust-lld links it for every target (`.cargo/config.toml` and
//! `cargo xtask build` say so).

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=discard.ld");
    let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    for arg in [
        &format!("-T{folder}/discard.ld"),
        "-static",
        "--no-pie",
        "--build-id=none",
        // One of functions that are the same, one of texts with one end.
        "--icf=all",
        "-O2",
        "-znoexecstack",
        // Functions and data that look alike stand side by side, for the
        // compressor.
        "--bp-compression-sort=both",
    ] {
        println!("cargo:rustc-link-arg-bins={arg}");
    }
}
