//! A bound for frames of HTTP/2 that cost the server an answer, or work, and the client nothing.
//!
//! PING and SETTINGS are answered however many come (20,000 in 0.15 s, measured); other frames that carry nothing
//! keep a worker busy likewise. So the frames are counted as their bytes are read: their heads are all that is
//! looked at. Each such frame takes one of a budget, which time and what the server sends in answer to requests
//! fill again. Where it is used up, the connection ends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Frames that may come at once.
const BUDGET: u32 = 1_000;
/// Frames for each second.
const PER_SECOND: u32 = 100;
/// Bytes sent for which there is one more: a client gives room again as it takes what it gets.
const BYTES_EACH: u32 = 1_024;

const HEAD_BYTES: usize = 9;
const PREFACE_BYTES: usize = 24;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;

/// A stream of HTTP/2 frames from a client.
pub(super) struct FrameGuard<S> {
    stream: S,
    counter: Counter,
    sent: u32,
}

/// Finds the frames in the bytes, and keeps the budget.
#[derive(Debug)]
struct Counter {
    /// Bytes until the next head begins.
    skip: usize,
    head: [u8; HEAD_BYTES],
    head_bytes: usize,
    budget: u32,
    filled: Instant,
}

/// The budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a flood of frames that carry nothing")]
struct Flood;

impl<S> FrameGuard<S> {
    /// From the first byte of the connection on, the preface included.
    pub(super) fn new(stream: S) -> Self {
        let counter = Counter {
            skip: PREFACE_BYTES,
            head: [0; HEAD_BYTES],
            head_bytes: 0,
            budget: BUDGET,
            filled: Instant::now(),
        };
        Self { stream, counter, sent: 0 }
    }

    fn note(&mut self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(count)) = written {
            self.sent = self.sent.saturating_add(u32::try_from(*count).unwrap_or(u32::MAX));
            self.counter.give(self.sent / BYTES_EACH);
            self.sent %= BYTES_EACH;
        }
    }
}

impl Counter {
    fn give(&mut self, frames: u32) {
        self.budget = self.budget.saturating_add(frames).min(BUDGET);
    }

    /// Takes one, filling up first where there is none.
    fn take(&mut self) -> Result<(), Flood> {
        if self.budget == 0 {
            let now = Instant::now();
            let elapsed = now.duration_since(self.filled).as_millis();
            let frames = elapsed.saturating_mul(u128::from(PER_SECOND)) / 1_000;
            self.filled = now;
            self.give(u32::try_from(frames).unwrap_or(u32::MAX));
        }
        self.budget = self.budget.checked_sub(1).ok_or(Flood)?;
        Ok(())
    }

    fn read(&mut self, mut bytes: &[u8]) -> Result<(), Flood> {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            let Some(rest) = self.head.get_mut(self.head_bytes..) else { return Err(Flood) };
            let count = rest.len().min(bytes.len());
            let (piece, after) = bytes.split_at_checked(count).unwrap_or_default();
            for (to, from) in rest.iter_mut().zip(piece) {
                *to = *from;
            }
            self.head_bytes += count;
            bytes = after;
            if self.head_bytes == HEAD_BYTES {
                self.head_bytes = 0;
                self.frame()?;
            }
        }
        Ok(())
    }

    /// A head is complete (RFC 9113 §4.1).
    fn frame(&mut self) -> Result<(), Flood> {
        let [high, middle, low, kind, flags, ..] = self.head;
        let length = u32::from_be_bytes([0, high, middle, low]);
        // A bound for frames that are too long is the library's.
        self.skip = usize::try_from(length).unwrap_or(usize::MAX);
        match kind {
            // Requests: bounded by streams, and by what answering them costs.
            HEADERS => Ok(()),
            DATA if length > 0 || flags & END_STREAM != 0 => Ok(()),
            _ => self.take(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FrameGuard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Poll::Ready(Ok(())) = read
            && let Err(flood) = self.counter.read(buffer.filled().get(before..).unwrap_or_default())
        {
            return Poll::Ready(Err(io::Error::other(flood)));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FrameGuard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.note(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter() -> Counter {
        FrameGuard::new(()).counter
    }

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let mut frame = u32::try_from(payload).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend_from_slice(&[kind, flags, 0, 0, 0, 1]);
        frame.extend(std::iter::repeat_n(0xff, payload));
        frame
    }

    /// A connection's bytes, cut anywhere.
    fn read(frames: &[u8], piece: usize) -> (Counter, Result<(), Flood>) {
        let mut counter = counter();
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend_from_slice(frames);
        let result = bytes.chunks(piece).try_for_each(|chunk| counter.read(chunk));
        (counter, result)
    }

    #[test]
    fn frames_that_carry_nothing_take_from_the_budget_wherever_the_bytes_are_cut() {
        let frames = [
            frame(4, 0, 12),
            frame(1, 5, 100),
            frame(0, 0, 1),
            frame(0, 0, 0),
            frame(0, 1, 0),
            frame(6, 0, 8),
            frame(9, 4, 300),
        ]
        .concat();
        for piece in [1, 2, 7, 9, 10, 64, 1_000] {
            let (counter, result) = read(&frames, piece);
            assert_eq!((result, counter.budget), (Ok(()), BUDGET - 4), "pieces of {piece}");
            assert_eq!((counter.skip, counter.head_bytes), (0, 0));
        }
    }

    #[test]
    fn a_flood_ends() {
        for (kind, payload) in [(6, 8), (4, 0), (3, 4), (2, 5), (8, 4), (0, 0), (0xfa, 1)] {
            let flood = frame(kind, 0, payload).repeat(5_000);
            assert_eq!(read(&flood, 4_096).1, Err(Flood), "frames of type {kind}");
        }
        let requests = [frame(1, 4, 20), frame(0, 0, 5), frame(0, 1, 0)].concat().repeat(5_000);
        assert_eq!(read(&requests, 4_096).1, Ok(()));
    }

    #[test]
    fn what_is_sent_gives_room_for_more() {
        let mut counter = counter();
        counter.budget = 0;
        counter.filled = Instant::now();
        counter.give(3);
        let three = frame(8, 0, 4).repeat(3);
        counter.skip = 0;
        assert_eq!(counter.read(&three), Ok(()));
    }
}
