//! Where log lines go.

use std::io::{self, Write};

/// stderr without the control characters from U+0080 to U+009F, which some terminals obey and which neither form of log
/// lines escapes: they are written as `\u009b`, as JSON would.
pub struct Harmless;

impl Write for Harmless {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let is_second_set = |character: char| ('\u{80}'..='\u{9f}').contains(&character);
        if text.contains(is_second_set) {
            let escape = |character: char| match is_second_set(character) {
                true => format!("\\u{:04x}", u32::from(character)),
                false => character.into(),
            };
            io::stderr().write_all(text.chars().map(escape).collect::<String>().as_bytes())?;
        } else {
            io::stderr().write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
