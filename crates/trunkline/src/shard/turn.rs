//! The turn of a shard: append what its handlers emitted, take in what was committed, walk, write each connection once,
//! and serve those behind. Long turns are cut into slices, between which connections are read.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::time::Sleep;
use trunkline_delivery::Position;
use trunkline_engine::wheel::Millis;
use trunkline_log::{PageLimit, ReadError};

use super::core::Batch;
use super::{CURRENT, ConnRef, PageRead, Private, Shard};
use crate::DisconnectReason;
use crate::common::millis;
use crate::figures::Told;
use crate::handler::dispatch::guarded_call;
use crate::mailbox::{Command, Mail};
use crate::server::RoomEvent;

/// How long a turn goes on before others get theirs.
const SLICE: Duration = Duration::from_millis(1);
/// Seats that a walk looks at between two looks at the clock.
const WALK_STEP: usize = 4096;
/// Connections that are written between two looks at the clock.
const WRITE_STEP: usize = 32;
/// What a sweep reads at a time.
const PAGE: PageLimit = PageLimit { entries: 64, bytes: 256 * 1024 };

impl Shard {
    /// Runs the shard until it is shut down.
    pub(crate) async fn run(self: Rc<Self>) {
        CURRENT.with(|current| *current.borrow_mut() = Some(self.clone()));
        let mut timer = Timer { sleep: Box::pin(tokio::time::sleep(Duration::MAX)), armed: None };
        while !self.is_finished() {
            poll_fn(|cx| self.poll_wanted(cx, &mut timer)).await;
            self.turn().await;
        }
        self.mailbox.close();
        CURRENT.with(|current| *current.borrow_mut() = None);
        self.shutdown.borrow_mut().clear();
    }

    fn is_finished(&self) -> bool {
        if self.shutdown.borrow().is_empty() {
            return false;
        }
        let late = self.ends_at.get().is_some_and(|at| at <= self.now());
        if late && self.tasks.get() > 0 {
            let connections = self.tasks.get();
            tracing::warn!(connections, "handlers were still running when the server closed; they are dropped");
        }
        late || self.tasks.get() == 0
    }

    fn poll_wanted(&self, cx: &mut Context<'_>, timer: &mut Timer) -> Poll<()> {
        *self.turn_waker.borrow_mut() = Some(cx.waker().clone());
        let appended = self.poll_appends(cx) | self.poll_reading(cx);
        let due = [self.core.borrow().next_deadline(), self.ends_at.get()].into_iter().flatten().min();
        let due = due.is_some_and(|due| timer.poll_at(self.started + Duration::from_millis(due), cx));
        if self.turn_wanted.replace(false) || appended || due || self.mailbox.has_mail(cx.waker()) {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    async fn turn(self: &Rc<Self>) {
        let now = self.now();
        self.core.borrow_mut().tick(now);
        self.expire_sessions(now);
        self.append_batches();
        // Read first: everything up to here is in the mailbox by now.
        let distributed = self.server.hub().distributed();
        let (mut mail, mut commands) = (VecDeque::new(), Vec::new());
        self.mailbox.take(&mut mail, &mut commands);
        let mut slice = Slice(Instant::now());
        loop {
            let late = self.hand_over(&mut mail, distributed);
            commands.drain(..).for_each(|command| self.obey(command));
            self.walk(&mut slice).await;
            let Some(late) = late else { break };
            self.say_late(late);
        }
        self.answer_fetches();
        self.write_touched(&mut slice).await;
        self.sweep(&mut slice).await;
        self.end_turn(now);
    }

    /// Appends the batches that this turn's handlers made. What had to stay behind them goes on as soon as they are
    /// committed, which in memory is at once.
    pub(crate) fn append_batches(&self) {
        loop {
            let Some(mut batch) = self.core.borrow_mut().batches.pop_front() else { return };
            let (entries, keyed) = (std::mem::take(&mut batch.entries), batch.keyed.take());
            batch.given = entries.len();
            let nothing_before = self.appends.borrow().is_empty();
            if entries.is_empty() && keyed.is_none() && nothing_before {
                self.committed(batch, Ok(trunkline_log::Appended::New(Vec::new())));
                continue;
            }
            let mut append = self.server.hub().adapter().append(trunkline_log::Batch { entries, keyed });
            let ready = append.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            match ready {
                Poll::Ready(result) if nothing_before => self.committed(batch, result),
                Poll::Ready(result) => self.keep(batch, Box::pin(std::future::ready(result))),
                Poll::Pending => self.keep(batch, append),
            }
        }
    }

    fn keep(&self, mut batch: Batch, append: super::Appending) {
        batch.since = Some(Instant::now());
        self.core.borrow_mut().in_flight.push_back(batch);
        self.appends.borrow_mut().push_back(append);
        self.want_turn();
    }

    fn poll_appends(&self, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        loop {
            let result = match self.appends.borrow_mut().front_mut().map(|append| append.as_mut().poll(cx)) {
                Some(Poll::Ready(result)) => result,
                Some(Poll::Pending) | None => return any,
            };
            self.appends.borrow_mut().pop_front();
            let batch = self.core.borrow_mut().in_flight.pop_front();
            if let Some(batch) = batch {
                self.committed(batch, result);
            }
            any = true;
        }
    }

    fn committed(&self, mut batch: Batch, result: Result<trunkline_log::Appended, trunkline_log::AppendError>) {
        if let Err(error) = &result {
            self.not_committed(&mut batch, error);
        } else if self.failing.replace(false) {
            tracing::info!("events are appended again");
        }
        let taken = match &result {
            Ok(trunkline_log::Appended::New(positions)) => &positions[..],
            Ok(trunkline_log::Appended::Known(_)) | Err(_) => &[],
        };
        if let Some(since) = batch.since {
            self.server.figures().append_seconds.record(since.elapsed().as_secs_f64());
        }
        if !taken.is_empty() {
            self.server.figures().appended.increment(taken.len() as u64);
            self.server.hub().distribute(Some(self.index));
        }
        self.core.borrow_mut().committed(&mut batch, taken);
        for cast in batch.casts.drain(..) {
            self.server.hub().cast(&cast.cast, Some(self.index), cast.on_route);
        }
        if !batch.late.is_empty() {
            self.mailbox.push_late(std::mem::take(&mut batch.late));
        }
        batch.commit.resolve(result);
    }

    /// Nothing of the batch will be delivered. Whoever was to be told something behind it must not be told, and who runs a
    /// handler meanwhile may have emitted into it: those connections end without a word, and their clients try again.
    fn not_committed(&self, batch: &mut Batch, error: &trunkline_log::AppendError) {
        if !self.failing.replace(true) {
            tracing::error!(%error, "events are not appended; connections that wait for that are closed");
        }
        self.failures.set(self.failures.get() + 1);
        self.server.figures().failed.increment(1);
        let mut core = self.core.borrow_mut();
        let late = batch.late.drain(..).map(|(conn, _)| conn);
        for conn in batch.privates.drain(..).map(|(_, conn, _)| conn).chain(late) {
            if let Some(found) = core.conn_mut(conn) {
                found.close(DisconnectReason::TransportError);
            }
        }
        // Their tasks look at the count of failures before they poll a handler.
        core.out.conns.iter().for_each(|(_, conn)| conn.waker.wake_by_ref());
        drop(core);
        for cast in batch.casts.drain(..) {
            (cast.on_route)(0);
        }
    }

    /// Hands the walk what it is to do next: everything, or what is before items that have to stand behind a cast.
    fn hand_over(&self, mail: &mut VecDeque<Mail>, distributed: Position) -> Option<Vec<(ConnRef, Private)>> {
        let mut core = self.core.borrow_mut();
        while let Some(next) = mail.pop_front() {
            match next {
                Mail::Item(item) => core.delivery.hand_over(item),
                Mail::Late(late) => return Some(late),
            }
        }
        core.delivery.handed_up_to(distributed);
        None
    }

    async fn walk(&self, slice: &mut Slice) {
        loop {
            let done = self.walk_step();
            // Before anybody else gets a turn: members that were acted on may be gone then.
            self.after_walk();
            if done {
                return;
            }
            slice.pause_if_long().await;
        }
    }

    /// The casts before these items have been walked.
    fn say_late(&self, late: Vec<(ConnRef, Private)>) {
        let mut core = self.core.borrow_mut();
        let after = core.delivery.position();
        for (conn, item) in late {
            core.private_after(conn, after, item);
        }
    }

    fn walk_step(&self) -> bool {
        let mut core = self.core.borrow_mut();
        let core = &mut *core;
        core.out.telling = self.server.has_outgoing_listeners();
        core.delivery.walk(WALK_STEP, &mut core.out)
    }

    /// Sees to what a walk or sweep left behind: private items that waited for it, acts on members, finished casts.
    fn after_walk(&self) {
        let (told, evictions, changes, casts) = {
            let mut core = self.core.borrow_mut();
            let core = &mut *core;
            for key in std::mem::take(&mut core.out.waiting) {
                core.out.release(key, &core.delivery);
            }
            let out = &mut core.out;
            (
                std::mem::take(&mut out.told),
                std::mem::take(&mut out.evictions),
                std::mem::take(&mut out.room_events),
                std::mem::take(&mut out.casts_done),
            )
        };
        for (socket, source) in told {
            if let Some(event) = source.emitted() {
                guarded_call("an outgoing catch-all listener", || socket.told_outgoing(event));
            }
        }
        self.see_to_sessions();
        if evictions.is_empty() && changes.is_empty() && casts.is_empty() {
            return;
        }
        self.acted(evictions, changes, &casts);
    }

    async fn write_touched(&self, slice: &mut Slice) {
        let mut written = 0;
        loop {
            {
                let mut core = self.core.borrow_mut();
                let Some(key) = core.out.touched.pop_front() else { return };
                core.write(key);
            }
            written += 1;
            if written % WRITE_STEP == 0 {
                slice.pause_if_long().await;
            }
        }
    }

    /// Serves members that are behind with pages of the log, until they have caught up or take no more.
    async fn sweep(&self, slice: &mut Slice) {
        loop {
            let Some((from, page)) = self.next_page() else { return };
            match page {
                Ok(page) => {
                    let mut core = self.core.borrow_mut();
                    let core = &mut *core;
                    // A walk may have begun while the page was read; then the next turn sweeps.
                    if core.delivery.has_walk() {
                        self.want_turn();
                        return;
                    }
                    core.out.sweeping = true;
                    core.out.telling = self.server.has_outgoing_listeners();
                    core.delivery.sweep(from, &page.entries, page.upto, &mut core.out);
                    core.out.sweeping = false;
                }
                Err(ReadError::Gone { oldest }) => self.cut(oldest),
                Err(error) => {
                    tracing::warn!(%error, "sockets that are behind have to wait");
                    return;
                }
            }
            self.after_walk();
            self.write_touched(slice).await;
            slice.pause_if_long().await;
        }
    }

    /// The page that those behind need next. One that is not in memory is read while the shard goes on.
    fn next_page(&self) -> Option<PageRead> {
        if let Some(read) = self.page.take() {
            return Some(read);
        }
        if self.reading.borrow().is_some() {
            return None;
        }
        let from = self.core.borrow().delivery.sweep_from()?;
        let mut read = self.server.hub().adapter().read(from, PAGE);
        match read.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(page) => Some((from, page)),
            Poll::Pending => {
                *self.reading.borrow_mut() = Some((from, read));
                None
            }
        }
    }

    /// Whether the page that was asked for has come.
    fn poll_reading(&self, cx: &mut Context<'_>) -> bool {
        let mut reading = self.reading.borrow_mut();
        let Some((from, read)) = &mut *reading else { return false };
        let (from, Poll::Ready(page)) = (*from, read.as_mut().poll(cx)) else { return false };
        *reading = None;
        *self.page.borrow_mut() = Some((from, page));
        true
    }

    /// The log has passed these cursors: their connections end, so that nobody misses something without knowing.
    fn cut(&self, oldest: Position) {
        let mut core = self.core.borrow_mut();
        for member in core.delivery.take_passed(oldest) {
            let Some(conn) = core.delivery.conn_of(member) else { continue };
            core.out.cut += 1;
            if let Some(found) = core.out.conns.get_mut(conn.0 as usize) {
                tracing::warn!(sid = %found.sid, "a connection was too slow for the log and is closed");
                found.close(DisconnectReason::TransportError);
            }
        }
    }

    /// Tells the figures of this shard, once in a while.
    fn tell_figures(&self, now: Millis) {
        let mut meter = self.meter.borrow_mut();
        if !meter.take_turn(now) {
            return;
        }
        let core = self.core.borrow();
        let away = core.kept.away();
        let told = Told {
            members: core.delivery.len(),
            behind: core.delivery.lagging().saturating_sub(away),
            away,
            deliveries: core.out.delivered,
            cut: core.out.cut,
        };
        meter.tell(self.server.figures(), told);
        if self.index == 0 {
            self.server.hub().adapter().figures(&mut |name, value| {
                #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
                metrics::gauge!(name).set(value as f64);
            });
        }
    }

    fn end_turn(&self, now: Millis) {
        self.tell_figures(now);
        let (vacated, position) = {
            let mut core = self.core.borrow_mut();
            if core.out.touched.is_empty() {
                core.out.frames.clear();
            }
            (core.delivery.take_vacated(), core.delivery.position())
        };
        if vacated.is_empty() {
            return;
        }
        for (ns, room) in self.server.hub().vacate(vacated, self.index, position) {
            if let Some(room) = room {
                self.server.tell_room_event(&RoomEvent::Deleted { ns, room });
            }
        }
    }

    /// Begins to end every connection; the shard ends when the last one has.
    pub(super) fn shut_down(&self, done: tokio::sync::oneshot::Sender<()>) {
        self.shutdown.borrow_mut().push(done);
        let timeout = millis(self.server.options.close_timeout);
        self.ends_at.set(Some(self.ends_at.get().unwrap_or(self.now() + timeout)));
        let mut core = self.core.borrow_mut();
        core.shutting_down = true;
        for (_, conn) in &mut core.out.conns {
            conn.close(DisconnectReason::ServerShuttingDown);
        }
        drop(core);
        self.want_turn();
    }

    /// Runs something that another thread began, to its end.
    pub(super) fn drive(command: Command) {
        if let Command::Drive(future) = command {
            tokio::task::spawn_local(future);
        }
    }
}

struct Slice(Instant);

impl Slice {
    async fn pause_if_long(&mut self) {
        if self.0.elapsed() > SLICE {
            tokio::task::yield_now().await;
            self.0 = Instant::now();
        }
    }
}

/// The one timer of a shard. It is armed for the earliest deadline and left alone while that moves away.
struct Timer {
    sleep: Pin<Box<Sleep>>,
    armed: Option<Instant>,
}

impl Timer {
    /// Whether `at` has come; if not, the task is woken no later than then.
    fn poll_at(&mut self, at: Instant, cx: &mut Context<'_>) -> bool {
        if at <= Instant::now() {
            return true;
        }
        if self.armed.is_none_or(|armed| armed > at || armed <= Instant::now()) {
            self.sleep.as_mut().reset(at.into());
            self.armed = Some(at);
        }
        self.sleep.as_mut().poll(cx).is_ready()
    }
}
