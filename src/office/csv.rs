//! Lists as CSV (RFC 4180), page after page, so that a long one is never in memory as a whole.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::error::ApiError;

/// Pages that may wait for a slow reader.
const PAGES_MAX: usize = 2;
/// How long a reader may take until there is room for the next page.
const PAGE_TIME: Duration = Duration::from_secs(30);

/// A page of rows, and where the next one begins.
pub type CsvPage<T> = Result<(Vec<T>, Option<u64>), ApiError>;

/// A file of rows. `page` gives those after a cursor; it is called until there is no next one, and may wait for a disk.
pub fn file<T: Serialize + Send + 'static>(
    name: &str,
    columns: &'static [&'static str],
    page: impl FnMut(Option<u64>) -> CsvPage<T> + Send + 'static,
) -> Response {
    let body = Body::from_stream(pages(columns, page, PAGE_TIME));
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

/// Makes the file's pages, in a task of its own.
fn pages<T: Serialize + Send + 'static>(
    columns: &'static [&'static str],
    mut page: impl FnMut(Option<u64>) -> CsvPage<T> + Send + 'static,
    page_time: Duration,
) -> Pages {
    let (sender, receiver) = mpsc::channel(PAGES_MAX);
    tokio::spawn(async move {
        let mut text = format!("{}\r\n", columns.join(","));
        let mut cursor = None;
        loop {
            // Whoever waits for the reader has nothing of the store, and no thread.
            let read = spawn_blocking(move || (page(cursor), page)).await;
            let Ok((read, again)) = read else {
                return;
            };
            page = again;
            let (rows, next) = match read {
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
            let sent = timeout(page_time, sender.send(Some(bytes))).await;
            if !matches!(sent, Ok(Ok(()))) {
                return;
            }
            if next.is_none() {
                let _ = timeout(page_time, sender.send(None)).await;
                return;
            }
            cursor = next;
        }
    });
    Pages(receiver)
}

/// Pages, and nothing behind the last one. Without that the file is not whole, and its connection ends as one that has failed.
struct Pages(mpsc::Receiver<Option<Bytes>>);

impl futures_core::Stream for Pages {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let cut_off = || io::Error::from(io::ErrorKind::TimedOut);
        let page = self.0.poll_recv(cx);
        page.map(|page| page.ok_or_else(cut_off).transpose())
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

    async fn next(pages: &mut Pages) -> Option<io::Result<Bytes>> {
        std::future::poll_fn(|cx| futures_core::Stream::poll_next(Pin::new(&mut *pages), cx)).await
    }

    #[tokio::test]
    async fn a_file_has_all_its_pages() {
        let page = |after: Option<u64>| {
            let next = after.unwrap_or(0) + 1;
            Ok((
                vec![serde_json::json!({"n": next})],
                (next < 5).then_some(next),
            ))
        };
        let mut pages = pages(&["n"], page, PAGE_TIME);
        let mut text = Vec::new();
        while let Some(page) = next(&mut pages).await {
            text.extend_from_slice(&page.expect("it is whole"));
        }
        assert_eq!(text, b"n\r\n1\r\n2\r\n3\r\n4\r\n5\r\n");
    }

    #[tokio::test]
    async fn a_reader_that_stops_is_left_and_has_no_whole_file() {
        let endless = |_| Ok((vec![serde_json::json!({"n": 1})], Some(1)));
        let mut pages = pages(&["n"], endless, Duration::from_millis(20));
        assert!(matches!(next(&mut pages).await, Some(Ok(_))));
        while !pages.0.is_closed() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for _ in 0..PAGES_MAX {
            assert!(matches!(next(&mut pages).await, Some(Ok(_))));
        }
        assert!(matches!(next(&mut pages).await, Some(Err(_))));
    }
}
