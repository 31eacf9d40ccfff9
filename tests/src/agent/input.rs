//! What is typed and pasted into the terminal, as keys that mean something.

use std::mem;

/// A key, or what several of them made.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// The Enter key, with the text before it; it may be empty.
    Enter(String),
    /// The Escape key.
    Escape,
    /// Control and C.
    Interrupt,
    /// Nothing more will come.
    End,
}

const ESCAPE: u8 = 0x1b;
const PASTE_BEGINS: &[u8] = b"\x1b[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// The line that is being typed.
#[derive(Default)]
pub(super) struct Line {
    text: Vec<u8>,
    /// The beginning of a control sequence whose end is not read yet.
    sequence: Vec<u8>,
    pasting: bool,
}

impl Line {
    /// Takes what one read gave.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Key> {
        // A terminal sends the Escape key alone and a sequence in one piece.
        if bytes == [ESCAPE] && self.sequence.is_empty() && !self.pasting {
            return vec![Key::Escape];
        }
        bytes.iter().filter_map(|b| self.byte(*b)).collect()
    }

    fn byte(&mut self, byte: u8) -> Option<Key> {
        if byte == ESCAPE || !self.sequence.is_empty() {
            self.sequence.push(byte);
            self.end_sequence();
            return None;
        }
        match byte {
            b'\r' | b'\n' if self.pasting => self.text.push(b'\n'),
            b'\t' => self.text.extend(b"    "),
            _ if self.pasting => self.text.push(byte),
            _ => return self.typed(byte),
        }
        None
    }

    fn typed(&mut self, byte: u8) -> Option<Key> {
        match byte {
            b'\r' | b'\n' => return Some(Key::Enter(self.take())),
            0x03 => return Some(Key::Interrupt),
            0x04 if self.text.is_empty() => return Some(Key::End),
            0x15 => self.text.clear(),
            0x7f | 0x08 => self.erase(),
            0x00..=0x1f => {}
            _ => self.text.push(byte),
        }
        None
    }

    /// A sequence ends with its first letter or tilde after `ESC [`; others than pastes mean
    /// nothing here.
    fn end_sequence(&mut self) {
        let ended = match self.sequence.as_slice() {
            [_] | [_, b'[' | b'O'] => false,
            [.., last] => (0x40..=0x7e).contains(last),
            [] => true,
        };
        if ended {
            match mem::take(&mut self.sequence).as_slice() {
                PASTE_BEGINS => self.pasting = true,
                PASTE_ENDS => self.pasting = false,
                _ => {}
            }
        }
    }

    /// Takes the last letter away, with all of its bytes.
    fn erase(&mut self) {
        let continues = |b: u8| b & 0xc0 == 0x80;
        while self.text.pop().is_some_and(continues) {}
    }

    fn take(&mut self) -> String {
        let text = mem::take(&mut self.text);
        String::from_utf8_lossy(&text).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pieces: &[&[u8]]) -> Vec<Key> {
        let mut line = Line::default();
        pieces.iter().flat_map(|p| line.feed(p)).collect()
    }

    #[test]
    fn a_paste_of_many_lines_is_one_text() {
        let keys = all(&[b"\x1b[200~one\rtwo\n\tthree\x1b[2", b"01~", b"\r"]);
        assert_eq!(keys, [Key::Enter("one\ntwo\n    three".to_owned())]);
    }

    #[test]
    fn what_is_typed_can_be_erased() {
        let keys = all(&["aä\x7fb\r".as_bytes()]);
        assert_eq!(keys, [Key::Enter("ab".to_owned())]);
    }

    #[test]
    fn escape_is_a_key_only_when_it_comes_alone() {
        assert_eq!(all(&[b"\x1b"]), [Key::Escape]);
        assert_eq!(all(&[b"\x1b[A\r"]), [Key::Enter(String::new())]);
    }

    #[test]
    fn enter_inside_a_paste_submits_nothing() {
        assert_eq!(all(&[b"\x1b[200~one\r"]), []);
    }
}
