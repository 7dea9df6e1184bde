//! Tells the linker what the loader will ask for.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // What programs linked against Intel's library name.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libtdx_attest.so.1");
    // A thread may still wait for the kernel when the program unloads the library: its code must stay.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
