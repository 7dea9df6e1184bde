//! `/etc/tdx-attest.conf` as Intel's client reads it: each line of the table was tried with it.

use tdattest_attester::config::{VsockPort, parse, read, with_port};

fn port(port: u16, line: usize) -> VsockPort {
    VsockPort::Port { port, line }
}

const NONE: VsockPort = VsockPort::None { nearly: None };

fn nearly(line: usize) -> VsockPort {
    VsockPort::None { nearly: Some(line) }
}

fn too_large(line: usize, value: &str) -> VsockPort {
    VsockPort::TooLarge { line, value: value.into() }
}

#[test]
fn the_grammar_is_that_of_intels_client() {
    let table: [(&[u8], VsockPort); 40] = [
        (b"port=4050", port(4050, 1)),
        (b"port=4050\n", port(4050, 1)),
        (b" port = 4050  \n", port(4050, 1)),
        (b"\tport\t=\t4050\t\n", port(4050, 1)),
        (b"port=4050\r\n", port(4050, 1)),
        (b"\x0b\x0cport=4050\n", port(4050, 1)),
        (b"# port=1\nport=4050\n", port(4050, 2)),
        (b"   # port=1\nport=4050\n", port(4050, 2)),
        (b"junk\n\n[section]\nport=4050\n", port(4050, 4)),
        (b"port=4050\nport=4051\n", port(4050, 1)),
        (b"port=0\n", port(0, 1)),
        (b"port=65535\n", port(65535, 1)),
        (b"port=0000004050\n", port(4050, 1)),
        (b"port=0004050\n", port(4050, 1)),
        (b"port:4050\nport=4050\n", port(4050, 2)),
        (b"", NONE),
        (b"\n\n", NONE),
        (b"# port=4050\n", NONE),
        (b"#port=4050\n", NONE),
        (b"vsock=4050\n", NONE),
        (b"= 4050\n", NONE),
        (b"4050\n", NONE),
        (b"\xff\xfe\x00\n", NONE),
        (b"Port=4050\n", nearly(1)),
        (b"PORT=4050\n", nearly(1)),
        (b"port:4050\n", nearly(1)),
        (b"port 4050\n", nearly(1)),
        (b"port=+4050\n", nearly(1)),
        (b"port=-1\n", nearly(1)),
        (b"port=4050 # host\n", nearly(1)),
        (b"port=0x10\n", nearly(1)),
        (b"port=\n", nearly(1)),
        (b"port=40 50\n", nearly(1)),
        (b"ports=4050\n", nearly(1)),
        (b"port=12345678901\n", nearly(1)),
        (b"port=00000004050\n", nearly(1)),
        (b"\xef\xbb\xbfport=4050\n", nearly(1)),
        (b"port=65536\n", too_large(1, "65536")),
        (b"port=65536\nport=4050\n", too_large(1, "65536")),
        (b"# one\nport=9999999999\n", too_large(2, "9999999999")),
    ];
    for (text, expected) in table {
        assert_eq!(parse(text), expected, "{:?}", String::from_utf8_lossy(text));
    }
}

#[test]
fn a_port_is_set_where_it_stood_and_every_other_line_is_kept() {
    let table: [(&str, &str); 8] = [
        ("", "port=7\n"),
        ("port=4050\n", "port=7\n"),
        ("port=4050", "port=7\n"),
        ("# mine\nport = 4050\n# yours\n", "# mine\nport=7\n# yours\n"),
        ("# mine", "# mine\nport=7\n"),
        ("port=1\nx\nport=2\n", "port=7\nx\n"),
        ("Port=4050\n", "Port=4050\nport=7\n"),
        ("port=65536\n", "port=7\n"),
    ];
    for (before, after) in table {
        let set = with_port(before.as_bytes(), Some(7));
        assert_eq!(String::from_utf8(set.clone()).unwrap(), after, "{before:?}");
        assert_eq!(with_port(&set, Some(7)), set, "twice is once: {before:?}");
        assert_eq!(parse(&set).port(), Some(7), "{before:?}");
    }
}

#[test]
fn a_port_is_taken_out_and_nothing_else() {
    assert_eq!(with_port(b"# mine\nport=1\nx\nport=2\n", None), b"# mine\nx\n");
    assert_eq!(with_port(b"Port=4050\n", None), b"Port=4050\n");
    assert_eq!(with_port(b"", None), b"");
}

#[test]
fn a_file_that_is_missing_is_no_error_and_one_that_cannot_be_read_is() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(read(&home.path().join("none")).unwrap(), None);
    assert!(read(home.path()).is_err(), "a folder");
    let path = home.path().join("tdx-attest.conf");
    std::fs::write(&path, "port=5\n").unwrap();
    assert_eq!(read(&path).unwrap(), Some(port(5, 1)));
}
