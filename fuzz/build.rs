//! Finds the production samples that the crate `dcap-qvl`, a dev-dependency of the workspace, carries.

use cargo_metadata::MetadataCommand;

fn main() {
    let metadata = MetadataCommand::new()
        .manifest_path("../Cargo.toml")
        // Unfiltered, Cargo asks for the crates of every platform, which need not be there.
        .other_options(["--filter-platform".to_owned(), std::env::var("TARGET").expect("TARGET")])
        .exec()
        .expect("the workspace's metadata");
    let peer = metadata.packages.iter().find(|package| package.name == "dcap-qvl");
    let manifest = &peer.expect("dcap-qvl among the workspace's dependencies").manifest_path;
    let samples = manifest.with_file_name("sample");
    println!("cargo::rustc-env=SAMPLES={samples}");
    println!("cargo::rerun-if-changed=../Cargo.lock");
}
