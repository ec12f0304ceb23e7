//! Rust source to tokens: just enough of the language to tell code from comments, strings and tests.

/// An identifier, or one character of anything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    /// Counted from 1.
    pub line: usize,
}

/// The tokens of `source` without comments and literals.
pub fn of(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut tokens = Vec::new();
    let (mut i, mut line) = (0, 1);
    while i < chars.len() {
        let begun = i;
        match (at(i), at(i + 1)) {
            ('/', '/') => i = until(&chars, i, |i| at(i) == '\n'),
            ('/', '*') => {
                let mut depth = 0;
                loop {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 || i >= chars.len() {
                        break;
                    }
                }
            }
            ('"', _) => i = string_end(&chars, i),
            // A lifetime has no closing quote; a character has one, two on, or an escape.
            ('\'', '\\') => i = until(&chars, i + 3, |i| at(i) == '\'') + 1,
            ('\'', _) if at(i + 2) == '\'' => i += 3,
            (c, _) if c.is_alphanumeric() || c == '_' => {
                i = until(&chars, i, |i| !(at(i).is_alphanumeric() || at(i) == '_'));
                let text: String = chars[begun..i].iter().collect();
                if matches!(text.as_str(), "r" | "br" | "cr") && matches!(at(i), '"' | '#') {
                    i = raw_string_end(&chars, i);
                } else {
                    tokens.push(Token { text, line });
                }
            }
            (c, _) => {
                if !c.is_whitespace() {
                    tokens.push(Token { text: c.into(), line });
                }
                i += 1;
            }
        }
        line += chars[begun..i.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

fn until(chars: &[char], from: usize, stop: impl Fn(usize) -> bool) -> usize {
    (from..chars.len()).find(|i| stop(*i)).unwrap_or(chars.len())
}

fn string_end(chars: &[char], open: usize) -> usize {
    let mut i = open + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

/// `from` is after the `r`: at the hashes, or at the quote.
fn raw_string_end(chars: &[char], from: usize) -> usize {
    let open = until(chars, from, |i| chars[i] != '#');
    let hashes = open - from;
    if chars.get(open) != Some(&'"') {
        // A raw identifier such as r#type.
        return open;
    }
    let closes = |i: usize| {
        chars[i] == '"'
            && chars[i + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
    };
    until(chars, open + 1, closes) + 1 + hashes
}

/// `tokens` without the items under `#[cfg(test)]`.
pub fn without_tests(tokens: &[Token]) -> Vec<Token> {
    const CFG_TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        if starts_with(&tokens[i..], &CFG_TEST) {
            i = item_end(tokens, i + CFG_TEST.len());
        } else {
            kept.push(tokens[i].clone());
            i += 1;
        }
    }
    kept
}

pub fn starts_with(tokens: &[Token], pattern: &[&str]) -> bool {
    tokens.len() >= pattern.len() && tokens.iter().zip(pattern).all(|(t, p)| t.text == *p)
}

/// Past the item that begins at `from`: its closing brace, or its semicolon.
fn item_end(tokens: &[Token], from: usize) -> usize {
    let mut depth = 0usize;
    for (i, token) in tokens.iter().enumerate().skip(from) {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return i + 1;
                }
            }
            ";" if depth == 0 => return i + 1,
            _ => {}
        }
    }
    tokens.len()
}
