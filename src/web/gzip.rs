//! Pages that go out as gzip (RFC 1952) in parts that were deflated apart, so that a part that many answers share is
//! deflated once. A deflate stream (RFC 1951) may be flushed to a whole byte at any place, and what follows a flush that
//! was made without looking back stands for itself: such parts are joined end to end.

use std::cell::RefCell;

use actix_web::web::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress};

/// No name, no time, no system: the shortest head there is.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// An empty last block.
const END: [u8; 2] = [3, 0];

/// A part of a page, deflated.
#[derive(Debug)]
pub struct Part {
    bytes: Vec<u8>,
    /// Of what it was before.
    crc: Crc,
}

thread_local! {
    /// Kept, because what it works with takes longer to set up than a small part takes to deflate.
    static FAST: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), false));
}

impl Part {
    /// A part that is sent often.
    pub fn small(text: &str) -> Part {
        Part::by(&mut Compress::new(Compression::default(), false), text)
    }

    /// A part that is sent once.
    pub fn fast(text: &str) -> Part {
        FAST.with_borrow_mut(|deflate| {
            deflate.reset();
            Part::by(deflate, text)
        })
    }

    fn by(deflate: &mut Compress, text: &str) -> Part {
        let mut crc = Crc::new();
        crc.update(text.as_bytes());
        let mut bytes = Vec::with_capacity(text.len() / 2 + 64);
        loop {
            let read = usize::try_from(deflate.total_in()).unwrap_or(usize::MAX);
            let rest = text.as_bytes().get(read..).unwrap_or_default();
            // In memory nothing can fail; a flush is over when there is room left behind it.
            let made = deflate.compress_vec(rest, &mut bytes, FlushCompress::Sync);
            let read = usize::try_from(deflate.total_in()).unwrap_or(usize::MAX);
            if made.is_err() || (read >= text.len() && bytes.len() < bytes.capacity()) {
                break;
            }
            bytes.reserve(1024);
        }
        Part { bytes, crc }
    }
}

/// One gzip stream of some parts.
pub fn joined(parts: &[&Part]) -> Bytes {
    let length = parts.iter().map(|part| part.bytes.len()).sum::<usize>();
    let mut stream = Vec::with_capacity(HEAD.len() + length + END.len() + 8);
    stream.extend_from_slice(&HEAD);
    let mut crc = Crc::new();
    for part in parts {
        stream.extend_from_slice(&part.bytes);
        crc.combine(&part.crc);
    }
    stream.extend_from_slice(&END);
    stream.extend_from_slice(&crc.sum().to_le_bytes());
    stream.extend_from_slice(&crc.amount().to_le_bytes());
    stream.into()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn inflated(stream: &[u8]) -> String {
        let mut text = String::new();
        flate2::read::GzDecoder::new(stream)
            .read_to_string(&mut text)
            .expect("is gzip with the right sum and length");
        text
    }

    #[test]
    fn parts_make_one_stream() {
        let long = "<tr><td>Amira</td></tr>".repeat(5_000);
        let odd: String = (0..9_000_u32)
            .filter_map(|n| char::from_u32(n * 7919 % 50_000))
            .collect();
        for texts in [
            vec![""],
            vec!["one"],
            vec!["", "x", ""],
            vec!["<html>", &long, "</html>"],
            vec![&long, &odd, &long, "é"],
        ] {
            let parts: Vec<Part> = texts
                .iter()
                .enumerate()
                .map(|(n, text)| match n % 2 {
                    0 => Part::fast(text),
                    _ => Part::small(text),
                })
                .collect();
            let parts: Vec<&Part> = parts.iter().collect();
            assert_eq!(inflated(&joined(&parts)), texts.concat());
        }
    }
}
