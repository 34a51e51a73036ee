//! The Socket.IO codec as a filter, for comparing it with others: a line of JSON is a case, and so is a line of the output.
//! What cases there are, and what is expected of them, is left to whoever writes the lines.
//!
//! ```text
//! {"parser":"default","version":4,"messages":["51-[\"x\",{\"_placeholder\":true,\"num\":0}]",{"binary":"AQI="}]}
//! {"packets":[{"messages":["51-[\"x\",{\"_placeholder\":true,\"num\":0}]",{"binary":"AQI="}]}],"partial":false}
//! ```
//!
//! Each packet is written again by the codec that read it; one that a server never writes has no messages. `partial` says
//! that attachments are missing. A message that is refused ends its case: the line is `{"error":"InvalidPayload"}`.

use std::io::{BufRead, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use trunkline_proto::{Body, Codec, DecodeError, Decoder, Message, Messages, Packet, Parser, Version};

#[derive(Deserialize)]
struct Case {
    parser: String,
    version: u8,
    messages: Vec<Line>,
}

/// A message, as text or as bytes in base64.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Line {
    Text(String),
    Binary { binary: String },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Read { packets: Vec<Written>, partial: bool },
    Refused { error: String },
}

/// A packet after it was read.
#[derive(Default, Serialize)]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<Vec<Line>>,
    /// What a client joins with; protocol 3 does not write it where it stood.
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<String>,
}

/// The payload of an error as servers write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal<'a> {
    message: String,
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
}

/// A member that is there, `null` being a value like others.
fn present<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let case: Case = serde_json::from_str(&line?)?;
        serde_json::to_writer(&mut out, &judge(case))?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

fn judge(case: Case) -> Outcome {
    let parser = if case.parser == "msgpack" { Parser::Msgpack } else { Parser::Default };
    let version = if case.version == 3 { Version::V3 } else { Version::V4 };
    match read(Codec { parser, version }, case.messages) {
        Ok((packets, partial)) => Outcome::Read { packets, partial },
        Err(error) => {
            let error = format!("{error:?}");
            Outcome::Refused { error: error.split('(').next().unwrap_or_default().to_owned() }
        }
    }
}

fn read(codec: Codec, lines: Vec<Line>) -> Result<(Vec<Written>, bool), DecodeError> {
    let (mut decoder, mut packets) = (Decoder::default(), Vec::new());
    for line in lines {
        let message = match line {
            Line::Text(text) => Message::Text(text.into()),
            Line::Binary { binary } => Message::Binary(STANDARD.decode(binary).expect("the line is base64").into()),
        };
        packets.extend(decoder.decode(codec, message)?.map(|packet| write(codec, &packet)));
    }
    Ok((packets, decoder.is_partial()))
}

fn write(codec: Codec, packet: &Packet) -> Written {
    let ns = &packet.ns;
    let messages = match &packet.body {
        Body::Connect { auth } => {
            let payload = auth.as_deref().filter(|_| codec.version == Version::V4);
            let messages = Some(lines(codec.connect_auth(ns, payload)));
            return Written { messages, auth: auth.as_deref().map(str::to_owned) };
        }
        Body::Disconnect => codec.disconnect(ns),
        Body::Event { id, event } => codec.event(ns, *id, event, None),
        Body::Ack { id, args } => codec.ack(ns, *id, args),
        Body::ConnectError { payload } if codec.version == Version::V3 => codec.connect_error(ns, "", Some(payload)),
        Body::ConnectError { payload } => match serde_json::from_str::<Refusal<'_>>(payload) {
            Ok(refusal) => codec.connect_error(ns, &refusal.message, refusal.data.map(RawValue::get)),
            Err(_) => return Written::default(),
        },
    };
    Written { messages: Some(lines(messages)), auth: None }
}

fn lines(messages: Messages) -> Vec<Line> {
    let line = |message| match message {
        Message::Text(text) => Line::Text(text.to_string()),
        Message::Binary(data) => Line::Binary { binary: STANDARD.encode(data) },
    };
    messages.into_iter().map(line).collect()
}
