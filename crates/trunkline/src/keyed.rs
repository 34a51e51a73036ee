//! Publishes that happen once for their key: the batch that a handler fills, and the way from the key to an answer that is
//! the same for every try. What one atomic record is, is the log's to say.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::{BufMut, Bytes, BytesMut};
use hashbrown::HashMap;
use serde::Serialize;
use tokio::sync::watch;
use trunkline_delivery::{Act, Names, Target};
use trunkline_log::{AppendError, Appended, Keyed, NewEntry};
use trunkline_proto::Args;

use crate::common::lock;
use crate::emit::event_of;
use crate::handler::{Context, HandlerFuture, Rejection, refuse};
use crate::operator::IntoRooms;
use crate::{EmitError, Error, FromContext, Socket, limits};

/// What names a publish: the same in every try of one client, different for everything else that it publishes.
///
/// Its scope is the namespace, the event and the user ([`Socket::set_user`]; sockets without one share a scope). A UUID
/// made by the client is the usual choice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(Bytes);

impl<T: AsRef<[u8]> + ?Sized> From<&T> for Key {
    fn from(key: &T) -> Self {
        Self(Bytes::copy_from_slice(key.as_ref()))
    }
}

impl From<String> for Key {
    fn from(key: String) -> Self {
        Self(key.into())
    }
}

impl From<u64> for Key {
    fn from(key: u64) -> Self {
        Self(Bytes::copy_from_slice(key.to_string().as_bytes()))
    }
}

impl Key {
    /// Its bytes, to be handed on to a database in the same transaction as what the handler does there.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What a keyed handler publishes: with its answer one atomic record, appended when the handler has returned `Ok`, or not
/// at all.
///
/// It is an operator as [`crate::Broadcast`] is: each narrowing returns a new value, and all of them fill the same batch.
#[derive(Clone)]
pub struct Batch {
    socket: Socket,
    key: Key,
    filled: Arc<Mutex<Filled>>,
    rooms: Names,
    except: Names,
    compress: bool,
}

#[derive(Debug, Default)]
struct Filled {
    entries: Vec<NewEntry>,
    error: Option<EmitError>,
}

impl Batch {
    pub(crate) fn new(socket: Socket, key: Key) -> Self {
        Self { socket, key, filled: Arc::default(), rooms: Names::new(), except: Names::new(), compress: true }
    }

    /// The key, for effects outside of the log: a database that takes it in the same transaction refuses the second try.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Adds rooms (or socket ids) whose members are meant. Without a room it means everybody.
    #[must_use]
    pub fn to(&self, rooms: impl IntoRooms) -> Self {
        let mut next = self.clone();
        next.rooms.extend(rooms.into_rooms());
        next
    }

    /// The same as [`Batch::to`].
    #[must_use]
    pub fn in_(&self, rooms: impl IntoRooms) -> Self {
        self.to(rooms)
    }

    /// Leaves the members of these rooms (or the sockets with these ids) out.
    #[must_use]
    pub fn except(&self, rooms: impl IntoRooms) -> Self {
        let mut next = self.clone();
        next.except.extend(rooms.into_rooms());
        next
    }

    /// Whether per-message deflate may be used, where it is negotiated.
    #[must_use]
    pub fn compress(&self, compress: bool) -> Self {
        Self { compress, ..self.clone() }
    }

    /// Puts an event for those addressed into the batch. If it cannot be, nothing of the batch is appended and the client is
    /// answered with an error.
    pub fn emit<T: Serialize>(&self, event: &str, data: T) {
        self.emit_result(event, Args::serialize(&data).map_err(|error| EmitError::Serialize(error.to_string())));
    }

    /// As [`Batch::emit`], with arguments as they are.
    pub fn emit_args(&self, event: &str, args: Args) {
        self.emit_result(event, Ok(args));
    }

    fn emit_result(&self, event: &str, args: Result<Args, EmitError>) {
        match event_of(event, args) {
            Ok(event) => self.put(Act::Emit { event, compress: self.compress }),
            Err(error) => self.filled().error = Some(error),
        }
    }

    /// Makes those addressed join rooms.
    pub fn sockets_join(&self, rooms: impl IntoRooms) {
        self.put(Act::Join(rooms.into_rooms()));
    }

    /// Makes those addressed leave rooms.
    pub fn sockets_leave(&self, rooms: impl IntoRooms) {
        self.put(Act::Leave(rooms.into_rooms()));
    }

    /// Makes those addressed leave the namespace; with `close` their whole connection ends.
    pub fn disconnect_sockets(&self, close: bool) {
        self.put(Act::Disconnect { close });
    }

    fn put(&self, act: Act) {
        let ns = self.socket.namespace_name().clone();
        let target = Target { except: self.except.clone(), ..Target::rooms(ns, self.rooms.clone()) };
        self.filled().entries.push(NewEntry { target, act });
    }

    fn filled(&self) -> MutexGuard<'_, Filled> {
        lock(&self.filled)
    }

    fn take(&self) -> Result<Vec<NewEntry>, EmitError> {
        let mut filled = self.filled();
        match filled.error.take() {
            Some(error) => Err(error),
            None => Ok(std::mem::take(&mut filled.entries)),
        }
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("key", &self.key).finish_non_exhaustive()
    }
}

impl FromContext for Batch {
    fn from_context(context: &mut Context) -> Result<Self, Rejection> {
        let batch = context.batch.take();
        batch
            .ok_or_else(|| Rejection(Error::new("internal", "only a handler of `on_keyed` has a batch, and one of it")))
    }
}

/// The tries that are under way, by their key: a second one waits for what becomes of the first.
#[derive(Debug, Default)]
pub(crate) struct Tries(Mutex<HashMap<Bytes, watch::Receiver<()>>>);

struct Try<'a> {
    tries: &'a Tries,
    key: Bytes,
    _done: watch::Sender<()>,
}

impl Tries {
    /// Begins a try of this key, after all others of this process are over.
    async fn begin(&self, key: &Bytes) -> Try<'_> {
        loop {
            let other = {
                let mut tries = self.lock();
                match tries.get(key) {
                    Some(other) => other.clone(),
                    None => {
                        let (done, over) = watch::channel(());
                        tries.insert(key.clone(), over);
                        return Try { tries: self, key: key.clone(), _done: done };
                    }
                }
            };
            let mut other = other;
            // An error says that the other try has ended, which is what is waited for.
            let _ = other.changed().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Bytes, watch::Receiver<()>>> {
        lock(&self.0)
    }
}

impl Drop for Try<'_> {
    fn drop(&mut self) {
        self.tries.lock().remove(&self.key);
    }
}

/// Runs a keyed handler, unless its answer is known.
pub(crate) fn run<Fut>(
    mut context: Context,
    key: Key,
    call: impl FnOnce(Context) -> Result<Fut, Box<(Context, Rejection)>> + Send + 'static,
) -> HandlerFuture
where
    Fut: Future<Output = Result<Args, Error>> + Send + 'static,
{
    Box::pin(async move {
        let (socket, ack) = (context.socket.clone(), context.ack.take());
        let name = context.event.as_ref().map(|event| event.name.clone());
        match answer(context, key, call).await {
            Ok(args) => {
                if let Some(ack) = ack {
                    ack.send(args);
                }
            }
            Err(Refused::Handler(error)) => refuse(&socket, name.as_deref(), ack, &error),
            // Nobody knows whether it will be appended: the client must try again, elsewhere or later.
            Err(Refused::Log(error)) => {
                tracing::error!(%error, "a publish was not appended; its connection is closed");
                if let Some(ack) = ack {
                    ack.forget();
                }
                socket.close_transport();
            }
        }
    })
}

enum Refused {
    Handler(Error),
    Log(AppendError),
}

async fn answer<Fut>(
    mut context: Context,
    key: Key,
    call: impl FnOnce(Context) -> Result<Fut, Box<(Context, Rejection)>>,
) -> Result<Args, Refused>
where
    Fut: Future<Output = Result<Args, Error>>,
{
    let socket = context.socket.clone();
    let scoped = scope(&socket, context.event_name().unwrap_or_default(), &key).map_err(Refused::Handler)?;
    let server = socket.server().clone();
    let _try = server.tries().begin(&scoped).await;
    let adapter = server.hub().adapter();
    match adapter.answer(&scoped).await {
        Ok(Some(known)) => return read(&known).map_err(Refused::Handler),
        Ok(None) => {}
        Err(error) => return Err(Refused::Log(AppendError::Unavailable(error.to_string()))),
    }
    let batch = Batch::new(socket.clone(), key);
    context.batch = Some(batch.clone());
    let handled = call(context).map_err(|refused| Refused::Handler(refused.1.0))?;
    let args = handled.await.map_err(Refused::Handler)?;
    let entries = batch.take().map_err(|error| Refused::Handler(error.into()))?;
    let keyed = Keyed { key: scoped, answer: write(&args) };
    match server.append_keyed(entries, keyed).await {
        Ok(Appended::New(_)) => Ok(args),
        Ok(Appended::Known(known)) => read(&known).map_err(Refused::Handler),
        Err(error) => Err(Refused::Log(error)),
    }
}

/// The key with everything that it is told apart by, each part behind its length.
fn scope(socket: &Socket, event: &str, key: &Key) -> Result<Bytes, Error> {
    if key.0.is_empty() || key.0.len() > limits::KEY_BYTES {
        return Err(Error::invalid_argument(format!("a key has 1 to {} bytes", limits::KEY_BYTES)));
    }
    let user = socket.user();
    let mut scoped = BytesMut::new();
    for part in [socket.namespace_name().as_bytes(), event.as_bytes(), user.as_deref().unwrap_or_default().as_bytes()] {
        put(&mut scoped, part);
    }
    scoped.put_slice(&key.0);
    Ok(scoped.freeze())
}

fn put(out: &mut BytesMut, part: &[u8]) {
    out.put_u32(u32::try_from(part.len()).expect("arguments are shorter than 4 GiB"));
    out.put_slice(part);
}

/// An answer as it is kept: its text and its attachments, each behind its length.
fn write(args: &Args) -> Bytes {
    let mut out = BytesMut::with_capacity(4 + args.encoded_len());
    put(&mut out, args.text().as_bytes());
    args.attachments().iter().for_each(|attachment| put(&mut out, attachment));
    out.freeze()
}

fn read(kept: &Bytes) -> Result<Args, Error> {
    let mut rest = kept.clone();
    let mut parts = Vec::new();
    while rest.len() >= 4 {
        let len = rest.split_to(4).iter().fold(0, |len, &byte| len << 8 | usize::from(byte));
        if len > rest.len() {
            return Err(Error::internal());
        }
        parts.push(rest.split_to(len));
    }
    let mut parts = parts.into_iter();
    let text = std::str::from_utf8(&parts.next().unwrap_or_default())?.into();
    Ok(Args::from_text(text, parts.collect())?)
}
