//! A folder as an agent's tools see it: text files only, read-only, within bounds, and nothing outside.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Folders that hold what machines made. Whatever begins with a dot is passed over too: it may hold secrets.
const PASSED_OVER: [&str; 4] = ["node_modules", "target", "dist", "pkg"];

/// How much the tools look at. What lies beyond is left out, and the reports say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most files of a folder. Default 2,000.
    pub files: usize,
    /// Deepest level below the root. Default 24.
    pub depth: usize,
    /// Most bytes read of one file. Default 512 KiB.
    pub file_bytes: u64,
    /// Most bytes read by one tool call. Default 32 MiB.
    pub bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { files: 2_000, depth: 24, file_bytes: 512 << 10, bytes: 32 << 20 }
    }
}

/// A folder that exists. Links are not followed.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Without links, so that a path can be checked to lie below it.
    root: PathBuf,
    bounds: Bounds,
}

/// What a folder holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// In the order of their paths.
    pub files: Vec<FoundFile>,
    /// How many folders were entered, the root not counted.
    pub folders: usize,
    /// Whether [`Bounds`] left something out.
    pub cut: bool,
}

/// A file of the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFile {
    /// Relative to the root, with `/` between names.
    pub path: String,
    /// Its size.
    pub bytes: u64,
}

impl Folder {
    /// Fails if `root` is no folder that can be entered.
    pub fn open(root: &Path, bounds: Bounds) -> io::Result<Self> {
        let root = root.canonicalize()?;
        fs::read_dir(&root)?;
        Ok(Self { root, bounds })
    }

    /// Its last name, for people.
    pub fn name(&self) -> String {
        self.root.file_name().map_or_else(|| "/".into(), |name| name.to_string_lossy().into_owned())
    }

    /// All files below the root, but for hidden ones, links, and what machines made. What cannot be read is left out.
    pub fn list(&self) -> io::Result<Listing> {
        let mut listing = Listing::default();
        self.walk(&self.root, 0, &mut listing)?;
        listing.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(listing)
    }

    /// The text of a file that [`list`](Self::list) named; `None` if it is no text. Cut at [`Bounds::file_bytes`].
    pub fn read(&self, path: &str) -> io::Result<Option<String>> {
        let full = self.root.join(path).canonicalize()?;
        if !full.starts_with(&self.root) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the path leaves the folder"));
        }
        let mut bytes = Vec::new();
        File::open(full)?.take(self.bounds.file_bytes).read_to_end(&mut bytes)?;
        let is_text = !bytes.contains(&0);
        Ok(is_text.then(|| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Hands every text file to `each`, as path and text, up to [`Bounds::bytes`] in all.
    pub fn read_all(&self, mut each: impl FnMut(&str, &str)) -> io::Result<()> {
        let mut left = self.bounds.bytes;
        for file in self.list()?.files {
            // A file that vanished or is closed to us since the listing is one that is not there.
            let Ok(Some(text)) = self.read(&file.path) else { continue };
            let Some(rest) = left.checked_sub(text.len() as u64) else { break };
            left = rest;
            each(&file.path, &text);
        }
        Ok(())
    }

    fn walk(&self, folder: &Path, depth: usize, listing: &mut Listing) -> io::Result<()> {
        let mut entries: Vec<_> = fs::read_dir(folder)?.flatten().collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // A link's own type is neither file nor folder: it is not followed.
            let Ok(kind) = entry.file_type() else { continue };
            if name.starts_with('.') || (kind.is_dir() && PASSED_OVER.contains(&&*name)) {
                continue;
            }
            if listing.files.len() == self.bounds.files {
                listing.cut = true;
                return Ok(());
            }
            if kind.is_dir() {
                if depth == self.bounds.depth {
                    listing.cut = true;
                } else if self.walk(&entry.path(), depth + 1, listing).is_ok() {
                    listing.folders += 1;
                }
            } else if kind.is_file() {
                let Ok(meta) = entry.metadata() else { continue };
                listing.files.push(FoundFile { path: self.relative(&entry.path()), bytes: meta.len() });
            }
        }
        Ok(())
    }

    fn relative(&self, path: &Path) -> String {
        let relative = path.strip_prefix(&self.root).expect("the walk stays below the root");
        let names: Vec<_> = relative.iter().map(|name| name.to_string_lossy()).collect();
        names.join("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])], bounds: Bounds) -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let folder = Folder::open(dir.path(), bounds).unwrap();
        (dir, folder)
    }

    fn paths(folder: &Folder) -> Vec<String> {
        folder.list().unwrap().files.into_iter().map(|file| file.path).collect()
    }

    #[test]
    fn hidden_files_and_what_machines_made_are_passed_over() {
        let (_dir, folder) = folder(
            &[
                ("a.rs", b"a"),
                ("src/b.rs", b"b"),
                (".env", b"SECRET"),
                (".git/config", b"c"),
                ("target/debug/x.rs", b"x"),
                ("web/node_modules/y/y.js", b"y"),
            ],
            Bounds::default(),
        );
        assert_eq!(paths(&folder), ["a.rs", "src/b.rs"]);
    }

    #[test]
    fn a_tool_never_leaves_the_folder() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret.txt"), "secret").unwrap();
        let (dir, folder) = folder(&[("a.txt", b"a")], Bounds::default());
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(outside.path(), dir.path().join("way-out")).unwrap();
            std::os::unix::fs::symlink(outside.path().join("secret.txt"), dir.path().join("link.txt")).unwrap();
            assert!(folder.read("link.txt").is_err());
        }
        assert_eq!(paths(&folder), ["a.txt"]);
        let sibling = format!("../{}/secret.txt", outside.path().file_name().unwrap().to_string_lossy());
        assert_eq!(folder.read(&sibling).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert!(folder.read("/etc/hostname").is_err());
        drop(dir);
    }

    #[test]
    fn bounds_hold_and_show() {
        let files: &[(&str, &[u8])] = &[("a", b"1234"), ("b", b"1234"), ("c/d/e", b"1234")];
        let (_dir, few) = folder(files, Bounds { files: 2, ..Bounds::default() });
        let listing = few.list().unwrap();
        assert!(listing.cut && listing.files.len() == 2);

        let (_dir, shallow) = folder(files, Bounds { depth: 1, ..Bounds::default() });
        assert!(shallow.list().unwrap().cut);
        assert_eq!(paths(&shallow), ["a", "b"]);

        let (_dir, short) = folder(files, Bounds { file_bytes: 3, bytes: 7, ..Bounds::default() });
        let mut read = Vec::new();
        short.read_all(|path, text| read.push(format!("{path}:{text}"))).unwrap();
        assert_eq!(read, ["a:123", "b:123"]);
    }

    #[test]
    fn what_is_no_text_is_not_read() {
        let (_dir, folder) = folder(&[("image.png", b"\x89PNG\0\0"), ("latin.txt", b"gr\xfc\xdfe")], Bounds::default());
        assert_eq!(folder.read("image.png").unwrap(), None);
        assert_eq!(folder.read("latin.txt").unwrap().as_deref(), Some("gr\u{fffd}\u{fffd}e"));
    }
}
