//! The agent's errand: get to know a folder. Each thing it says is made from what a tool has just found.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    bridge::{Bridge, BridgeError, RunKey},
    confirmation::Confirmation,
    dispatcher::{Delivery, DispatchError, Dispatcher},
    folder::Folder,
    pieces::pieces,
    run::AgentRun,
    tools::{Count, FileList, Hits, LineCount, Outline, Overview, tools},
    words::{counted, listed, number},
};
use crate::{clock, log::LogError};

/// Most pieces that are appended together when there is no pause between them.
const MAX_APPENDED: usize = 32;

/// What the agent is asked to do, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errand {
    /// In a person's words. It is shown, not understood.
    pub task: String,
    /// What to look for; without it, the name that stands in the code most often.
    pub term: Option<String>,
    /// The pause after each piece of thinking. Zero: as fast as the log takes them.
    pub pace: Duration,
    /// The run goes on, reading one file after the other, until it has emitted so many events.
    pub min_events: u64,
}

/// Does the errand to its end, and ends the stream. With a `confirmation` it waits after each tool until the user has
/// seen what came of it, and says so if nobody has. Fails only if the log does, or if the run is another user's.
pub async fn survey(
    bridge: &Bridge,
    key: RunKey,
    folder: Folder,
    errand: Errand,
    confirmation: Option<Confirmation>,
) -> Result<(), BridgeError> {
    let name = folder.name();
    let started = clock::now();
    let run = bridge.agent_started(key, json!({ "task": errand.task, "folder": name })).await?;
    let (listing, mut tools) = (folder.clone(), tools(folder));
    if let Some(confirmation) = confirmation {
        tools.await_confirmation(confirmation);
    }
    let mut survey = Survey { run: run.clone(), name, listing, tools, pace: errand.pace, step: 0 };
    match run.attended(survey.look(&errand)).await?.transpose()? {
        Some(Ok(summary)) => drop(run.agent_completed(&summary, clock::now().since(started).as_millis()).await?),
        Some(Err(error)) => drop(run.agent_error(&error).await?),
        None => {}
    }
    Ok(run.end().await?)
}

struct Survey {
    run: AgentRun,
    name: String,
    listing: Folder,
    tools: Dispatcher,
    pace: Duration,
    /// Paragraphs so far.
    step: u32,
}

/// Ends the errand early if a tool that everything else needs has failed.
macro_rules! needed {
    ($outcome:expr) => {
        match $outcome {
            Ok(report) => report,
            Err(error) => return Ok(Err(error)),
        }
    };
}

impl Survey {
    /// The outer result is the log's, the inner one the errand's: its summary.
    async fn look(&mut self, errand: &Errand) -> Result<Result<String, String>, LogError> {
        let name = self.name.clone();
        let plan = match &errand.term {
            Some(term) => format!("then I look for “{term}”"),
            None => "then I look for the name that matters most".into(),
        };
        self.say(&format!(
            "I want to get to know {name}: what is in it, how much of what, and what it is about; {plan}."
        ))
        .await?;

        let files: FileList = needed!(self.call("list_files", json!({})).await?);
        self.say(&about_files(&files)).await?;
        if files.files == 0 {
            return Ok(Ok(format!("{name} is empty.")));
        }

        let lines: LineCount = needed!(self.call("count_lines", json!({})).await?);
        self.say(&about_lines(&lines)).await?;

        let overview: Overview = needed!(self.call("summarise", json!({})).await?);
        self.say(&about_overview(&overview)).await?;

        let term = errand.term.clone().or_else(|| Some(overview.names.first()?.name.clone()));
        let mut found = None;
        if let Some(term) = term {
            let hits = needed!(self.call("search", json!({ "term": term })).await?);
            self.say(&about_hits(&hits)).await?;
            found = Some(hits);
        }

        let read = needed!(self.read_on(errand.min_events).await?);
        Ok(Ok(conclusion(&name, &files, &lines, found.as_ref(), read)))
    }

    /// Reads file after file, and from the first again, until the run is long enough. Answers how many it read.
    async fn read_on(&mut self, min_events: u64) -> Result<Result<usize, String>, LogError> {
        let mut read = 0;
        while self.run.events() < min_events {
            let listing = needed!(self.listing.list().map_err(|error| error.to_string()));
            if listing.files.is_empty() {
                break;
            }
            for file in listing.files {
                if self.run.events() >= min_events {
                    return Ok(Ok(read));
                }
                match self.call("outline", json!({ "path": file.path })).await? {
                    Ok(outline) => self.say(&about_outline(&outline)).await?,
                    Err(error) => self.say(&format!("That was no use: {error}. On to the next.")).await?,
                }
                read += 1;
            }
        }
        Ok(Ok(read))
    }

    /// A tool's result, or why there is none, in words.
    async fn call<R: DeserializeOwned>(&mut self, tool: &str, arguments: Value) -> Result<Result<R, String>, LogError> {
        let dispatched = match self.tools.dispatch(&self.run, tool, arguments).await {
            Ok(dispatched) => dispatched,
            Err(DispatchError::Log(error)) => return Err(error),
            Err(error @ DispatchError::UnknownTool(_)) => return Ok(Err(error.to_string())),
        };
        match dispatched.delivery {
            Delivery::NotAppended(error) => return Err(error),
            Delivery::Unconfirmed { .. } => self.say("Nobody has confirmed seeing that; I go on all the same.").await?,
            Delivery::Appended(_) | Delivery::Confirmed { .. } => {}
        }
        Ok(match dispatched.outcome {
            Ok(output) => output.read().map_err(|error| error.to_string()),
            Err(fault) => Err(fault.to_string()),
        })
    }

    /// One paragraph, piece by piece.
    async fn say(&mut self, text: &str) -> Result<(), LogError> {
        self.step += 1;
        let together = if self.pace.is_zero() { MAX_APPENDED } else { 1 };
        for pieces in pieces(text).chunks(together) {
            self.run.agent_thinking(self.step, pieces).await?;
            tokio::time::sleep(self.pace).await;
        }
        Ok(())
    }
}

fn about_files(list: &FileList) -> String {
    if list.files == 0 {
        return "There is nothing in it that I may read.".into();
    }
    let size = number(list.bytes.div_ceil(1000) as usize);
    let files = counted(list.files, "file");
    let folders = counted(list.folders, "folder");
    let cut = if list.cut { " There is more; this is as far as I look." } else { "" };
    format!("It holds {files} in {folders}, {size} KB in all. Most of them: {}.{cut}", top(&list.places, 3))
}

fn about_lines(lines: &LineCount) -> String {
    let Some(first) = lines.languages.first().filter(|first| first.count > 0) else {
        return "None of it is text that I could count.".into();
    };
    let share = first.count * 100 / lines.lines.max(1);
    let rest = match &lines.languages[1..] {
        [] => String::new(),
        rest => format!("; after it come {}", top(rest, 3)),
    };
    format!(
        "That makes {}, of which {} are blank. {} carries {share} % of it{rest}.",
        counted(lines.lines, "line"),
        number(lines.blank),
        first.name
    )
}

fn about_overview(overview: &Overview) -> String {
    let title = match (&overview.title, overview.headings.as_slice()) {
        (Some(title), []) => format!("The README calls it “{title}”."),
        (Some(title), headings) => {
            let headings: Vec<_> = headings.iter().take(4).map(|heading| format!("“{heading}”")).collect();
            format!("The README calls it “{title}” and speaks of {}.", listed(&headings))
        }
        (None, _) => "Nobody wrote a README, so the code has to speak for itself.".into(),
    };
    let longest = match overview.longest.first() {
        Some(file) => format!(" The longest file of code is {} with {}.", file.name, counted(file.count, "line")),
        None => String::new(),
    };
    let names = match overview.names.as_slice() {
        [] => String::new(),
        names => format!(" Of the names that it defines, {} come up most often.", top(names, 3)),
    };
    format!("{title}{longest}{names}")
}

fn about_hits(hits: &Hits) -> String {
    let Some((most, first)) = hits.most.first().zip(hits.excerpts.first()) else {
        return format!("“{}” does not occur anywhere.", hits.term);
    };
    format!(
        "“{}” stands on {} of {}, most of all in {} ({}). The first is line {} of {}: “{}”.",
        hits.term,
        counted(hits.lines, "line"),
        counted(hits.files, "file"),
        most.name,
        number(most.count),
        number(first.line),
        first.path,
        first.text
    )
}

fn about_outline(outline: &Outline) -> String {
    let head = format!("{} is {}, {}", outline.path, outline.language, counted(outline.lines, "line"));
    match (outline.names.as_slice(), outline.more) {
        ([], _) => format!("{head}; it defines nothing that I know how to name."),
        (names, 0) => format!("{head}: {}.", listed(names)),
        (names, more) => format!("{head}: {}, and {more} more.", names.join(", ")),
    }
}

fn conclusion(name: &str, files: &FileList, lines: &LineCount, hits: Option<&Hits>, read: usize) -> String {
    let language = lines.languages.first().map_or("text", |language| &language.name);
    let hits = match hits {
        Some(hits) => format!(", “{}” on {}", hits.term, counted(hits.lines, "line")),
        None => String::new(),
    };
    let read = if read > 0 { format!(", {} read one by one", counted(read, "file")) } else { String::new() };
    let (files, lines) = (counted(files.files, "file"), counted(lines.lines, "line"));
    format!("{name}: {files}, {lines}, mostly {language}{hits}{read}.")
}

/// “a (12), b (3) and c (1)”
fn top(counts: &[Count], most: usize) -> String {
    let counts: Vec<_> =
        counts.iter().take(most).map(|count| format!("{} ({})", count.name, number(count.count))).collect();
    listed(&counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agent::{
            folder::Bounds,
            testing::{Told, read},
        },
        log::{Log, MemoryLog, Retention},
    };
    use ackwire::wire::StreamName;
    use std::{fs, path::Path, sync::Arc};

    async fn do_errand(dir: &Path, errand: Errand) -> Vec<Told> {
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new(Retention::default()));
        let stream = StreamName::new("run:1").unwrap();
        let folder = Folder::open(dir, Bounds::default()).unwrap();
        survey(&Bridge::new(log.clone()), RunKey::new("1", "t", "u").unwrap(), folder, errand, None).await.unwrap();
        assert!(log.tail(&stream).await.unwrap().ended);
        read(&*log, &stream).await
    }

    fn errand() -> Errand {
        Errand { task: "Look".into(), term: None, pace: Duration::ZERO, min_events: 0 }
    }

    fn ducks() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("README.md"), "# Ducks\n\n## Food\n").unwrap();
        fs::write(dir.path().join("pond.rs"), "pub struct PondSize;\nfn f(a: PondSize) {}\n").unwrap();
        dir
    }

    /// Types in order, runs of thinking as one.
    fn outline(events: &[Told]) -> Vec<&str> {
        let mut types: Vec<_> = events.iter().map(|event| event.event_type.as_str()).collect();
        types.dedup();
        types
    }

    fn thoughts(events: &[Told]) -> String {
        let texts = events.iter().filter(|event| event.event_type == "agent_thinking");
        texts.map(|event| event.data["text"].as_str().unwrap()).collect()
    }

    #[tokio::test]
    async fn it_tells_what_its_tools_found() {
        let dir = ducks();
        let events = do_errand(dir.path(), errand()).await;
        let call = ["tool_executing", "tool_completed", "agent_thinking"];
        let expected = [&["agent_started", "agent_thinking"][..], &call, &call, &call, &call, &["agent_completed"]];
        assert_eq!(outline(&events), expected.concat());
        let thoughts = thoughts(&events);
        for found in ["2 files in 0 folders", "5 lines", "“Ducks”", "“Food”", "“PondSize” stands on 2 lines of 1 file"]
        {
            assert!(thoughts.contains(found), "{found} in {thoughts}");
        }
        let summary = events.last().unwrap().data["summary"].as_str().unwrap();
        assert!(summary.ends_with("2 files, 5 lines, mostly Markdown, “PondSize” on 2 lines."), "{summary}");
    }

    #[tokio::test]
    async fn it_looks_for_the_term_it_was_given() {
        let dir = ducks();
        let events = do_errand(dir.path(), Errand { term: Some("goose".into()), ..errand() }).await;
        assert!(thoughts(&events).contains("“goose” does not occur anywhere."));
    }

    #[tokio::test]
    async fn an_empty_folder_is_said_to_be_empty() {
        let dir = tempfile::tempdir().unwrap();
        let events = do_errand(dir.path(), Errand { min_events: 500, ..errand() }).await;
        assert!(events.last().unwrap().data["summary"].as_str().unwrap().ends_with("is empty."));
    }

    #[tokio::test]
    async fn a_folder_that_vanished_ends_in_an_error() {
        let dir = ducks();
        let folder = Folder::open(dir.path(), Bounds::default()).unwrap();
        dir.close().unwrap();
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new(Retention::default()));
        let stream = StreamName::new("run:1").unwrap();
        survey(&Bridge::new(log.clone()), RunKey::new("1", "t", "u").unwrap(), folder, errand(), None).await.unwrap();
        let events = read(&*log, &stream).await;
        assert_eq!(events.last().unwrap().told(), ("agent_error", "high"));
    }

    #[tokio::test]
    async fn a_long_run_is_as_long_as_asked_for() {
        let dir = ducks();
        let events = do_errand(dir.path(), Errand { min_events: 2_000, ..errand() }).await;
        assert!((2_000..2_100).contains(&events.len()), "{}", events.len());
        assert!(thoughts(&events).contains("pond.rs is Rust, 2 lines: PondSize and f."));
    }
}
