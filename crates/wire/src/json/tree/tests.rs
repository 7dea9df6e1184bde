use super::*;
use std::string::String;

fn fault(text: &str) -> usize {
    Tree::parse(text.as_bytes()).unwrap_err().at
}

#[test]
fn the_first_of_a_doubled_member_counts_and_unknown_ones_do_not_matter() {
    let tree = Tree::parse(br#" {"x":{"a":0}, "a" : 1, "\u0061":2, "b":[{"a":3}]} "#).unwrap();
    let root = tree.root();
    assert_eq!(root.member("a").and_then(Value::unsigned), Some(1));
    assert!(root.member("c").is_none());
    let inner: Vec<_> =
        root.member("b").unwrap().elements().unwrap().filter_map(|it| it.member("a")).collect();
    assert_eq!(inner.len(), 1);
    assert_eq!(inner[0].unsigned(), Some(3));
    // Only objects have members, only arrays elements.
    assert!(root.elements().is_none());
    assert!(root.member("b").unwrap().member("a").is_none());
}

#[test]
fn numbers_are_what_their_text_says_and_fit_or_do_not() {
    let read = |text: &str| {
        let tree = Tree::parse(text.as_bytes()).unwrap();
        (tree.root().unsigned(), tree.root().signed())
    };
    assert_eq!(read("0"), (Some(0), Some(0)));
    assert_eq!(read("-0"), (Some(0), Some(0)));
    assert_eq!(read("2147483648"), (Some(0x8000_0000), None));
    assert_eq!(read("4294967295"), (Some(u32::MAX), None));
    assert_eq!(read("4294967296"), (None, None));
    assert_eq!(read("-1"), (None, Some(-1)));
    assert_eq!(read("-2147483648"), (None, Some(i32::MIN)));
    assert_eq!(read("-2147483649"), (None, None));
    for other in ["1.0", "1e0", "1E+2", "-1.5e-7", "99999999999999999999", "\"1\"", "null", "[1]"] {
        assert_eq!(read(other), (None, None), "{other}");
    }
}

#[test]
fn a_text_ends_at_its_first_nul_for_whoever_takes_it_as_a_c_string() {
    let tree = Tree::parse(b"\"SGX\\u0000more\"\0 and no JSON").unwrap();
    assert_eq!(tree.root().text(), Some("SGX"));
    assert_eq!(tree.root().whole_text(), Some("SGX\0more"));
}

#[test]
fn knows_where_a_value_stands() {
    let text = br#" {"a": {"b" : [1 ,2 ] } , "c":"d\n"}"#;
    let tree = Tree::parse(text).unwrap();
    let at = |value: Value<'_, '_>| String::from_utf8(text[value.span()].to_vec()).unwrap();
    let a = tree.root().member("a").unwrap();
    assert_eq!(at(a), r#"{"b" : [1 ,2 ] }"#);
    assert_eq!(at(a.member("b").unwrap()), "[1 ,2 ]");
    assert_eq!(at(tree.root().member("c").unwrap()), r#""d\n""#);
    assert_eq!(at(tree.root()), std::str::from_utf8(&text[1..]).unwrap());
}

#[test]
fn refuses_what_is_not_json_and_says_where() {
    for (text, at) in [
        ("", 0),
        ("  ", 2),
        ("\0{}", 0),
        ("{} x", 3),
        ("{}{}", 2),
        ("[1,]", 3),
        ("{\"a\":1,}", 7),
        ("{\"a\" 1}", 5),
        ("{a:1}", 1),
        ("{1:1}", 1),
        ("[1 2]", 3),
        ("[1}", 2),
        ("{\"a\":1]", 6),
        ("]", 0),
        ("[", 1),
        ("{\"a\":", 5),
        ("01", 1),
        ("-", 1),
        ("+1", 0),
        ("1.", 2),
        (".5", 0),
        ("1e", 2),
        ("1e+", 3),
        ("1e400", 0),
        ("tru", 0),
        ("nul", 0),
        ("NaN", 0),
        ("'a'", 0),
        ("\"a", 2),
        ("\"a\nb\"", 2),
        ("\"a\\", 2),
        ("\"\\x\"", 1),
        ("\"\\u12g4\"", 1),
        ("\"\\u+123\"", 1),
        ("\"\\u12\"", 1),
        ("\"\\udc00\"", 1),
        ("\"\\ud800\"", 1),
        ("\"\\ud800\\n\"", 1),
        ("\"\\ud800\\u0041\"", 1),
        ("// no\n{}", 0),
        ("\u{feff}{}", 0),
    ] {
        assert_eq!(fault(text), at, "{text:?}");
    }
    // Intel's library lets bytes through that are not UTF-8; here they are no JSON.
    assert_eq!(Tree::parse(b"\"a\xff\"").unwrap_err(), NotJson { at: 2 });
}

#[test]
fn depth_is_counted_in_values_and_costs_no_stack() {
    let depth = |text: &str| Tree::parse(text.as_bytes()).unwrap().root().depth();
    assert_eq!(depth("1"), 1);
    assert_eq!(depth("[]"), 1);
    assert_eq!(depth("[1]"), 2);
    assert_eq!(depth("{\"a\":[],\"b\":[[],{\"c\":1}],\"d\":2}"), 4);
    // Miri would take minutes over so much.
    let deep = if cfg!(miri) { 500 } else { 500_000 };
    let text = "[".repeat(deep) + &"]".repeat(deep);
    assert_eq!(depth(&text), deep);
}
