//! Short pieces for a socket, written as one: `send` costs the kernel less than `writev`, by more than a copy of them does.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncWrite, ReadBuf};

/// What is copied at most: a head with a short body.
const ROOM: usize = 2 << 10;

/// Writes `slices`, or the beginning of them, to a stream that takes several at a time.
pub(crate) fn poll_write_pieces<S: AsyncWrite + Unpin>(
    stream: &mut S,
    context: &mut Context<'_>,
    slices: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    if let [only] = slices {
        return Pin::new(stream).poll_write(context, only);
    }
    let total: usize = slices.iter().map(|slice| slice.len()).sum();
    if total > ROOM {
        return Pin::new(stream).poll_write_vectored(context, slices);
    }
    let mut bytes = [MaybeUninit::uninit(); ROOM];
    let mut buffer = ReadBuf::uninit(&mut bytes);
    slices.iter().for_each(|slice| buffer.put_slice(slice));
    Pin::new(stream).poll_write(context, buffer.filled())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    /// Takes what it is given, and remembers in how many pieces.
    #[derive(Default)]
    struct Sink {
        bytes: Vec<u8>,
        pieces: usize,
    }

    impl AsyncWrite for Sink {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.bytes.extend_from_slice(bytes);
            self.pieces += 1;
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let before = self.bytes.len();
            for slice in slices {
                self.bytes.extend_from_slice(slice);
                self.pieces += 1;
            }
            Poll::Ready(Ok(self.bytes.len() - before))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn short_pieces_are_one_and_nothing_is_lost() {
        let (long, shorter) = ("x".repeat(ROOM), "x".repeat(ROOM - 1));
        for (slices, pieces) in [
            (vec!["head"], 1),
            (vec![long.as_str()], 1),
            (vec!["head", "body"], 1),
            (vec!["", "body", ""], 1),
            (vec![shorter.as_str(), "y"], 1),
            (vec!["head", &long], 2),
            (vec![], 1),
        ] {
            let mut sink = Sink::default();
            let given: Vec<_> = slices.iter().map(|slice| IoSlice::new(slice.as_bytes())).collect();
            let context = &mut Context::from_waker(Waker::noop());
            let written = poll_write_pieces(&mut sink, context, &given);
            let all = slices.concat().into_bytes();
            assert!(matches!(written, Poll::Ready(Ok(count)) if count == all.len()));
            assert_eq!((sink.bytes, sink.pieces), (all, pieces));
        }
    }
}
