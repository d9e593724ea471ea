//! What a person types to leave.

/// What a line means for the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It goes on.
    No,
    /// The quit word: it ends the conversation, and isn't said.
    Word,
    /// `/quit`, with or without a last word, or its French name: it is said, and ends the conversation.
    Command,
}

/// What ends a conversation when it is typed.
#[derive(Debug, Clone, Default)]
pub(super) struct Endings {
    /// The quit word, a whole line.
    pub(super) word: Option<String>,
    /// Whether `/quit` ends it here already: at a terminal. From a pipe it is the hub's affair.
    pub(super) command: bool,
}

impl Endings {
    /// What `line`, without its end, means.
    pub(super) fn of(&self, line: &[u8]) -> Ending {
        if self.word.as_deref().is_some_and(|word| word.as_bytes() == line) {
            return Ending::Word;
        }
        let first = line.split(|&byte| byte == b' ').next().unwrap_or(line);
        let quits = [&b"/quit"[..], b"/quitter"].iter().any(|c| first.eq_ignore_ascii_case(c));
        if self.command && quits { Ending::Command } else { Ending::No }
    }

    /// Whether any line can end the conversation; else lines needn't be looked for.
    pub(super) fn any(&self) -> bool {
        self.command || self.word.is_some()
    }

    /// Whether `line`, which isn't complete, can still become one that ends the conversation.
    pub(super) fn may_become(&self, line: &[u8]) -> bool {
        // A `\r` may be the first half of the line's end.
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        self.word.as_deref().is_some_and(|word| word.as_bytes().starts_with(text))
            || (self.command && (line.starts_with(b"/") || line.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_line_ends_a_conversation() {
        let terminal = Endings { word: Some("fin".to_owned()), command: true };
        let pipe = Endings { word: Some("fin".to_owned()), command: false };
        let cases: &[(&str, Ending, Ending)] = &[
            ("fin", Ending::Word, Ending::Word),
            ("fin ", Ending::No, Ending::No),
            ("Fin", Ending::No, Ending::No),
            ("la fin", Ending::No, Ending::No),
            ("/quit", Ending::Command, Ending::No),
            ("/QUIT à demain", Ending::Command, Ending::No),
            ("/quitter", Ending::Command, Ending::No),
            ("/quitte", Ending::No, Ending::No),
            ("//quit", Ending::No, Ending::No),
            ("quit", Ending::No, Ending::No),
            ("", Ending::No, Ending::No),
        ];
        for &(line, at_terminal, from_pipe) in cases {
            assert_eq!(terminal.of(line.as_bytes()), at_terminal, "{line}");
            assert_eq!(pipe.of(line.as_bytes()), from_pipe, "{line}");
        }
    }
}
