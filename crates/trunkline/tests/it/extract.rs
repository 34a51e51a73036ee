//! What handlers get and what they answer. When they run is the part of `dispatch`.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use trunkline::testing::Client;
use trunkline::{
    Ack, Args, Auth, Bytes, Context, Data, DisconnectReason, Error, EventName, FromContext, Rejection, Server, Socket,
    State, TryData,
};

use crate::support::{answer_barriers, barrier, code, error, join, seen, server};

#[derive(Deserialize, serde::Serialize)]
struct Message {
    text: String,
    file: Bytes,
}

#[tokio::test]
async fn data_takes_the_first_argument_and_a_tuple_takes_all() {
    let io = server().await;
    io.on("first", |Data(text): Data<String>| async move { text });
    io.on("all", |Data((text, number)): Data<(String, u32)>| async move { (number, text) });
    let (_client, socket) = join(&io).await;

    assert_eq!(socket.emit_with_ack::<String>("first", ("a", 2)).await.unwrap(), "a");
    assert_eq!(socket.emit_with_ack::<(u32, String)>("all", ("a", 2)).await.unwrap(), (2, "a".to_owned()));
}

#[tokio::test]
async fn attachments_are_bytes_at_any_depth_in_both_directions() {
    let io = server().await;
    io.on("file", |Data(message): Data<Message>| async move { (message, Bytes::from_static(b"more")) });
    let (_client, socket) = join(&io).await;

    let sent = Message { text: "t".into(), file: Bytes::from_static(&[0, 1, 255]) };
    let (back, more): (Message, Bytes) = socket.emit_with_ack("file", sent).await.unwrap();

    assert_eq!((&*back.text, &back.file[..], &more[..]), ("t", &[0, 1, 255][..], &b"more"[..]));
}

#[tokio::test]
async fn an_argument_of_another_type_is_answered_and_the_handler_is_not_called() {
    let io = server().await;
    let (called, mut calls) = seen();
    io.on("number", move |Data(number): Data<u32>| {
        let _ = called.send(number);
        async move { number }
    });
    let (_client, socket) = join(&io).await;

    let answer: Value = socket.emit_with_ack("number", "seven").await.unwrap();
    assert_eq!(code(&answer), "invalid_argument");
    assert_eq!(socket.emit_with_ack::<u32>("number", 7).await.unwrap(), 7);
    assert_eq!(calls.rest(), [7]);
}

#[tokio::test]
async fn a_wrong_argument_without_an_ack_leaves_the_connection_alive() {
    let io = server().await;
    io.on("number", |Data(number): Data<u32>| async move { number });
    let (_client, socket) = join(&io).await;

    socket.emit("number", "seven");
    assert_eq!(socket.emit_with_ack::<u32>("number", 7).await.unwrap(), 7);
}

#[tokio::test]
async fn try_data_gives_the_handler_a_wrong_argument_as_a_value() {
    let io = server().await;
    io.on("number", |TryData(number): TryData<u32>| async move {
        number.map_or_else(|error| format!("no: {}", error.code()), |number| format!("yes: {number}"))
    });
    let (_client, socket) = join(&io).await;

    assert_eq!(socket.emit_with_ack::<String>("number", 7).await.unwrap(), "yes: 7");
    assert_eq!(socket.emit_with_ack::<String>("number", "x").await.unwrap(), "no: invalid_argument");
    assert_eq!(socket.emit_with_ack::<String>("number", ()).await.unwrap(), "no: invalid_argument");
}

#[tokio::test]
async fn args_are_what_the_client_sent_and_go_back_as_they_are() {
    let io = server().await;
    io.on("echo", |args: Args| async move { args });
    let (_client, socket) = join(&io).await;

    let sent = (1, Value::Null, false, json!({ "a": [1.5, "x", {}] }));
    let back: (i32, Value, bool, Value) = socket.emit_with_ack("echo", &sent).await.unwrap();
    assert_eq!(back, sent);
    socket.emit_with_ack::<()>("echo", ()).await.unwrap();
}

#[tokio::test]
async fn an_ack_may_be_answered_later_from_another_task() {
    let io = server().await;
    let (kept, mut acks) = seen();
    io.on("later", move |ack: Ack| {
        let _ = kept.send(ack);
        async {}
    });
    answer_barriers(&io);
    let (_client, socket) = join(&io).await;
    let (answer, ()) = tokio::join!(socket.emit_with_ack::<(u32, String)>("later", ()), async {
        barrier(&socket).await;
        let ack = acks.next().await;
        assert!(ack.is_wanted());
        ack.send((4, "four")).unwrap();
    });
    assert_eq!(answer.unwrap(), (4, "four".to_owned()));
}

#[tokio::test]
async fn an_ack_that_is_dropped_answers_that_there_is_none() {
    let io = server().await;
    io.on("drop", |ack: Ack| async move { drop(ack) });
    let (_client, socket) = join(&io).await;

    let answer: Value = socket.emit_with_ack("drop", ()).await.unwrap();
    assert_eq!(answer, error("no_answer", "the handler gave no answer"));
}

#[tokio::test]
async fn an_ack_that_is_ignored_never_comes() {
    let io = server().await;
    io.on("ignore", |ack: Ack| async move { ack.ignore() });
    answer_barriers(&io);
    let (_client, socket) = join(&io).await;

    tokio::select! {
        biased;
        answer = socket.emit_with_ack::<Value>("ignore", ()) => panic!("answered: {answer:?}"),
        () = async { barrier(&socket).await; barrier(&socket).await } => {}
    }
}

#[tokio::test]
async fn an_ack_that_nobody_asked_for_is_not_wanted() {
    let io = server().await;
    let (told, mut wanted) = seen();
    io.on("event", move |ack: Ack| {
        let _ = told.send(ack.is_wanted());
        async move { ack.send("nobody").unwrap() }
    });
    let (_client, socket) = join(&io).await;

    socket.emit("event", ());
    assert!(!wanted.next().await);
}

#[tokio::test]
async fn an_ack_fails_with_an_error_of_the_same_form() {
    let io = server().await;
    io.on("fail", |ack: Ack| async move { ack.fail(&Error::new("full", "no room").with_data(json!({ "max": 3 }))) });
    let (_client, socket) = join(&io).await;

    let answer: Value = socket.emit_with_ack("fail", ()).await.unwrap();
    assert_eq!(answer, json!({ "error": { "code": "full", "message": "no room", "data": { "max": 3 } } }));
}

#[tokio::test]
async fn a_handler_answers_an_empty_ack_with_nothing_to_say() {
    let io = server().await;
    io.on("nothing", || async {});
    io.on("none", || async { None::<u32> });
    let (_client, socket) = join(&io).await;

    socket.emit_with_ack::<()>("nothing", ()).await.unwrap();
    assert_eq!(socket.emit_with_ack::<(Value,)>("none", ()).await.unwrap(), (Value::Null,));
}

#[tokio::test]
async fn a_result_answers_its_value_or_its_error_with_code_and_data() {
    let io = server().await;
    io.on("buy", |Data(count): Data<u32>| async move {
        if count > 3 {
            return Err(Error::new("sold_out", "only three are left").with_data(json!({ "left": 3 })));
        }
        Ok(count)
    });
    let (_client, socket) = join(&io).await;

    assert_eq!(socket.emit_with_ack::<u32>("buy", 2).await.unwrap(), 2);
    let refused: Value = socket.emit_with_ack("buy", 4).await.unwrap();
    assert_eq!(
        refused,
        json!({ "error": { "code": "sold_out", "message": "only three are left", "data": { "left": 3 } } })
    );
}

#[tokio::test]
async fn a_question_mark_on_any_error_answers_internal_without_its_detail() {
    let io = server().await;
    io.on("parse", |Data(text): Data<String>| async move {
        let number: u32 = text.parse()?;
        Ok::<_, Error>(number)
    });
    let (_client, socket) = join(&io).await;

    assert_eq!(socket.emit_with_ack::<u32>("parse", "12").await.unwrap(), 12);
    let answer: Value = socket.emit_with_ack("parse", "secret").await.unwrap();
    assert_eq!(answer, error("internal", "internal error"));
}

/// It could be serialised as any value, and its client would take the error for a success.
#[tokio::test]
#[should_panic(expected = "whose error is no answer")]
async fn a_result_with_a_text_as_its_error_panics_when_the_handler_is_registered() {
    let io = server().await;
    io.on("event", || async { Err::<u8, &str>("no") });
}

#[tokio::test]
async fn state_is_shared_by_all_handlers() {
    struct Greeting(&'static str);
    let io = Server::builder().shards(1).state(Greeting("hi")).state(7_u8).build().await.unwrap();
    io.on("greet", |greeting: State<Greeting>, State(number): State<u8>| async move { (greeting.0.0, *number) });
    let (_client, socket) = join(&io).await;

    let answer: (String, u8) = socket.emit_with_ack("greet", ()).await.unwrap();
    assert_eq!(answer, ("hi".to_owned(), 7));
}

#[tokio::test]
#[should_panic(expected = "which was not given to ServerBuilder::state")]
async fn a_state_that_was_not_given_panics_when_the_handler_is_registered() {
    let io = server().await;
    io.on("greet", |_: State<String>| async {});
}

#[tokio::test]
#[should_panic(expected = "which was not given to ServerBuilder::state")]
async fn a_state_that_was_not_given_panics_for_middlewares_too() {
    let io = server().await;
    io.middleware(|_: State<String>| async { Ok::<_, String>(()) });
}

#[tokio::test]
async fn auth_is_read_from_the_connect_and_is_an_empty_object_without_one() {
    #[derive(Deserialize)]
    struct Login {
        token: String,
    }
    let io = server().await;
    io.on("token", |Auth(login): Auth<Login>| async move { login.token });
    io.on("raw", |Auth(auth): Auth<Value>| async move { auth });
    let client = Client::open(&io).await.unwrap();
    let socket = client.connect("/", json!({ "token": "abc" })).await.unwrap();
    assert_eq!(socket.emit_with_ack::<String>("token", ()).await.unwrap(), "abc");

    let (_client, without) = join(&io).await;
    assert_eq!(without.emit_with_ack::<Value>("raw", ()).await.unwrap(), json!({}));
    let answer: Value = without.emit_with_ack("token", ()).await.unwrap();
    assert_eq!(code(&answer), "invalid_argument");
}

#[tokio::test]
async fn an_extractor_of_ones_own_takes_what_it_wants_or_refuses() {
    struct User(String);
    impl FromContext for User {
        fn from_context(context: &mut Context) -> Result<Self, Rejection> {
            let user = context.socket().data("user");
            Ok(Self(user.ok_or_else(|| Error::new("unauthorized", "log in first")).map_err(Rejection)?))
        }
    }
    let io = server().await;
    io.on("login", |socket: Socket, Data(name): Data<String>| async move { socket.set_data("user", name).unwrap() });
    io.on("who", |User(name): User| async move { name });
    let (_client, socket) = join(&io).await;

    let refused: Value = socket.emit_with_ack("who", ()).await.unwrap();
    assert_eq!(refused, error("unauthorized", "log in first"));
    socket.emit_with_ack::<()>("login", "ann").await.unwrap();
    assert_eq!(socket.emit_with_ack::<String>("who", ()).await.unwrap(), "ann");
}

#[tokio::test]
async fn a_handler_may_take_eight_extractors() {
    let io = Server::builder().shards(1).state(1_u8).build().await.unwrap();
    io.on(
        "many",
        |socket: Socket,
         ns: trunkline::Namespace,
         EventName(name): EventName,
         Data(data): Data<u8>,
         TryData(again): TryData<u8>,
         args: Args,
         State(state): State<u8>,
         Auth(auth): Auth<Value>| async move {
            let id = socket.id().len();
            (id, ns.name().to_owned(), name.to_string(), data, again.unwrap(), args.len(), *Arc::clone(&state), auth)
        },
    );
    let (_client, socket) = join(&io).await;

    let all: (usize, String, String, u8, u8, usize, u8, Value) = socket.emit_with_ack("many", (9, 8)).await.unwrap();
    assert_eq!(all, (20, "/".to_owned(), "many".to_owned(), 9, 9, 2, 1, json!({})));
}

#[tokio::test]
async fn the_reason_of_the_end_is_an_extractor_of_disconnect_handlers() {
    let io = server().await;
    let (told, mut reasons) = seen();
    io.on_disconnect(move |reason: DisconnectReason| {
        let _ = told.send(reason);
        async {}
    });
    let (client, socket) = join(&io).await;
    socket.disconnect();
    assert_eq!(reasons.next().await, DisconnectReason::ClientNamespaceDisconnect);
    let again = client.connect("/", json!({})).await.unwrap();
    drop((client, again));
    assert_eq!(reasons.next().await, DisconnectReason::TransportClose);
}
