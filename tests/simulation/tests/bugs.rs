//! The bugs of `npm run seeded-bugs` can be put in: what one would change is there, and once. Whether each is caught takes
//! that command.

use std::path::Path;

#[test]
fn every_seeded_bug_has_its_place() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text =
        |path: &Path| std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let bugs: Vec<serde_json::Value> = serde_json::from_str(&text(&here.join("bugs.json"))).expect("a list");
    assert!(bugs.len() >= 15);
    for bug in &bugs {
        let [name, file, find, put] = ["name", "file", "find", "put"].map(|field| bug[field].as_str().expect(field));
        let places = text(&here.join("../..").join(file)).matches(find).count();
        assert_eq!(places, 1, "`{name}` in {file}: update it");
        assert_ne!(find, put, "`{name}` changes nothing");
    }
}
