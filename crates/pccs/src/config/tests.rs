use std::time::Duration;

use super::*;
use crate::fill_mode::FillMode;

fn place(line: usize, column: usize) -> Option<Place> {
    Some(Place { line, column })
}

#[test]
fn an_empty_file_is_no_file() {
    assert_eq!(Config::from_toml(""), Ok(Config::default()));
    assert_eq!(Config::from_toml("# nothing\n[cache]\n[limits]\n"), Ok(Config::default()));
}

#[test]
fn the_packaged_file_is_the_usual_settings_and_all_of_its_examples_are_read() {
    let text = include_str!("../../../../packaging/pccs/pccs.toml");
    assert_eq!(Config::from_toml(text), Ok(Config::default()));
    // Without the `#`, what is taken anyway.
    let taken: String = text
        .lines()
        .map(|line| line.strip_prefix('#').filter(|line| is_key(line)).unwrap_or(line))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(Config::from_toml(&taken), Ok(Config::default()), "{taken}");
    // Without the `# `, each example by itself.
    let mut section = "";
    for line in text.lines() {
        let bare = line.trim_start_matches(['#', ' ']);
        if bare.starts_with('[') && !bare.contains('=') {
            section = bare;
        }
        let Some(example) = line.strip_prefix("# ").filter(|example| is_key(example)) else {
            continue;
        };
        let needed = match section {
            "[[source]]" if !example.starts_with("at") => "at = \"https://pccs.example.org:8081\"",
            "[store]" if example.starts_with("ca_file") => "at = \"postgres://db/pccs\"",
            _ => "",
        };
        let text = format!("{section}\n{needed}\n{example}\n");
        if let Err(fault) = Config::from_toml(&text) {
            panic!("{fault} in\n{text}");
        }
    }
}

/// Whether a line is `name = value`, and no sentence.
fn is_key(line: &str) -> bool {
    let name = line.split_once(" = ").map(|(name, _)| name);
    name.is_some_and(|name| {
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
    })
}

#[test]
fn every_key_is_read() {
    let config = Config::from_toml(
        r#"
        listen = ["0.0.0.0:8081", "http://127.0.0.1:8082", "unix:/run/http.socket"]
        state = "/srv/pccs"
        user = "pccs"
        [tls]
        names = ["pccs.example.org", "192.0.2.7"]
        [store]
        at = "memory"
        [[source]]
        at = "https://pccs.example.org:8081"
        ca_file = "/srv/ca.pem"
        api_key_file = "/srv/key"
        proxy = "none"
        [[source]]
        at = "file:/srv/collateral"
        [cache]
        mode = "offline"
        allow_stale = true
        memory_mib = 2
        upstream_at_once = 3
        [refresh]
        lead_hours = 4
        jitter_hours = 5
        look_every_minutes = 6
        [trust]
        root_certificate = "/srv/root.pem"
        [limits]
        connections = 7
        connections_per_address = 6
        body_kib = 8
        [deadlines]
        handshake_seconds = 9
        head_seconds = 10
        request_seconds = 11
        client_seconds = 12
        send_seconds = 13
        keep_alive_seconds = 14
        [metrics]
        address = "127.0.0.1:9465"
        "#,
    )
    .unwrap();
    let listen: Vec<String> = config.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["https://0.0.0.0:8081", "http://127.0.0.1:8082", "unix:/run/http.socket"]);
    let expected = ["pccs.example.org", "192.0.2.7"].map(|name| name.parse().unwrap()).to_vec();
    assert_eq!(config.certificate, CertificateAt::Generated(expected));
    assert_eq!(config.store, StoreAt::Memory);
    assert_eq!(config.state, PathBuf::from("/srv/pccs"));
    assert_eq!(config.sources.len(), 2);
    assert_eq!(config.sources[0].api_key_file, Some("/srv/key".into()));
    let api = &config.api;
    assert_eq!((api.mode, api.allow_stale), (FillMode::Offline, true));
    assert_eq!((api.hot_bytes, api.upstream_at_once), (2 << 20, 3));
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    assert_eq!((api.refresh_lead, api.refresh_jitter), (hours(4), hours(5)));
    assert_eq!(config.rhythm.refresh, Some(Duration::from_secs(360)));
    let Limits { connections, body_bytes, handshake, head, request, send, keep_alive, .. } =
        config.limits;
    assert_eq!((connections, config.limits.connections_per_address, body_bytes), (7, 6, 8192));
    assert_eq!(
        [handshake, head, request, api.client_deadline, send, keep_alive]
            .map(|time| time.as_secs()),
        [9, 10, 11, 12, 13, 14]
    );
    assert_eq!(config.metrics, Some("127.0.0.1:9465".parse().unwrap()));
    assert_eq!(
        (config.user.as_deref(), config.root_certificate),
        (Some("pccs"), Some("/srv/root.pem".into()))
    );
}

#[test]
fn one_address_has_a_quarter_of_the_connections_unless_told_otherwise() {
    let share = |text: &str| Config::from_toml(text).unwrap().limits.connections_per_address;
    assert_eq!(share(""), Limits::default().connections_per_address);
    assert_eq!(share("limits.connections = 4096"), 1024);
    assert_eq!(share("limits.connections = 1"), 1);
}

#[test]
fn mistakes_have_a_place() {
    for (text, at) in [
        ("lisen = []", place(1, 1)),
        ("[cache]\nmode = \"eager\"", place(2, 8)),
        ("[limits]\nconnections = 0", place(2, 15)),
        ("listen = [\"127.0.0.1\"]", place(1, 10)),
        ("[store]\nat = \"mysql://x\"", place(2, 6)),
        ("[[source]]\nat = \"ftp://x\"", place(2, 6)),
        ("[tls]\nnames = [\"a b\"]", place(2, 9)),
        ("[[source]]", place(1, 1)),
    ] {
        assert_eq!(Config::from_toml(text).unwrap_err().place, at, "{text}");
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    for text in [
        "listen = []",
        "listen = [\"http://0.0.0.0:80\"]",
        "[store]\nat = \"memory\"\nca_file = \"a\"",
        "[store]\nat = \"postgres://a\"\ndatabase_url_file = \"a\"",
        "[tls]\nnames = []\nfiles = { certificate = \"a\", private_key = \"b\" }",
        "[[source]]\nat = \"https://a\"\nca_file = \"a\"\ndangerous_insecure = true",
        "[access]\nuser_token_sha512 = \"abc\"",
    ] {
        assert_eq!(Config::from_toml(text).unwrap_err().place, None, "{text}");
    }
    let named = "dangerous_plain_http = true\nlisten = [\"http://0.0.0.0:80\"]";
    assert!(Config::from_toml(named).is_ok());
}

#[test]
fn a_password_is_not_shown() {
    let config = Config::from_toml("[store]\nat = \"postgres://pccs:hunter2@db/pccs\"").unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    let fault = Config::from_toml("[store]\nat = \"mysql://pccs:hunter2@db/pccs\"").unwrap_err();
    assert!(!fault.to_string().contains("hunter2"));
}

const INTELS: &str = r#"{
    // The port
    "HTTPS_PORT": 8081, "hosts": "0.0.0.0",
    "uri": "https://api.trustedservices.intel.com/sgx/certification/v4/",
    "ApiKey": "0123456789abcdef0123456789abcdef", "proxy": "",
    "RefreshSchedule": "0 0 1 * * *", /* every day */
    "UserTokenHash": "HASH", "AdminTokenHash": "",
    "MaxRequestBodySize": "3MB", "HeadersTimeoutSeconds": 11, "RequestTimeoutSeconds": 16,
    "KeepAliveTimeoutSeconds": 61, "CachingFillMode": "REQ", "OPENSSL_FIPS_MODE": false,
    "LogLevel": "info", "DB_CONFIG": "sqlite",
    "sqlite": {"database": "database", "options": {"dialect": "sqlite", "define": {"freezeTableName": true}, "logging": false, "storage": "pckcache.db"}},
    "mysql": {"database": "pckcache", "username": "root", "password": "", "options": {"host": "localhost", "port": "3306"}, "ssl": {"required": false, "ca": ""}}
}"#;

#[test]
fn intels_limits_have_bounds() {
    for (key, good, wrong) in [
        ("HeadersTimeoutSeconds", ["1", "600"], ["0", "601"]),
        ("RequestTimeoutSeconds", ["1", "\"600\""], ["\"0\"", "601"]),
        ("KeepAliveTimeoutSeconds", ["1", "3600"], ["0", "3601"]),
        ("MaxRequestBodySize", ["1024", "\"64MB\""], ["1023", "\"10GB\""]),
    ] {
        let read = |value: &str| Config::from_intel(&format!("{{\"{key}\": {value}}}"));
        for value in good {
            assert!(read(value).is_ok(), "{key}: {value}");
        }
        for value in wrong {
            let fault = read(value).unwrap_err();
            assert!(fault.cause.starts_with(&format!("{key} is ")), "{fault}");
        }
    }
}

#[test]
fn intels_file_is_read_and_what_has_no_effect_is_named() {
    let text = INTELS.replace("HASH", &"ab".repeat(64));
    let (config, notes) = Config::from_intel(&text).unwrap();
    assert_eq!(config.listen, ["0.0.0.0:8081".parse().unwrap()]);
    assert_eq!(config.api.mode, FillMode::Req);
    assert_eq!(config.api.user_token_hash, Some("ab".repeat(64)));
    assert_eq!(config.api.admin_token_hash, None);
    assert_eq!(config.limits.body_bytes, 3 << 20);
    let Limits { head, request, keep_alive, .. } = config.limits;
    assert_eq!([head, request, keep_alive].map(|time| time.as_secs()), [11, 16, 61]);
    assert_eq!(config.sources[0].source.to_string(), "https://api.trustedservices.intel.com");
    assert!(!format!("{config:?}").contains("0123456789abcdef"));
    let named: Vec<&str> =
        notes.iter().map(|note| note.split([' ', ',']).next().unwrap()).collect();
    assert_eq!(named, ["RefreshSchedule", "LogLevel", "sqlite", "mysql"]);
}

#[test]
fn mistakes_in_intels_file_have_a_place() {
    for (text, at) in [
        ("{\n  \"HTTPS_PORT\": 8081,\n}", place(3, 1)),
        ("{ /* x\n */ \"HttpsPort\": 1}", place(2, 15)),
        ("{\"CachingFillMode\": \"lazy\"}", place(1, 26)),
        ("", place(1, 0)),
    ] {
        assert_eq!(Config::from_intel(text).unwrap_err().place, at, "{text}");
    }
    for text in [
        r#"{"DB_CONFIG": "mysql"}"#,
        r#"{"hosts": "pccs.example.org"}"#,
        r#"{"uri": "https://api.trustedservices.intel.com/sgx/certification/v3/"}"#,
        r#"{"UserTokenHash": "abc"}"#,
    ] {
        assert_eq!(Config::from_intel(text).unwrap_err().place, None, "{text}");
    }
}

#[test]
fn another_folder_takes_the_database_along_unless_it_is_elsewhere() {
    let mut config = Config::default();
    config.move_state(Path::new("here"));
    assert_eq!(config.store, StoreAt::Sqlite("here/pccs.sqlite".into()));
    let mut config = Config::from_toml("[store]\nat = \"sqlite:/srv/a\"").unwrap();
    config.move_state(Path::new("here"));
    assert_eq!(config.store, StoreAt::Sqlite("/srv/a".into()));
}
