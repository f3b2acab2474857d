//! Link arguments of a binary without a C library.

fn main() {
    for arg in ["-static", "--no-pie", "--build-id=none", "-znoexecstack"] {
        println!("cargo:rustc-link-arg-bins={arg}");
    }
}
