//! Values, and rows of an answer.

use super::TablesError;

/// A value of a statement or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A number.
    Int(i64),
    /// A text.
    Text(String),
    /// Bytes: also what a server says of a text.
    Bytes(Vec<u8>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Int(number.into())
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Int(number.into())
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Int(number.into())
    }
}

impl From<u8> for Value {
    fn from(number: u8) -> Self {
        Self::Int(number.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<[u8; 32]> for Value {
    fn from(bytes: [u8; 32]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row(Vec<Value>);

impl Row {
    /// A row with these columns.
    #[must_use]
    pub const fn new(columns: Vec<Value>) -> Self {
        Self(columns)
    }

    fn unknown(&self, column: usize) -> TablesError {
        TablesError::Unknown {
            column,
            value: format!("{:?}", self.0.get(column)),
        }
    }

    /// A number, or nothing.
    ///
    /// # Errors
    /// When it is something else.
    pub fn optional(&self, column: usize) -> Result<Option<i64>, TablesError> {
        let parsed = |text: &str| text.parse().ok();
        let number = match self.0.get(column) {
            Some(Value::Null) => return Ok(None),
            Some(Value::Int(number)) => Some(*number),
            // A server gives sums as texts.
            Some(Value::Text(text)) => parsed(text),
            Some(Value::Bytes(bytes)) => std::str::from_utf8(bytes).ok().and_then(parsed),
            None => None,
        };
        number.map(Some).ok_or_else(|| self.unknown(column))
    }

    /// A number.
    ///
    /// # Errors
    /// When it is something else.
    pub fn int(&self, column: usize) -> Result<i64, TablesError> {
        self.optional(column)?.ok_or_else(|| self.unknown(column))
    }

    /// A number without a sign, of which the tables keep the bits.
    ///
    /// # Errors
    /// When it is something else.
    pub fn unsigned(&self, column: usize) -> Result<u64, TablesError> {
        self.int(column).map(i64::cast_unsigned)
    }

    /// A number of fewer bits.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn small<T: TryFrom<i64>>(&self, column: usize) -> Result<T, TablesError> {
        T::try_from(self.int(column)?).map_err(|_| self.unknown(column))
    }

    /// A word of the protocol, of which the tables keep the number.
    ///
    /// # Errors
    /// When there is no such word.
    pub fn word<T: TryFrom<u8>>(&self, column: usize) -> Result<T, TablesError> {
        T::try_from(self.small(column)?).map_err(|_| self.unknown(column))
    }

    /// A text.
    ///
    /// # Errors
    /// When it is none.
    pub fn text(&self, column: usize) -> Result<String, TablesError> {
        let text = match self.0.get(column) {
            Some(Value::Text(text)) => Some(text.clone()),
            Some(Value::Bytes(bytes)) => String::from_utf8(bytes.clone()).ok(),
            _ => None,
        };
        text.ok_or_else(|| self.unknown(column))
    }

    /// What a text says.
    ///
    /// # Errors
    /// When `read` cannot read it.
    pub fn parsed<T>(
        &self,
        column: usize,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, TablesError> {
        read(&self.text(column)?).ok_or_else(|| self.unknown(column))
    }

    /// A key or a hash.
    ///
    /// # Errors
    /// When it is not as long.
    pub fn bytes32(&self, column: usize) -> Result<[u8; 32], TablesError> {
        let bytes = match self.0.get(column) {
            Some(Value::Bytes(bytes)) => bytes.as_slice().try_into().ok(),
            _ => None,
        };
        bytes.ok_or_else(|| self.unknown(column))
    }
}
