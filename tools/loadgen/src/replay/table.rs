//! Files of a recorded set: comma separated, a header line, plain or compressed with zstd.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::ReplayError;

/// Most bytes of a file, after decompression.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// A file in memory.
#[derive(Debug)]
pub(crate) struct Table {
    path: PathBuf,
    text: String,
}

impl Table {
    /// Reads `path`, or `path` with `.zst` behind it; `None` when neither is there.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, ReplayError> {
        let mut compressed = path.as_os_str().to_owned();
        compressed.push(".zst");
        for candidate in [path, Path::new(&compressed)] {
            if candidate.exists() {
                let text = read_text(candidate)?;
                let path = candidate.to_owned();
                return Ok(Some(Self { path, text }));
            }
        }
        Ok(None)
    }

    /// The columns with these names, and the rows.
    pub(crate) fn columns<const N: usize>(
        &self,
        names: [&'static str; N],
    ) -> Result<Rows<'_, N>, ReplayError> {
        let mut lines = self.text.lines();
        let header: Vec<&str> = lines.next().unwrap_or("").split(',').collect();
        let mut columns = [0; N];
        for (column, name) in columns.iter_mut().zip(names) {
            let found = header.iter().position(|title| *title == name);
            *column = found.ok_or_else(|| ReplayError::NoColumn {
                path: self.path.clone(),
                name,
            })?;
        }
        Ok(Rows {
            path: &self.path,
            names,
            columns,
            lines: lines.enumerate(),
        })
    }
}

/// The rows of a table.
pub(crate) struct Rows<'a, const N: usize> {
    path: &'a Path,
    names: [&'static str; N],
    columns: [usize; N],
    lines: std::iter::Enumerate<std::str::Lines<'a>>,
}

impl<'a, const N: usize> Iterator for Rows<'a, N> {
    type Item = Row<'a, N>;

    fn next(&mut self) -> Option<Row<'a, N>> {
        let (index, line) = self.lines.find(|(_, line)| !line.is_empty())?;
        let mut fields = [""; N];
        for (at, text) in line.split(',').enumerate() {
            for (field, column) in fields.iter_mut().zip(self.columns) {
                if column == at {
                    *field = text;
                }
            }
        }
        Some(Row {
            path: self.path,
            names: self.names,
            // The header is line 1.
            line: index + 2,
            fields,
        })
    }
}

/// One row: the fields of the columns that were asked for, in that order.
pub(crate) struct Row<'a, const N: usize> {
    path: &'a Path,
    names: [&'static str; N],
    line: usize,
    fields: [&'a str; N],
}

impl<const N: usize> Row<'_, N> {
    /// The text of a column.
    pub(crate) const fn text(&self, column: usize) -> &str {
        self.fields[column]
    }

    /// The value of a column.
    pub(crate) fn value<T: FromStr>(&self, column: usize) -> Result<T, ReplayError> {
        self.fields[column].parse().map_err(|_| self.bad(column))
    }

    /// The complaint about a column's value.
    pub(crate) fn bad(&self, column: usize) -> ReplayError {
        ReplayError::BadField {
            path: self.path.to_owned(),
            line: self.line,
            name: self.names[column],
            text: self.fields[column].to_owned(),
        }
    }
}

fn read_text(path: &Path) -> Result<String, ReplayError> {
    let failed = |error: std::io::Error| ReplayError::Unreadable {
        path: path.to_owned(),
        error,
    };
    let file = File::open(path).map_err(failed)?;
    let mut text = String::new();
    let read = if path.extension().is_some_and(|extension| extension == "zst") {
        let decoder = ruzstd::decoding::StreamingDecoder::new(file)
            .map_err(|error| failed(std::io::Error::other(error.to_string())))?;
        decoder.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)
    } else {
        file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)
    };
    read.map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let message = format!("more than {FILE_BYTES_MAX} bytes, the limit");
        return Err(failed(std::io::Error::other(message)));
    }
    Ok(text)
}
