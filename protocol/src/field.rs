//! How a field lies in a block: size, reading, writing. Little-endian, naturally aligned.

use crate::{
    AccountId, AccountStatus, Amount, BatchMode, CancelOnDisconnect, CancelReason, ClOrdId,
    CurrencyStatus, Durability, FeeGroup, KeyId, Liquidity, MarketId, MarketState, MatchId,
    OrderId, OrderState, OrderType, PostOnly, Ppm, Price, Qty, RejectReason, SessionId, Side,
    StatementKind, StpGroup, StpMode, StpScope, TenantId, TimeInForce,
};

/// A value of fixed size in a block.
pub(crate) trait Field: Sized {
    /// Bytes it takes.
    const SIZE: usize;
    /// The alignment its offset must have.
    const ALIGN: usize;
    /// How the documents call its type.
    const TYPE: &'static str;
    /// Reads it from exactly `SIZE` bytes.
    fn read(bytes: &[u8]) -> Result<Self, RejectReason>;
    /// Writes it to exactly `SIZE` bytes.
    fn write(&self, bytes: &mut [u8]);
    /// What it says, for dumps and vectors.
    fn value(&self) -> Value<'_>;
}

/// What a field says, whatever its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number that cannot be negative; enums, ids and yes/no too.
    Unsigned(u64),
    /// A number that can.
    Signed(i64),
    /// Text without its padding.
    Text(&'a str),
    /// Opaque bytes.
    Bytes(&'a [u8]),
    /// Reserved bytes.
    Zero,
}

macro_rules! integer_fields {
    ($($int:ty: $name:literal $value:ident;)*) => {$(
        impl Field for $int {
            const SIZE: usize = size_of::<$int>();
            const ALIGN: usize = Self::SIZE;
            const TYPE: &'static str = $name;
            #[inline(always)]
            fn read(bytes: &[u8]) -> Result<Self, RejectReason> {
                let mut raw = [0; size_of::<$int>()];
                raw.copy_from_slice(bytes);
                Ok(Self::from_le_bytes(raw))
            }
            #[inline(always)]
            fn write(&self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }
            fn value(&self) -> Value<'_> {
                Value::$value((*self).into())
            }
        }
    )*};
}
integer_fields! { u8: "u8" Unsigned; u16: "u16" Unsigned; u32: "u32" Unsigned; u64: "u64" Unsigned;
i32: "i32" Signed; i64: "i64" Signed; }

macro_rules! id_fields {
    ($($name:ident($int:ty);)*) => {$(
        impl Field for $name {
            const SIZE: usize = <$int as Field>::SIZE;
            const ALIGN: usize = <$int as Field>::ALIGN;
            const TYPE: &'static str = <$int as Field>::TYPE;
            #[inline(always)]
            fn read(bytes: &[u8]) -> Result<Self, RejectReason> {
                <$int as Field>::read(bytes).map(Self)
            }
            #[inline(always)]
            fn write(&self, bytes: &mut [u8]) {
                self.0.write(bytes);
            }
            fn value(&self) -> Value<'_> {
                self.0.value()
            }
        }
    )*};
}
id_fields! {
    Price(i64); Qty(u64); Amount(u64); TenantId(u32); MarketId(u32); AccountId(u32); KeyId(u32);
    SessionId(u32); OrderId(u64); ClOrdId(u64); MatchId(u64); StpGroup(u16); FeeGroup(u16);
    Ppm(i32);
}

macro_rules! enum_fields {
    ($($name:ident)*) => {$(
        impl Field for $name {
            const SIZE: usize = 1;
            const ALIGN: usize = 1;
            const TYPE: &'static str = concat!("u8 ", stringify!($name));
            #[inline(always)]
            fn read(bytes: &[u8]) -> Result<Self, RejectReason> {
                Self::try_from(bytes[0])
            }
            #[inline(always)]
            fn write(&self, bytes: &mut [u8]) {
                bytes[0] = *self as u8;
            }
            fn value(&self) -> Value<'_> {
                Value::Unsigned(u64::from(*self as u8))
            }
        }
    )*};
}
enum_fields! {
    Side OrderType TimeInForce PostOnly StpMode StpScope MarketState CancelReason BatchMode
    OrderState Liquidity Durability CancelOnDisconnect CurrencyStatus AccountStatus StatementKind
}

/// 0 is "both sides".
impl Field for Option<Side> {
    const SIZE: usize = 1;
    const ALIGN: usize = 1;
    const TYPE: &'static str = "u8 Side or 0";
    #[inline(always)]
    fn read(bytes: &[u8]) -> Result<Self, RejectReason> {
        match bytes[0] {
            0 => Ok(None),
            side => Side::try_from(side).map(Some),
        }
    }
    #[inline(always)]
    fn write(&self, bytes: &mut [u8]) {
        bytes[0] = self.map_or(0, |side| side as u8);
    }
    fn value(&self) -> Value<'_> {
        Value::Unsigned(self.map_or(0, |side| side as u64))
    }
}

/// 0 is no, 1 is yes; anything else is a reserved bit set.
impl Field for bool {
    const SIZE: usize = 1;
    const ALIGN: usize = 1;
    const TYPE: &'static str = "u8 0 or 1";
    #[inline(always)]
    fn read(bytes: &[u8]) -> Result<Self, RejectReason> {
        match bytes[0] {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(RejectReason::ReservedNotZero),
        }
    }
    #[inline(always)]
    fn write(&self, bytes: &mut [u8]) {
        bytes[0] = u8::from(*self);
    }
    fn value(&self) -> Value<'_> {
        Value::Unsigned(u64::from(*self))
    }
}

/// A code of the table. It is kept as its number, because a newer peer may send one that this
/// version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub u16);

impl Code {
    /// The reason, if this version knows it.
    #[must_use]
    pub const fn reason(self) -> Option<RejectReason> {
        RejectReason::from_code(self.0)
    }
}

impl From<RejectReason> for Code {
    fn from(reason: RejectReason) -> Self {
        Self(reason.code())
    }
}

impl core::fmt::Display for Code {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.reason() {
            Some(reason) => reason.fmt(f),
            None => write!(f, "code {}", self.0),
        }
    }
}

impl Field for Code {
    const SIZE: usize = 2;
    const ALIGN: usize = 2;
    const TYPE: &'static str = "u16 code";
    #[inline(always)]
    fn read(bytes: &[u8]) -> Result<Self, RejectReason> {
        u16::read(bytes).map(Self)
    }
    #[inline(always)]
    fn write(&self, bytes: &mut [u8]) {
        self.0.write(bytes);
    }
    fn value(&self) -> Value<'_> {
        Value::Unsigned(u64::from(self.0))
    }
}

/// ASCII text, padded with zeros at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const N: usize>(pub [u8; N]);

impl<const N: usize> Text<N> {
    /// The text, or `None` when it is longer than `N` bytes or not printable ASCII.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; N];
        let source = text.as_bytes();
        if source.len() > N || !source.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        bytes[..source.len()].copy_from_slice(source);
        Some(Self(bytes))
    }

    /// The text without its padding.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(N);
        core::str::from_utf8(&self.0[..end]).unwrap_or("")
    }

    /// Whether it is a name: 1 to `N` printable characters without spaces, then zeros alone.
    #[must_use]
    pub fn is_name(&self) -> bool {
        self.is_made_of(u8::is_ascii_graphic)
    }

    /// Whether it can be the code of a currency: 1 to `N` of A-Z and 0-9, then zeros alone.
    #[must_use]
    pub fn is_currency_code(&self) -> bool {
        self.is_made_of(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    }

    fn is_made_of(&self, legal: impl Fn(&u8) -> bool) -> bool {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(N);
        let (text, padding) = self.0.split_at(end);
        !text.is_empty() && text.iter().all(legal) && padding.iter().all(|byte| *byte == 0)
    }
}

impl<const N: usize> Field for Text<N> {
    const SIZE: usize = N;
    const ALIGN: usize = 1;
    const TYPE: &'static str = "ASCII";
    #[inline(always)]
    fn read(bytes: &[u8]) -> Result<Self, RejectReason> {
        let mut raw = [0; N];
        raw.copy_from_slice(bytes);
        Ok(Self(raw))
    }
    #[inline(always)]
    fn write(&self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0);
    }
    fn value(&self) -> Value<'_> {
        Value::Text(self.as_str())
    }
}

/// Opaque bytes.
impl<const N: usize> Field for [u8; N] {
    const SIZE: usize = N;
    const ALIGN: usize = 1;
    const TYPE: &'static str = "bytes";
    #[inline(always)]
    fn read(bytes: &[u8]) -> Result<Self, RejectReason> {
        let mut raw = [0; N];
        raw.copy_from_slice(bytes);
        Ok(raw)
    }
    #[inline(always)]
    fn write(&self, bytes: &mut [u8]) {
        bytes.copy_from_slice(self);
    }
    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }
}

/// Bytes that must be zero, so that a later version may give them a meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserved<const N: usize>;

impl<const N: usize> Field for Reserved<N> {
    const SIZE: usize = N;
    const ALIGN: usize = 1;
    const TYPE: &'static str = "zero";
    #[inline(always)]
    fn read(bytes: &[u8]) -> Result<Self, RejectReason> {
        if bytes.iter().all(|b| *b == 0) {
            Ok(Self)
        } else {
            Err(RejectReason::ReservedNotZero)
        }
    }
    #[inline(always)]
    fn write(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
    fn value(&self) -> Value<'_> {
        Value::Zero
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn a_name_is_printable_and_ends_in_zeros_alone() {
        let legal = [*b"USDT\0\0\0\0", *b"1INCH\0\0\0", *b"ABCDEFGH"];
        for bytes in legal {
            assert!(Text(bytes).is_name(), "{bytes:?}");
            assert!(Text(bytes).is_currency_code(), "{bytes:?}");
        }
        let names = [*b"usdt\0\0\0\0", *b"A-B_C.D!"];
        for bytes in names {
            assert!(Text(bytes).is_name(), "{bytes:?}");
            assert!(!Text(bytes).is_currency_code(), "{bytes:?}");
        }
        let illegal = [
            [0; 8],
            *b"A\0B\0\0\0\0\0",
            *b"A B\0\0\0\0\0",
            [0xc3; 8],
            *b"\0\0\0\0\0\0\0A",
        ];
        for bytes in illegal {
            assert!(!Text(bytes).is_name(), "{bytes:?}");
            assert!(!Text(bytes).is_currency_code(), "{bytes:?}");
        }
    }
}
