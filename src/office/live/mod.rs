//! Live data over WebSockets: depth, trades and states of markets from the market data of committed events, and what happens to
//! a holder's account.
//!
//! A consumer is told what differs from what it was told last, so one that reads slowly gets fewer and larger updates, each of
//! which is exact; one that does not read at all is cut off.
//!
//! Must never: let one consumer make another one wait, or show a market or an account to who may not see it.

mod consumer;
mod hub;
mod message;

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use tokio::time::timeout;

use super::access::{Caller, Role};
use super::admission::caller_of;
use super::secrets::Digest;
use super::state::OfficeState;
use crate::http::Peer;
use consumer::Consumer;
pub use hub::Hub;
use message::{FromConsumer, ToConsumer};

/// How long a consumer may take to say who it is.
const AUTH_MAX: Duration = Duration::from_secs(3);
/// Longest message of a consumer.
const MESSAGE_MAX: usize = 4_096;
/// How long a consumer may take to read one message.
const READ_MAX: Duration = Duration::from_secs(5);

/// Opens a connection for live data.
pub async fn open(
    State(office): State<Arc<OfficeState>>,
    peer: Option<Extension<Arc<Peer>>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade
        .protocols(["souk.v1"])
        .max_message_size(MESSAGE_MAX)
        .max_frame_size(MESSAGE_MAX)
        .on_upgrade(move |socket| async move {
            serve(office, Line { socket }).await;
            // The place of the connection is free from now on.
            drop(peer);
        })
}

async fn serve(office: Arc<OfficeState>, mut line: Line) {
    let Some((caller, token)) = authenticate(&office, &mut line).await else {
        return;
    };
    let Some(_seat) = office.take_seat(&caller) else {
        let text = "too many connections of this user or account";
        let _ = line.bye("TooManyConnections", text).await;
        return;
    };
    let Some(consumer) = Consumer::new(Arc::clone(&office), caller, token) else {
        let _ = line.bye("Forbidden", "this role has no live data").await;
        return;
    };
    consumer.run(line).await;
}

async fn authenticate(office: &OfficeState, line: &mut Line) -> Option<(Caller, Digest)> {
    let first = timeout(AUTH_MAX, line.receive()).await.ok()??;
    let FromConsumer::Auth { token } = first.ok()? else {
        let _ = line
            .bye("Unauthorized", "the first message must be auth")
            .await;
        return None;
    };
    let caller = caller_of(office, &token).ok();
    match caller {
        Some(caller) if caller.role != Role::Platform => Some((caller, Digest::of(&token))),
        _ => {
            let _ = line
                .bye("Unauthorized", "no token, or one that is not good any more")
                .await;
            None
        }
    }
}

/// A connection.
struct Line {
    socket: WebSocket,
}

/// It is not there any more, or does not read.
struct Gone;

impl Line {
    /// The next message; none when it is over.
    async fn receive(&mut self) -> Option<Result<FromConsumer, String>> {
        loop {
            match self.socket.recv().await?.ok()? {
                Message::Text(text) => {
                    let read = serde_json::from_str(&text);
                    return Some(read.map_err(|error| error.to_string()));
                }
                Message::Binary(_) => return Some(Err("messages are text".to_owned())),
                Message::Close(_) => return None,
                Message::Ping(_) | Message::Pong(_) => {}
            }
        }
    }

    async fn send(&mut self, message: &ToConsumer<'_>) -> Result<(), Gone> {
        let Ok(text) = serde_json::to_string(message) else {
            return Err(Gone);
        };
        match timeout(READ_MAX, self.socket.send(Message::Text(text.into()))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }

    async fn bye(&mut self, code: &'static str, text: &'static str) -> Result<(), Gone> {
        self.send(&ToConsumer::Bye { code, text }).await?;
        let closed = timeout(READ_MAX, self.socket.send(Message::Close(None))).await;
        closed.map_err(|_| Gone)?.map_err(|_| Gone)
    }
}
