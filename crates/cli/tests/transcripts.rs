//! What users see: every transcript in `tests/cmd` is run and compared.
//!
//! After a wanted change: `TRYCMD=overwrite cargo test -p tdattest-cli --test transcripts`, and read the diff. That
//! writes out what `...` stands for: put the dots back.

mod samples;

#[test]
fn prints_what_the_transcripts_say() {
    let sandbox = samples::Sandbox::new("transcripts");
    // The only test in this program, so nobody else's folder changes.
    std::env::set_current_dir(sandbox.path()).unwrap();
    trycmd::TestCases::new()
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .env("XDG_CONFIG_HOME", sandbox.path().join("config").to_str().unwrap())
        .env("XDG_CACHE_HOME", sandbox.path().join("cache").to_str().unwrap())
        .case(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cmd/*.trycmd"))
        .case(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cmd/*.toml"))
        .run();
}
