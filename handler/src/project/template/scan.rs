//! Jinja's text, cut into pieces before minijinja sees it: to find macros, tests and doc blocks, and to make list and
//! map literals changeable, as they are in Python (`{% do columns.append(name) %}`).

use std::fmt::Write as _;

/// What a piece of a template is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text, comments and `raw` blocks: stands as it is.
    Text,
    /// `{{ ... }}`
    Expression,
    /// `{% ... %}`
    Statement,
}

/// A piece with its delimiters, and the line it begins on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) line: usize,
}

impl<'a> Piece<'a> {
    /// What stands between the delimiters.
    pub(super) fn inner(&self) -> &'a str {
        let inner = self.text.get(2..self.text.len().saturating_sub(2)).unwrap_or_default();
        inner.trim_matches(['-', '+']).trim()
    }

    /// The first word of a statement: `macro`, `endif` ...
    pub(super) fn word(&self) -> &'a str {
        if self.kind != Kind::Statement {
            return "";
        }
        let inner = self.inner();
        inner.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or("")
    }
}

/// A block of a file: `{% macro name(...) %} ... {% endmacro %}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// `macro`, `test`, `docs`, `materialization`, `snapshot`.
    pub(super) word: String,
    pub(super) name: String,
    pub(super) line: usize,
    /// The opening statement as it stands, to be rewritten.
    pub(super) opening: String,
    /// What stands between the opening and the closing statement.
    pub(super) body: String,
    /// The closing statement as it stands.
    pub(super) closing: String,
}

/// Cuts a template. The error is a line and what is wrong there.
pub(super) fn pieces(source: &str) -> Result<Vec<Piece<'_>>, (usize, String)> {
    let (mut found, mut rest, mut line) = (Vec::new(), source, 1);
    let mut raw = false;
    while !rest.is_empty() {
        let (kind, length) = if raw { raw_text(rest) } else { next_piece(rest, line)? };
        let piece = Piece { kind, text: &rest[..length], line };
        raw = !raw && piece.word() == "raw";
        line += piece.text.matches('\n').count();
        rest = &rest[length..];
        found.push(piece);
    }
    Ok(found)
}

/// The text up to `{% endraw %}`, or all of it.
fn raw_text(rest: &str) -> (Kind, usize) {
    let mut from = 0;
    while let Some(start) = rest[from..].find("{%").map(|start| start + from) {
        let inner = rest[start + 2..].trim_start_matches(['-', '+']).trim_start();
        if inner.starts_with("endraw") {
            return if start == 0 { (Kind::Statement, statement_length(rest)) } else { (Kind::Text, start) };
        }
        from = start + 2;
    }
    (Kind::Text, rest.len())
}

fn statement_length(rest: &str) -> usize {
    rest.find("%}").map_or(rest.len(), |end| end + 2)
}

fn next_piece(rest: &str, line: usize) -> Result<(Kind, usize), (usize, String)> {
    let unclosed = |what: &str| (line, format!("{what} is never closed"));
    match rest.get(..2) {
        Some("{#") => match rest.find("#}") {
            Some(end) => Ok((Kind::Text, end + 2)),
            None => Err(unclosed("a comment `{#`")),
        },
        Some("{{") => match close(rest, "}}") {
            Some(end) => Ok((Kind::Expression, end)),
            None => Err(unclosed("`{{`")),
        },
        Some("{%") => match close(rest, "%}") {
            Some(end) => Ok((Kind::Statement, end)),
            None => Err(unclosed("`{%`")),
        },
        _ => {
            let starts = ["{{", "{%", "{#"].iter().filter_map(|start| rest.find(start));
            Ok((Kind::Text, starts.min().unwrap_or(rest.len())))
        }
    }
}

/// Where the piece ends that begins here: strings are skipped, braces are counted.
fn close(rest: &str, closing: &str) -> Option<usize> {
    let (mut quote, mut escaped, mut depth) = (None, false, 0usize);
    for (index, letter) in rest.char_indices().skip(2) {
        match (quote, letter) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if open == letter => quote = None,
            (None, '\'' | '"') => quote = Some(letter),
            (None, _) if depth == 0 && rest[index..].starts_with(closing) => return Some(index + 2),
            (None, '{') => depth += 1,
            (None, '}') => depth = depth.saturating_sub(1),
            (Some(_) | None, _) => {}
        }
    }
    None
}

/// The blocks of a file that begin with one of the words; blocks in blocks belong to the outer one.
pub(super) fn blocks(source: &str, words: &[&str]) -> Result<Vec<Block>, (usize, String)> {
    let (mut found, mut open): (Vec<Block>, Option<(Block, usize)>) = (Vec::new(), None);
    for piece in pieces(source)? {
        let word = piece.word();
        open = match open {
            None if words.contains(&word) => Some((opened(&piece), 0)),
            None => None,
            Some((mut block, 0)) if word == format!("end{}", block.word) => {
                piece.text.clone_into(&mut block.closing);
                found.push(block);
                None
            }
            Some((mut block, depth)) => {
                block.body.push_str(piece.text);
                let deeper = usize::from(word == block.word);
                let closed = usize::from(word == format!("end{}", block.word));
                Some((block, depth + deeper - closed))
            }
        };
    }
    match open {
        Some((block, _)) => Err((block.line, format!("`{{% {} {} %}}` is never closed", block.word, block.name))),
        None => Ok(found),
    }
}

fn opened(piece: &Piece<'_>) -> Block {
    let word = piece.word();
    let after = piece.inner()[word.len()..].trim_start();
    let name = after.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next();
    Block {
        word: word.to_owned(),
        name: name.unwrap_or_default().to_owned(),
        line: piece.line,
        opening: piece.text.to_owned(),
        body: String::new(),
        closing: String::new(),
    }
}

/// The template with every list and map literal made a changeable one; lines stay where they are.
pub(super) fn changeable(source: &str) -> Result<String, (usize, String)> {
    let mut out = String::with_capacity(source.len());
    for piece in pieces(source)? {
        match piece.kind {
            Kind::Text => out.push_str(piece.text),
            Kind::Expression | Kind::Statement => rewrite(piece.text, &mut out),
        }
    }
    Ok(out)
}

/// Words after which `[` begins a list and not an index.
const KEYWORDS: [&str; 17] = [
    "in", "if", "else", "elif", "and", "or", "not", "is", "set", "for", "do", "call", "macro", "test", "filter",
    "with", "return",
];

fn rewrite(text: &str, out: &mut String) {
    let (mut closers, mut after_value) = (Vec::new(), false);
    let mut rest = &text[2..text.len() - 2];
    out.push_str(&text[..2]);
    while let Some(letter) = rest.chars().next() {
        let mut length = letter.len_utf8();
        match letter {
            '\'' | '"' => {
                length = string_length(rest, letter);
                after_value = true;
                out.push_str(&rest[..length]);
            }
            '[' | '{' => {
                let index = letter == '[' && after_value;
                let function = if letter == '[' { "__list(" } else { "__dict(" };
                let _ = write!(out, "{}{letter}", if index { "" } else { function });
                closers.push(if index { "" } else { ")" });
                after_value = false;
            }
            ']' | '}' => {
                let _ = write!(out, "{letter}{}", closers.pop().unwrap_or_default());
                after_value = true;
            }
            _ if letter.is_alphanumeric() || letter == '_' => {
                let end = rest.find(|other: char| !other.is_alphanumeric() && other != '_');
                length = end.unwrap_or(rest.len());
                after_value = !KEYWORDS.contains(&&rest[..length]);
                out.push_str(&rest[..length]);
            }
            _ => {
                after_value = letter == ')' || (letter.is_whitespace() && after_value);
                out.push(letter);
            }
        }
        rest = &rest[length..];
    }
    out.push_str(&text[text.len() - 2..]);
}

/// The length of a string literal with its quotes.
fn string_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (index, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return index + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_become_changeable_and_indexes_stay() {
        for (source, expected) in [
            ("{% set x = [] %}", "{% set x = __list([]) %}"),
            ("{{ x[0] }}", "{{ x[0] }}"),
            ("{{ f(a)[0] + [1][0] }}", "{{ f(a)[0] + __list([1])[0] }}"),
            ("{% for a in ['[', x] %}", "{% for a in __list(['[', x]) %}"),
            ("{{ {'a': {'b': 1}} }}", "{{ __dict({'a': __dict({'b': 1})}) }}"),
            ("{{ '[' }} [x] {# [y] #}", "{{ '[' }} [x] {# [y] #}"),
            ("{% raw %}{{ [1] }}{% endraw %}{{ [1] }}", "{% raw %}{{ [1] }}{% endraw %}{{ __list([1]) }}"),
        ] {
            assert_eq!(changeable(source).unwrap(), expected, "{source}");
        }
    }

    #[test]
    fn blocks_are_found_with_their_lines() {
        let source = "-- x\n{% macro a(b=[]) -%}\n{{ b }}{% endmacro %}\n{%- test c(model) %}d{% endtest -%}";
        let found = blocks(source, &["macro", "test"]).unwrap();
        let seen: Vec<_> = found.iter().map(|block| (block.name.as_str(), block.line, block.body.as_str())).collect();
        assert_eq!(seen, [("a", 2, "\n{{ b }}"), ("c", 4, "d")]);
    }

    #[test]
    fn an_unclosed_block_names_its_line() {
        let error = blocks("\n{% macro a() %}", &["macro"]).unwrap_err();
        assert_eq!(error, (2, "`{% macro a %}` is never closed".to_owned()));
    }
}
