//! Server-sent events, as far as the Messages API uses them: the data of each event. Names, ids
//! and retry hints are skipped. Everything that is kept is bounded.

/// Longest line and longest data of one event, in bytes.
const MAX: usize = 1024 * 1024;

/// The stream holds more than an event may.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream has more than 1 MiB")]
pub(super) struct TooLong;

/// Cuts a stream of bytes into the data of its events.
#[derive(Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    data: Vec<u8>,
    any: bool,
}

impl Parser {
    /// Takes the next bytes; gives the data of each event that they complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, TooLong> {
        let mut events = Vec::new();
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.len() + self.data.len() > MAX {
                return Err(TooLong);
            }
            if piece.ends_with(b"\n") {
                events.extend(self.line_ended());
            }
        }
        Ok(events)
    }

    /// One whole line stands; an empty one ends the event.
    fn line_ended(&mut self) -> Option<Vec<u8>> {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            return std::mem::take(&mut self.any).then_some(data);
        }
        let value = line.strip_prefix(b"data:")?;
        if std::mem::replace(&mut self.any, true) {
            self.data.push(b'\n');
        }
        let value = value.strip_prefix(b" ").unwrap_or(value);
        self.data.extend_from_slice(value);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(stream: &[u8], size: usize) -> Vec<String> {
        let mut parser = Parser::default();
        let mut found = Vec::new();
        for chunk in stream.chunks(size) {
            found.extend(parser.push(chunk).unwrap());
        }
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        found.into_iter().map(text).collect()
    }

    #[test]
    fn events_are_the_same_however_the_stream_is_cut() {
        let stream =
            "event: a\ndata: {\"x\":\"\u{e4}\"}\n\n: ping\n\ndata:1\r\ndata: 2\r\n\r\ndata: cut";
        for size in 1..stream.len() {
            assert_eq!(all(stream.as_bytes(), size), ["{\"x\":\"\u{e4}\"}", "1\n2"]);
        }
    }

    #[test]
    fn a_line_or_an_event_without_end_is_refused() {
        let mut parser = Parser::default();
        assert_eq!(parser.push(&vec![b'x'; MAX + 1]), Err(TooLong));
        let mut parser = Parser::default();
        let many = b"data: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n".repeat(MAX / 30);
        assert_eq!(parser.push(&many), Err(TooLong));
    }
}
