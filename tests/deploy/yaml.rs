//! Reads the plain YAML that `deploy/` is written in: mappings, sequences, scalars, literal blocks, lists on one line, several
//! documents. What is not that is an error: then the file is to be written plainer.

use serde_json::{Map, Value};

/// The documents of a text.
pub fn documents(text: &str) -> Vec<Value> {
    let mut documents = Vec::new();
    for part in text.split("\n---\n") {
        let lines = part.lines().map(str::to_owned).collect();
        let mut reader = Reader { lines, at: 0 };
        let Some((indent, _)) = reader.peek() else {
            continue;
        };
        documents.push(reader.block(indent));
        assert_eq!(reader.peek(), None, "everything is read");
    }
    documents
}

struct Reader {
    lines: Vec<String>,
    at: usize,
}

impl Reader {
    /// The next line that says something: how far it is indented, and what it says.
    fn peek(&mut self) -> Option<(usize, String)> {
        while let Some(line) = self.lines.get(self.at) {
            let text = without_comment(line);
            if !text.trim().is_empty() {
                assert!(!line.contains('\t'), "no tabs: {line}");
                let indent = text.len() - text.trim_start().len();
                return Some((indent, text.trim().to_owned()));
            }
            self.at += 1;
        }
        None
    }

    fn block(&mut self, indent: usize) -> Value {
        let (found, text) = self.peek().expect("a block has lines");
        assert_eq!(found, indent, "line {}: {text}", self.at + 1);
        if text.starts_with("- ") {
            self.sequence(indent)
        } else {
            self.mapping(indent)
        }
    }

    fn mapping(&mut self, indent: usize) -> Value {
        let mut mapping = Map::new();
        while let Some((found, text)) = self.peek() {
            if found < indent || text.starts_with("- ") {
                break;
            }
            assert_eq!(found, indent, "line {}: {text}", self.at + 1);
            let (key, rest) = entry(&text).unwrap_or_else(|| panic!("no key: {text}"));
            self.at += 1;
            let value = match rest {
                "" => self.below(indent),
                "|" => self.literal(indent),
                rest => scalar(rest),
            };
            let before = mapping.insert(key.trim_matches('"').to_owned(), value);
            assert_eq!(before, None, "{key} is there twice");
        }
        Value::Object(mapping)
    }

    fn sequence(&mut self, indent: usize) -> Value {
        let mut sequence = Vec::new();
        while let Some((found, text)) = self.peek() {
            let Some(item) = text.strip_prefix("- ").filter(|_| found == indent) else {
                assert!(found <= indent, "line {}: {text}", self.at + 1);
                break;
            };
            if entry(item).is_some() {
                self.lines[self.at] = format!("{}{item}", " ".repeat(indent + 2));
                sequence.push(self.mapping(indent + 2));
            } else {
                self.at += 1;
                sequence.push(scalar(item));
            }
        }
        Value::Array(sequence)
    }

    /// What belongs to a key that has nothing on its own line.
    fn below(&mut self, indent: usize) -> Value {
        match self.peek() {
            Some((found, _)) if found > indent => self.block(found),
            Some((found, text)) if found == indent && text.starts_with("- ") => {
                self.sequence(indent)
            }
            _ => Value::Null,
        }
    }

    fn literal(&mut self, indent: usize) -> Value {
        let mut text = String::new();
        let mut margin = None;
        while let Some(line) = self.lines.get(self.at) {
            let own = line.len() - line.trim_start().len();
            if !line.trim().is_empty() && own <= indent {
                break;
            }
            if !line.trim().is_empty() {
                margin.get_or_insert(own);
            }
            text += line.get(margin.unwrap_or(0)..).unwrap_or("");
            text.push('\n');
            self.at += 1;
        }
        Value::String(text)
    }
}

/// A key and what follows it.
fn entry(text: &str) -> Option<(&str, &str)> {
    if let Some(key) = text.strip_suffix(':') {
        return Some((key, ""));
    }
    let (key, rest) = text.split_once(": ")?;
    let plain = |it: char| it.is_ascii_alphanumeric() || "-_./\"".contains(it);
    key.chars().all(plain).then(|| (key, rest.trim()))
}

fn scalar(text: &str) -> Value {
    let quoted = text.starts_with('"') && text.ends_with('"');
    if quoted || text.starts_with('[') || text == "{}" {
        return serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    assert!(
        !text.starts_with(['{', '&', '*', '\'', '>', '%', '@']),
        "plainer: {text}"
    );
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "null" => Value::Null,
        // An octal number is one in YAML, and none in JSON.
        number if !number.starts_with('0') || number == "0" => number
            .parse::<u64>()
            .map_or_else(|_| number.into(), Value::from),
        other => other.into(),
    }
}

fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    for (at, it) in line.char_indices() {
        match it {
            '"' => quoted = !quoted,
            '#' if !quoted && (at == 0 || line[..at].ends_with(' ')) => {
                return &line[..at];
            }
            _ => {}
        }
    }
    line
}

#[test]
fn what_is_written_plainly_is_read() {
    let text = "a: 1 # one\nb:\n  - c: \"x: y\"\n    d: [\"e\", \"f\"]\n  - g\nh: |\n  i\n   j\n---\nk:\n- l\n";
    let read = documents(text);
    let first = serde_json::json!({
        "a": 1, "b": [{"c": "x: y", "d": ["e", "f"]}, "g"], "h": "i\n j\n"
    });
    assert_eq!(read, [first, serde_json::json!({"k": ["l"]})]);
}
