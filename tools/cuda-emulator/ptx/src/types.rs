//! The types that opcodes and declarations name.

/// A scalar type, or a pair of 16 bit floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// One truth.
    Pred,
    /// Untyped bits.
    Bits(u32),
    /// An unsigned integer.
    Unsigned(u32),
    /// A signed integer.
    Signed(u32),
    /// A float of 16, 32 or 64 bits.
    Float(u32),
    /// Two floats of 16 bits in 32.
    HalfPair,
}

impl Type {
    /// The type that `word` names, without its dot.
    pub fn named(word: &str) -> Option<Self> {
        if word == "pred" {
            return Some(Self::Pred);
        }
        if word == "f16x2" {
            return Some(Self::HalfPair);
        }
        let (kind, bits) = word.split_at_checked(1)?;
        let bits = match bits {
            "8" => 8,
            "16" => 16,
            "32" => 32,
            "64" => 64,
            _ => return None,
        };
        match kind {
            "b" => Some(Self::Bits(bits)),
            "u" => Some(Self::Unsigned(bits)),
            "s" => Some(Self::Signed(bits)),
            "f" if bits > 8 => Some(Self::Float(bits)),
            _ => None,
        }
    }

    /// How many bits a value has.
    pub fn bits(self) -> u32 {
        match self {
            Self::Pred => 8,
            Self::HalfPair => 32,
            Self::Bits(bits) | Self::Unsigned(bits) | Self::Signed(bits) | Self::Float(bits) => {
                bits
            }
        }
    }

    /// How many bytes a value takes in memory.
    pub fn bytes(self) -> usize {
        self.bits() as usize / 8
    }

    /// Whether it is a float or a pair of them.
    pub fn is_float(self) -> bool {
        matches!(self, Self::Float(_) | Self::HalfPair)
    }

    /// The C type that holds its bits; only signed integers keep their sign.
    pub(crate) fn c(self) -> String {
        match self {
            Self::Signed(bits) => format!("s{bits}"),
            other => format!("u{}", other.bits()),
        }
    }
}
