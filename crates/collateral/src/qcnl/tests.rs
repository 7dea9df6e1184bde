//! Files as they are found in the field, and what is said of them.

use proptest::prelude::*;

use super::*;
use crate::trust::Trust;

const SHIPPED: &str = r#"{
  // comments, also /* within */ each other
  "pccs_url": "https://localhost:8081/sgx/certification/v4/" /* an
  address */
  ,"use_secure_cert": true
  //,"collateral_service": "https://api.trustedservices.intel.com/sgx/certification/v4/"
  ,"retry_times": 6
  ,"retry_delay": 10
  ,"pck_cache_expire_hours": 168
  ,"verify_collateral_cache_expire_hours": 168.5
  ,"local_cache_only": false
}
"#;

fn found(text: &str) -> Vec<String> {
    read(text).1.iter().map(|finding| format!("{:?} {finding}", finding.severity)).collect()
}

fn only(text: &str) -> Finding {
    let mut findings = read(text).1;
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings.remove(0)
}

#[test]
fn reads_the_file_that_intel_ships() {
    let (config, findings) = read(SHIPPED);
    assert_eq!(findings, []);
    let expected = QcnlConfig {
        retry_times: 6,
        retry_delay: 10,
        pck_cache_expire_hours: 168.0,
        verify_collateral_cache_expire_hours: 168.5,
        ..QcnlConfig::default()
    };
    assert_eq!(config, expected);
}

#[test]
fn reads_every_key() {
    let (config, findings) = read(
        r#"{"pccs_url":"https://a/sgx/certification/v4/","use_secure_cert":true,
            "collateral_service":"https://b/sgx/certification/v4/","tcb_update_type":"Early",
            "pccs_api_version":"3.1","retry_times":1,"retry_delay":2,
            "local_pck_url":"https://c/sgx/certification/v4/","pck_cache_expire_hours":3,
            "verify_collateral_cache_expire_hours":4,"local_cache_only":true,
            "custom_request_options":{"get_cert":{"headers":{"metadata":"true"},
            "params":{"api-version":"1"}}}}"#,
    );
    assert_eq!(findings, []);
    let expected = QcnlConfig {
        pccs_url: "https://a/sgx/certification/v4/".into(),
        use_secure_cert: true,
        collateral_service: Some("https://b/sgx/certification/v4/".into()),
        tcb_update_type: EvaluationDataSet::Early,
        pccs_api_version: "3.1".into(),
        retry_times: 1,
        retry_delay: 2,
        local_pck_url: Some("https://c/sgx/certification/v4/".into()),
        pck_cache_expire_hours: 3.0,
        verify_collateral_cache_expire_hours: 4.0,
        local_cache_only: true,
        get_cert_headers: vec![("metadata".into(), "true".into())],
        get_cert_params: vec![("api-version".into(), "1".into())],
    };
    assert_eq!(config, expected);
}

#[test]
fn reads_the_lines_of_old() {
    let (config, findings) = read(
        "# PCCS\n PCCS_URL = https://host:8081/sgx/certification/v4/\nUSE_SECURE_CERT=FALSE\nRETRY_TIMES=3\n",
    );
    assert_eq!(config.pccs_url, "https://host:8081/sgx/certification/v4/");
    assert_eq!((config.use_secure_cert, config.retry_times), (false, 3));
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].place, Place { line: 3, column: 1 });
}

#[test]
fn a_wrong_type_is_told_with_its_place_and_has_no_effect() {
    for (value, is, expected) in [
        ("\"use_secure_cert\": \"false\"", "a string", "true or false"),
        ("\"use_secure_cert\": 0", "a number", "true or false"),
        ("\"retry_times\": \"6\"", "a string", "a whole number"),
        ("\"retry_times\": 1.5", "a number", "a whole number"),
        ("\"pccs_api_version\": 3.1", "a number", "a string"),
        ("\"pck_cache_expire_hours\": null", "null", "a number"),
        ("\"pccs_url\": []", "an array", "a string"),
    ] {
        let text = format!("{{ /* ü */\n  {value} }}");
        let key = value.split('"').nth(1).unwrap();
        let column = 3 + value.find(": ").unwrap() + 2;
        let finding = only(&text);
        let says = format!("`{key}` is {is}, expected {expected}; Intel's library overlooks it");
        assert_eq!((finding.says, finding.severity), (says, Severity::Error));
        assert_eq!(finding.place, Place { line: 2, column }, "{value}");
        assert_eq!(read(&text).0, QcnlConfig::default(), "{value}");
    }
}

#[test]
fn the_column_counts_characters_behind_a_comment_on_the_same_line() {
    let finding = only("{ /* ü */ \"retry_times\": true }");
    assert_eq!(finding.place, Place { line: 1, column: 26 });
}

#[test]
fn unknown_keys_are_warnings_unless_only_their_case_is_wrong() {
    assert_eq!(
        found("{\n \"pccs_uri\": 1,\n \"PCCS_URL\": \"x\"\n}"),
        [
            "Warning line 2, column 2: unknown key `pccs_uri`; Intel's library overlooks it",
            "Error line 3, column 2: unknown key `PCCS_URL`; it is `pccs_url`, and its case matters",
        ]
    );
}

#[test]
fn of_a_key_that_stands_twice_the_first_counts() {
    let text = "{\"retry_times\": 1,\n\"retry_times\": 2}";
    assert_eq!(read(text).0.retry_times, 1);
    assert_eq!(only(text).place, Place { line: 2, column: 1 });
}

#[test]
fn broken_json_is_an_error_at_its_place_and_nothing_of_it_counts() {
    let (config, findings) = read("{\n  \"retry_times\": 6,\n}\n");
    assert_eq!(config, QcnlConfig::default());
    assert_eq!(
        findings[0].to_string(),
        "line 3, column 1: not valid JSON: trailing comma; Intel's library starts with error 0xB035"
    );
    // What Intel's library says nothing of at all.
    let (_, findings) = read("// mine\n{ \"retry_times\": 6 \"x\" }\n");
    assert_eq!((findings.len(), findings[0].place.line), (1, 2));
    assert!(findings[0].says.contains("overlooks the whole file"), "{}", findings[0]);
    let (_, findings) = read("{ \"retry_times\": /* 6 }");
    assert_eq!(findings[0].severity, Severity::Error);
}

#[test]
fn slashes_in_strings_begin_no_comment() {
    let text = r#"{"pccs_url":"https://host/\"//*/sgx/certification/v4/","retry_times":1}"#;
    assert_eq!(read(text).0.retry_times, 1);
    assert_eq!(read(text).0.pccs_url, "https://host/\"//*/sgx/certification/v4/");
}

#[test]
fn what_is_risky_or_makes_no_sense_is_told() {
    for (member, severity) in [
        (r#""pccs_url":"https://host/sgx/certification/v4""#, Severity::Error),
        (r#""pccs_url":"https://host/""#, Severity::Warning),
        (r#""pccs_url":"https://host/sgx/certification/v3/""#, Severity::Warning),
        (r#""pccs_url":"http://host/sgx/certification/v4/""#, Severity::Warning),
        (r#""pccs_url":"localhost:8081""#, Severity::Error),
        (r#""use_secure_cert":false"#, Severity::Warning),
        (r#""tcb_update_type":"newest""#, Severity::Error),
        (r#""pccs_api_version":"4.0""#, Severity::Error),
        (r#""retry_times":-1"#, Severity::Error),
        (r#""pck_cache_expire_hours":-1"#, Severity::Error),
        (r#""pck_cache_expire_hours":9999"#, Severity::Warning),
        (r#""custom_request_options":{"get_crl":{}}"#, Severity::Warning),
        (r#""custom_request_options":{"get_cert":{"headers":{"a":1}}}"#, Severity::Error),
    ] {
        assert_eq!(only(&format!("{{{member}}}")).severity, severity, "{member}");
    }
}

#[test]
fn a_password_in_an_address_is_not_repeated() {
    let text = r#"{"pccs_url":"https://user:secret@host/sgx/certification/v4/"}"#;
    assert!(!only(text).to_string().contains("secret"));
}

#[test]
fn becomes_sources_under_the_trust_that_it_names() {
    let config = read(r#"{"pccs_url":"https://a/sgx/certification/v4/"}"#).0;
    assert_eq!(config.collateral_source().unwrap().to_string(), "https://a");
    let text = r#"{"pccs_url":"http://a/sgx/certification/v4/","use_secure_cert":false,
        "collateral_service":"https://b/sgx/certification/v4/"}"#;
    let config = read(text).0;
    assert_eq!(config.pccs_source().unwrap().to_string(), "http://a");
    let collateral = config.collateral_source().unwrap();
    assert_eq!(collateral.to_string(), "https://b");
    assert_eq!(collateral.trust, Trust::DangerousInsecure);
    let nowhere = QcnlConfig { pccs_url: "/etc/passwd".into(), ..QcnlConfig::default() };
    assert!(matches!(nowhere.pccs_source(), Err(SourceError::Address { .. })));
}

#[test]
fn retries_become_a_policy_with_an_end() {
    let policy = |retry_times, retry_delay| {
        QcnlConfig { retry_times, retry_delay, ..QcnlConfig::default() }.retry()
    };
    assert_eq!(policy(0, 0).attempts, 1);
    let ten = Duration::from_secs(10);
    assert_eq!(policy(6, 10), RetryPolicy { attempts: 7, first_pause: ten, longest_pause: ten });
    assert_eq!(policy(u32::MAX, 0).attempts, MOST_ATTEMPTS);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_and_every_place_is_in_the_text(text in "[\\PC\n\"/*{}:,\\\\]{0,200}") {
        let (_, findings) = read(&text);
        let lines = text.matches('\n').count() + 1;
        for finding in findings {
            prop_assert!(finding.place.line <= lines && finding.place.column >= 1);
        }
    }

    #[test]
    fn comments_change_nothing(
        comment in "[a-z\" {}:,ü]{0,20}",
        times in 0_u32..1000,
    ) {
        let text = format!(
            "{{ // {comment}\n /*{comment}*/ \"retry_times\" /*{comment}*/: {times} }}//{comment}"
        );
        let (config, findings) = read(&text);
        prop_assert_eq!((config.retry_times, findings.len()), (times, 0));
    }
}

#[test]
fn with_a_set_that_is_none_the_settings_are_those_without_a_file() {
    let (config, findings) =
        read(r#"{"pccs_url":"https://a/sgx/certification/v4/","tcb_update_type":"newest"}"#);
    assert_eq!(config, QcnlConfig::default());
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].severity, Severity::Error);
}

#[test]
fn a_comment_that_never_ends_is_no_comment() {
    let text = "{ \"local_cache_only\": true }\n /* until";
    let finding = only(text);
    assert_eq!(finding.severity, Severity::Error);
    assert_eq!((finding.place.line, finding.place.column), (2, 2));
    assert_eq!(read(text).0, QcnlConfig::default());
    assert_eq!(read(&format!("{text} */")).1, []);
}
