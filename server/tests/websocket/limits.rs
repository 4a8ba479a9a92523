//! 9 limits. 256 KiB is the largest message that the server takes [section 8 of `PROTOCOL.md`].

use super::case::{
    CONTINUATION, FIN, QUESTION,
    Says::{Answer, Close},
    TEXT, case, check, fragments, frame, head, question, text,
};

const MOST: usize = 256 * 1024;
const TOO_LARGE: &[super::case::Says] = &[Close(Some(4413))];

#[tokio::test]
async fn large_messages_are_taken_up_to_the_limit() {
    let large = question(MOST);
    let parts = |bytes: usize| fragments(large.as_bytes().chunks(bytes));
    check([
        case("9.1.1", "64 KiB", text(question(64 * 1024)), &[Answer]),
        case("9.1.2", "256 KiB, in pieces too (9.5)", text(&large), &[Answer]),
        case("9.3.1", "256 KiB in fragments of 64 bytes", parts(64), &[Answer]),
        case("9.3.2", "256 KiB in fragments of 256 bytes", parts(256), &[Answer]),
        case("9.3.3", "256 KiB in fragments of 1 KiB", parts(1024), &[Answer]),
        case("9.3.4", "256 KiB in fragments of 4 KiB", parts(4096), &[Answer]),
        case("9.3.5", "256 KiB in fragments of 64 KiB", parts(65_536), &[Answer]),
        case("9.7.1", "1,000 messages at once", text(QUESTION).repeat(1000), &vec![Answer; 1000]),
    ])
    .await;
}

#[tokio::test]
async fn larger_ones_are_refused() {
    let over = question(MOST + 1);
    check([
        case("9.1.3", "1 MiB", text(question(1024 * 1024)), TOO_LARGE),
        case("+9.1", "a byte more than the limit", text(&over), TOO_LARGE),
        case("+9.1", "a byte more than the limit, in fragments", fragments(over.as_bytes().chunks(1000)), TOO_LARGE),
        case("9.3.9", "1 MiB in fragments", fragments(question(1 << 20).as_bytes().chunks(16_384)), TOO_LARGE),
        case(
            "+9.1",
            "no end of fragments",
            [frame(TEXT, "["), frame(CONTINUATION, [b' '; 8192]).repeat(80)].concat(),
            TOO_LARGE,
        ),
        // Nothing of it has come yet.
        case("+9.1", "8 GiB are declared", declared(8 << 30), TOO_LARGE),
        case("+9.1", "the largest declared length", declared(i64::MAX as u64), TOO_LARGE),
    ])
    .await;
}

/// A text of which there is the head only, with its mask.
fn declared(length: u64) -> Vec<u8> {
    [head(FIN | TEXT, length, true), vec![0; 4]].concat()
}

/// RFC 6455 wants the shortest length encoding from the sender, and the library does not ask for it: the text comes
/// through. Autobahn does not ask either.
#[tokio::test]
async fn a_longer_length_encoding_than_needed_is_taken() {
    let masked = frame(FIN | TEXT, QUESTION);
    let payload = &masked[2..];
    let long = [&[FIN | TEXT, 0x80 | 126, 0, QUESTION.len() as u8], payload].concat();
    let longer = [&[FIN | TEXT, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, QUESTION.len() as u8], payload].concat();
    check([case("+", "16 bits", long, &[Answer]), case("+", "64 bits", longer, &[Answer])]).await;
}
