//! The runners. Each turns the steps of a vector into calls of the core and compares what comes out.

pub mod deliver;
pub mod frames;
pub mod receive;

use std::collections::BTreeSet;

/// A vector that nobody runs proves nothing.
pub fn assert_all_listed(folder: &str, listed: &[&str]) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/").to_owned() + folder;
    let files = std::fs::read_dir(&path).expect("the folder of vectors");
    let names: BTreeSet<String> = files
        .map(|file| file.expect("an entry").file_name().into_string().expect("a UTF-8 name"))
        .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
        .collect();
    assert_eq!(names, listed.iter().map(|name| (*name).to_owned()).collect());
}

/// Whoever cites a clause cites one that exists.
pub fn assert_clauses(clauses: &[String]) {
    let protocol = include_str!("../../../PROTOCOL.md");
    for clause in clauses {
        assert!(protocol.contains(&format!("**[{clause}]**")), "no clause {clause}");
    }
}
