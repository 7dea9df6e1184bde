//! The cache: what it serves, when it asks, and what it believes.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use tdattest_collateral::archive::Kept;
use tdattest_collateral::cache::{CacheError, Cached, Failure, FolderError, Origin, kept_in};
use tdattest_collateral::guard::{Rollback, require_sets};
use tdattest_collateral::{Archive, Authenticate as _, Client, Source};
use tdattest_wire::endorsement::Endorsement;
use tdattest_wire::pcs::{EvaluationDataSet, PcsRequest};
use tdattest_wire::quote::TeeType;

use crate::world::{
    DAY, Judge, Script, Scripted, World, block_on, day, minted, pck_ca, platform, tcb_info,
};

fn served(world: &World, request: PcsRequest) -> Cached {
    block_on(world.cache().document(request)).unwrap()
}

fn entry(world: &World) -> PathBuf {
    let folder = world.folder().join("documents");
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[test]
fn a_document_is_fetched_once_and_served_by_every_process_after() {
    let world = World::new();
    for request in [tcb_info(), PcsRequest::PckCrl(pck_ca()), PcsRequest::RootCaCrl] {
        let asked = world.source.asked();
        let first = served(&world, request);
        assert_eq!(first.origin, Origin::Fresh);
        assert_eq!(first.endorsement, minted(&platform(), request, day(0)));
        let second = served(&world, request);
        assert_eq!(second.origin, Origin::Cache);
        assert_eq!(second.endorsement, first.endorsement);
        assert_eq!((second.validity, second.fetched_at), (first.validity, first.fetched_at));
        assert_eq!(world.source.asked(), asked + 1);
    }
    assert_eq!(kept_in(world.folder()).unwrap().iter().flatten().count(), 3);
}

#[test]
fn a_newer_one_is_fetched_ahead_of_the_end() {
    let world = World::new();
    served(&world, tcb_info());
    world.set_now(day(25));
    world.serve_of(day(25));
    let newer = served(&world, tcb_info());
    assert_eq!(newer.origin, Origin::Fresh);
    assert_eq!(newer.validity.issued, day(25));
    assert_eq!(served(&world, tcb_info()).origin, Origin::Cache);
}

#[test]
fn the_last_good_one_is_served_up_to_its_end_while_the_source_is_away() {
    let world = World::new();
    let first = served(&world, tcb_info());
    world.source.set(Script::Away);
    world.set_now(day(30));
    assert_eq!(first.validity.ends(), day(30));
    let last_good = served(&world, tcb_info());
    assert_eq!(last_good.origin, Origin::LastGood(Failure::Fetch(Scripted::unreachable())));
    assert_eq!(last_good.endorsement, first.endorsement);

    world.set_now(day(30).saturating_add(1));
    let refused = block_on(world.cache().document(tcb_info()));
    let failure = Failure::Fetch(Scripted::unreachable());
    let request = tcb_info();
    assert_eq!(
        refused,
        Err(CacheError::Ended { request, ended: day(30), failure: failure.clone() })
    );

    let stale = block_on(world.cache().dangerous_allow_stale().document(tcb_info())).unwrap();
    assert_eq!(stale.origin, Origin::Stale(failure));
    assert_eq!(stale.endorsement, first.endorsement);
}

#[test]
fn a_current_document_is_fetched_again_by_who_asks_for_that_and_serves_if_none_comes() {
    let world = World::new();
    served(&world, tcb_info());
    world.set_now(day(2));
    world.serve_of(day(2));
    assert_eq!(served(&world, tcb_info()).origin, Origin::Cache);
    let again = || block_on(world.cache().refreshing().document(tcb_info())).unwrap();
    let newer = again();
    assert_eq!((newer.origin, newer.validity.issued), (Origin::Fresh, day(2)));
    world.source.set(Script::Away);
    let kept = again();
    assert!(matches!(kept.origin, Origin::LastGood(_)), "{:?}", kept.origin);
    assert_eq!(kept.validity.issued, day(2));
}

#[test]
fn a_source_that_failed_is_not_asked_by_every_caller() {
    let world = World::new();
    let cache = world.cache();
    block_on(cache.document(tcb_info())).unwrap();
    world.source.set(Script::Away);
    world.set_now(day(29));
    let asked = world.source.asked();
    assert!(matches!(block_on(cache.document(tcb_info())).unwrap().origin, Origin::LastGood(_)));
    assert_eq!(block_on(cache.document(tcb_info())).unwrap().origin, Origin::Cache);
    assert_eq!(world.source.asked(), asked + 1);
    world.set_now(day(29).saturating_add(60));
    assert!(matches!(block_on(cache.document(tcb_info())).unwrap().origin, Origin::LastGood(_)));
    assert_eq!(world.source.asked(), asked + 2);
}

#[test]
fn with_nothing_kept_and_the_source_away_there_is_its_error() {
    let world = World::new();
    world.source.set(Script::Away);
    let refused = block_on(world.cache().document(tcb_info()));
    assert_eq!(refused, Err(CacheError::Nothing(Failure::Fetch(Scripted::unreachable()))));
    assert!(!world.folder().join("documents").exists());
}

#[test]
fn a_forged_document_is_neither_served_nor_kept() {
    let world = World::new();
    let mut forged = minted(&platform(), tcb_info(), day(0));
    let at = forged.body.iter().position(|byte| *byte == b'7').unwrap();
    forged.body[at] = b'8';
    world.source.set(Script::Bring(forged));
    let refused = block_on(world.cache().document(tcb_info()));
    assert!(
        matches!(refused, Err(CacheError::Nothing(Failure::Untrusted { request, .. })) if request == tcb_info()),
        "{refused:?}"
    );
    assert!(!world.folder().join("documents").exists());
}

#[test]
fn the_answer_to_another_request_is_refused() {
    let world = World::new();
    world.source.set(Script::Bring(minted(&platform(), PcsRequest::RootCaCrl, day(0))));
    let refused = block_on(world.cache().document(tcb_info()));
    assert!(matches!(refused, Err(CacheError::Nothing(Failure::Untrusted { .. }))), "{refused:?}");
}

#[test]
fn a_document_that_has_ended_when_it_comes_is_refused() {
    let world = World::new();
    world.set_now(day(40));
    let refused = block_on(world.cache().document(tcb_info()));
    let ended = Failure::Ended { request: tcb_info(), ended: day(30) };
    assert_eq!(refused, Err(CacheError::Nothing(ended)));
}

#[test]
fn a_file_that_somebody_changed_is_not_believed() {
    for change in ["edited", "cut off", "emptied", "another document's"] {
        let world = World::new();
        let first = served(&world, tcb_info());
        let path = entry(&world);
        let text = fs::read_to_string(&path).unwrap();
        let changed = match change {
            "edited" => text.replacen("UpToDate", "Revoked", 1),
            "cut off" => text[..text.len() / 2].into(),
            "emptied" => String::new(),
            _ => {
                let endorsement = minted(&platform(), PcsRequest::RootCaCrl, day(0));
                let kept = Kept { endorsement, fetched_at: day(0) };
                tdattest_collateral::Archive::from_iter([kept]).write().unwrap()
            }
        };
        assert_ne!(changed, text);
        fs::write(&path, changed).unwrap();
        // Where no other is to be had, the file is named.
        world.source.set(Script::Away);
        let away = block_on(world.cache().document(tcb_info()));
        let Err(CacheError::NotBelieved { kept, failure }) = away else { panic!("{away:?}") };
        assert_eq!(failure, Failure::Fetch(Scripted::unreachable()), "{change}");
        assert!(matches!(*kept, FolderError::Malformed { path: ref named, .. } if *named == path));
        world.serve_of(day(0));
        let again = served(&world, tcb_info());
        assert_eq!(
            (again.origin, again.endorsement),
            (Origin::Fresh, first.endorsement),
            "{change}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "{change}");
    }
}

#[test]
fn drafts_of_processes_that_died_are_swept_and_those_of_today_stay() {
    let world = World::new();
    served(&world, tcb_info());
    let folder = world.folder().join("documents");
    let (old, fresh) = (folder.join(".new-old"), folder.join(".new-fresh"));
    for draft in [&old, &fresh] {
        fs::write(draft, "half of a document").unwrap();
    }
    let written = fs::metadata(&old).unwrap().modified().unwrap();
    let days = std::time::Duration::from_secs(2 * DAY);
    fs::File::options().write(true).open(&old).unwrap().set_modified(written - days).unwrap();
    served(&world, PcsRequest::RootCaCrl);
    assert!(!old.exists() && fresh.exists());
}

#[test]
fn a_lower_evaluation_data_number_is_refused_though_the_entry_is_gone() {
    let world = World::new();
    let mut newer = platform();
    newer.standard.tcb_evaluation_data_number += 1;
    let (low, high) =
        (platform().standard.tcb_evaluation_data_number, newer.standard.tcb_evaluation_data_number);
    world.source.set(Script::Serve(Box::new(newer), day(0)));
    assert_eq!(served(&world, tcb_info()).validity.evaluation_data_number, Some(high));
    fs::remove_dir_all(world.folder().join("documents")).unwrap();

    world.serve_of(day(1));
    let refused = block_on(world.cache().document(tcb_info()));
    let rollback = Rollback::Number { request: tcb_info(), found: low, seen: high };
    assert_eq!(refused, Err(CacheError::Nothing(Failure::Rollback(rollback))));

    let allowed = block_on(world.cache().dangerous_allow_rollback().document(tcb_info())).unwrap();
    assert_eq!(allowed.validity.evaluation_data_number, Some(low));
    // One that is kept does not keep others out, and what was allowed once is what has been seen from then on.
    let again = block_on(world.cache().dangerous_allow_rollback().document(tcb_info())).unwrap();
    assert_eq!(again.origin, Origin::Fresh);
    assert_eq!(served(&world, tcb_info()).origin, Origin::Cache);
}

#[test]
fn a_source_that_is_behind_or_has_an_ended_document_does_not_hide_one_that_is_not() {
    let world = World::new();
    world.set_now(day(40));
    world.serve_of(day(32));
    served(&world, tcb_info());
    fs::remove_dir_all(world.folder().join("documents")).unwrap();

    let folder = tempfile::tempdir().unwrap();
    // Ended; older than what was seen; newer than that.
    let sources = [0, 31, 33].map(|days| {
        let endorsement = minted(&platform(), tcb_info(), day(days));
        let archive = Archive::from_iter([Kept { endorsement, fetched_at: day(days) }]);
        let path = folder.path().join(format!("{days}.json"));
        fs::write(&path, archive.write().unwrap()).unwrap();
        Source::files(path)
    });
    let client = Client::builder(Judge::of(&platform())).sources(sources.clone()).build().unwrap();
    let found = block_on(world.cache_of(Arc::new(client)).document(tcb_info())).unwrap();
    assert_eq!((found.origin, found.validity.issued), (Origin::Fresh, day(33)));

    fs::remove_dir_all(world.folder().join("documents")).unwrap();
    let [_, behind, _] = sources;
    let client = Client::builder(Judge::of(&platform())).source(behind).build().unwrap();
    let alone = block_on(world.cache_of(Arc::new(client)).document(tcb_info()));
    let rollback = Rollback::Issued { request: tcb_info(), found: day(31), seen: day(33) };
    assert_eq!(alone, Err(CacheError::Nothing(Failure::Rollback(rollback))));
}

#[test]
fn an_older_issue_date_is_refused_and_the_newer_document_stays() {
    for request in [tcb_info(), PcsRequest::PckCrl(pck_ca()), PcsRequest::RootCaCrl] {
        let world = World::new();
        world.set_now(day(3));
        world.serve_of(day(3));
        let first = served(&world, request);
        world.serve_of(day(2));
        let ends = first.validity.ends();
        world.set_now(ends);
        let last_good = served(&world, request);
        let rollback = Rollback::Issued { request, found: day(2), seen: day(3) };
        assert_eq!(last_good.origin, Origin::LastGood(Failure::Rollback(rollback)));
        assert_eq!(last_good.endorsement, first.endorsement);
    }
}

#[test]
fn an_older_entry_put_in_the_place_of_a_newer_one_is_not_believed() {
    let world = World::new();
    served(&world, tcb_info());
    let path = entry(&world);
    let old = fs::read(&path).unwrap();
    world.set_now(day(25));
    world.serve_of(day(25));
    served(&world, tcb_info());
    fs::write(&path, old).unwrap();
    assert_eq!(served(&world, tcb_info()).origin, Origin::Fresh);
}

#[test]
fn what_was_seen_and_cannot_be_read_is_not_taken_for_nothing_seen() {
    let world = World::new();
    served(&world, tcb_info());
    let seen = entry(&world)
        .parent()
        .unwrap()
        .with_file_name("seen")
        .join(entry(&world).file_name().unwrap());
    fs::write(&seen, "{}").unwrap();
    let refused = block_on(world.cache().document(tcb_info()));
    assert!(matches!(refused, Err(CacheError::Nothing(Failure::Seen(_)))), "{refused:?}");
}

#[test]
fn of_a_hundred_callers_one_asks() {
    let world = World::new();
    let cache = Arc::new(world.cache());
    world.source.close();
    let origins = block_on(async {
        let ask = || {
            let cache = Arc::clone(&cache);
            tokio::spawn(async move { cache.document(tcb_info()).await.unwrap() })
        };
        let tasks: Vec<_> = (0..100).map(|_| ask()).collect();
        tokio::task::yield_now().await;
        world.source.open();
        let mut origins = Vec::new();
        for task in tasks {
            origins.push(task.await.unwrap().origin);
        }
        origins
    });
    assert_eq!(origins, vec![Origin::Fresh; 100]);
    assert_eq!(world.source.asked(), 1);
}

#[test]
fn the_failure_of_one_is_the_failure_of_all_who_wait() {
    let world = World::new();
    let cache = Arc::new(world.cache());
    world.source.set(Script::Away);
    world.source.close();
    block_on(async {
        let ask = || {
            let cache = Arc::clone(&cache);
            tokio::spawn(async move { cache.document(tcb_info()).await })
        };
        let tasks: Vec<_> = (0..100).map(|_| ask()).collect();
        tokio::task::yield_now().await;
        world.source.open();
        for task in tasks {
            assert!(task.await.unwrap().is_err());
        }
    });
    assert_eq!(world.source.asked(), 1);
}

#[test]
fn whoever_goes_away_in_the_middle_leaves_the_turn_to_the_next() {
    let world = World::new();
    let cache = Arc::new(world.cache());
    world.source.close();
    let origin = block_on(async {
        let ask = || {
            let cache = Arc::clone(&cache);
            tokio::spawn(async move { cache.document(tcb_info()).await.unwrap().origin })
        };
        let (first, second) = (ask(), ask());
        tokio::task::yield_now().await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        world.source.open();
        second.await.unwrap()
    });
    assert_eq!((origin, world.source.asked()), (Origin::Fresh, 2));
}

#[test]
fn while_one_refreshes_the_others_have_what_is_kept() {
    let world = World::new();
    let cache = Arc::new(world.cache());
    block_on(cache.document(tcb_info())).unwrap();
    world.set_now(day(25));
    world.serve_of(day(25));
    world.source.close();
    block_on(async {
        let leader = {
            let cache = Arc::clone(&cache);
            tokio::spawn(async move { cache.document(tcb_info()).await.unwrap().origin })
        };
        tokio::task::yield_now().await;
        let other = cache.document(tcb_info()).await.unwrap();
        assert_eq!((other.origin, other.validity.issued), (Origin::Cache, day(0)));
        // Another process: it sees the lock.
        let other = world.cache().document(tcb_info()).await.unwrap();
        assert_eq!((other.origin, other.validity.issued), (Origin::Cache, day(0)));
        world.source.open();
        assert_eq!(leader.await.unwrap(), Origin::Fresh);
    });
    assert_eq!(world.source.asked(), 2);
}

#[cfg(unix)]
#[test]
fn of_two_processes_one_asks_and_the_other_reads_what_it_kept() {
    let world = World::new();
    let caches = [Arc::new(world.cache()), Arc::new(world.cache())];
    world.source.close();
    let origins = block_on(async {
        let tasks = caches.map(|cache| {
            tokio::spawn(async move { cache.document(tcb_info()).await.unwrap().origin })
        });
        tokio::task::yield_now().await;
        world.source.open();
        let mut origins = Vec::new();
        for task in tasks {
            origins.push(task.await.unwrap());
        }
        origins
    });
    assert_eq!(origins, [Origin::Fresh, Origin::Cache]);
    assert_eq!(world.source.asked(), 1);
}

#[test]
fn a_document_that_cannot_be_kept_is_served_and_that_is_said() {
    let world = World::new();
    // A file where a folder would have to be: nobody can write there, not even root.
    fs::write(world.folder().join("documents"), "").unwrap();
    let cached = served(&world, tcb_info());
    assert!(matches!(cached.origin, Origin::Unkept(_)), "{:?}", cached.origin);
}

#[test]
fn a_document_that_came_another_way_is_kept_if_it_holds() {
    let world = World::new();
    let kept = |at| Kept { endorsement: minted(&platform(), tcb_info(), at), fetched_at: at };
    world.cache().keep(kept(day(0))).unwrap();
    world.source.set(Script::Away);
    assert_eq!(served(&world, tcb_info()).origin, Origin::Cache);
    let older = world.cache().keep(kept("2026-10-31T00:00:00Z".parse().unwrap()));
    assert!(matches!(older, Err(Failure::Rollback(Rollback::Issued { .. }))), "{older:?}");
    let mut forged = kept(day(0));
    forged.endorsement.issuer_chain.clear();
    assert!(matches!(world.cache().keep(forged), Err(Failure::Untrusted { .. })));
}

/// The record of what was seen of the only document.
fn seen(world: &World) -> PathBuf {
    let name = entry(world).file_name().unwrap().to_owned();
    world.folder().join("seen").join(name)
}

#[test]
fn where_a_newer_document_cannot_be_written_the_kept_one_still_counts() {
    let world = World::new();
    let first = served(&world, tcb_info());
    // The record is small enough for a disk that is full, the document is not: here it cannot replace a folder.
    let (path, text) = (entry(&world), fs::read(entry(&world)).unwrap());
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    world.set_now(day(25));
    world.serve_of(day(25));
    assert!(matches!(served(&world, tcb_info()).origin, Origin::Unkept(_)));
    fs::remove_dir(&path).unwrap();
    fs::write(&path, text).unwrap();

    world.source.set(Script::Away);
    let last_good = served(&world, tcb_info());
    assert_eq!(last_good.origin, Origin::LastGood(Failure::Fetch(Scripted::unreachable())));
    assert_eq!(last_good.endorsement, first.endorsement);
}

#[test]
fn a_kept_document_whose_writer_died_before_it_was_remembered_is_remembered_when_it_is_read() {
    let world = World::new();
    served(&world, tcb_info());
    let (path, older) = (entry(&world), fs::read(entry(&world)).unwrap());
    let before = fs::read(seen(&world)).unwrap();
    world.set_now(day(25));
    world.serve_of(day(25));
    served(&world, tcb_info());
    let after = fs::read(seen(&world)).unwrap();
    fs::write(seen(&world), &before).unwrap();

    assert_eq!(served(&world, tcb_info()).origin, Origin::Cache);
    assert_eq!(fs::read(seen(&world)).unwrap(), after);
    fs::write(&path, older).unwrap();
    assert_eq!(served(&world, tcb_info()).origin, Origin::Fresh);
}

#[cfg(unix)]
#[test]
fn an_import_waits_for_whoever_fetches_the_same_and_does_not_write_over_it() {
    let world = World::new();
    world.set_now(day(2));
    world.serve_of(day(2));
    let older = Kept { endorsement: minted(&platform(), tcb_info(), day(1)), fetched_at: day(1) };
    let (fetching, importing) = (world.cache(), world.cache());
    world.source.close();
    let (fetched, imported) = block_on(async {
        let fetched = tokio::spawn(async move { fetching.document(tcb_info()).await });
        while world.source.asked() == 0 {
            tokio::task::yield_now().await;
        }
        let (begin, begun) = std::sync::mpsc::channel();
        let imported = std::thread::spawn(move || {
            begin.send(()).unwrap();
            importing.keep(older)
        });
        begun.recv().unwrap();
        world.source.open();
        (fetched.await.unwrap().unwrap(), imported.join().unwrap())
    });
    assert_eq!(fetched.validity.issued, day(2));
    let rollback = Rollback::Issued { request: tcb_info(), found: day(1), seen: day(2) };
    assert_eq!(imported, Err(Failure::Rollback(rollback)));
    assert_eq!(served(&world, tcb_info()).endorsement, fetched.endorsement);
}

#[test]
fn an_early_set_behind_the_standard_one_is_refused_for_either_is_the_other() {
    let early =
        PcsRequest::TcbInfo(TeeType::Tdx, platform().hardware.fmspc, EvaluationDataSet::Early);
    let (low, high) = (
        platform().standard.tcb_evaluation_data_number,
        platform().early.tcb_evaluation_data_number,
    );
    assert!(low < high);
    let labelled = |request, as_it: PcsRequest| {
        let endorsement = minted(&platform(), request, day(0));
        Endorsement { request: as_it, ..endorsement }
    };
    let swapped = Rollback::EarlyBehindStandard { request: early, early: low, standard: high };
    // The standard document for the early set; the standard one was seen with a higher number.
    let world = World::new();
    world.source.set(Script::Bring(labelled(early, tcb_info())));
    served(&world, tcb_info());
    world.source.set(Script::Bring(labelled(tcb_info(), early)));
    let refused = block_on(world.cache().document(early));
    assert_eq!(refused, Err(CacheError::Nothing(Failure::Rollback(swapped))));
    world.source.set(Script::Bring(labelled(early, early)));
    served(&world, early);

    let judge = Judge::of(&platform());
    let windows = |documents: [Endorsement; 2]| {
        documents.map(|one| (one.request, judge.endorsement(&one).unwrap()))
    };
    let as_they_are = windows([labelled(tcb_info(), tcb_info()), labelled(early, early)]);
    assert_eq!(require_sets(as_they_are.iter().map(|(one, of)| (one, of))), Ok(()));
    let the_other = windows([labelled(tcb_info(), early), labelled(early, tcb_info())]);
    assert_eq!(require_sets(the_other.iter().map(|(one, of)| (one, of))), Err(swapped));
}

#[test]
fn documents_are_refreshed_once_when_intel_serves_the_same_again() {
    let world = World::new();
    served(&world, tcb_info());
    world.set_now(day(25));
    assert_eq!(served(&world, tcb_info()).origin, Origin::Fresh);
    world.set_now(day(25).saturating_add(30 * 60));
    assert_eq!(served(&world, tcb_info()).origin, Origin::Cache);
    world.set_now(day(25).saturating_add(DAY));
    assert_eq!(served(&world, tcb_info()).origin, Origin::Fresh);
}
