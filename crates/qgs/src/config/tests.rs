use std::time::Duration;

use super::*;

fn place(line: usize, column: usize) -> Option<Place> {
    Some(Place { line, column })
}

#[test]
fn an_empty_file_is_no_file() {
    assert_eq!(Config::from_toml(""), Ok(Config::default()));
    assert_eq!(Config::from_toml("# nothing\n[workers]\n[limits]\n"), Ok(Config::default()));
}

#[test]
fn every_key_is_read() {
    let config = Config::from_toml(
        r#"
        [unix]
        path = "/srv/qgs.socket"
        mode = "0600"
        group = "qgsd"
        [vsock]
        port = 4051
        [backend]
        kind = "simulated"
        platform = "/srv/platform"
        [workers]
        count = 2
        queue = 3
        first_pause_seconds = 4
        longest_pause_seconds = 5
        [limits]
        connections = 6
        connections_per_user = 7
        connections_per_machine = 8
        requests_per_user = 9
        requests_per_machine = 10
        [deadlines]
        request_seconds = 11
        answer_seconds = 12
        send_seconds = 13
        [health]
        interval_seconds = 14
        [metrics]
        address = "127.0.0.1:9464"
        [status]
        path = "/srv/status.socket"
        [service]
        user = "qgsd"
        "#,
    )
    .unwrap();
    let unix =
        UnixSettings { path: "/srv/qgs.socket".into(), mode: 0o600, group: Some("qgsd".into()) };
    assert_eq!(config.listen, Listen { unix: Some(unix), vsock: Some(4051), asked_for: true });
    assert_eq!(config.backend, BackendConfig::Simulated { platform: "/srv/platform".into() });
    let Settings { pool, limits, deadlines, health_interval } = config.settings;
    assert_eq!((pool.workers, pool.queue), (2, 3));
    assert_eq!(
        (pool.first_pause, pool.longest_pause),
        (Duration::from_secs(4), Duration::from_secs(5))
    );
    assert_eq!((limits.connections, limits.connections_per_user), (6, 7));
    assert_eq!((limits.connections_per_machine, limits.requests_per_user), (8, 9));
    assert_eq!(limits.requests_per_machine, 10);
    assert_eq!(
        (deadlines.request, deadlines.answer),
        (Duration::from_secs(11), Duration::from_secs(12))
    );
    assert_eq!(
        (deadlines.send, health_interval),
        (Duration::from_secs(13), Some(Duration::from_secs(14)))
    );
    assert_eq!(config.metrics, "127.0.0.1:9464".parse().ok());
    assert_eq!(config.status.unwrap().path, PathBuf::from("/srv/status.socket"));
    assert_eq!(config.user.as_deref(), Some("qgsd"));
}

#[test]
fn one_listener_that_is_named_is_the_only_one() {
    let listen = |text| Config::from_toml(text).unwrap().listen;
    assert_eq!(listen("[vsock]"), Listen { unix: None, vsock: Some(4050), asked_for: true });
    let unix = Some(UnixSettings::default());
    assert_eq!(listen("[unix]"), Listen { unix, vsock: None, asked_for: true });
}

#[test]
fn intels_libraries_may_be_elsewhere() {
    let config = Config::from_toml("[backend]\nkind = \"intel\"\nlibrary = \"/opt/a.so\"").unwrap();
    let library = "/opt/a.so".into();
    assert_eq!(
        config.backend,
        BackendConfig::Intel(IntelSettings { library, ..IntelSettings::default() })
    );
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, at) in [
        ("[workers]\ncuont = 4", place(2, 1)),
        ("[worker]\n", place(1, 2)),
        ("[workers]\ncount = 0", place(2, 9)),
        ("[workers]\ncount = 256", place(2, 9)),
        ("[workers]\n  count = \"4\"", place(2, 11)),
        ("[vsock]\nport = 0", place(2, 8)),
        ("[vsock]\nport = 4294967295", place(2, 8)),
        ("[unix]\nmode = \"0999\"", place(2, 8)),
        ("[unix]\nmode = 660", place(2, 8)),
        ("[unix]\nmode = \"1777\"", place(2, 8)),
        ("[deadlines]\nanswer_seconds = -1", place(2, 18)),
        ("[metrics]\naddress = \"localhost\"", place(2, 11)),
        ("nonsense", place(1, 9)),
    ] {
        let fault = Config::from_toml(text).unwrap_err();
        assert_eq!(fault.place, at, "{text}: {fault}");
    }
    // The tag of a table has no place of its own in the table.
    for text in ["[backend]\nkind = \"real\"", "[backend]\nkind = \"simulated\"", "[backend]\n"] {
        assert!(Config::from_toml(text).unwrap_err().place.is_some(), "{text}");
    }
    let fault = Config::from_toml("[workers]\ncount = 0").unwrap_err();
    assert_eq!(fault.to_string(), "line 2, column 9: 0, expected a number from 1 to 255");
}

#[test]
fn a_first_pause_beyond_the_longest_is_refused() {
    for (first, longest, fits) in [(5, 4, false), (4, 4, true)] {
        let text =
            format!("[workers]\nfirst_pause_seconds = {first}\nlongest_pause_seconds = {longest}");
        assert_eq!(Config::from_toml(&text).is_ok(), fits);
    }
    assert!(Config::from_toml("[workers]\nfirst_pause_seconds = 61").is_err());
}

#[test]
fn the_health_check_can_be_switched_off() {
    let interval = |text| Config::from_toml(text).unwrap().settings.health_interval;
    assert_eq!(interval("[health]\ninterval_seconds = 0"), None);
    assert_eq!(interval(""), Some(Duration::from_secs(300)));
}

#[test]
fn intels_file_is_read_as_intels_daemon_does_where_that_makes_sense() {
    let shipped = "#comment\nport = 4050\nnumber_threads = 4\n";
    let config = Config::from_intel(shipped).unwrap();
    assert_eq!(config.listen, Listen { unix: None, vsock: Some(4050), asked_for: true });
    assert_eq!(config.settings.pool.workers, 4);

    let config = Config::from_intel("number_threads=7").unwrap();
    let unix = Some(UnixSettings::default());
    assert_eq!(config.listen, Listen { unix, vsock: None, asked_for: true });
    assert_eq!(config.settings.pool.workers, 7);
    assert_eq!(Config::from_intel("").unwrap().settings, Settings::default());
}

#[test]
fn intels_file_with_something_else_in_it_is_refused_with_its_place() {
    for (text, at) in [
        ("port = 4050\n  number_thread = 4", place(2, 3)),
        ("port = 40 50", place(1, 8)),
        ("port = 4050x", place(1, 8)),
        ("port = 0", place(1, 8)),
        ("port = 65536", place(1, 8)),
        ("number_threads = 0", place(1, 18)),
        ("number_threads = 256", place(1, 18)),
        ("port = 1\nport = 2", place(2, 1)),
        ("port", place(1, 1)),
        ("= 4", place(1, 1)),
        (" port =", place(1, 8)),
    ] {
        assert_eq!(Config::from_intel(text).unwrap_err().place, at, "{text}");
    }
}

/// The file that is installed.
const SHIPPED: &str = include_str!("../../../../packaging/qgs/qgs.toml");

#[test]
fn the_shipped_file_changes_nothing_and_says_what_is_taken_without_its_lines() {
    assert_eq!(Config::from_toml(SHIPPED), Ok(Config::default()));
    // A name after the mark is a key; a blank after it is prose, or an example.
    let lines = SHIPPED.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => rest,
        _ => line,
    });
    let all = Config::from_toml(&lines.collect::<Vec<_>>().join("\n")).unwrap();
    let usual = Config::default();
    assert_eq!(all.listen, Listen { asked_for: true, ..usual.listen });
    assert_eq!(
        (all.backend, all.settings, all.status),
        (usual.backend, usual.settings, usual.status)
    );
}
