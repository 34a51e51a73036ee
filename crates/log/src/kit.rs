//! The conformance kit: what every [`Adapter`] must do, as checks that panic where one does not. It is the trait's real
//! definition. How an adapter is opened and on which runtime its futures are polled is the caller's.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use trunkline_delivery::{Act, Entry, Names, Position, Session, Stay, Target};
use trunkline_proto::{Args, Event};

use crate::{Adapter, AppendError, Appended, Batch, HistoryQuery, Keyed, NewEntry, Page, PageLimit, ReadError, Take};

const EVERYTHING: PageLimit = PageLimit { entries: usize::MAX, bytes: usize::MAX };

/// Checks everything that does not depend on how much a log keeps. `open` gives an empty log, one for each check, that
/// keeps at least 1,000 small entries.
///
/// # Panics
///
/// When the adapter breaks the contract.
pub async fn conforms(open: impl AsyncFn() -> Arc<dyn Adapter>) {
    positions_grow_in_the_order_of_appends(&*open().await).await;
    a_batch_stays_together(&*open().await).await;
    an_empty_batch_takes_no_place(&*open().await).await;
    the_tail_shows_everything_once(&*open().await).await;
    pages_of_any_size_make_the_same_log(&*open().await).await;
    a_page_holds_at_least_one_entry(&*open().await).await;
    a_change_wakes_who_waits_for_it(&*open().await).await;
    history_is_the_newest_of_one_room(&*open().await).await;
    a_key_is_appended_once(&*open().await).await;
    of_racing_tries_one_is_new(&*open().await).await;
    a_pin_wants_its_place(&*open().await).await;
    acts_are_found(&*open().await).await;
    a_closed_log_refuses(&*open().await).await;
}

/// Checks what becomes of a log that holds more than it keeps: of an empty one that keeps fewer than `entries` small
/// entries, and at least one.
///
/// # Panics
///
/// When the adapter breaks the contract.
pub async fn forgets(log: &dyn Adapter, entries: usize) {
    let mut written = Vec::new();
    for number in 0..2 * entries {
        written.extend(append(log, vec![emit("r", number)]).await);
    }
    let page = log.tail(Position::ZERO);
    assert_eq!(positions(&page), written, "what the tail has not shown is not let go");
    append(log, vec![emit("r", 0)]).await;
    log.tail(page.upto);
    let Err(ReadError::Gone { oldest }) = log.read(Position::ZERO, EVERYTHING).await else {
        panic!("a log that keeps fewer than {entries} entries still has the first of {}", 2 * entries)
    };
    assert!(oldest > written[0], "the oldest that is kept is not the one that is gone");
    let page = log.read(oldest.before(), EVERYTHING).await.expect("the oldest that is kept can be read");
    assert_eq!(page.entries.first().map(|entry| entry.position), Some(oldest));
    assert_eq!(page.upto, log.committed());
    let history = log.history(history("r", usize::MAX)).await.expect("history is what is kept");
    assert!(history.iter().all(|entry| entry.position >= oldest));
}

/// Waits for a future of an adapter on this thread, which has no runtime.
pub fn finish<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

async fn positions_grow_in_the_order_of_appends(log: &dyn Adapter) {
    assert_eq!(log.committed(), Position::ZERO, "an empty log has committed nothing");
    let mut last = Position::ZERO;
    for size in [1, 3, 2] {
        let batch: Vec<_> = (0..size).map(|number| emit("r", number)).collect();
        let positions = append(log, batch).await;
        assert_eq!(positions.len(), size, "each entry has a position");
        for position in positions {
            assert!(position > last, "{position} comes after {last}");
            last = position;
        }
        assert_eq!(log.committed(), last, "what append has answered is committed");
    }
}

async fn a_batch_stays_together(log: &dyn Adapter) {
    let begin = |batch: usize| log.append(unkeyed((0..5).map(|number| emit("r", 5 * batch + number)).collect()));
    let appends: Vec<_> = (0..20).map(begin).collect();
    for append in appends.into_iter().rev() {
        append.await.expect("an open log takes a batch");
    }
    let entries = whole(log).await;
    let numbers: Vec<usize> = entries.iter().map(|entry| number_of(entry)).collect();
    for batch in numbers.chunks(5) {
        assert!(batch[0].is_multiple_of(5) && batch.is_sorted(), "a batch is in one piece and in order: {numbers:?}");
    }
    assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), 100, "nothing is lost or doubled: {numbers:?}");
}

async fn an_empty_batch_takes_no_place(log: &dyn Adapter) {
    let before = append(log, vec![emit("r", 0)]).await[0];
    assert_eq!(append(log, Vec::new()).await, []);
    assert_eq!(log.committed(), before);
}

async fn the_tail_shows_everything_once(log: &dyn Adapter) {
    let mut written = Vec::new();
    let mut shown = Vec::new();
    let mut upto = Position::ZERO;
    for round in 0..10 {
        if round % 3 != 2 {
            written.extend(append(log, (0..round).map(|number| emit("r", number)).collect()).await);
        }
        let page = log.tail(upto);
        assert!(page.entries.iter().all(|entry| upto < entry.position && entry.position <= page.upto));
        assert!(page.upto >= upto, "the tail does not go back");
        shown.extend(positions(&page));
        upto = page.upto;
    }
    assert_eq!(shown, written);
    assert_eq!(upto, log.committed());
}

async fn pages_of_any_size_make_the_same_log(log: &dyn Adapter) {
    let acts = [
        Act::Join(Names::from_elem("a".into(), 2)),
        Act::Leave(Names::from_elem("b".into(), 1)),
        Act::Disconnect { close: true },
    ];
    let mut batch: Vec<_> = (0..7).map(|number| emit("r", number)).collect();
    batch.extend(acts.map(|act| NewEntry { target: Target::socket("/x".into(), "id".into()), act }));
    let said: Vec<_> = batch.iter().map(|new| format!("{:?} {:?}", new.target, new.act)).collect();
    let written = append(log, batch).await;
    for entries in [1, 2, 3, 100] {
        let (mut upto, mut read) = (Position::ZERO, Vec::new());
        while upto < log.committed() {
            let page = log.read(upto, PageLimit { entries, bytes: usize::MAX }).await.expect("it is all kept");
            assert!(page.entries.len() <= entries, "a page holds {entries} entries");
            assert!(page.upto > upto, "a page that is not at the end moves on");
            assert!(page.entries.iter().all(|entry| upto < entry.position && entry.position <= page.upto));
            upto = page.upto;
            read.extend(page.entries);
        }
        assert_eq!(read.iter().map(|entry| entry.position).collect::<Vec<_>>(), written);
        let again: Vec<_> = read.iter().map(|entry| format!("{:?} {:?}", entry.target, entry.act)).collect();
        assert_eq!(again, said, "what is read is what was written");
    }
    let page = log.read(log.committed(), EVERYTHING).await.expect("the end can be read");
    assert!(page.entries.is_empty() && page.upto == log.committed(), "after the last there is nothing");
}

async fn a_page_holds_at_least_one_entry(log: &dyn Adapter) {
    let written = append(log, vec![emit("r", 0), emit("r", 1)]).await;
    for limit in [PageLimit { entries: 0, bytes: usize::MAX }, PageLimit { entries: 9, bytes: 1 }] {
        let page = log.read(Position::ZERO, limit).await.expect("it is all kept");
        assert_eq!(positions(&page), written[..1], "{limit:?}");
    }
}

async fn a_change_wakes_who_waits_for_it(log: &dyn Adapter) {
    struct Flag(AtomicBool);
    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let first = append(log, vec![emit("r", 0)]).await[0];
    log.changed(Position::ZERO).await;
    let flag = Arc::new(Flag(AtomicBool::new(false)));
    let waker = Waker::from(flag.clone());
    let mut changed = log.changed(first);
    assert!(changed.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "nothing is after the last");
    append(log, vec![emit("r", 1)]).await;
    // Not every adapter wakes on the thread that appended: its turn may come with the next ones of this task.
    poll_fn(|cx| {
        cx.waker().wake_by_ref();
        if flag.0.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    changed.await;
}

async fn history_is_the_newest_of_one_room(log: &dyn Adapter) {
    let other = |to: Target| NewEntry { target: to, ..emit("r", 99) };
    let mut batch: Vec<_> = (0..6).map(|number| emit(if number % 2 == 0 { "r" } else { "s" }, number)).collect();
    batch.push(other(Target::everyone("/".into())));
    batch.push(other(Target::socket("/".into(), "r".into())));
    batch.push(other(Target::rooms("/other".into(), Names::from_elem("r".into(), 1))));
    batch.push(NewEntry { act: Act::Disconnect { close: false }, ..emit("r", 99) });
    let written = append(log, batch).await;
    let (newest, oldest) = (Take::Newest, Take::Oldest);
    for (take, after, numbers) in [
        (newest(9), 0, vec![0, 2, 4]),
        (newest(2), 0, vec![2, 4]),
        (newest(9), 3, vec![4]),
        (newest(0), 0, vec![]),
        (oldest(9), 0, vec![0, 2, 4]),
        (oldest(2), 0, vec![0, 2]),
        (oldest(2), 1, vec![2, 4]),
        (oldest(0), 0, vec![]),
    ] {
        let after = if after == 0 { Position::ZERO } else { written[after - 1] };
        let query = HistoryQuery { after, take, ..history("r", 0) };
        let found = log.history(query).await.expect("it is all kept");
        assert_eq!(found.iter().map(|entry| number_of(entry)).collect::<Vec<_>>(), numbers, "{take:?} after {after}");
    }
}

async fn a_key_is_appended_once(log: &dyn Adapter) {
    let keyed = |key: &'static str, answer: &'static str, entries| Batch {
        entries,
        keyed: Some(Keyed { key: key.into(), answer: answer.into() }),
    };
    assert_eq!(log.answer(b"k").await, Ok(None));
    let Ok(Appended::New(positions)) = log.append(keyed("k", "one", vec![emit("r", 0), emit("s", 1)])).await else {
        panic!("the first batch with a key is new")
    };
    assert_eq!(positions.len(), 2);
    let again = log.append(keyed("k", "two", vec![emit("r", 2)])).await;
    assert_eq!(again, Ok(Appended::Known("one".into())), "a key is appended once, and its answer is kept");
    assert_eq!(log.answer(b"k").await, Ok(Some("one".into())));
    let nothing = log.append(keyed("k2", "", Vec::new())).await;
    assert_eq!(nothing, Ok(Appended::New(Vec::new())), "a batch without entries keeps its answer");
    assert_eq!(log.append(keyed("k2", "x", vec![emit("r", 3)])).await, Ok(Appended::Known("".into())));
    assert_eq!(log.committed(), positions[1], "nothing of a later try is in the log");
}

async fn of_racing_tries_one_is_new(log: &dyn Adapter) {
    let answers = ["a", "b", "c", "d"];
    let tries: Vec<_> = answers
        .iter()
        .map(|&answer| {
            let keyed = Some(Keyed { key: "k".into(), answer: answer.into() });
            log.append(Batch { entries: vec![emit("r", 0)], keyed })
        })
        .collect();
    let mut new = 0;
    for (appended, own) in tries.into_iter().zip(answers) {
        match appended.await.expect("an open log takes a batch") {
            Appended::New(_) => {
                new += 1;
                assert_eq!(own, "a", "the first call wins");
            }
            Appended::Known(answer) => assert_eq!(answer, "a"),
        }
    }
    assert_eq!((new, log.committed()), (1, Position::new(1)));
}

async fn a_pin_wants_its_place(log: &dyn Adapter) {
    let at = append(log, vec![emit("r", 0), emit("r", 1)]).await[0];
    let pin = log.pin(at).expect("it is kept");
    assert!(!pin.is_none());
    drop(pin);
    log.pin(log.committed()).expect("the end can be pinned");
}

async fn acts_are_found(log: &dyn Adapter) {
    let target = || Target::socket("/".into(), "id".into());
    let act = |act| NewEntry { target: target(), act };
    let value = Some("1".into());
    let batch = vec![
        emit("r", 0),
        act(Act::Session(Arc::new(session()))),
        act(Act::Join(Names::from_elem("a".into(), 1))),
        emit("r", 1),
        act(Act::Data { key: "k".into(), value }),
        act(Act::Data { key: "k".into(), value: None }),
        act(Act::End),
    ];
    let said: Vec<_> = batch.iter().map(|new| format!("{:?}", new.act)).collect();
    let positions = append(log, batch).await;
    let acts = log.acts().await.expect("it is all kept");
    let found: Vec<_> = acts.iter().map(|entry| (entry.position, format!("{:?}", entry.act))).collect();
    let wanted: Vec<_> = [1, 2, 4, 5, 6].iter().map(|&at| (positions[at], said[at].clone())).collect();
    assert_eq!(found, wanted);
}

fn session() -> Session {
    let stay = |room: &str, since, until| Stay { room: room.into(), since: Position::new(since), until };
    Session {
        private_id: "secret".into(),
        user: Some("someone".into()),
        valid_until: Some(1 << 40),
        data: "{\"a\":[1]}".into(),
        start: Position::new(3),
        confirmed: Position::new(5),
        epoch: 9,
        written: 1 << 41,
        as_of: Position::new(7),
        rooms: vec![stay("r", 1, Position::MAX), stay("s", 2, Position::new(4))],
    }
}

async fn a_closed_log_refuses(log: &dyn Adapter) {
    let last = append(log, vec![emit("r", 0)]).await[0];
    let changed = log.changed(last);
    log.close().await;
    changed.await;
    assert_eq!(log.append(unkeyed(vec![emit("r", 1)])).await, Err(AppendError::Closed));
    assert_eq!(log.committed(), last, "a refused batch is nowhere");
}

async fn append(log: &dyn Adapter, batch: Vec<NewEntry>) -> Vec<Position> {
    match log.append(unkeyed(batch)).await.expect("an open log takes a batch") {
        Appended::New(positions) => positions,
        Appended::Known(_) => panic!("a batch without a key is new"),
    }
}

fn unkeyed(entries: Vec<NewEntry>) -> Batch {
    Batch { entries, keyed: None }
}

async fn whole(log: &dyn Adapter) -> Vec<Arc<Entry>> {
    log.read(Position::ZERO, EVERYTHING).await.expect("it is all kept").entries
}

fn emit(room: &str, number: usize) -> NewEntry {
    let target = Target::rooms("/".into(), Names::from_elem(room.into(), 1));
    NewEntry { target, act: Act::Emit { event: Event::new(number.to_string(), Args::new()), compress: false } }
}

fn number_of(entry: &Entry) -> usize {
    match &entry.act {
        Act::Emit { event, .. } => event.name.parse().expect("the kit's events are named by numbers"),
        act => panic!("{act:?} is no event"),
    }
}

fn history(room: &str, limit: usize) -> HistoryQuery {
    HistoryQuery { ns: "/".into(), room: room.into(), after: Position::ZERO, take: Take::Newest(limit) }
}

fn positions(page: &Page) -> Vec<Position> {
    page.entries.iter().map(|entry| entry.position).collect()
}
