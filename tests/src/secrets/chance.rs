//! Chance and alphabets of made secrets: the same seed gives the same text everywhere. Shares nothing
//! with what looks for secrets.

/// Lower-case letters.
pub const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
/// Digits.
pub const DIGIT: &str = "0123456789";
/// Hexadecimal digits, as most vendors write them.
pub const HEX: &str = "0123456789abcdef";
/// Letters and digits.
pub const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Letters.
pub const ALPHA: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Upper-case letters and digits.
pub const UPNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
/// Lower-case letters and digits.
pub const LOWNUM: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
/// Base32 of RFC 4648.
pub const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Base64 of RFC 4648.
pub const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Base64 for addresses.
pub const URL64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Bech32 in capitals, without what is easily confused.
pub const BECH32: &str = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
/// What a person or a manager of passwords puts into one, as far as it needs no escape in an address.
pub const PASSWORD: &str = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789!*.-_~";

/// A source of numbers (xorshift64*).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The source of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        // Nought would stay nought.
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number below a bound above nought.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let next = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(next).unwrap_or_default() % bound.max(1)
    }

    /// One of these.
    pub fn one<'a, T: ?Sized>(&mut self, of: &'a [&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    /// A text of `least..=most` letters of an alphabet.
    pub fn text(&mut self, alphabet: &str, least: usize, most: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        let length = least + self.below(most - least + 1);
        (0..length)
            .map(|_| letters[self.below(letters.len())])
            .collect()
    }
}

/// Base64 without padding in this alphabet.
#[must_use]
pub fn base64(bytes: &[u8], alphabet: &str) -> String {
    let letters: Vec<char> = alphabet.chars().collect();
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0_usize, |all, i| {
            all << 8 | usize::from(three.get(i).copied().unwrap_or_default())
        });
        for letter in 0..=three.len() {
            text.push(letters[bits >> (18 - 6 * letter) & 63]);
        }
    }
    text
}
