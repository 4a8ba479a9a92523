//! What the demo's agent can do with a folder. Each tool returns a report that is bounded in size whatever the folder
//! holds; the agent's words are made from these reports.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::Arc,
};

use ackwire::wire::truncate;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    dispatcher::{Dispatcher, Report, blocking},
    folder::Folder,
    language::Language,
    words::{counted, number},
};

/// Most entries of a list in a report.
const MAX_LISTED: usize = 8;

/// Longest excerpt of a file in a report, in bytes.
const MAX_EXCERPT_BYTES: usize = 160;

/// Why a tool has no report.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The folder or the file cannot be read.
    #[error("cannot read the folder: {0}")]
    Unreadable(#[from] io::Error),
    /// The file holds no text.
    #[error("{0} is no text file")]
    NotText(String),
    /// The agent called the tool wrongly.
    #[error("the argument `{0}` is missing")]
    Missing(&'static str),
}

/// What there is, by the top level.
#[derive(Debug, Deserialize, Serialize)]
pub struct FileList {
    /// Files in all.
    pub files: usize,
    /// Folders in all.
    pub folders: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Where most files are: the first name of their path.
    pub places: Vec<Count>,
    /// Whether the folder holds more than was looked at.
    pub cut: bool,
}

/// Lines by language.
#[derive(Debug, Deserialize, Serialize)]
pub struct LineCount {
    /// Lines in all.
    pub lines: usize,
    /// Of these, blank.
    pub blank: usize,
    /// Text files read.
    pub files: usize,
    /// By language, most first.
    pub languages: Vec<Count>,
}

/// Where a term stands.
#[derive(Debug, Deserialize, Serialize)]
pub struct Hits {
    /// What was looked for; capitals do not matter.
    pub term: String,
    /// Lines that hold it.
    pub lines: usize,
    /// Files that hold it.
    pub files: usize,
    /// The files with most such lines.
    pub most: Vec<Count>,
    /// The first such line of each file, of the first files.
    pub excerpts: Vec<Excerpt>,
}

/// One line of a file.
#[derive(Debug, Deserialize, Serialize)]
pub struct Excerpt {
    /// Which file.
    pub path: String,
    /// Which line, from 1.
    pub line: usize,
    /// Its text, trimmed and cut.
    pub text: String,
}

/// What the folder is about.
#[derive(Debug, Deserialize, Serialize)]
pub struct Overview {
    /// The first heading of the README.
    pub title: Option<String>,
    /// Its further headings.
    pub headings: Vec<String>,
    /// The longest files of code, by lines.
    pub longest: Vec<Count>,
    /// Of the names that it defines, those that stand in the code most often.
    pub names: Vec<Count>,
}

/// What one file defines.
#[derive(Debug, Deserialize, Serialize)]
pub struct Outline {
    /// Which file.
    pub path: String,
    /// Its language.
    pub language: String,
    /// Its lines.
    pub lines: usize,
    /// Headings, or the names of what it defines.
    pub names: Vec<String>,
    /// How many more there are.
    pub more: usize,
}

/// A name and how often.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Count {
    /// What was counted.
    pub name: String,
    /// How much of it there is.
    pub count: usize,
}

/// The tools, for work on this folder.
pub fn tools(folder: Folder) -> Dispatcher {
    let folder = Arc::new(folder);
    let mut tools = Dispatcher::default();
    register(&mut tools, &folder, "list_files", |folder, _| list_files(folder));
    register(&mut tools, &folder, "count_lines", |folder, _| count_lines(folder));
    register(&mut tools, &folder, "summarise", |folder, _| summarise(folder));
    register(&mut tools, &folder, "search", |folder, arguments| search(folder, text(arguments, "term")?));
    register(&mut tools, &folder, "outline", |folder, arguments| outline(folder, text(arguments, "path")?));
    tools
}

fn register<R: Report>(
    tools: &mut Dispatcher,
    folder: &Arc<Folder>,
    name: &str,
    tool: fn(&Folder, &Value) -> Result<R, ToolError>,
) {
    let folder = folder.clone();
    tools.register(name, move |arguments| {
        let folder = folder.clone();
        blocking(move || tool(&folder, &arguments))
    });
}

fn text<'a>(arguments: &'a Value, name: &'static str) -> Result<&'a str, ToolError> {
    arguments[name].as_str().ok_or(ToolError::Missing(name))
}

/// Lists what the folder holds.
pub fn list_files(folder: &Folder) -> Result<FileList, ToolError> {
    let listing = folder.list()?;
    let mut places = HashMap::new();
    for file in &listing.files {
        let place = file.path.split_once('/').map_or("(top level)", |(first, _)| first);
        *places.entry(place).or_default() += 1;
    }
    Ok(FileList {
        files: listing.files.len(),
        folders: listing.folders,
        bytes: listing.files.iter().map(|file| file.bytes).sum(),
        places: most(places),
        cut: listing.cut,
    })
}

/// Counts lines by language.
pub fn count_lines(folder: &Folder) -> Result<LineCount, ToolError> {
    let (mut lines, mut blank, mut files) = (0, 0, 0);
    let mut languages = HashMap::new();
    folder.read_all(|path, text| {
        let count = text.lines().count();
        lines += count;
        blank += text.lines().filter(|line| line.trim().is_empty()).count();
        files += 1;
        *languages.entry(Language::of(path).name()).or_default() += count;
    })?;
    Ok(LineCount { lines, blank, files, languages: most(languages) })
}

/// Looks for a term in every line; capitals do not matter.
pub fn search(folder: &Folder, term: &str) -> Result<Hits, ToolError> {
    let wanted = term.to_lowercase();
    let mut lines = 0;
    let mut by_file = HashMap::new();
    let mut excerpts = Vec::new();
    folder.read_all(|path, text| {
        let mut in_file = 0;
        for (index, line) in text.lines().enumerate().filter(|(_, line)| line.to_lowercase().contains(&wanted)) {
            if in_file == 0 && excerpts.len() < MAX_LISTED {
                let text = truncate(line.trim(), MAX_EXCERPT_BYTES).into();
                excerpts.push(Excerpt { path: path.into(), line: index + 1, text });
            }
            in_file += 1;
        }
        if in_file > 0 {
            by_file.insert(path.to_owned(), in_file);
            lines += in_file;
        }
    })?;
    Ok(Hits { term: term.into(), lines, files: by_file.len(), most: most(by_file), excerpts })
}

/// Says what the folder is about: the README's headings, the longest files, the names used most.
pub fn summarise(folder: &Folder) -> Result<Overview, ToolError> {
    let mut headings = Vec::new();
    let mut longest = HashMap::new();
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut defined = HashSet::new();
    folder.read_all(|path, text| {
        let language = Language::of(path);
        if headings.is_empty() && path.eq_ignore_ascii_case("readme.md") {
            headings = Language::Markdown.definitions(text).map(cut_name).collect();
        }
        if language.is_code() {
            longest.insert(path.to_owned(), text.lines().count());
            defined.extend(language.definitions(text).map(str::to_owned));
            for name in identifiers(text) {
                *names.entry(name.to_owned()).or_default() += 1;
            }
        }
    })?;
    // What a library brings says little about the folder.
    names.retain(|name, _| defined.contains(name));
    let mut headings = headings.into_iter();
    Ok(Overview {
        title: headings.next(),
        headings: headings.take(MAX_LISTED).collect(),
        longest: most(longest),
        names: most(names),
    })
}

/// Says what one file defines.
pub fn outline(folder: &Folder, path: &str) -> Result<Outline, ToolError> {
    let text = folder.read(path)?.ok_or_else(|| ToolError::NotText(path.into()))?;
    let language = Language::of(path);
    let mut names: Vec<_> = language.definitions(&text).map(cut_name).collect();
    let more = names.len().saturating_sub(MAX_LISTED);
    names.truncate(MAX_LISTED);
    Ok(Outline { path: path.into(), language: language.name().into(), lines: text.lines().count(), names, more })
}

/// The largest counts, largest first, equal ones by name.
fn most<K: Into<String>>(counts: HashMap<K, usize>) -> Vec<Count> {
    let mut counts: Vec<_> = counts.into_iter().map(|(name, count)| Count { name: name.into(), count }).collect();
    counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    counts.truncate(MAX_LISTED);
    counts
}

fn cut_name(name: &str) -> String {
    truncate(name, MAX_EXCERPT_BYTES).into()
}

/// Names worth counting: made of several words (`max_bytes`, `readAll`, `EventId`), so that keywords and prose stay out.
fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|name| {
        let inner = name.trim_matches('_');
        let snake = inner.contains('_') && inner.bytes().any(|b| b.is_ascii_lowercase());
        let camel =
            inner.as_bytes().windows(2).any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
        (5..=64).contains(&name.len()) && !name.as_bytes()[0].is_ascii_digit() && (snake || camel)
    })
}

impl Report for FileList {
    fn summary(&self) -> String {
        let more = if self.cut { ", and more that was not looked at" } else { "" };
        let (files, folders) = (counted(self.files, "file"), counted(self.folders, "folder"));
        format!("{files} in {folders}, {} KB{more}", number(self.bytes.div_ceil(1000) as usize))
    }
}

impl Report for LineCount {
    fn summary(&self) -> String {
        format!("{} in {}", counted(self.lines, "line"), counted(self.files, "text file"))
    }
}

impl Report for Hits {
    fn summary(&self) -> String {
        format!("“{}” on {} of {}", self.term, counted(self.lines, "line"), counted(self.files, "file"))
    }
}

impl Report for Overview {
    fn summary(&self) -> String {
        let names = counted(self.names.len(), "frequent name");
        match &self.title {
            Some(title) => format!("README titled “{title}”; {names}"),
            None => format!("no README; {names}"),
        }
    }
}

impl Report for Outline {
    fn summary(&self) -> String {
        let names = counted(self.names.len() + self.more, "definition");
        format!("{}: {}, {names}", self.path, counted(self.lines, "line"))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::folder::Bounds, *};
    use std::{fs, path::Path};

    fn sample() -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).unwrap();
            fs::write(path, text).unwrap();
        };
        write("README.md", "# Ducks\n\nAbout them.\n\n## Food\n\n## Ponds\n");
        write("src/lib.rs", "//! Ducks.\npub struct PondSize;\n\npub fn feed_duck(pond: PondSize) {}\nfn rest() {}\n");
        write("src/web.js", "export function feedDuck() {}\nclass Pond {}\n// feed_duck\n");
        write("blob.bin", "\0\0\0");
        let folder = Folder::open(dir.path(), Bounds::default()).unwrap();
        (dir, folder)
    }

    fn count(name: &str, count: usize) -> Count {
        Count { name: name.into(), count }
    }

    #[test]
    fn files_are_listed_by_place() {
        let (_dir, folder) = sample();
        let list = list_files(&folder).unwrap();
        assert_eq!((list.files, list.folders, list.cut), (4, 1, false));
        assert_eq!(list.places, [count("(top level)", 2), count("src", 2)]);
    }

    #[test]
    fn lines_are_counted_by_language_without_what_is_no_text() {
        let (_dir, folder) = sample();
        let lines = count_lines(&folder).unwrap();
        assert_eq!((lines.lines, lines.blank, lines.files), (15, 4, 3));
        assert_eq!(lines.languages, [count("Markdown", 7), count("Rust", 5), count("JavaScript", 3)]);
    }

    #[test]
    fn a_search_counts_lines_and_ignores_capitals() {
        let (_dir, folder) = sample();
        let hits = search(&folder, "DUCK").unwrap();
        assert_eq!((hits.lines, hits.files), (5, 3));
        assert_eq!(hits.most[0], count("src/lib.rs", 2));
        assert_eq!((hits.excerpts[0].path.as_str(), hits.excerpts[0].line), ("README.md", 1));
        assert_eq!(search(&folder, "goose").unwrap().lines, 0);
    }

    #[test]
    fn a_summary_takes_headings_long_files_and_frequent_names() {
        let (_dir, folder) = sample();
        let overview = summarise(&folder).unwrap();
        assert_eq!(overview.title.as_deref(), Some("Ducks"));
        assert_eq!(overview.headings, ["Food", "Ponds"]);
        assert_eq!(overview.longest[0], count("src/lib.rs", 5));
        assert_eq!(overview.names, [count("PondSize", 2), count("feed_duck", 2), count("feedDuck", 1)]);
    }

    #[test]
    fn an_outline_names_what_a_file_defines() {
        let (_dir, folder) = sample();
        assert_eq!(outline(&folder, "src/lib.rs").unwrap().names, ["PondSize", "feed_duck", "rest"]);
        assert_eq!(outline(&folder, "src/web.js").unwrap().names, ["feedDuck", "Pond"]);
        assert!(matches!(outline(&folder, "blob.bin"), Err(ToolError::NotText(_))));
        assert!(matches!(outline(&folder, "gone.rs"), Err(ToolError::Unreadable(_))));
    }

    #[test]
    fn reports_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..40 {
            let line = format!("fn needle_{n}() {{ {} }}\n", "x".repeat(400));
            fs::write(dir.path().join(format!("{n}.rs")), line.repeat(30)).unwrap();
        }
        let folder = Folder::open(dir.path(), Bounds::default()).unwrap();
        let hits = serde_json::to_string(&search(&folder, "needle").unwrap()).unwrap();
        let overview = serde_json::to_string(&summarise(&folder).unwrap()).unwrap();
        let outline = serde_json::to_string(&outline(&folder, "1.rs").unwrap()).unwrap();
        for report in [hits, overview, outline] {
            assert!(report.len() < 4_000, "{}", report.len());
        }
    }
}
