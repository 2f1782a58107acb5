//! Lists as CSV (RFC 4180), page after page, so that a long one is never in memory as a whole.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;

use super::error::ApiError;

/// Pages that may wait for a slow reader.
const PAGES_MAX: usize = 2;

/// A page of rows, and where the next one begins.
pub type CsvPage<T> = Result<(Vec<T>, Option<u64>), ApiError>;

/// A file of rows. `page` gives those after a cursor; it is called until there is no next one, and may wait for a disk.
pub fn file<T: Serialize + Send + 'static>(
    name: &str,
    columns: &'static [&'static str],
    mut page: impl FnMut(Option<u64>) -> CsvPage<T> + Send + 'static,
) -> Response {
    let (sender, receiver) = mpsc::channel::<Bytes>(PAGES_MAX);
    tokio::task::spawn_blocking(move || {
        let mut text = format!("{}\r\n", columns.join(","));
        let mut cursor = None;
        loop {
            let (rows, next) = match page(cursor) {
                Ok(page) => page,
                Err(error) => {
                    // A file that is cut off must not be taken for a whole one.
                    text.push_str(&format!("\"error: {}\"\r\n", error.body().text));
                    (Vec::new(), None)
                }
            };
            for row in &rows {
                push_row(&mut text, columns, row);
            }
            let bytes = Bytes::from(std::mem::take(&mut text));
            if sender.blocking_send(bytes).is_err() || next.is_none() {
                return;
            }
            cursor = next;
        }
    });
    let body = Body::from_stream(Pages(receiver));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/csv; charset=utf-8; header=present"),
    );
    let disposition = format!("attachment; filename=\"{name}.csv\"");
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

struct Pages(mpsc::Receiver<Bytes>);

impl futures_core::Stream for Pages {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|page| page.map(Ok))
    }
}

fn push_row(text: &mut String, columns: &[&str], row: &impl Serialize) {
    let Ok(Value::Object(row)) = serde_json::to_value(row) else {
        return;
    };
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        match row.get(*column) {
            Some(Value::String(value)) => push_field(text, value),
            None | Some(Value::Null) => {}
            Some(value) => push_field(text, &value.to_string()),
        }
    }
    text.push_str("\r\n");
}

/// A field that no spreadsheet takes for a formula.
fn push_field(text: &mut String, value: &str) {
    let is_number = value.parse::<rust_decimal::Decimal>().is_ok();
    let is_formula = value.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number;
    if !is_formula && !value.contains(['"', ',', '\r', '\n']) {
        text.push_str(value);
        return;
    }
    text.push('"');
    if is_formula {
        text.push('\'');
    }
    text.push_str(&value.replace('"', "\"\""));
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, value: &str) -> String {
        let mut text = String::new();
        push_row(
            &mut text,
            &["name", "value", "absent"],
            &serde_json::json!({"value": value, "name": name}),
        );
        text
    }

    #[test]
    fn fields_are_quoted_when_they_must_be() {
        assert_eq!(row("a", "-1.50"), "a,-1.50,\r\n");
        assert_eq!(
            row("a,b", "say \"x\"\n"),
            "\"a,b\",\"say \"\"x\"\"\n\",\r\n"
        );
    }

    #[test]
    fn a_formula_is_text() {
        assert_eq!(row("=1+1", "@x"), "\"'=1+1\",\"'@x\",\r\n");
    }
}
