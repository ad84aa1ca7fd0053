//! The resolver's sockets: UDP, and TCP for those who ask that way (RFC 7766).
//!
//! A question is on record before it is answered. Datagrams beyond what is being answered already are dropped, as resolvers expect.

use std::{io, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::Semaphore,
    time::timeout,
};

use super::{
    message::{Code, Parsed, parse},
    zone,
};
use crate::plane::Plane;

/// Answers datagrams until the session stops.
pub(crate) async fn serve_udp(plane: Arc<Plane>, socket: UdpSocket) {
    let socket = Arc::new(socket);
    let places = Arc::new(Semaphore::new(plane.limits().queries));
    let mut buffer = vec![0; 4096];
    loop {
        let (length, from) = tokio::select! {
            () = plane.stopped() => return,
            received = socket.recv_from(&mut buffer) => match received {
                Ok(received) => received,
                Err(error) => {
                    tracing::debug!(%error, "a resolver's socket failed");
                    tokio::task::yield_now().await;
                    continue;
                }
            },
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let (plane, socket, query) = (Arc::clone(&plane), Arc::clone(&socket), buffer[..length].to_vec());
        tokio::spawn(async move {
            if let Some(answer) = answer(&plane, &query).await
                && let Err(error) = socket.send_to(&answer, from).await
            {
                tracing::debug!(%error, "an answer could not be sent");
            }
            drop(place);
        });
    }
}

/// Answers connections until the session stops.
pub(crate) async fn serve_tcp(plane: Arc<Plane>, listener: TcpListener) {
    let places = Arc::new(Semaphore::new(plane.limits().queries));
    loop {
        let accepted = tokio::select! {
            () = plane.stopped() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::task::yield_now().await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let plane = Arc::clone(&plane);
        tokio::spawn(async move {
            let stop = plane.session().stop().clone();
            tokio::select! {
                () = stop.cancelled() => {}
                _ = converse(&plane, stream) => {}
            }
            drop(place);
        });
    }
}

/// Questions and answers on one connection, each after its length (RFC 1035 §4.2.2).
async fn converse(plane: &Plane, mut stream: TcpStream) -> io::Result<()> {
    let mut query = Vec::new();
    loop {
        timeout(plane.limits().head, async {
            let length = stream.read_u16().await?;
            query.resize(usize::from(length), 0);
            stream.read_exact(&mut query).await
        })
        .await??;
        let Some(answer) = answer(plane, &query).await else { return Ok(()) };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes()[..], &answer].concat()).await?;
    }
}

async fn answer(plane: &Plane, bytes: &[u8]) -> Option<Vec<u8>> {
    let query = match parse(bytes) {
        Parsed::Drop => return None,
        Parsed::Fault(head, code) => return Some(head.fault(code)),
        Parsed::Query(query) => query,
    };
    let answer = zone::answer(&query, plane.names());
    if let Some(name) = &answer.asked
        && !plane.note_resolve(name).await
    {
        return Some(query.answer(Code::ServerFailure, None));
    }
    Some(query.answer(answer.code, answer.record.as_ref()))
}
