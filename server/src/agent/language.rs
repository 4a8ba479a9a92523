//! Languages, told by the file's name.

use std::path::Path;

/// What a text file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// `.md`
    Markdown,
    /// A programming language, by name.
    Code(&'static str),
    /// Data, markup or style, by name.
    Data(&'static str),
}

/// What stands before a name that is being defined.
const DEFINING: [&str; 14] = [
    "fn",
    "struct",
    "enum",
    "trait",
    "macro_rules!",
    "class",
    "function",
    "function*",
    "def",
    "interface",
    "type",
    "const",
    "func",
    "namespace",
];

/// What may stand before that.
const MODIFIERS: [&str; 8] = ["pub", "pub(crate)", "pub(super)", "export", "default", "async", "static", "abstract"];

impl Language {
    /// By the extension.
    pub fn of(path: &str) -> Self {
        let extension = Path::new(path).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match extension {
            "md" => Self::Markdown,
            "rs" => Self::Code("Rust"),
            "js" | "mjs" | "cjs" | "jsx" => Self::Code("JavaScript"),
            "ts" | "mts" | "tsx" => Self::Code("TypeScript"),
            "py" => Self::Code("Python"),
            "go" => Self::Code("Go"),
            "c" | "h" => Self::Code("C"),
            "cc" | "cpp" | "hpp" => Self::Code("C++"),
            "java" => Self::Code("Java"),
            "kt" => Self::Code("Kotlin"),
            "swift" => Self::Code("Swift"),
            "rb" => Self::Code("Ruby"),
            "php" => Self::Code("PHP"),
            "cs" => Self::Code("C#"),
            "sh" | "bash" => Self::Code("Shell"),
            "sql" => Self::Data("SQL"),
            "html" => Self::Data("HTML"),
            "css" | "scss" => Self::Data("CSS"),
            "toml" => Self::Data("TOML"),
            "json" => Self::Data("JSON"),
            "yaml" | "yml" => Self::Data("YAML"),
            "lock" => Self::Data("lock file"),
            _ => Self::Data("other text"),
        }
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Markdown => "Markdown",
            Self::Code(name) | Self::Data(name) => name,
        }
    }

    /// Whether it is a programming language.
    pub fn is_code(self) -> bool {
        matches!(self, Self::Code(_))
    }

    /// The headings of a Markdown text, or the names that a program defines at the start of a line. A rough reading: it
    /// knows keywords, not grammars.
    pub fn definitions(self, text: &str) -> impl Iterator<Item = &str> {
        text.lines().filter_map(move |line| match self {
            Self::Markdown => line.starts_with('#').then(|| line.trim_matches(['#', ' '])),
            Self::Code(_) => defined(line),
            Self::Data(_) => None,
        })
    }
}

fn defined(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().skip_while(|word| MODIFIERS.contains(word));
    if !DEFINING.contains(&words.next()?) {
        return None;
    }
    let word = words.next()?;
    let end = word.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(word.len());
    (end > 0).then(|| &word[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_found_behind_modifiers() {
        let rust = Language::of("a.rs");
        let text = "pub async fn one<T>() {}\n  struct Two;\nlet fn_like = 1;\npub(crate) const THREE: u8 = 3;\nfn (";
        assert_eq!(rust.definitions(text).collect::<Vec<_>>(), ["one", "Two", "THREE"]);
        let script = Language::of("a.mjs");
        assert_eq!(
            script.definitions("export default class Four {}\nexport function* five() {}").collect::<Vec<_>>(),
            ["Four", "five"]
        );
        assert_eq!(Language::of("x.json").definitions("fn six").count(), 0);
    }

    #[test]
    fn a_file_without_extension_is_other_text() {
        assert_eq!(Language::of("Makefile").name(), "other text");
        assert_eq!(Language::of("a.b/c").name(), "other text");
    }
}
