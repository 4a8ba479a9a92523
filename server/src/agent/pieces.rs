//! Text as a model streams it: a few characters at a time, with the space before a word in the word's first piece.

/// Longest piece, in characters.
const MAX_PIECE: usize = 6;

/// The pieces of `text`; together they are the text.
pub fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut length = 0;
    let mut after_space = true;
    for (index, character) in text.char_indices() {
        let new_word = character.is_whitespace() && !after_space;
        if new_word || length == MAX_PIECE {
            pieces.push(&text[start..index]);
            (start, length) = (index, 0);
        }
        after_space = character.is_whitespace();
        length += 1;
    }
    if start < text.len() {
        pieces.push(&text[start..]);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_their_space_and_long_ones_are_cut() {
        assert_eq!(pieces("There are 12 files"), ["There", " are", " 12", " files"]);
        assert_eq!(pieces("confirmation"), ["confir", "mation"]);
        assert_eq!(pieces(""), Vec::<&str>::new());
    }

    #[test]
    fn together_they_are_the_text() {
        for text in ["  two  spaces ", "“größer” — 1,234\nnew line", "\u{1f986}".repeat(20).as_str()] {
            assert_eq!(pieces(text).concat(), text);
        }
    }
}
