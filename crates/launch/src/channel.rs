//! One connection: a frame a packet, descriptors beside it. Blocking for the launcher, asynchronous for the daemon.

use std::{
    io::{self, IoSlice, IoSliceMut},
    marker::PhantomData,
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::unix::AsyncFd;

/// The largest frame, in bytes. What is larger is refused, never cut.
pub const MAX_FRAME: usize = 64 * 1024;
/// The most descriptors beside a frame.
const MAX_DESCRIPTORS: usize = 8;

/// A frame and the descriptors beside it.
#[derive(Debug)]
pub struct Packet<F> {
    /// The frame.
    pub frame: F,
    /// The descriptors, in the order they were sent.
    pub descriptors: Vec<OwnedFd>,
}

/// Why a connection is of no more use.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The other side is gone.
    #[error("the other side closed the connection")]
    Closed,
    /// The socket failed.
    #[error("the launch socket failed")]
    Io(#[from] io::Error),
    /// What arrived is not a frame.
    #[error("a frame could not be understood: {0}")]
    Frame(String),
}

impl From<rustix::io::Errno> for ChannelError {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Io(errno.into())
    }
}

/// A blocking connection that receives frames of the type `In` and sends frames of the type `Out`.
#[derive(Debug)]
pub struct Channel<In, Out> {
    socket: OwnedFd,
    frames: PhantomData<fn(Out) -> In>,
}

impl<In: DeserializeOwned, Out: Serialize> Channel<In, Out> {
    /// Speaks over a connected seqpacket socket.
    pub fn new(socket: OwnedFd) -> Self {
        Self { socket, frames: PhantomData }
    }

    /// Sends a frame with descriptors beside it. Safe from several threads: a packet is sent whole.
    ///
    /// # Errors
    /// If the frame is too large or the other side is gone.
    pub fn send(&self, frame: &Out, descriptors: &[BorrowedFd<'_>]) -> Result<(), ChannelError> {
        retry(|| send_packet(self.socket.as_fd(), &encode(frame)?, descriptors))
    }

    /// Waits for the next frame.
    ///
    /// # Errors
    /// If the other side is gone or what arrived is no frame.
    pub fn receive(&self) -> Result<Packet<In>, ChannelError> {
        retry(|| receive_packet(self.socket.as_fd())).and_then(decode)
    }
}

/// The daemon's side of a connection.
#[derive(Debug)]
pub struct Connection<In, Out> {
    socket: AsyncFd<OwnedFd>,
    frames: PhantomData<fn(Out) -> In>,
}

impl<In: DeserializeOwned, Out: Serialize> Connection<In, Out> {
    /// Speaks over a connected seqpacket socket. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If the socket cannot be made non-blocking or watched.
    pub fn new(socket: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        #[expect(
            deprecated,
            reason = "unsound only for types whose descriptor may change; an `OwnedFd` is one descriptor"
        )]
        let socket = AsyncFd::new(socket)?;
        Ok(Self { socket, frames: PhantomData })
    }

    /// Who is on the other side, as the kernel recorded it when it connected (`SO_PEERCRED`).
    ///
    /// # Errors
    /// If the socket does not say.
    pub fn peer_uid(&self) -> io::Result<u32> {
        Ok(rustix::net::sockopt::socket_peercred(self.socket.get_ref())?.uid.as_raw())
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// If the frame is too large or the other side is gone.
    pub async fn send(&self, frame: &Out) -> Result<(), ChannelError> {
        let bytes = encode(frame)?;
        loop {
            let mut ready = self.socket.writable().await?;
            let sent = ready.try_io(|socket| send_packet(socket.as_fd(), &bytes, &[]).map_err(into_io));
            match sent {
                Ok(done) => return done.map_err(ChannelError::Io),
                Err(_would_block) => {}
            }
        }
    }

    /// Waits for the next frame. Cancelling loses nothing.
    ///
    /// # Errors
    /// If the other side is gone or what arrived is no frame.
    pub async fn receive(&self) -> Result<Packet<In>, ChannelError> {
        loop {
            let mut ready = self.socket.readable().await?;
            let received = ready.try_io(|socket| match receive_packet(socket.as_fd()) {
                Err(ChannelError::Io(error)) => Err(error),
                other => Ok(other),
            });
            match received {
                Ok(packet) => return packet?.and_then(decode),
                Err(_would_block) => {}
            }
        }
    }
}

fn into_io(error: ChannelError) -> io::Error {
    match error {
        ChannelError::Io(error) => error,
        other @ (ChannelError::Closed | ChannelError::Frame(_)) => io::Error::other(other),
    }
}

fn retry<T>(mut call: impl FnMut() -> Result<T, ChannelError>) -> Result<T, ChannelError> {
    loop {
        match call() {
            Err(ChannelError::Io(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn encode<F: Serialize>(frame: &F) -> Result<Vec<u8>, ChannelError> {
    let bytes = serde_json::to_vec(frame).map_err(|error| ChannelError::Frame(error.to_string()))?;
    if bytes.len() > MAX_FRAME {
        return Err(ChannelError::Frame(format!(
            "{} bytes are more than the {MAX_FRAME} of a frame",
            bytes.len()
        )));
    }
    Ok(bytes)
}

fn decode<F: DeserializeOwned>(
    (bytes, descriptors): (Vec<u8>, Vec<OwnedFd>),
) -> Result<Packet<F>, ChannelError> {
    let frame = serde_json::from_slice(&bytes).map_err(|error| ChannelError::Frame(error.to_string()))?;
    Ok(Packet { frame, descriptors })
}

fn send_packet(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> Result<(), ChannelError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(ChannelError::Frame(format!("more than {MAX_DESCRIPTORS} descriptors")));
    }
    match sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL) {
        Ok(_) => Ok(()),
        Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => Err(ChannelError::Closed),
        Err(errno) => Err(errno.into()),
    }
}

fn receive_packet(socket: BorrowedFd<'_>) -> Result<(Vec<u8>, Vec<OwnedFd>), ChannelError> {
    let mut bytes = vec![0; MAX_FRAME];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message =
        match recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Ok(message) => message,
            Err(rustix::io::Errno::CONNRESET) => return Err(ChannelError::Closed),
            Err(errno) => return Err(errno.into()),
        };
    let descriptors = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    if message.bytes == 0 {
        return Err(ChannelError::Closed);
    }
    if message.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(ChannelError::Frame("it was cut short".to_owned()));
    }
    bytes.truncate(message.bytes);
    Ok((bytes, descriptors))
}
