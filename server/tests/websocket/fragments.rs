//! 5 fragmentation.

use super::case::{
    CONTINUATION, FIN, PING, PONG, QUESTION,
    Says::{Answer, Close, Pong},
    TEXT, case, check, fragments, frame, ping, text,
};

#[tokio::test]
async fn messages_come_in_fragments() {
    let (one, two) = QUESTION.split_at(7);
    let (two, three) = two.split_at(3);
    let (start, middle, end) = (|| frame(TEXT, one), || frame(CONTINUATION, two), || frame(FIN | CONTINUATION, three));
    let pongs = |count: usize| vec![Pong(b"p".to_vec()); count];
    check([
        case("5.3", "two, in pieces too (5.4, 5.5)", fragments([one, &QUESTION[7..]]), &[Answer]),
        case(
            "5.6",
            "a ping between",
            [start(), ping("p"), middle(), end()].concat(),
            &[pongs(1), vec![Answer]].concat(),
        ),
        case("5.19", "five fragments, two pings", five_with_pings(), &[pongs(2), vec![Answer]].concat()),
        case("6.1.1", "an empty text in fragments", fragments(["", "", ""]), &[Close(Some(4400))]),
        case("6.1.2", "only the middle has something", fragments(["", QUESTION, ""]), &[Answer]),
        case("+", "each byte a fragment", fragments(QUESTION.as_bytes().chunks(1)), &[Answer]),
        case("+", "a pong between", [start(), frame(FIN | PONG, "p"), middle(), end()].concat(), &[Answer]),
        case("+", "two messages in fragments", fragments([one, &QUESTION[7..]]).repeat(2), &[Answer, Answer]),
    ])
    .await;
}

fn five_with_pings() -> Vec<u8> {
    let parts: Vec<&str> = [0, 3, 6, 9, 12].map(|at| &QUESTION[at..(at + 3).min(QUESTION.len())]).to_vec();
    let fragments: Vec<Vec<u8>> = [
        frame(TEXT, parts[0]),
        frame(CONTINUATION, parts[1]),
        ping("p"),
        frame(CONTINUATION, parts[2]),
        frame(CONTINUATION, parts[3]),
        ping("p"),
        frame(FIN | CONTINUATION, parts[4]),
    ]
    .to_vec();
    fragments.concat()
}

#[tokio::test]
async fn fragments_that_belong_nowhere_are_refused() {
    let (one, rest) = QUESTION.split_at(7);
    let refused = &[Close(Some(1002))];
    let whole = || fragments([one, rest]);
    let after = |bad: Vec<u8>| [whole(), bad, text(QUESTION)].concat();
    check([
        case("5.1", "a ping in fragments", [frame(PING, "a"), frame(FIN | CONTINUATION, "b")].concat(), refused),
        case("5.2", "a pong in fragments", [frame(PONG, "a"), frame(FIN | CONTINUATION, "b")].concat(), refused),
        case("5.9", "a last one without a first", [frame(FIN | CONTINUATION, one), text(QUESTION)].concat(), refused),
        case("5.12", "one without a first", [frame(CONTINUATION, one), text(QUESTION)].concat(), refused),
        case("5.15", "a last one after the last", after(frame(FIN | CONTINUATION, "x")), &[Answer, Close(Some(1002))]),
        case("+5.15", "one after the last", after(frame(CONTINUATION, "x")), &[Answer, Close(Some(1002))]),
        case("5.18", "a new text in the middle", [frame(TEXT, one), text(rest)].concat(), refused),
        case("+5.18", "a new fragmented text in the middle", [frame(TEXT, one), frame(TEXT, rest)].concat(), refused),
    ])
    .await;
}
