//! Rust text with everything blanked that only looks like code: comments and literals.
//!
//! Not a parser: enough to tell words of the language from words about it.
//!
//! **Invariant:** what is blanked becomes spaces, byte for byte, so that places stay what they were.

use std::ops::Range;

/// The code of one file.
pub(crate) struct Code {
    /// As long as the text it was read from.
    pub(crate) text: String,
    /// What stood in quotes, without them.
    pub(crate) literals: Vec<String>,
}

enum Token {
    Code,
    Comment,
    /// Lengths of what opens and closes it.
    Literal(usize, usize),
}

impl Code {
    pub(crate) fn read(text: &str) -> Self {
        let mut code = Self {
            text: String::with_capacity(text.len()),
            literals: Vec::new(),
        };
        let mut at = 0;
        let mut marks = Marks::new(text);
        while let Some(mark) = marks.next(at) {
            // What stands before it is plain code, up to the letters that belong to a raw string.
            let begins = raw_begin(text, at, mark);
            let rest = text.get(begins..).unwrap_or_default();
            let (token, length) = next_token(rest);
            code.text.push_str(text.get(at..begins).unwrap_or_default());
            let (piece, _) = rest.split_at(length);
            match token {
                Token::Code => code.text.push_str(piece),
                Token::Comment => code.text.push_str(&blank(piece)),
                Token::Literal(open, close) => {
                    let inner = piece.get(open..length - close).unwrap_or_default();
                    code.literals.push(inner.to_owned());
                    code.text.push_str(&blank(piece));
                }
            }
            at = begins + length;
        }
        code.text.push_str(text.get(at..).unwrap_or_default());
        code
    }

    /// The code without its unit tests.
    pub(crate) fn product(&self) -> String {
        let mut text = self.text.clone();
        for tests in tests_in(&self.text) {
            let blanked = blank(text.get(tests.clone()).unwrap_or_default());
            text.replace_range(tests, &blanked);
        }
        text
    }

    /// The unit tests without the code.
    pub(crate) fn unit_tests(&self) -> String {
        let mut text = blank(&self.text);
        for tests in tests_in(&self.text) {
            let kept = self.text.get(tests.clone()).unwrap_or_default();
            text.replace_range(tests, kept);
        }
        text
    }
}

pub(crate) fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Every word of the code with the place where it begins.
pub(crate) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    code.split(|c: char| !is_word(c)).filter_map(move |word| {
        let begins = at;
        // What separates two words may be wider than a byte.
        let end = at + word.len();
        at = end + code.get(end..)?.chars().next().map_or(0, char::len_utf8);
        (!word.is_empty()).then_some((begins, word))
    })
}

/// As [`words`], of those alone that begin with one of these: most rules look for few in a long text.
pub(crate) fn words_from<'c>(code: &'c str, beginnings: &[&str]) -> Vec<(usize, &'c str)> {
    let mut found = Vec::new();
    for beginning in beginnings {
        for (at, _) in code.match_indices(beginning) {
            let (front, word) = code.split_at(at);
            let end = word.find(|c| !is_word(c)).unwrap_or(word.len());
            if !front.ends_with(is_word) {
                found.push((at, word.get(..end).unwrap_or_default()));
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// What follows a word that begins at `at`, white space apart.
pub(crate) fn after<'c>(code: &'c str, at: usize, word: &str) -> &'c str {
    code.get(at + word.len()..).unwrap_or_default().trim_start()
}

/// What precedes the place `at`, white space apart.
pub(crate) fn before(code: &str, at: usize) -> &str {
    code.get(..at).unwrap_or_default().trim_end()
}

/// The line of a place, counted from 1.
pub(crate) fn line(code: &str, at: usize) -> usize {
    1 + before_exactly(code, at).matches('\n').count()
}

/// Where the brace that opens at `open` is closed; the end of the text if it is not.
pub(crate) fn closing_brace(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    let tail = code.get(open..).unwrap_or_default();
    for (at, brace) in tail.match_indices(['{', '}']) {
        match brace {
            "{" => depth += 1,
            _ => depth = depth.saturating_sub(1),
        }
        if depth == 0 {
            return open + at + 1;
        }
    }
    code.len()
}

fn before_exactly(code: &str, at: usize) -> &str {
    code.get(..at).unwrap_or_default()
}

fn blank(text: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| " ".repeat(line.len()))
        .collect();
    lines.join("\n")
}

/// Items under `#[cfg(test)]`, the attribute included.
fn tests_in(code: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for attribute in ["#[cfg(test)]", "#[cfg(all(test"] {
        for (at, _) in code.match_indices(attribute) {
            if !found.iter().any(|range| range.contains(&at)) {
                found.push(at..item_end(code, at));
            }
        }
    }
    found
}

/// Where the item ends of which an attribute stands at `at`.
pub(crate) fn item_end(code: &str, at: usize) -> usize {
    let mut brackets = 0_usize;
    let tail = code.get(at..).unwrap_or_default();
    for (place, c) in tail.char_indices().map(|(place, c)| (at + place, c)) {
        match c {
            '[' | '(' => brackets += 1,
            ']' | ')' => brackets = brackets.saturating_sub(1),
            ';' if brackets == 0 => return place + 1,
            '{' if brackets == 0 => return closing_brace(code, place),
            '}' if brackets == 0 => return place,
            _ => {}
        }
    }
    code.len()
}

/// What a comment or a literal begins with, or what it has behind the letters of a raw string.
const MARKS: [char; 3] = ['"', '\'', '/'];

/// Where the marks of a text are. Each kind is looked for by itself, with what finds a character
/// fastest, and not again before the place where it was found has been passed.
struct Marks<'t> {
    text: &'t str,
    next: [Option<usize>; 3],
}

impl<'t> Marks<'t> {
    fn new(text: &'t str) -> Self {
        let next = MARKS.map(|mark| text.find(mark));
        Self { text, next }
    }

    /// The first mark from `at` on.
    fn next(&mut self, at: usize) -> Option<usize> {
        for (next, mark) in self.next.iter_mut().zip(MARKS) {
            if next.is_some_and(|next| next < at) {
                let rest = self.text.get(at..).unwrap_or_default();
                *next = rest.find(mark).map(|found| at + found);
            }
        }
        self.next.into_iter().flatten().min()
    }
}

/// Where the literal begins whose quote is at `quote`: before it, if it is a raw string, and nowhere
/// before `at`.
fn raw_begin(text: &str, at: usize, quote: usize) -> usize {
    let front = text.get(at..quote).unwrap_or_default();
    let word = front.trim_end_matches('#');
    let Some(letters) = word.strip_suffix('r') else {
        return quote;
    };
    let letters = letters.strip_suffix(['b', 'c']).unwrap_or(letters);
    if text.as_bytes().get(quote) != Some(&b'"') || letters.ends_with(is_word) {
        return quote;
    }
    at + letters.len()
}

fn next_token(rest: &str) -> (Token, usize) {
    if rest.starts_with("//") {
        return (Token::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Token::Comment, block_comment(rest));
    }
    if rest.starts_with('"') {
        return (Token::Literal(1, 1), quoted(rest, '"'));
    }
    if let Some(hashes) = raw_hashes(rest) {
        let open = rest.find('"').unwrap_or_default() + 1;
        let close = format!("\"{}", "#".repeat(hashes));
        let body = rest.get(open..).unwrap_or_default();
        let length = body
            .find(&close)
            .map_or(rest.len(), |end| open + end + close.len());
        return (Token::Literal(open, close.len()), length);
    }
    if let Some(length) = character(rest) {
        return (Token::Literal(1, 1), length);
    }
    (Token::Code, rest.chars().next().map_or(1, char::len_utf8))
}

/// The length of a comment that may hold others.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(tail) = rest.get(at..).filter(|tail| !tail.is_empty()) {
        if tail.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if tail.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += tail.chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The length of a literal in `quote`s, in which a backslash escapes.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// How many hashes a raw string has that begins here.
fn raw_hashes(rest: &str) -> Option<usize> {
    let prefix = rest.strip_prefix(['b', 'c']).unwrap_or(rest);
    let hashes = prefix.strip_prefix('r')?;
    let quote = hashes.trim_start_matches('#');
    quote.starts_with('"').then(|| hashes.len() - quote.len())
}

/// The length of a character literal; `None` for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('\'')?;
    let first = inner.chars().next()?;
    if first == '\\' {
        return Some(quoted(rest, '\''));
    }
    let tail = inner.get(first.len_utf8()..)?;
    tail.starts_with('\'').then(|| first.len_utf8() + 2)
}

#[test]
fn comments_and_literals_are_no_code() {
    for (text, code) in [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        ("a(\"b \\\" c\") d", "a(        ) d"),
        ("a(r#\"b \" c\"#) d", "a(          ) d"),
        ("a(br\"\\\") d", "a(     ) d"),
        ("bar\"b\" c", "bar    c"),
        ("'a' + '\\'' + 'ä' + b'\"'", "    +      +      + b   "),
        ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
        ("r#type /", "r#type /"),
        ("\"b // c\nd\" e", "       \n   e"),
        ("a \"b", "a   "),
    ] {
        assert_eq!(Code::read(text).text, code, "{text}");
    }
    let literals = Code::read("f(\"a\", r#\"b\"#, 'c') // \"d\"").literals;
    assert_eq!(literals, ["a", "b", "c"]);
}

#[test]
fn unit_tests_are_told_from_the_product() {
    let text = "fn a() {}\n#[cfg(test)]\n#[expect(x)]\nmod tests {\n fn b() {}\n}\nfn c() {}\n\
                #[cfg(test)]\nmod more;\n#[cfg(all(test, unix))]\nfn d(_: [u8; 2]) { {} }\nfn e() {}";
    let code = Code::read(text);
    let defined = |code: &str| -> Vec<String> {
        words(code)
            .filter(|(at, _)| before(code, *at).ends_with("fn"))
            .map(|(_, word)| word.to_owned())
            .collect()
    };
    assert_eq!(defined(&code.product()), ["a", "c", "e"]);
    assert_eq!(defined(&code.unit_tests()), ["b", "d"]);
    assert!(!code.product().contains("more"));
    assert_eq!(code.product().len(), text.len());
    assert_eq!(line(&code.product(), text.find("fn e").unwrap()), 12);
}

#[test]
fn words_stand_where_they_begin() {
    let code = "a::bc\u{2026}d_1";
    for (at, word) in words(code) {
        assert!(code[at..].starts_with(word), "{at} {word}");
    }
    assert_eq!(
        words(code).map(|(_, word)| word).collect::<Vec<_>>(),
        ["a", "bc", "d_1"]
    );
}

#[test]
fn words_are_found_by_how_they_begin() {
    let code = "select(a) unselect\n  select_all; sel r#select";
    let all = [(0, "select"), (21, "select_all"), (39, "select")];
    assert_eq!(words_from(code, &["select", "select_"]), all);
    assert_eq!(words_from("", &["a"]), []);
}
