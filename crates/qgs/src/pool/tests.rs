use super::queue::Next;
use super::*;
use crate::failure::Hop;

/// A job of a peer, and what gives it up.
fn job(user: u32) -> (Job, Arc<Claim>) {
    let (reply, _) = oneshot::channel();
    let claim = Arc::new(Claim::default());
    let job =
        Job { task: Task::Probe, peer: Some(Peer::User(user)), claim: Arc::clone(&claim), reply };
    (job, claim)
}

fn queue(workers: usize) -> Queue {
    Queue::new(PoolSettings { workers, ..PoolSettings::default() })
}

fn names(queue: &Queue) -> Vec<&'static str> {
    queue.states().0.iter().map(WorkerState::name).collect()
}

#[test]
fn each_peer_has_its_turn() {
    let mut waiting = waiting::Waiting::default();
    for user in [1, 1, 1, 2, 3, 2] {
        waiting.push(job(user).0);
    }
    let order: Vec<_> = std::iter::from_fn(|| waiting.pop()).map(|job| job.peer.unwrap()).collect();
    assert_eq!(order, [1, 2, 3, 1, 2, 1].map(Peer::User));
    assert_eq!(waiting.len(), 0);
}

#[test]
fn a_job_that_is_given_up_leaves_its_place() {
    let queue = queue(1);
    let (given_up, claim) = job(1);
    queue.push(given_up).unwrap();
    queue.push(job(1).0).unwrap();
    assert!(matches!(queue.give_up(&claim), GivenUp::Queued(_)));
    assert_eq!(queue.states().1, 1);
}

#[test]
fn who_waited_in_vain_learns_what_the_workers_lack() {
    let queue = queue(1);
    let worker = queue.enlist();
    let why = |queue: &Queue| {
        let (waiting, claim) = job(1);
        queue.push(waiting).unwrap();
        match queue.give_up(&claim) {
            GivenUp::Queued(failure) => failure.code,
            _ => panic!("it was not queued"),
        }
    };
    assert_eq!(why(&queue), "backend.hangs");
    queue.push(job(2).0).unwrap();
    assert!(matches!(queue.next(worker, None), Next::Job(_)));
    assert_eq!(why(&queue), "queue.deadline");
}

#[test]
fn a_worker_that_hangs_is_replaced_once_and_ends_when_it_comes_back() {
    let queue = queue(1);
    let worker = queue.enlist();
    let (hangs, claim) = job(1);
    queue.push(hangs).unwrap();
    let Next::Job(taken) = queue.next(worker, None) else { panic!("no job") };
    assert!(taken.claim.begin(worker));
    let GivenUp::Running(Some(other)) = queue.give_up(&claim) else { panic!("not replaced") };
    assert_eq!(names(&queue), ["hanging", "opening"]);
    assert!(!taken.claim.finish());
    // Giving its context back does not bring it back.
    queue.closing(worker);
    assert_eq!(names(&queue), ["hanging", "opening"]);
    assert!(matches!(queue.next(worker, None), Next::End));
    assert_eq!(names(&queue), ["opening"]);
    queue.push(job(1).0).unwrap();
    assert!(matches!(queue.next(other, None), Next::Job(_)));
}

#[test]
fn one_that_comes_back_where_no_other_could_take_its_place_goes_on() {
    let queue = queue(1);
    for expected in [true, false] {
        let worker = if expected { queue.enlist() } else { 2 };
        let (hangs, claim) = job(1);
        queue.push(hangs).unwrap();
        let Next::Job(taken) = queue.next(worker, None) else { panic!("no job") };
        assert!(taken.claim.begin(worker));
        let replaced = matches!(queue.give_up(&claim), GivenUp::Running(Some(2)));
        assert_eq!(replaced, expected);
    }
    assert_eq!(names(&queue), ["hanging", "hanging"]);
    queue.push(job(1).0).unwrap();
    assert!(matches!(queue.next(1, None), Next::Job(_)));
    assert_eq!(names(&queue), ["busy", "hanging"]);
}

#[test]
fn a_worker_that_opens_for_ever_is_replaced() {
    let queue = queue(2);
    let (first, second) = (queue.enlist(), queue.enlist());
    queue.push(job(1).0).unwrap();
    assert!(matches!(queue.next(second, None), Next::Job(_)));
    assert!(queue.give_up_opening(Duration::from_secs(3_600)).is_empty());
    assert_eq!(queue.give_up_opening(Duration::ZERO), [3]);
    assert_eq!(names(&queue), ["hanging", "busy", "opening"]);
    assert!(matches!(queue.next(first, None), Next::End));
}

#[test]
fn without_a_context_a_worker_answers_only_while_nobody_has_one() {
    let queue = queue(2);
    let (broken, whole) = (queue.enlist(), queue.enlist());
    let failure = Failure::new(Hop::Enclave, "enclave.load", "as the test says");
    let later = std::time::Instant::now() + Duration::from_secs(3_600);
    queue.push(job(1).0).unwrap();
    assert!(matches!(queue.next(broken, Some((&failure, later))), Next::Job(_)));
    queue.push(job(1).0).unwrap();
    assert!(matches!(queue.next(whole, None), Next::Job(_)));
    queue.push(job(1).0).unwrap();
    queue.close();
    // The busy one will come for it.
    assert!(matches!(queue.next(broken, Some((&failure, later))), Next::End));
    assert!(matches!(queue.next(whole, None), Next::Job(_)));
    assert!(matches!(queue.next(whole, None), Next::End));
}
