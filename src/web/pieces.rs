//! A page that goes out in pieces, so that a part that many answers share is not copied into each.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;

/// A body of a known length in three pieces.
pub(super) struct Pieces {
    length: u64,
    rest: std::array::IntoIter<Bytes, 3>,
}

impl Pieces {
    /// In the order in which they are sent.
    pub(super) fn new(pieces: [Bytes; 3]) -> Pieces {
        Pieces {
            length: pieces.iter().map(|piece| piece.len() as u64).sum(),
            rest: pieces.into_iter(),
        }
    }
}

impl MessageBody for Pieces {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.length)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        // An empty piece would end the body.
        Poll::Ready(self.rest.find(|piece| !piece.is_empty()).map(Ok))
    }
}
