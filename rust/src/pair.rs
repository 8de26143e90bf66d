//! Tokens, and unordered pairs of them.

/// A token's number. Zero pads, and marks an empty slot.
pub type Token = u32;

/// Two tokens without order; sorts by the smaller, then the larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pair(u64);

impl Pair {
    /// The pair of two tokens, in either order.
    #[must_use]
    pub fn new(a: Token, b: Token) -> Self {
        Self(u64::from(a.min(b)) << 32 | u64::from(a.max(b)))
    }

    /// The pair as a number, never 0 as no token is the padding token.
    pub(crate) fn key(self) -> u64 {
        self.0
    }

    /// The pair of a number.
    pub(crate) fn from_key(key: u64) -> Self {
        Self(key)
    }

    /// A hash whose first bits are good (Fibonacci hashing).
    pub(crate) fn hash(self) -> u64 {
        (self.0 ^ self.0 >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// The smaller token.
    #[must_use]
    pub fn first(self) -> Token {
        (self.0 >> 32) as Token
    }

    /// The larger token.
    #[must_use]
    pub fn second(self) -> Token {
        self.0 as Token
    }

    /// Whether both tokens are the same.
    #[must_use]
    pub fn is_twin(self) -> bool {
        self.first() == self.second()
    }

    /// The token that makes this pair together with `token`, if `token` is one of the two.
    #[must_use]
    pub fn partner(self, token: Token) -> Option<Token> {
        if token == self.first() {
            Some(self.second())
        } else if token == self.second() {
            Some(self.first())
        } else {
            None
        }
    }
}
