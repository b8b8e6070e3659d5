//! 128 bits that stand for several texts: for telling requests apart, and for ids.

use ring::digest::{Context, SHA256};

/// The beginning of a SHA-256: nobody finds two inputs with the same, even one who tries.
pub(super) type Fingerprint = [u8; 16];

/// Of all parts in their order; their borders count.
pub(super) fn fingerprint(parts: &[&[u8]]) -> Fingerprint {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part);
    }
    let mut beginning = Fingerprint::default();
    beginning.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    beginning
}

/// In 32 hexadecimal digits.
pub(super) fn to_hex(fingerprint: &Fingerprint) -> String {
    format!("{:032x}", u128::from_be_bytes(*fingerprint))
}

/// Reads what [`to_hex`] writes.
pub(super) fn from_hex(digits: &[u8]) -> Option<Fingerprint> {
    let is_written_so = digits.len() == 32 && digits.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_written_so)?;
    Some(u128::from_str_radix(text, 16).ok()?.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_count() {
        let all: [&[&[u8]]; 5] = [&[b"ab", b"c"], &[b"a", b"bc"], &[b"abc"], &[b"abc", b""], &[]];
        for (index, one) in all.iter().enumerate() {
            for other in &all[..index] {
                assert_ne!(fingerprint(one), fingerprint(other), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn hexadecimal_digits_are_read_back_and_nothing_else() {
        for fingerprint in [[0; 16], [0xA5; 16], fingerprint(&[b"x"])] {
            assert_eq!(from_hex(to_hex(&fingerprint).as_bytes()), Some(fingerprint));
        }
        for wrong in ["", "+0000000000000000000000000000000", "00", &"0".repeat(33), &"g".repeat(32)] {
            assert_eq!(from_hex(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
