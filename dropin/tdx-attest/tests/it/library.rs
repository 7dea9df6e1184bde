//! What the loader and the linker see of the library, and the compiler of its header.

use std::process::Command;

use crate::c_compiler::{compile, library, package};

fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).arg(library()).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn exports_exactly_five_functions_without_versions() {
    let symbols = output_of("nm", &["-D", "--defined-only", "--format=posix"]);
    let mut symbols: Vec<&str> =
        symbols.lines().filter_map(|line| line.get(..line.rfind(" T ")? + 2)).collect();
    symbols.sort_unstable();
    let expected = [
        "tdx_att_extend T",
        "tdx_att_free_quote T",
        "tdx_att_get_quote T",
        "tdx_att_get_report T",
        "tdx_att_get_supported_att_key_ids T",
    ];
    assert_eq!(symbols, expected);
    let all = output_of("nm", &["-D", "--defined-only"]);
    assert_eq!(all.lines().count(), expected.len(), "{all}");
}

#[test]
fn has_the_soname_that_programs_ask_for_and_stays_loaded() {
    let dynamic = output_of("readelf", &["-d", "-W"]);
    assert!(dynamic.contains("Library soname: [libtdx_attest.so.1]"), "{dynamic}");
    assert!(dynamic.contains("NODELETE"), "{dynamic}");
}

#[test]
fn the_header_compiles_alone_as_c_and_as_cpp() {
    let home = tempfile::tempdir().unwrap();
    let source = home.path().join("alone.c");
    // Twice, since large programs do.
    std::fs::write(&source, "#include <tdx_attest.h>\n#include <tdx_attest.h>\n").unwrap();
    let languages = [("cc", "c", "-std=c99"), ("c++", "c++", "-std=c++11")];
    for (compiler, language, standard) in languages {
        if Command::new(compiler).arg("--version").output().is_err() {
            eprintln!("skipped for {language}: there is no {compiler}");
            continue;
        }
        compile(
            Command::new(compiler)
                .args(["-fsyntax-only", "-Wall", "-Wextra", "-Werror", standard, "-x", language])
                .arg("-I")
                .arg(package("include"))
                .arg(&source),
        );
    }
}
