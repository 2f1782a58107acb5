//! What can be wrong with a configuration.

/// One thing that is wrong, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file is not TOML, or has unknown or missing keys.
    #[error("{0}\nremedy: see docs/configuration.md for the keys and their types")]
    Syntax(#[from] toml::de::Error),
    /// A value is refused.
    #[error("line {line}: {key} = {value}: {rule}\nremedy: {remedy}")]
    Value {
        /// Line in the file, from 1.
        line: usize,
        /// The key.
        key: &'static str,
        /// The value found.
        value: String,
        /// The rule that it breaks, with the bound.
        rule: String,
        /// What to do.
        remedy: String,
    },
    /// An environment variable or flag is refused.
    #[error("{name} = {value}: {rule}")]
    Override {
        /// The variable or flag.
        name: &'static str,
        /// The value found.
        value: String,
        /// The rule that it breaks.
        rule: String,
    },
}
